//! The printed script where something goes wrong: a full disk, bad flash, a torn
//! table, a signal.

use crate::capture::import::{assert_code, manifest, run_import};
use crate::capture::support::{Bench, shown, small};
use crate::cli::support::signals_at_start;
use crate::cli::support::{mtdkeep, text};
use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

const ALL: [u32; 4] = [0, 1, 2, 3];

/// dd that stores so many bytes of one image, and then says that the disk is full.
fn failing_dd(image: &str, bytes: u64) -> String {
    format!(
        "dd() {{
case \"$*\" in
    *of=*/{image}.part*)
        for word in \"$@\"; do case $word in if=*) i=${{word#if=}} ;; of=*) o=${{word#of=}} ;; esac; done
        head -c {bytes} \"$i\" >\"$o\"
        echo 'dd: No space left on device' >&2
        return 1 ;;
esac
command dd \"$@\"
}}
"
    )
}

#[rstest]
#[case::sh(&["sh"])]
#[ignore = "needs bash"]
#[case::bash(&["bash"])]
#[ignore = "needs busybox-static"]
#[case::busybox(&["busybox", "ash"])]
fn a_full_disk_leaves_nothing_behind(#[case] shell: &[&str]) {
    for (image, bytes) in [("mtd0.bin", 0), ("mtd1.bin", 1), ("mtd3.bin", 4095)] {
        let bench = Bench::new(small(1));
        let mut command = bench.command_with(shell, &[], &failing_dd(image, bytes));
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(4), "{}", shown(&output));
        assert!(
            text(&output.stderr).contains("is it full?"),
            "{}",
            shown(&output)
        );
        assert!(
            text(&output.stderr).contains("was removed"),
            "{}",
            shown(&output)
        );
        assert!(!bench.folder().exists());
    }
}

#[rstest]
#[case::sh(&["sh"])]
#[ignore = "needs bash"]
#[case::bash(&["bash"])]
#[ignore = "needs busybox-static"]
#[case::busybox(&["busybox", "ash"])]
fn a_short_file_is_caught_even_if_dd_says_nothing(#[case] shell: &[&str]) {
    let bench = Bench::new(small(1));
    let quiet = failing_dd("mtd1.bin", 0x1_ffff).replace("return 1", "return 0");
    let mut command = bench.command_with(shell, &[], &quiet);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", shown(&output));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("131072") && stderr.contains("131071"),
        "{stderr}"
    );
    assert!(!bench.folder().exists());
}

#[rstest]
#[case::sh(&["sh"])]
#[ignore = "needs bash"]
#[case::bash(&["bash"])]
#[ignore = "needs busybox-static"]
#[case::busybox(&["busybox", "ash"])]
fn flash_that_cannot_be_read_costs_one_partition(#[case] shell: &[&str]) {
    let bench = Bench::new(small(1));
    let dd = "dd() { case \"$*\" in *dev/mtd1*) return 1 ;; esac\ncommand dd \"$@\"; }\n";
    let mut command = bench.command_with(shell, &[], dd);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    assert!(text(&output.stderr).contains("reading the flash failed"));
    bench.assert_images(&bench.folder(), &[0, 2, 3]);
    assert!(!bench.folder().join("mtd1.bin.part").exists());
}

/// What can be read is kept: what the owner needs may be at its start. mtd0 has two
/// erase blocks of 128 KiB.
#[rstest]
#[case::sh(&["sh"])]
#[ignore = "needs bash"]
#[case::bash(&["bash"])]
#[ignore = "needs busybox-static"]
#[case::busybox(&["busybox", "ash"])]
fn what_can_be_read_of_a_bad_partition_is_kept(
    #[case] shell: &[&str],
    #[values(false, true)] by_ecc: bool,
) {
    let bench = Bench::new(small(1));
    // Of what ECC could not correct, dd hears nothing: the kernel counts it.
    let count = bench.tree.root().join("sys/class/mtd/mtd0/ecc_failures");
    let counting = "dd() {
command dd \"$@\" || return 1
case \"$*\" in
    *dev/mtd0*skip=0*) ;;
    *dev/mtd0*)
        read -r n <\"$ROOT/sys/class/mtd/mtd0/ecc_failures\"
        echo $((n + 3)) >\"$ROOT/sys/class/mtd/mtd0/ecc_failures\" ;;
esac
}
";
    if by_ecc {
        fs::create_dir_all(count.parent().unwrap()).unwrap();
        fs::write(&count, "5\n").unwrap();
    }
    let failing = "dd() {
case \"$*\" in
    *dev/mtd0*skip=1*) return 1 ;;
    *dev/mtd0*skip=*) ;;
    *dev/mtd0*) return 1 ;;
esac
command dd \"$@\"
}
";
    let dd = if by_ecc { counting } else { failing };
    let output = bench
        .command_with(shell, &["--read-again"], dd)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    let stderr = text(&output.stderr);
    assert_eq!(
        stderr.contains("cannot be read, by ECC; they are zeros"),
        by_ecc,
        "{stderr}"
    );
    let says = format!("mtd0 (RedBoot): {} of its {}", 0x20000, 0x40000);
    assert!(stderr.contains(&says), "{stderr}");
    bench.assert_images(&bench.folder(), &[1, 2, 3]);
    assert!(!bench.folder().join("mtd0.bin.block").exists());
    let target = bench.outer.path().join("backup");
    let output = run_import(&bench.folder(), &target, &[]);
    assert_code(&output, 3);
    let image = fs::read(target.join("mtd0.bin")).unwrap();
    let flash = bench.device.partition_bytes(0);
    assert!(image[..0x20000] == flash[..0x20000]);
    assert!(image[0x20000..].iter().all(|byte| *byte == 0xff));
    let holes = &manifest(&target)["images"][0]["unreadable"];
    assert_eq!(holes[0]["offset_bytes"], 0x20000, "{holes}");
    assert_eq!(holes[0]["length_bytes"], 0x20000, "{holes}");
    mtdkeep().arg("verify").arg(&target).assert().code(3);
}

#[rstest]
#[case::sh(&["sh"])]
#[ignore = "needs bash"]
#[case::bash(&["bash"])]
#[ignore = "needs busybox-static"]
#[case::busybox(&["busybox", "ash"])]
fn a_second_reading_that_differs_is_told(#[case] shell: &[&str]) {
    let bench = Bench::new(small(1));
    // Reading to a pipe is the second reading.
    let dd = "dd() { case \"$*\" in *of=*) ;; *mtd2*) echo changed; return 0 ;; esac\ncommand dd \"$@\"; }\n";
    let mut command = bench.command_with(shell, &["--read-again"], dd);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", shown(&output));
    bench.assert_images(&bench.folder(), &ALL);
    let record = fs::read_to_string(bench.folder().join("capture.txt")).unwrap();
    assert!(record.contains("image mtd2 126976 differs\n"), "{record}");
    assert!(record.contains("image mtd3 4096 same\n"), "{record}");
}

#[rstest]
#[case::sh(&["sh"])]
#[ignore = "needs bash"]
#[case::bash(&["bash"])]
#[ignore = "needs busybox-static"]
#[case::busybox(&["busybox", "ash"])]
fn without_md5sum_it_says_so(#[case] shell: &[&str]) {
    let bench = Bench::new(small(1));
    let stub = "md5sum() { return 127; }\n";
    let mut command = bench.command_with(shell, &["--read-again"], stub);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    bench.assert_images(&bench.folder(), &ALL);
    assert!(!bench.folder().join("MD5SUMS").exists());
    assert!(
        text(&output.stdout).contains("no md5sum here"),
        "{}",
        shown(&output)
    );
}

/// What df prints, one way or another.
fn df(answer: &str) -> String {
    format!("df() {{\ncat <<'END'\n{answer}\nEND\n}}\n")
}

#[rstest]
#[case::sh(&["sh"])]
#[ignore = "needs bash"]
#[case::bash(&["bash"])]
#[ignore = "needs busybox-static"]
#[case::busybox(&["busybox", "ash"])]
fn free_space_is_understood_however_df_prints_it(#[case] shell: &[&str]) {
    const HEAD: &str = "Filesystem           1k-blocks      Used Available Use% Mounted on\n";
    for (answer, code, says) in [
        (
            "tmpfs 600 16 584 3% /var",
            0,
            "free space: 584 KiB, needed: 584 KiB",
        ),
        (
            "tmpfs 600 17 583 3% /var",
            4,
            "584 KiB needed, 583 KiB free",
        ),
        (
            "/dev/with/a/very/long/name/that/breaks\n                     16384 16384 0 100% /var",
            4,
            "584 KiB needed, 0 KiB free",
        ),
        ("ramfs 0 0 0 - /var", 5, "df does not tell"),
        ("", 5, "df does not tell"),
    ] {
        let bench = Bench::new(small(1));
        let mut command = bench.command_with(shell, &[], &df(&format!("{HEAD}{answer}")));
        let output = command.output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{answer}: {}",
            shown(&output)
        );
        assert!(
            shown(&output).contains(says),
            "{answer}: {}",
            shown(&output)
        );
        assert_eq!(bench.folder().exists(), code == 0);
        if code == 5 {
            let output = command.env("MTDKEEP_SPACE", "unknown").output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
        }
    }
}

#[rstest]
#[case::sh(&["sh"])]
#[ignore = "needs bash"]
#[case::bash(&["bash"])]
#[ignore = "needs busybox-static"]
#[case::busybox(&["busybox", "ash"])]
fn a_table_that_is_no_table_stops_it(#[case] shell: &[&str]) {
    let good = "dev:    size   erasesize  name\nmtd0: 00040000 00020000 \"RedBoot\"\n";
    for (table, code) in [
        (String::new(), 4),
        ("nonsense\n".into(), 4),
        (good[..31].to_owned(), 4),
        (good.replace("mtd0", "mtd00"), 4),
        (good.replace("mtd0", "mtdx"), 4),
        (good.replace("00040000", "0004"), 4),
        (good.replace("00040000", "0004000g"), 4),
        (good.replace("RedBoot\"", "RedBo"), 4),
        (format!("{good}{}", &good[31..]), 4),
        (good.replace("00040000", "ffffffffffffffff"), 5),
    ] {
        let bench = Bench::new(small(1));
        fs::remove_file(bench.tree.path("proc/mtd")).unwrap();
        fs::write(bench.tree.path("proc/mtd"), &table).unwrap();
        let output = bench.run(shell, &[]);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{table}{}",
            shown(&output)
        );
        assert!(!bench.folder().exists());
    }
    let bench = Bench::new(small(1));
    fs::remove_file(bench.tree.path("proc/mtd")).unwrap();
    assert_eq!(bench.run(shell, &[]).status.code(), Some(4));
}

#[rstest]
#[case::sh(&["sh"])]
#[ignore = "needs bash"]
#[case::bash(&["bash"])]
#[ignore = "needs busybox-static"]
#[case::busybox(&["busybox", "ash"])]
fn a_signal_leaves_nothing_behind(#[case] shell: &[&str]) {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let bench = Bench::new(small(1));
        // Where no redirection of the script's hides what it says.
        let reached = bench.outer.path().join("reached");
        let mv = format!(
            "mv() {{ : >\"{}\"; sleep 1; command mv \"$@\"; }}\n",
            reached.display()
        );
        let mut command = bench.command_with(shell, &[], &mv);
        signals_at_start(&mut command, &[]);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while !reached.exists() {
            assert!(began.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(1));
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(130),
            "{signal:?} {}",
            shown(&output)
        );
        let told = text(&output.stderr).contains("interrupted");
        assert!(told, "{signal:?} {}", shown(&output));
        assert!(!bench.folder().exists());
    }
}

/// Functions in the place of programs that send a signal to the script at the
/// step of that number; there is one before and one after each program.
fn signal_at_step(step: u32) -> String {
    let mut stubs = format!(
        "STEP=0\nstep() {{ STEP=$((STEP + 1)); [ $STEP -ne {step} ] || kill -TERM $$; }}\n"
    );
    for program in ["cat", "dd", "df", "ls", "md5sum", "mkdir", "mv"] {
        stubs += &format!(
            "{program}() {{ step; command {program} \"$@\"; STATUS=$?; step; return $STATUS; }}\n"
        );
    }
    stubs
}

#[rstest]
#[case::sh(&["sh"])]
#[ignore = "needs bash"]
#[case::bash(&["bash"])]
#[ignore = "needs busybox-static"]
#[case::busybox(&["busybox", "ash"])]
fn a_signal_at_any_step_leaves_nothing_behind(#[case] shell: &[&str]) {
    let bench = Bench::new(small(1));
    for step in 1..1000 {
        let stubs = signal_at_step(step);
        let options = ["-p", "mtd1", "-p", "mtd3"];
        let output = bench
            .command_with(shell, &options, &stubs)
            .output()
            .unwrap();
        if output.status.code() == Some(0) {
            assert!(step > 30, "only {step} steps");
            bench.assert_images(&bench.folder(), &[1, 3]);
            return;
        }
        // Before the first file is made, the shell's own way to end will do.
        let code = output.status.code();
        assert!(
            matches!(code, Some(130) | None),
            "{step}: {}",
            shown(&output)
        );
        assert!(!bench.folder().exists(), "{step}: {}", shown(&output));
    }
    panic!("it never came to an end");
}
