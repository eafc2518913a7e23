//! Scripts and tools that were written for real devices.

use crate::support::{Bench, bench, bench_with, text};
use mtd_harness::profile::IspotBuilder;
use mtd_harness::sandbox::{Sandbox, Version};
use rstest::rstest;

const SCRIPT: &str = include_str!("../../fixtures/sandbox/copy_all.sh");

#[rstest]
#[ignore = "needs bash"]
#[case::bash("bash", &[])]
#[ignore = "needs busybox-static"]
#[case::busybox("busybox", &["sh"])]
fn the_script_copies_every_partition_with_a_node(#[case] program: &str, #[case] first: &[&str]) {
    let bench = bench();
    std::fs::write(bench.file("script"), SCRIPT).unwrap();
    let args = [first, &["script"]].concat();
    let outcome = bench.run(program, &args);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert_eq!(
        text(&outcome.stdout).lines().count(),
        10,
        "mtd10 has no node"
    );
    for index in 0..10 {
        let copy = std::fs::read(bench.file(&format!("copies/part{index}.bin"))).unwrap();
        assert!(copy == bench.flash(index), "mtd{index}");
    }
    assert!(bench.file("copies/index.html").exists());
}

#[test]
#[ignore = "needs mtd-utils"]
fn mtdinfo_tells_the_device() {
    let told = bench().ok("PATH=$PATH:/usr/sbin mtdinfo /dev/mtd3");
    for line in [
        "Name:                           rootfs",
        "Type:                           nor",
        "Eraseblock size:                131072 bytes, 128.0 KiB",
        "Amount of eraseblocks:          48 (6291456 bytes, 6.0 MiB)",
        "Character device major/minor:   90:6",
        "Bad blocks are allowed:         false",
        "Device is writable:             true",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    let all = bench().ok("PATH=$PATH:/usr/sbin mtdinfo");
    assert!(all.contains("Count of MTD devices:           11"), "{all}");
    let debug = bench().ok("PATH=$PATH:/usr/sbin mtd_debug info /dev/mtd3");
    assert!(
        debug.contains("MTD_NORFLASH") && debug.contains("mtd.erasesize = 131072"),
        "{debug}"
    );
}

#[test]
#[ignore = "needs mtd-utils"]
fn flash_erase_and_flashcp_write_a_partition() {
    let bench = bench();
    bench.ok("PATH=$PATH:/usr/sbin flash_erase -q /dev/mtd7 0 0");
    assert!(bench.flash(7).iter().all(|byte| *byte == 0xFF));
    let image: Vec<u8> = (0..0x20000u32).map(|index| (index * 7) as u8).collect();
    std::fs::write(bench.file("image"), &image).unwrap();
    bench.ok("PATH=$PATH:/usr/sbin flashcp image /dev/mtd8");
    assert!(bench.flash(8) == image);
    bench.ok("PATH=$PATH:/usr/sbin mtd_debug erase /dev/mtd8 0 0x20000 2>/dev/null && mtd_debug write /dev/mtd8 16 512 image >/dev/null && mtd_debug read /dev/mtd8 0 600 back > /dev/null");
    let back = std::fs::read(bench.file("back")).unwrap();
    assert!(back[..16] == [0xFF; 16] && back[16..528] == image[..512] && back[528..] == [0xFF; 72]);
    let refused = bench.fails("PATH=$PATH:/usr/sbin flash_erase /dev/mtd9 0 0");
    assert!(refused.contains("ermission denied"), "{refused}");
}

#[test]
#[ignore = "needs mtd-utils"]
fn nanddump_and_nandwrite_work_on_nor() {
    let bench = bench();
    let outcome = bench.sh("PATH=$PATH:/usr/sbin nanddump -f dump /dev/mtd7");
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert!(std::fs::read(bench.file("dump")).unwrap() == bench.flash(7));
}

/// A chip whose erase blocks are locked at first, as some are at power-up.
fn locked() -> Bench {
    let device = IspotBuilder::new(1).locked().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::builder(device.clone()).map("/var/wwwroot", folder.path());
    Bench {
        device,
        sandbox: sandbox.build().unwrap(),
        folder,
    }
}

#[test]
#[ignore = "needs mtd-utils"]
fn flash_unlock_lets_erase() {
    let bench = locked();
    let refused = bench.sh("PATH=$PATH:/usr/sbin flash_erase -q /dev/mtd7 0 0");
    assert!(
        text(&refused.stderr).contains("Read-only file system"),
        "{}",
        text(&refused.stderr)
    );
    bench.ok("PATH=$PATH:/usr/sbin flash_unlock /dev/mtd7 && flash_erase -q /dev/mtd7 0 0 && flash_lock /dev/mtd7");
    assert!(bench.flash(7).iter().all(|byte| *byte == 0xFF));
    let refused = bench.sh("printf '\\0' > /dev/mtd7");
    assert!(!refused.status.success());
}

#[test]
#[ignore = "needs mtd-utils"]
fn lsmtd_lists_what_there_is() {
    let listed = bench().ok("PATH=$PATH:/usr/sbin lsmtd");
    assert!(
        listed.contains("mtd3") && listed.contains("rootfs"),
        "{listed}"
    );
}

/// A static program of another machine.
#[test]
#[ignore = "needs qemu-user-static, and MTDKEEP_ARM_BUSYBOX to name a BusyBox for ARM"]
fn a_foreign_program_under_qemu_sees_the_device() {
    let busybox = std::env::var("MTDKEEP_ARM_BUSYBOX").expect("it names a BusyBox for ARM");
    let old = Version::new(2, 6, 24);
    for kernel in [None, Some(old)] {
        let bench = bench_with(|builder| match kernel {
            Some(version) => builder.kernel(version),
            None => builder,
        });
        let line = "[[ -c /dev/mtd1 ]] && dd if=/dev/mtd1 of=a 2>/dev/null && printf '\\0' > /dev/mtd7 && cat /proc/mtd && echo /dev/mtd1*";
        let outcome = bench.run("qemu-arm-static", &[&busybox, "sh", "-c", line]);
        let seen = text(&outcome.stdout);
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
        assert_eq!(
            seen,
            bench.device.system.proc_mtd() + "/dev/mtd1 /dev/mtd1ro\n"
        );
        assert!(std::fs::read(bench.file("a")).unwrap() == bench.flash(1));
        assert_eq!(bench.flash(7)[0], 0);
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
#[ignore = "needs perl"]
fn an_old_kernel_answers_enosys_to_later_calls() {
    let old = |patch| Version::new(2, 6, patch);
    // perl's syscall() makes any call; 293 is pipe2, here with O_CLOEXEC.
    let line = "$b = \"\\0\" x 8; syscall(293, $b, 02000000) == 0 or print 0 + $!, \"\\n\"; print \"done\\n\"";
    for (version, expected) in [(old(24), "38\ndone\n"), (old(27), "done\n")] {
        let bench = bench_with(|builder| builder.kernel(version));
        let outcome = bench.run("perl", &["-e", line]);
        assert_eq!(text(&outcome.stdout), expected, "{}", text(&outcome.stderr));
    }
}
