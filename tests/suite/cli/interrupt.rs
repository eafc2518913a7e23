//! Ctrl-C and SIGTERM in the middle of a backup.

use crate::cli::support::{mtdkeep, program, signals_at_start, snapshot};
use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// So large that a signal always comes in the middle.
const TABLE: &str = "dev:    size   erasesize  name
mtd0: 00020000 00020000 \"small\"
mtd1: 10000000 00020000 \"large\"
";

fn start(folder: &Path, ignored: &'static [i32]) -> Child {
    let mut command = program();
    signals_at_start(&mut command, ignored);
    command
        .current_dir(folder)
        .args(["backup", "--simulate=table", "--output", "b"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the large image is under way.
fn wait_for_part(folder: &Path) {
    let began = Instant::now();
    while !folder.join("b/mtd1.bin.part").exists() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "no image was begun"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[rstest]
#[case(Signal::INT)]
#[case(Signal::TERM)]
#[case(Signal::HUP)]
fn a_signal_leaves_no_half_file_under_its_final_name(#[case] signal: Signal) {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("table"), TABLE).unwrap();
    let child = start(outer.path(), &[]);
    wait_for_part(outer.path());
    kill_process(Pid::from_child(&child), signal).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    // It dies of the signal, so that a shell's loop around it ends.
    assert_eq!(output.status.signal(), Some(signal.as_raw()), "{stderr}");
    assert!(stderr.contains("interrupted"), "{stderr}");
    assert!(stderr.contains("starting again completes it"), "{stderr}");
    let folder = outer.path().join("b");
    assert!(!folder.join("mtd1.bin").exists());
    assert!(!folder.join("mtd1.bin.part").exists());
    assert!(!folder.join("manifest.json").exists());
    mtdkeep().arg("verify").arg(&folder).assert().code(3);
    mtdkeep().arg("clean").arg(&folder).assert().code(0);
    assert!(!folder.exists());
}

/// As under `nohup`, and in a shell's job in the background.
#[test]
fn what_was_ignored_from_the_start_stops_nothing() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("table"), TABLE).unwrap();
    let child = start(outer.path(), &[libc::SIGHUP, libc::SIGINT]);
    wait_for_part(outer.path());
    let pid = Pid::from_child(&child);
    for signal in [Signal::HUP, Signal::INT, Signal::TERM] {
        kill_process(pid, signal).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    // At a second one that counts it would end at once, without a word.
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("interrupted"), "{stderr}");
    assert_eq!(output.status.signal(), Some(libc::SIGTERM), "{stderr}");
}

/// A kill leaves its `.part` file; the next run knows it as its own.
#[test]
fn a_kill_can_be_cleaned_up() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("table"), TABLE).unwrap();
    let mut child = start(outer.path(), &[]);
    wait_for_part(outer.path());
    child.kill().unwrap();
    child.wait().unwrap();
    let folder = outer.path().join("b");
    assert!(folder.join("mtd1.bin.part").exists());
    let before = snapshot(&folder).len();
    // Another device is not mixed in, however unfinished the backup is.
    mtdkeep()
        .args(["backup", "--simulate", "--output"])
        .arg(&folder)
        .assert()
        .code(5);
    assert_eq!(snapshot(&folder).len(), before);
    mtdkeep().arg("clean").arg(&folder).assert().code(0);
    assert!(!folder.exists());
}
