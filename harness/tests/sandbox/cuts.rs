//! Programs under power cuts: the states are those that real cuts leave, and what does
//! not survive is found.

use crate::support::{SEED, device, text};
use mtd_harness::chip::cut::{CutId, Explorer, Tears};
use mtd_harness::profile::SimulatedDevice;
use mtd_harness::sandbox::{CutRunError, Sandbox, UnderCuts};
use std::process::Command;
use std::time::Duration;

pub fn sh(line: &'static str) -> impl Fn() -> Command + Send + Sync + 'static {
    move || {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("LC_ALL", "C");
        command
    }
}

/// Two counters, each in half of mtd7's only erase block; the program says when one is
/// there. It waits for dd, so that there is a child to kill.
const COUNT: &str = "
    put() { printf \"$2\" | dd of=/dev/mtd7 bs=64 seek=$1 conv=notrunc 2>/dev/null && echo $1; }
    put 0 '\\001\\376' && put 1 '\\002\\375'";

/// Whether the first program of each pair is whole where it was told to be.
const COUNTERS: &str = "
    for at in $(cat); do
        set -- $(od -An -tu1 -j $((at * 64)) -N 2 /dev/mtd7)
        [ $(($1 + $2)) = 255 ] || { echo \"$at: $1 $2\"; exit 1; }
    done";

/// A device with nothing in mtd6 and mtd7.
pub fn blank() -> SimulatedDevice {
    let device = device();
    for index in [6, 7] {
        load(&device, index, &vec![0xff; 0x20000]);
    }
    device
}

/// What was promised holds in every state; without the promise's start it would not.
#[test]
fn a_program_is_held_to_its_word() {
    let subject = UnderCuts::new(blank(), sh(COUNT)).check(COUNTERS);
    let start = subject.start();
    let report = Explorer::new(&start, &subject).threads(2).run().unwrap();
    report.assert_held();
    assert_eq!(report.operations, 2);
    assert!(report.states() > 10, "{report}");
    assert!(subject.trouble().is_none());
    // The canary: one that speaks too early.
    let early = "echo 0; printf '\\001\\376' > /dev/mtd7; echo 1";
    let subject =
        UnderCuts::new(blank(), sh(early)).check(COUNTERS.replace("$(cat)", "$(head -n 1)"));
    let start = subject.start();
    let report = Explorer::new(&start, &subject).run().unwrap();
    assert!(report.failed() > 0, "{report}");
    assert!(
        report.failures[0]
            .why
            .contains("the check ended with exit status: 1: 0: ")
    );
}

/// The states of a search are what cuts leave that really happen, word for word.
#[test]
fn real_cuts_leave_what_the_search_says() {
    let line = "printf 'hello, world, this is more than one buffer' > /dev/mtd7; echo told
                printf '\\0\\0' | dd of=/dev/mtd4 bs=1 seek=7 conv=notrunc 2>/dev/null";
    let subject = UnderCuts::new(blank(), sh(line));
    let start = subject.start();
    let report = Explorer::new(&start, &subject).run().unwrap();
    report.assert_held();
    let journal = subject.journal().unwrap();
    assert_eq!(report.operations, journal.len());
    let mut tried = 0;
    for operation in 1..=journal.len() {
        let (about, data) = (
            journal.operation(operation).unwrap(),
            journal.data(operation),
        );
        for tear in Tears::all().of(about, data.unwrap(), 2).step_by(7) {
            let step = mtd_harness::chip::cut::Step { operation, tear };
            let id = CutId::new(&start, &journal, [step]).unwrap();
            let real = match subject.cut(id.steps(), journal.len()) {
                Err(CutRunError::NoSuchTear(_)) => continue,
                real => real.unwrap(),
            };
            let made = Explorer::new(&start, &subject).replay(&id).unwrap();
            let differences = real.left.differences(&made.left).unwrap();
            assert!(differences.is_empty(), "{id}: {differences:?}");
            assert_eq!(real.left.state_hash(), made.left.state_hash(), "{id}");
            let told = if about.offset_bytes == 0x40007 || operation > 2 {
                "told\n"
            } else {
                ""
            };
            assert_eq!(text(&real.told), told, "{id}: {about}");
            tried += 1;
        }
    }
    assert!(tried >= 10, "{tried}");
}

/// The program and its children are dead from that moment on.
#[test]
fn power_that_goes_ends_every_program() {
    let folder = tempfile::tempdir().unwrap();
    let device = blank();
    let cut = mtd_harness::chip::cut::PowerCut::new(3, "p1".parse().unwrap());
    device.system.with_chip(0, |chip| chip.cut_power(cut));
    let sandbox = Sandbox::builder(device.clone())
        .map("/mnt/here", folder.path())
        .time_limit(Duration::from_secs(60))
        .build()
        .unwrap();
    let line = "(trap '' TERM; while :; do sleep 300; done) & setsid sleep 300 &
                for x in 1 2 3 4; do printf '\\1\\2' | dd of=/dev/mtd7 bs=2 seek=$x; echo $? > /mnt/here/$x; done";
    let outcome = sandbox.output(&mut sh(line)()).unwrap();
    assert!(outcome.lost_power && !outcome.timed_out);
    let mut written: Vec<_> = folder
        .path()
        .read_dir()
        .unwrap()
        .flatten()
        .map(|it| it.file_name())
        .collect();
    written.sort();
    assert_eq!(
        written,
        ["1", "2"],
        "nobody learns how the third write ended"
    );
    // Without power nothing starts, and nothing waits.
    let outcome = sandbox.output(&mut sh("echo started")()).unwrap();
    assert!(outcome.lost_power && !outcome.timed_out && outcome.stdout.is_empty());
    device.system.with_chip(0, |chip| {
        assert!(!chip.is_powered());
        chip.power_on();
    });
    let flash = device.partition_bytes(7);
    assert_eq!(
        flash[2..10],
        [1, 2, 1, 2, 1, 0xff, 0xff, 0xff],
        "seed {SEED}"
    );
    // With power the same sandbox goes on.
    let outcome = sandbox
        .output(&mut sh("head -c 1 /dev/mtd7 >/dev/null; echo $?")())
        .unwrap();
    assert_eq!(text(&outcome.stdout), "0\n");
    assert!(!outcome.lost_power);
}

/// A second cut strikes inside the recovery. mtd6 notes that mtd7 is being changed; what
/// finds the note does the change once more.
#[test]
fn cuts_in_the_recovery_are_found_and_replayed() {
    let program = "printf '\\0' > /dev/mtd6; printf '\\0\\0' > /dev/mtd7";
    let check = "[ $(od -An -tu1 -N1 /dev/mtd6) = 255 ] || [ $(od -An -tu2 -N2 /dev/mtd7) = 0 ]";
    let careful = "[ $(od -An -tu1 -N1 /dev/mtd6) = 255 ] || printf '\\0\\0' > /dev/mtd7";
    // This one notes that it is done before it is.
    let hasty =
        "[ $(od -An -tu1 -N1 /dev/mtd6) = 255 ] || [ $(od -An -tu1 -j1 -N1 /dev/mtd6) = 0 ] ||
        { printf '\\0' | dd of=/dev/mtd6 bs=1 seek=1 2>/dev/null; printf '\\0\\0' > /dev/mtd7; }";
    for (recovery, holds) in [(careful, true), (hasty, false)] {
        let subject = UnderCuts::new(blank(), sh(program))
            .recover(recovery)
            .check(check);
        let start = subject.start();
        let explorer = || Explorer::new(&start, &subject).tears(Tears::atomic());
        explorer().run().unwrap().assert_held();
        let report = explorer().cuts(2).run().unwrap();
        assert_eq!(report.failed() == 0, holds, "{report}");
        assert!(report.levels[1].candidates > 0, "{report}");
        if let Some(failure) = report.failures.first() {
            assert_eq!(failure.id.steps().len(), 2, "{report}");
            let real = subject.replay(&failure.id).unwrap();
            assert_eq!(real.verdict.unwrap_err(), failure.why);
        }
    }
}

#[test]
fn what_cannot_be_explored_says_why() {
    let fails = UnderCuts::new(device(), sh("echo sorry >&2; exit 3")).check("true");
    let start = fails.start();
    let why = Explorer::new(&start, &fails).run().unwrap_err().to_string();
    assert!(
        why.contains("the program ended with exit status: 3: sorry"),
        "{why}"
    );
    let never = UnderCuts::new(device(), sh("printf x > /dev/mtd7")).check("false");
    let why = Explorer::new(&start, &never).run().unwrap_err().to_string();
    assert!(why.contains("the check ended with exit status: 1"), "{why}");
    let slow = UnderCuts::new(device(), sh("sleep 300")).time_limit(Duration::from_millis(100));
    let why = Explorer::new(&start, &slow).run().unwrap_err().to_string();
    assert!(why.contains("the program did not end in time"), "{why}");
    let random = UnderCuts::new(device(), sh("head -c 8 /dev/urandom > /dev/mtd7"));
    let why = Explorer::new(&start, &random)
        .run()
        .unwrap_err()
        .to_string();
    assert!(why.contains("not deterministic"), "{why}");
    // An id of another program.
    let mut other = start.clone();
    other.record();
    (0..812).for_each(|at| other.program(at, &[0]).unwrap());
    let id = CutId::new(&start, &other.take_journal(), []).unwrap();
    let why = never.replay(&id).unwrap_err().to_string();
    assert!(
        why.contains("this run has 1 operations, the id is of a run with 812"),
        "{why}"
    );
}

pub fn load(device: &SimulatedDevice, index: u32, bytes: &[u8]) {
    let about = device.system.device(index).unwrap();
    device.system.with_chip(about.chip, |chip| {
        chip.load(about.offset_bytes, bytes).unwrap()
    });
}
