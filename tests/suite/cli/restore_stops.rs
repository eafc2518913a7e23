//! `restore` while it writes: signals, a lost terminal, a second restore, a kill. The
//! device is a tree of plain files, so large that whatever comes, comes in the middle.

use crate::cli::support::{mtdkeep, program, signals_at_start, terminal, text, unwrapped};
use rstest::rstest;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// 2048 erase blocks: each is a file that is made, synced and removed.
const BYTES: usize = 2 << 20;
const TABLE: &str = "dev:    size   erasesize  name
mtd0: 00200000 00000400 \"large\"
mtd1: 00000400 00000400 \"param\"
";

fn goes_on(child: &Child) {
    kill_process(Pid::from_child(child), Signal::CONT).unwrap();
}

struct Bench {
    outer: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            outer: tempfile::tempdir().unwrap(),
        };
        for folder in ["tree/proc", "tree/dev"] {
            fs::create_dir_all(bench.outer.path().join(folder)).unwrap();
        }
        bench.write("tree/proc/mtd", TABLE.as_bytes());
        bench.write("tree/dev/mtd0", &[0x11; BYTES]);
        bench.write("tree/dev/mtd1", &[0x22; 0x400]);
        let line = ["backup", "--root", "tree", "-o", "b", "-q"];
        mtdkeep()
            .current_dir(&bench.outer)
            .args(line)
            .assert()
            .code(0);
        bench.write("tree/dev/mtd0", &[0x33; BYTES]);
        bench
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.outer.path().join(name), bytes).unwrap();
    }

    fn flash(&self) -> Vec<u8> {
        fs::read(self.outer.path().join("tree/dev/mtd0")).unwrap()
    }

    fn command(&self) -> Command {
        let mut command = program();
        // Temporary folders lie in memory on many systems.
        let line = [
            "restore",
            "--root",
            "tree",
            "--yes",
            "--journal-in-memory",
            "b",
        ];
        command.current_dir(&self.outer).args(line);
        command
    }

    /// Starts it, and stands it still in the middle of its work: some is written, the
    /// header, which comes last, is not. On a machine so busy that it was done before
    /// this was seen, it is started again.
    fn start(&self, mut command: Command) -> Child {
        command.stdout(Stdio::piped());
        signals_at_start(&mut command, &[]);
        for _ in 0..50 {
            let mut child = command.spawn().unwrap();
            while !self.is_written() && child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let pid = Pid::from_child(&child);
            kill_process(pid, Signal::STOP).unwrap();
            let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            waitid(WaitId::Pid(pid), stopped).unwrap();
            if self.flash()[0] == 0x33 && self.is_written() {
                return child;
            }
            let _ = child.kill();
            let output = child.wait_with_output().unwrap();
            let code = output.status.code().unwrap_or(0);
            assert_eq!(code, 0, "it failed by itself: {output:?}");
            self.write("tree/dev/mtd0", &[0x33; BYTES]);
            let _ = fs::remove_dir_all(self.outer.path().join("b.restore"));
        }
        panic!("it was done each time before that was seen");
    }

    fn is_written(&self) -> bool {
        let mut at = [0; 1];
        let file = fs::File::open(self.outer.path().join("tree/dev/mtd0")).unwrap();
        rustix::io::pread(&file, &mut at, 0x400).unwrap();
        at != [0x33]
    }

    /// Each erase block is old or new, and the header, which comes last, is old.
    fn is_between(&self) {
        let flash = self.flash();
        let blocks = flash.chunks(0x400);
        for (at, block) in blocks.enumerate() {
            let is_whole = block.iter().all(|byte| *byte == block[0]);
            assert!(
                is_whole && [0x11, 0x33].contains(&block[0]),
                "erase block {at}"
            );
        }
        assert_eq!((flash[0], flash[BYTES - 1]), (0x33, 0x33));
        assert_eq!(flash[0x400], 0x11);
    }

    /// The same command again ends it.
    fn goes_on(&self) {
        let output = self.command().output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(self.flash().iter().all(|byte| *byte == 0x11));
        assert!(!self.outer.path().join("b.restore").exists());
    }
}

#[rstest]
#[case(Signal::INT)]
#[case(Signal::TERM)]
fn a_wish_to_stop_is_heard_between_two_erase_blocks(#[case] signal: Signal) {
    let bench = Bench::new();
    let mut command = bench.command();
    command.stderr(Stdio::piped());
    let child = bench.start(command);
    // A second one does not stop it at once, as it does elsewhere.
    for _ in 0..3 {
        kill_process(Pid::from_child(&child), signal).unwrap();
    }
    goes_on(&child);
    let output = child.wait_with_output().unwrap();
    let said = unwrapped(text(&output.stderr));
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    for part in [
        "interrupted",
        "the flash was changed and is not finished: do not switch off",
        "run the same command again",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    bench.is_between();
    // Nothing was in hand.
    assert!(!bench.outer.path().join("b.restore").exists());
    bench.goes_on();
}

#[test]
fn a_hang_up_does_not_stop_it() {
    let bench = Bench::new();
    let child = bench.start(bench.command());
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    goes_on(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    bench.goes_on();
}

/// The connection drops: the terminal is gone, and all that is written to it fails.
#[test]
fn a_lost_terminal_does_not_stop_it() {
    let bench = Bench::new();
    let (master, slave) = terminal();
    let mut command = bench.command();
    command
        .env("TERM", "xterm")
        .stderr(slave.try_clone().unwrap())
        .stdin(slave);
    let mut child = bench.start(command);
    drop(master);
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    goes_on(&child);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{status:?}");
    bench.goes_on();
}

/// A kill is a power cut that the flash's own chip does not feel.
#[test]
fn a_killed_restore_goes_on() {
    let bench = Bench::new();
    let mut child = bench.start(bench.command());
    child.kill().unwrap();
    child.wait().unwrap();
    bench.goes_on();
}

/// Two at once: the second is refused, and the first ends well.
#[test]
fn a_second_restore_is_refused() {
    let bench = Bench::new();
    let child = bench.start(bench.command());
    let output = bench.command().output();
    goes_on(&child);
    let output = output.unwrap();
    let said = text(&output.stderr);
    assert!(said.contains("another mtdkeep"), "{said}");
    assert_ne!(output.status.code(), Some(0), "{said}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    bench.goes_on();
}
