//! The printed script, unmodified, in the sandbox: real nodes, the missing one of
//! mtd10, BusyBox as it is on this machine and as an ARM program; and the import
//! of what it leaves, and of what a script of the old style leaves.

use crate::capture::support::{printed, shown};
use crate::cli::support::{mtdkeep, text};
use mtd_harness::profile::{self, SimulatedDevice};
use mtd_harness::sandbox::{Outcome, Sandbox};
use rstest::rstest;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;

struct Bench {
    device: SimulatedDevice,
    sandbox: Sandbox,
    web: TempDir,
    outer: TempDir,
    /// The sandbox shows the machine's own /tmp, in which the script makes its
    /// private node: one capture at a time, or one sees another's.
    _alone: MutexGuard<'static, ()>,
}

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

impl Bench {
    fn new() -> Self {
        let alone = ONE_AT_A_TIME.lock();
        let device = profile::ispot(9);
        let web = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::builder(device.clone())
            .map("/var/wwwroot", web.path())
            .build()
            .unwrap();
        Self {
            device,
            sandbox,
            web,
            outer: tempfile::tempdir().unwrap(),
            _alone: alone.unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn folder(&self) -> PathBuf {
        self.web.path().join("mtd_backup")
    }

    fn run(&self, program: &[&str], script: &[u8], arguments: &[&str]) -> Output {
        let file = self.outer.path().join("capture.sh");
        fs::write(&file, script).unwrap();
        let mut command = Command::new(program[0]);
        command
            .args(&program[1..])
            .arg(&file)
            .args(arguments)
            .current_dir(self.outer.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let Outcome {
            status,
            stdout,
            stderr,
            ..
        } = self.sandbox.run(&mut command).unwrap();
        Output {
            status,
            stdout,
            stderr,
        }
    }

    fn assert_images(&self, folder: &Path, numbers: std::ops::Range<u32>) {
        for number in numbers {
            let file = folder.join(format!("mtd{number}.bin"));
            let image = fs::read(&file).unwrap();
            assert!(image == self.device.partition_bytes(number), "{file:?}");
        }
    }

    fn import(&self, code: i32) -> (PathBuf, String) {
        let target = self.outer.path().join("backup");
        let import = mtdkeep()
            .arg("import")
            .arg(self.folder())
            .arg("--output")
            .arg(&target)
            .assert()
            .code(code);
        let output = import.get_output();
        let said = text(&output.stdout).to_owned() + text(&output.stderr);
        (target, said)
    }
}

/// Captures all eleven partitions with a shell, and imports them.
fn capture_and_import(shell: &[&str]) {
    let bench = Bench::new();
    let script = printed(Path::new("/var/wwwroot/mtd_backup"), &["--read-again"]);
    let output = bench.run(shell, &script, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    let stdout = text(&output.stdout);
    assert!(
        stdout.contains("mtd10: has no node in /dev; a private one was made"),
        "{stdout}"
    );
    assert!(
        stdout.contains("http://(this device)/mtd_backup/"),
        "{stdout}"
    );
    bench.assert_images(&bench.folder(), 0..11);
    // The private node and its folder are gone. Another program's would go by itself
    // (the machine's /tmp is everybody's); ours would stay.
    let check = "tries=0
        while for f in /tmp/.mtdkeep-* /dev/.mtdkeep-* /dev/mtd10; do
                [ ! -e \"$f\" ] || break
            done; [ -e \"$f\" ]; do
            tries=$((tries+1))
            [ $tries -lt 30 ] || exit 1
            sleep 1
        done";
    let output = bench.run(shell, check.as_bytes(), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    let (target, said) = bench.import(0);
    bench.assert_images(&target, 0..11);
    assert!(
        said.contains("11 files are what the device stored"),
        "{said}"
    );
    assert!(said.contains("RedBoot's partition table agrees"), "{said}");
    mtdkeep().arg("verify").arg(&target).assert().code(0);
}

#[test]
fn the_systems_shell_captures_all_eleven() {
    capture_and_import(&["sh"]);
}

#[test]
#[ignore = "needs busybox-static"]
fn busybox_captures_all_eleven() {
    capture_and_import(&["busybox", "ash"]);
}

/// A BusyBox for ARM under QEMU user mode. Its dd, ls, mknod and md5sum are its
/// own: it runs them without exec.
#[test]
#[ignore = "needs qemu-user-static, and MTDKEEP_ARM_BUSYBOX to name a BusyBox for ARM"]
fn an_arm_busybox_captures_all_eleven() {
    let busybox = std::env::var("MTDKEEP_ARM_BUSYBOX").expect("it names a BusyBox for ARM");
    capture_and_import(&["qemu-arm-static", "-cpu", "arm926", &busybox, "ash"]);
}

#[test]
fn a_node_that_is_another_devices_is_not_used() {
    let bench = Bench::new();
    // mtd10's number with mtd1's device, as a slip of the finger makes it.
    let slip = bench.run(&["sh"], b"mknod /dev/mtd10 c 90 2", &[]);
    assert_eq!(slip.status.code(), Some(0), "{}", shown(&slip));
    let script = printed(Path::new("/var/wwwroot/mtd_backup"), &["-p", "mtd10"]);
    let output = bench.run(&["sh"], &script, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    bench.assert_images(&bench.folder(), 10..11);
}

#[rstest]
#[ignore = "needs bash"]
#[case::bash(&["bash"])]
#[ignore = "needs busybox-static"]
#[case::busybox(&["busybox", "ash"])]
fn the_old_style_leaves_mtd10_out_and_import_says_so(#[case] shell: &[&str]) {
    let bench = Bench::new();
    let script = include_bytes!("../../../fixtures/script/old_style.sh");
    let output = bench.run(shell, script, &["/var/wwwroot/mtd_backup"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    assert!(!bench.folder().join("mtd10.bin").exists());
    let (target, said) = bench.import(3);
    bench.assert_images(&target, 0..10);
    assert!(
        said.contains("mtd10 (RedBoot config) is not in the capture"),
        "{said}"
    );
    assert!(said.contains("the Clear iSpot's"), "{said}");
    mtdkeep().arg("clean").arg(bench.folder()).assert().code(0);
}
