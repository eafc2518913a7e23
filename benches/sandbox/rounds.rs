//! The measurements themselves.

use super::builds::builds;
use super::probe;
use super::shared::machine::Machine;
use super::shared::rounds::{Contest, Standing};
use super::shared::{self, Options};
use mtd_harness::chip::cut::Explorer;
use mtd_harness::profile::{IspotBuilder, SimulatedDevice};
use mtd_harness::sandbox::{Sandbox, UnderCuts};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::{Command, Stdio};

/// Where the probe leaves its figures, in the bench's folder.
pub const CALLS: &str = "calls.json";
/// Tells this program, started again inside a sandbox, what to time.
const PROBE: &str = "MTDKEEP_BENCH_PROBE";

#[derive(Serialize)]
struct Report {
    machine: Machine,
    rounds: usize,
    programs: Vec<Standing>,
    /// What a call takes inside a sandbox.
    calls: Vec<Call>,
    missing: Vec<String>,
}

/// The median of one call, or for reads the ratio to a plain file's time.
#[derive(Serialize, Deserialize)]
pub struct Call {
    pub name: String,
    pub value: f64,
    pub unit: String,
    pub aim: Option<f64>,
}

pub fn main() {
    if let Ok(path) = std::env::var(PROBE) {
        return probe::run(Path::new(&path));
    }
    let options = Options::of_process();
    let rounds = options.rounds(15);
    let bench = Bench::new();
    let mut programs = bench.dd_loop(rounds);
    programs.extend(bench.start_and_end(rounds));
    programs.extend(bench.untouched(rounds));
    programs.extend(bench.plain_writes(rounds));
    let (built, mut missing) = builds(&bench, rounds);
    programs.extend(built);
    let (others, not_there) = bench.others(rounds.min(3));
    programs.extend(others);
    missing.extend(not_there);
    let mut calls = bench.calls();
    calls.push(bench.cuts(options.rounds(400)));
    options.write_json(&Report {
        machine: Machine::now(),
        rounds,
        programs,
        calls,
        missing,
    });
}

pub struct Bench {
    device: SimulatedDevice,
    sandbox: Sandbox,
    folder: tempfile::TempDir,
}

fn device() -> SimulatedDevice {
    let device = IspotBuilder::new(1).with_node("mtd10").build();
    device.expect("an iSpot with one more node")
}

pub fn sh(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

pub fn run(command: &mut Command) {
    let status = command.status().expect("the program starts");
    assert!(status.success(), "{command:?}: {status}");
}

pub fn installed(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .any(|folder| Path::new(folder).join(program).is_file())
}

impl Bench {
    fn new() -> Self {
        let device = device();
        let sandbox = Sandbox::builder(device.clone()).build();
        let folder = shared::scratch();
        for index in 0..11 {
            let path = folder.path().join(format!("plain{index}"));
            std::fs::write(path, device.partition_bytes(index)).expect("a plain file");
        }
        Self {
            sandbox: sandbox.unwrap_or_else(|error| panic!("{error}")),
            device,
            folder,
        }
    }

    /// Where files of a measurement may lie.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn inside(&self, command: &mut Command) {
        let outcome = self
            .sandbox
            .run(command)
            .unwrap_or_else(|error| panic!("{error}"));
        assert!(
            outcome.status.success(),
            "{command:?}: {:?}",
            outcome.status
        );
    }

    fn lines(&self) -> (String, String) {
        let out = self.folder.path().display();
        let line = |from: &str| {
            format!(
                "for x in 0 1 2 3 4 5 6 7 8 9 10; do dd if={from}$x of={out}/out$x.bin || exit 1; done"
            )
        };
        (line("/dev/mtd"), line(&format!("{out}/plain")))
    }

    fn dd_loop(&self, rounds: usize) -> Vec<Standing> {
        let (flash, plain) = self.lines();
        let mut contest = Contest::new("sandbox/eleven dd at 512 bytes, 16 MiB", None);
        contest.enter("eleven dd on plain files", None, || run(&mut sh(&plain)));
        contest.enter("eleven dd in the sandbox", Some(1.25), || {
            self.inside(&mut sh(&flash));
        });
        contest.enter("eleven dd, with setting the sandbox up", Some(1.25), || {
            let sandbox = Sandbox::builder(self.device.clone()).build();
            sandbox.expect("builds").run(&mut sh(&flash)).expect("runs");
        });
        contest.run(rounds).into_iter().skip(1).collect()
    }

    /// What there is before the program starts and after it ended.
    fn start_and_end(&self, rounds: usize) -> Vec<Standing> {
        let mut contest = Contest::new("sandbox/start and end", None);
        contest.enter("true outside", None, || run(&mut Command::new("true")));
        contest.enter("true, with setting the sandbox up", None, || {
            let sandbox = Sandbox::builder(self.device.clone()).build();
            let outcome = sandbox.expect("builds").run(&mut Command::new("true"));
            assert!(outcome.expect("runs").status.success());
        });
        contest.run(rounds).into_iter().skip(1).collect()
    }

    /// A process that has flash open for writing, and writes to a plain file.
    fn plain_writes(&self, rounds: usize) -> Vec<Standing> {
        let out = self.folder.path().display();
        let line = format!("dd if=/dev/zero of={out}/plain-out bs=4k count=20000 conv=notrunc");
        let holding = format!("exec 3<> /dev/mtd8; {line}");
        let mut contest = Contest::new("sandbox/20,000 writes of 4 KiB to a plain file", None);
        contest.enter("outside", None, || run(&mut sh(&line)));
        contest.enter("where flash is open for writing", Some(2.0), || {
            self.inside(&mut sh(&holding));
        });
        contest.run(rounds).into_iter().skip(1).collect()
    }

    /// Programs that never look at flash.
    fn untouched(&self, rounds: usize) -> Vec<Standing> {
        let folder = self.folder.path().display();
        let lines = [
            (
                "sha256sum of 16 MiB, four times",
                format!("for x in 1 2 3 4; do cat {folder}/plain* | sha256sum; done"),
                Some(1.1),
            ),
            (
                "gzip of 6 MiB",
                format!("gzip -c {folder}/plain3"),
                Some(1.1),
            ),
            (
                "200 commands that do nothing",
                "x=0; while [ $x -lt 200 ]; do /bin/true; x=$((x+1)); done".into(),
                None,
            ),
            (
                "find over /usr/share",
                "find /usr/share -name '*.none'".into(),
                Some(3.0),
            ),
            ("du of /usr/share", "du -s /usr/share".into(), Some(3.0)),
        ];
        let mut found = Vec::new();
        for (what, line, aim) in &lines {
            let mut contest = Contest::new(format!("sandbox/without flash: {what}"), None);
            contest.enter("outside", None, || run(&mut sh(line)));
            contest.enter(*what, *aim, || self.inside(&mut sh(line)));
            found.extend(contest.run(rounds).into_iter().skip(1));
        }
        found
    }

    /// What else there is to show a program other files; and what is not here.
    fn others(&self, rounds: usize) -> (Vec<Standing>, Vec<String>) {
        let (flash, plain) = self.lines();
        let mut contest = Contest::new("sandbox/others, eleven dd at 512 bytes", None);
        contest.enter("eleven dd on plain files", None, || run(&mut sh(&plain)));
        let mut missing = Vec::new();
        for program in ["proot", "umockdev-wrapper"] {
            if !installed(program) {
                println!("missing: {program} is not installed");
                missing.push(program.to_owned());
                continue;
            }
            let (flash, plain) = (&flash, &plain);
            contest.enter(format!("eleven dd under {program}"), None, move || {
                let mut command = Command::new(program);
                let line = if program == "proot" {
                    for index in 0..11 {
                        let from = self.folder.path().join(format!("plain{index}"));
                        let bound = format!("{}:/dev/mtd{index}", from.display());
                        command.args(["-b", &bound]);
                    }
                    flash
                } else {
                    // It shows devices that it has recordings of; here only its
                    // way of getting between program and C library is timed.
                    plain
                };
                command.args(["sh", "-c", line]).stdin(Stdio::null());
                command.stdout(Stdio::null()).stderr(Stdio::null());
                // proot 5.1 of Debian 12 ends dd with a status of its own.
                command.status().expect("starts");
            });
        }
        (contest.run(rounds).into_iter().skip(1).collect(), missing)
    }

    /// A small program under power cuts, on one processor: states in a second, each with a
    /// check by sh and od.
    fn cuts(&self, states: usize) -> Call {
        let program = || sh("printf 'some words, a buffer and a half of them' > /dev/mtd7");
        let check = "od -An -N 64 /dev/mtd7 > /dev/null";
        let subject = UnderCuts::new(self.device.clone(), program).check(check);
        let start = subject.start();
        let explorer = Explorer::new(&start, &subject).threads(1);
        let report = explorer.states(states as u64).run().expect("it holds");
        report.assert_held();
        let value = report.states_per_second();
        println!(
            "sandbox/power cuts: {} states, {value:.0} a second",
            report.states()
        );
        Call {
            name: "states of a program under power cuts".into(),
            value,
            unit: "a second".into(),
            aim: None,
        }
    }

    fn calls(&self) -> Vec<Call> {
        let me = std::env::current_exe().expect("a path");
        self.inside(Command::new(me).env(PROBE, self.folder.path()));
        let text = std::fs::read(self.folder.path().join(CALLS)).expect("the probe wrote it");
        let calls: Vec<Call> = serde_json::from_slice(&text).expect("as the probe wrote it");
        println!("sandbox/calls, inside:");
        for call in &calls {
            let aim = call.aim.map_or_else(String::new, |aim| {
                format!(" (aim: at most {aim} {})", call.unit)
            });
            println!("  {:>6.2} {}  {}{aim}", call.value, call.unit, call.name);
        }
        calls
    }
}
