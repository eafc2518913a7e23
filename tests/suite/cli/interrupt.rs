//! Ctrl-C and SIGTERM in the middle of a backup.

use crate::cli::support::{mtdkeep, program, signals_at_start, snapshot, terminal};
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

fn pipe(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("pipe");
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    path
}

/// A layout from a pipe whose writer says nothing: the first signal ends the wait.
#[rstest]
#[case(&["backup", "--simulate=pipe", "--output", "b"])]
#[case(&["import", "e", "--layout", "pipe"])]
fn waiting_for_a_layout_is_interrupted(#[case] arguments: &[&str]) {
    let outer = tempfile::tempdir().unwrap();
    fs::create_dir(outer.path().join("e")).unwrap();
    let path = pipe(outer.path());
    let mut command = program();
    signals_at_start(&mut command, &[]);
    let command = command.current_dir(&outer).args(arguments);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    // Opened when the program has it open to read.
    let writer = fs::File::options().write(true).open(path).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("the signal was not heard");
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    drop(writer);
    assert_eq!(status.signal(), Some(libc::SIGTERM));
    assert!(!outer.path().join("b").exists());
}

/// As `--layout <(ssh router dmesg)` gives it: in pieces, some of them late.
#[test]
fn a_layout_may_come_through_a_pipe() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("table"), TABLE).unwrap();
    let path = pipe(outer.path());
    let list = |from: &str| {
        let mut command = program();
        command.current_dir(&outer).args(["list", from]);
        command.stdout(Stdio::piped()).spawn().unwrap()
    };
    let child = list("--simulate=pipe");
    let mut writer = fs::File::options().write(true).open(path).unwrap();
    for piece in [&TABLE[..40], &TABLE[40..]] {
        std::thread::sleep(Duration::from_millis(20));
        std::io::Write::write_all(&mut writer, piece.as_bytes()).unwrap();
    }
    drop(writer);
    let got = child.wait_with_output().unwrap();
    let expected = list("--simulate=table").wait_with_output().unwrap();
    assert!(got.status.success() && !got.stdout.is_empty());
    assert_eq!(got.stdout, expected.stdout);
}

/// A chip's image is read in places, which a pipe cannot be.
#[test]
fn a_pipe_is_no_image_and_nothing_waits_for_its_writer() {
    let outer = tempfile::tempdir().unwrap();
    pipe(outer.path());
    let list = mtdkeep()
        .current_dir(&outer)
        .args(["list", "--image", "pipe"])
        .timeout(Duration::from_secs(60))
        .assert()
        .code(4);
    let stderr = String::from_utf8_lossy(&list.get_output().stderr).into_owned();
    assert!(stderr.contains("no regular file"), "{stderr}");
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

/// Whether a program has set a handler for SIGTERM, and waits for something.
fn waits(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
    let caught = field("SigCgt:").and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let is_caught = caught.is_some_and(|mask| mask >> (libc::SIGTERM - 1) & 1 == 1);
    is_caught && field("State:").is_some_and(|state| state.trim().starts_with('S'))
}

/// Who waits for the other end of a pipe hears a wish to stop, though nothing comes.
#[rstest]
#[case("verify -", "interrupted")]
#[case("import - --output b", "interrupted")]
#[case("backup --simulate --output -", "the stream has no manifest")]
fn a_wish_to_stop_is_heard_at_a_pipe(#[case] line: &str, #[case] says: &str) {
    let outer = tempfile::tempdir().unwrap();
    let mut command = program();
    signals_at_start(&mut command, &[]);
    let mut child = command
        .current_dir(&outer)
        .args(line.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let until = |done: &mut dyn FnMut() -> bool| {
        while !done() {
            assert!(Instant::now() < deadline, "{line}");
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let pid = child.id();
    let out = child.stdout.take().unwrap();
    // The pipe's room, less than what one more piece takes.
    let is_full = || rustix::io::ioctl_fionread(&out).is_ok_and(|bytes| bytes > 60 << 10);
    until(&mut || waits(pid) && (!line.starts_with("backup") || is_full()));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let mut ended = None;
    until(&mut || {
        ended = child.try_wait().unwrap();
        ended.is_some()
    });
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.signal(), Some(libc::SIGTERM), "{stderr}");
    assert!(stderr.contains(says), "{stderr}");
    assert_eq!(fs::read_dir(&outer).unwrap().count(), 0);
}

/// At the question whether the plan is wanted, Ctrl-C is an answer.
#[test]
fn a_question_can_be_answered_with_an_interrupt() {
    use std::io::Read as _;
    let outer = tempfile::tempdir().unwrap();
    let run = |line: &str| {
        let mut command = mtdkeep();
        command.current_dir(&outer).args(line.split(' '));
        command.assert().code(0);
    };
    run("backup --simulate -p system -q -o b");
    run("image --simulate --output chip -q");
    let mut chip = fs::read(outer.path().join("chip")).unwrap();
    chip[0x78_0000] ^= 1;
    fs::write(outer.path().join("chip"), chip).unwrap();
    let (_master, slave) = terminal();
    let mut command = program();
    signals_at_start(&mut command, &[]);
    let mut child = command
        .current_dir(&outer)
        .args(["restore", "-p", "system", "--image", "chip", "b"])
        .stdin(slave)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = child.stderr.take().unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"Type yes: ") {
        let mut byte = [0];
        errors.read_exact(&mut byte).unwrap();
        said.push(byte[0]);
    }
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    let _ = child.kill();
    let mut rest = String::new();
    errors.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGINT), "{rest}");
    assert!(rest.contains("nothing on the flash was changed"), "{rest}");
}
