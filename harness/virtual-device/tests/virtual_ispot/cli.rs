//! The program `virtual-ispot` as a user starts it, and what is left of it.

use assert_cmd::cargo::CommandCargoExt as _;
use mtd_virtual_device::boards::ISPOT;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Under an emulator of the processor, where the tests run under one.
fn command() -> Command {
    Command::cargo_bin("virtual-ispot").unwrap()
}

/// Needs no virtual iSpot: there is none to be had here.
#[test]
fn says_what_is_missing() {
    let empty = tempfile::tempdir().unwrap();
    let output = command()
        .env_clear()
        .env("PATH", empty.path())
        .env("MTDKEEP_CACHE", empty.path().join("cache"))
        .env("MTDKEEP_LINUX_SOURCE", empty.path().join("none.tar.xz"))
        .arg("true")
        .output()
        .unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(125), "{message}");
    for package in [
        "qemu-system-arm",
        "linux-source-6.1",
        "gcc-arm-linux-gnueabi",
        "flex",
        "bison",
        "bc",
        "xz-utils",
        "busybox-static",
    ] {
        assert!(message.contains(package), "{package} in:\n{message}");
    }
    // Found out before anything was made.
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
fn refuses_wrong_usage_before_anything_starts() {
    for words in [
        &[][..],
        &["--unknown", "true"],
        &["--shell", "true"],
        &["--put", "x", "true"],
        &["--image"],
    ] {
        let output = command().args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn puts_gets_saves_and_passes_the_status_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let pair = |left: &Path, right: &str| format!("{}={right}", left.display());
    fs::write(at("flash.bin"), ISPOT.blank_image()).unwrap();
    fs::write(at("script"), "#!/bin/sh\necho \"$1|$2\"\ncp \"$0\" /tmp/copy\ndd if=/bin/busybox of=/dev/mtd8 bs=100 count=1 2>/dev/null\nexit 9\n").unwrap();
    fs::set_permissions(at("script"), fs::Permissions::from_mode(0o755)).unwrap();
    let run = || {
        command()
            .arg("--image")
            .arg(at("flash.bin"))
            .arg("--save")
            .arg(at("after.bin"))
            .arg("--put")
            .arg(pair(&at("script"), "/bin/script"))
            .arg("--get")
            .arg(format!("/tmp/copy={}", at("copy").display()))
            .args(["script", "one two", "it's"])
            .output()
            .unwrap()
    };
    let output = run();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(9), "{complaints}");
    assert_eq!(output.stdout, b"one two|it's\n");
    assert_eq!(
        fs::read(at("copy")).unwrap(),
        fs::read(at("script")).unwrap()
    );
    assert_eq!(
        fs::read(at("flash.bin")).unwrap(),
        ISPOT.blank_image(),
        "only read"
    );
    let after = fs::read(at("after.bin")).unwrap();
    assert_eq!(after.len(), ISPOT.chip_bytes);
    assert_eq!(after[0xFC_0000..0xFC_0004], *b"\x7fELF");
    assert!(after[0xFC_0064..0xFE_0000].iter().all(|byte| *byte == 0xFF));
    // What was saved is not overwritten.
    assert_eq!(run().status.code(), Some(125));
}

/// Without an image the chip holds the simulated iSpot; only `--flash` puts
/// something of its own into it.
#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn the_chip_is_the_simulated_ispot_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let simulated = mtd_harness::profile::ispot(1).chip_bytes(0);
    for (options, as_it_was) in [(&[][..], true), (&["--flash"], false)] {
        let saved = folder.path().join(format!("saved-{as_it_was}"));
        let output = command()
            .args(options)
            .arg("--save")
            .arg(&saved)
            .arg("cat /dev/mtd3")
            .output()
            .unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{complaints}");
        assert!(output.stdout == simulated[0x18_0000..0x78_0000], "rootfs");
        let saved = fs::read(saved).unwrap();
        assert_eq!(saved == simulated, as_it_was, "{options:?}");
        assert!(saved[0x18_0000..] == simulated[0x18_0000..], "{options:?}");
    }
}

/// An emulator that writes down its process number first.
fn recorded_emulator(folder: &Path) -> PathBuf {
    let path = folder.join("emulator");
    let text =
        "#!/bin/sh\ncase $* in *pflash*) echo $$ >\"$0.pid\";; esac\nexec qemu-system-arm \"$@\"\n";
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Whether a process is there and not only waiting to be buried.
fn runs(process: &str) -> bool {
    fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" Z"))
    })
}

/// Waits for something that has to come soon, on a slow machine too.
#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Makes what a boot needs, the kernel above all, before anything waits for one.
fn make_ready() {
    let _ = super::ispot();
}

fn in_folder(folder: &Path) -> Command {
    make_ready();
    let scratch = folder.join("scratch");
    fs::create_dir(&scratch).unwrap();
    let mut command = command();
    command
        .env("MTDKEEP_QEMU", recorded_emulator(folder))
        .env("TMPDIR", &scratch)
        .current_dir(&scratch);
    command
}

fn assert_nothing_left(folder: &Path) {
    let process = fs::read_to_string(folder.join("emulator.pid")).unwrap();
    eventually("the emulator still runs", || !runs(process.trim()));
    let left = fs::read_dir(folder.join("scratch")).unwrap();
    assert_eq!(left.count(), 0, "files left behind");
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_time_limit_leaves_neither_process_nor_file() {
    let folder = tempfile::tempdir().unwrap();
    let Output { status, stderr, .. } = in_folder(folder.path())
        .args(["--time-limit", "3", "sleep 1000"])
        .output()
        .unwrap();
    let message = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(125), "{message}");
    assert!(message.contains("not done after 3s"), "{message}");
    assert_nothing_left(folder.path());
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn being_killed_leaves_neither_process_nor_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = in_folder(folder.path())
        .arg("sleep 1000")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let record = folder.path().join("emulator.pid");
    let emulator = || fs::read_to_string(&record).unwrap_or_default();
    eventually("the emulator did not start", || {
        emulator().ends_with('\n') && runs(emulator().trim())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert_nothing_left(folder.path());
}

/// The shell, with a terminal made by `script` (util-linux).
#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_shell_on_the_terminal() {
    make_ready();
    let line = format!("{} --shell", command().get_program().to_string_lossy());
    let folder = tempfile::tempdir().unwrap();
    let typed = folder.path().join("typed");
    fs::write(&typed, "").unwrap();
    let mut child = Command::new("script")
        .args([
            "--quiet",
            "--return",
            "--flush",
            "--command",
            &line,
            "/dev/null",
        ])
        .stdin(Stdio::piped())
        .stdout(fs::File::create(&typed).unwrap())
        .spawn()
        .expect("the program script (Debian: bsdutils)");
    let seen = || fs::read_to_string(&typed).unwrap_or_default();
    let mut keys = child.stdin.take().unwrap();
    eventually("no prompt", || seen().contains("# "));
    use std::io::Write;
    // Ctrl-C ends the guest's sleep, not the emulator.
    keys.write_all(b"sleep 1000\n").unwrap();
    eventually("not echoed", || seen().contains("sleep 1000"));
    std::thread::sleep(Duration::from_millis(300));
    keys.write_all(b"\x03").unwrap();
    keys.write_all(b"echo $((6 * 7)) partitions; exit 5\n")
        .unwrap();
    eventually("no answer", || seen().contains("42 partitions"));
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(5), "{}", seen());
}
