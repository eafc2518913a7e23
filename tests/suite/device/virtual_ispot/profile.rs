//! The image that `mtdkeep image --simulate` writes, believed by a kernel: once
//! boot stub and kernel are in it, it starts from address 0 of the chip.

use super::{device, run, virtual_ispot};
use crate::cli::support::{mtdkeep, text, unwrapped};
use mtd_harness::format::jffs2::{self, Content};
use mtd_virtual_device::BootFrom;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// The one from the command line is the one that the other tests use.
#[test]
fn the_image_is_the_profiles() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flash.bin");
    mtdkeep()
        .args(["image", "--simulate", "--seed", "4", "--output"])
        .arg(&file)
        .assert()
        .code(0);
    assert!(std::fs::read(file).unwrap() == device().chip_bytes(0));
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn the_image_boots_and_a_kernel_believes_it() {
    let ispot = virtual_ispot();
    let mut ispot = ispot.boot_from(BootFrom::Flash).get("/mnt/backup");
    let steps = run(
        &mut ispot,
        "step table cat /proc/mtd
step list mtdkeep list
mkdir /tmp/root
mount -t jffs2 -o ro /dev/mtdblock3 /tmp/root || exit 9
cd /tmp/root; step files sh -c 'find . -type f -exec sha256sum {} \\;'; cd /
umount /tmp/root
mount -t tmpfs t /mnt
step backup mtdkeep backup -o /mnt/backup
step device mtdkeep verify --device /mnt/backup",
    );
    let device = device();

    // Partitions, and what the kernel thinks of them, are the simulation's.
    assert_eq!(steps.expect("table", 0).stdout, device.system.proc_mtd());
    let console = &steps.outcome.console;
    let from = "11 RedBoot partitions found on MTD device ";
    assert!(console.contains(from), "{console}");
    let start = console.find("Creating 11 MTD partitions on").unwrap();
    let log = device.system.log();
    assert_eq!(
        log.iter().filter(|l| l.contains("force read-only")).count(),
        2
    );
    let kernels = console[start..].lines().take(log.len());
    for (kernels, ours) in kernels.zip(&log) {
        // The driver's name of the chip is the board's.
        let ours = ours.replace("simulated-nor.0", "pxa2xx-flash.0");
        assert_eq!(kernels, ours);
    }
    let simulated = mtdkeep().args(["list", "--simulate"]).assert().code(0);
    let simulated = unwrapped(text(&simulated.get_output().stdout));
    assert_eq!(steps.expect("list", 0).stdout, simulated);
    assert_eq!(simulated.matches("read-only\n").count(), 4, "{simulated}");

    // The root file system mounts and holds the files that were put in.
    let rootfs = jffs2::check(&device.partition_bytes(3), 0x2_0000);
    assert_eq!(rootfs.problems, []);
    let mut expected: Vec<String> = Vec::new();
    for (path, entry) in &rootfs.files {
        if let Content::File(bytes) = &entry.content {
            expected.push(format!("{}  ./{path}", hex(&Sha256::digest(bytes))));
        }
    }
    expected.sort();
    let files = steps.expect("files", 0).stdout;
    let mut found: Vec<_> = files.lines().map(String::from).collect();
    found.sort();
    assert!(found.len() > 20, "{} files", found.len());
    assert_eq!(found, expected);

    // What is backed up of the running device is its chip, boot stub and all.
    let _ = steps.expect("backup", 0);
    let _ = steps.expect("device", 0);
    let all: Vec<u32> = (0..11).collect();
    super::assert_images(&steps, "/mnt/backup", ispot.chip(), &all);
    super::assert_chip_untouched(&ispot, &[0..0x4_0000, 0x6_0000..0x18_0000]);
    assert!(ispot.chip()[..0x4_0000] != device.chip_bytes(0)[..0x4_0000]);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
