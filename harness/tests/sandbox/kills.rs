//! Supervisor, keeper and guard, killed at any moment.

use crate::support::{bench, text};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Marks in their environment all processes of one round.
const MARK: &str = "MTDKEEP_TEST_ROUND";
/// What the next test runs.
const LINE: &str = "MTDKEEP_TEST_LINE";

const LINES: [&str; 5] = [
    "for i in 1 2 3; do sleep 300 & done; (setsid sleep 301 &) ; wait",
    "while :; do dd if=/dev/mtd1 of=/dev/null bs=64k 2>/dev/null; done",
    "exec 3> /dev/mtdblock7; while :; do printf x >&3; done",
    "while :; do ls -l /var/wwwroot /dev > /var/wwwroot/x; cat /proc/mtd >> /var/wwwroot/x; done",
    "for i in 1 2 3; do (setsid sh -c 'trap \"\" TERM HUP INT; sleep 300; exit' &) ; done; sleep 300",
];

#[test]
#[ignore = "started and killed by the tests of this file"]
fn supervisor() {
    // A temporary folder of the sandbox's own, not one of the test's.
    let sandbox = mtd_harness::sandbox::Sandbox::builder(crate::support::device());
    let line = std::env::var(LINE).unwrap();
    let run = sandbox.build().unwrap();
    let _ = run.run(Command::new("sh").args(["-c", &line]));
}

/// The processes of a round that are not just waiting to be collected, by name.
fn processes(mark: &str) -> BTreeMap<i32, String> {
    let wanted = format!("{MARK}={mark}");
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|word| word == wanted.as_bytes())
        {
            let name = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.insert(pid, name.trim().to_owned());
        }
    }
    found
}

fn kill(pid: i32) {
    // SAFETY: plain numbers.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// Who is killed, in this order.
const VICTIMS: [&[&str]; 6] = [
    &["supervisor"],
    &["mtdkeep-keeper"],
    &["sandbox-guard"],
    &["supervisor", "mtdkeep-keeper"],
    &["mtdkeep-keeper", "supervisor"],
    &["supervisor", "sandbox-guard"],
];

fn kill_some(mark: &str, supervisor: &mut Child, victims: &[&str]) {
    let found = processes(mark);
    for victim in victims {
        if *victim == "supervisor" {
            supervisor.kill().unwrap();
        }
        let named = found.iter().filter(|(_, name)| name == victim);
        named.for_each(|(pid, _)| kill(*pid));
    }
    // Before there is a keeper, nobody was killed yet.
    if !victims.contains(&"supervisor") && !found.values().any(|name| name == victims[0]) {
        supervisor.kill().unwrap();
    }
}

fn rounds(count: u64, seed: u64) {
    println!("seed {seed}");
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    for round in 0..count {
        let mark = format!("{}-{seed}-{round}", std::process::id());
        let mut pick = |count: usize| (rng.next_u64() % count as u64) as usize;
        let (line, victims) = (LINES[pick(LINES.len())], VICTIMS[pick(VICTIMS.len())]);
        let wait = Duration::from_millis(pick(120) as u64);
        let told = format!("round {round}: {victims:?} after {wait:?}, {line}");
        let mut supervisor = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "kills::supervisor"])
            .env("TMPDIR", folder.path())
            .env(MARK, &mark)
            .env(LINE, line)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(wait);
        kill_some(&mark, &mut supervisor, victims);
        wait_for(&format!("{told}: it goes on"), || {
            supervisor.try_wait().unwrap().is_some()
        });
        wait_for(&format!("{told}: processes are left"), || {
            processes(&mark).is_empty()
        });
        wait_for(&format!("{told}: a folder is left"), || {
            std::fs::read_dir(folder.path()).unwrap().next().is_none()
        });
    }
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(4));
    }
}

#[test]
fn killed_at_any_moment_nothing_is_left() {
    rounds(40, 11);
}

/// Nobody is left to collect what goes on then, but the supervisor learns of it at its
/// next call.
#[test]
fn keeper_and_guard_killed_at_once_no_call_is_answered_any_more() {
    const LINE_OF_SURVIVORS: &str = "\
        for i in 1 2 3; do
            (setsid sh -c 'trap \"\" TERM HUP; while :; do ls /dev > /dev/null; done' &)
        done
        (exec 3> /dev/mtd7; while :; do printf x >&3; test -e /proc/mtd; done) &
        wait";
    for round in 0..2 {
        let mark = format!("{}-survivors-{round}", std::process::id());
        let folder = tempfile::tempdir().unwrap();
        let mut supervisor = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "kills::supervisor"])
            .env("TMPDIR", folder.path())
            .env(MARK, &mark)
            .env(LINE, LINE_OF_SURVIVORS)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for("three survivors-to-be", || {
            let found = processes(&mark);
            let named = |name: &str| found.values().filter(|it| *it == name).count();
            named("sh") >= 5 && named("mtdkeep-keeper") == 1
        });
        let both: &[_] = match round % 2 {
            0 => &["mtdkeep-keeper", "sandbox-guard"],
            _ => &["sandbox-guard", "mtdkeep-keeper"],
        };
        kill_some(&mark, &mut supervisor, both);
        wait_for("the supervisor goes on", || {
            supervisor.try_wait().unwrap().is_some()
        });
        wait_for("processes are left", || processes(&mark).is_empty());
        wait_for("a folder is left", || {
            std::fs::read_dir(folder.path()).unwrap().next().is_none()
        });
    }
}

#[test]
#[ignore = "needs some minutes"]
fn killed_a_thousand_times_nothing_is_left() {
    // A round mostly waits: several at once take a fraction of the time.
    std::thread::scope(|scope| {
        for part in 0..5 {
            scope.spawn(move || rounds(200, 12 + part));
        }
    });
}

#[test]
#[ignore = "started and killed by a_folder_that_is_still_kept_goes_with_the_supervisor"]
fn idle_supervisor() {
    let sandbox = mtd_harness::sandbox::Sandbox::builder(crate::support::device());
    let sandbox = sandbox.build().unwrap();
    sandbox.run(Command::new("cat").arg("/proc/mtd")).unwrap();
    println!("ended");
    std::thread::sleep(Duration::from_secs(1000));
}

/// The program is over, and its keeper too; the sandbox might run another one.
#[test]
fn a_folder_that_is_still_kept_goes_with_the_supervisor() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let mut supervisor = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "kills::idle_supervisor",
        ])
        .env("TMPDIR", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(supervisor.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().ends_with("ended")));
    let is_empty = || std::fs::read_dir(folder.path()).unwrap().next().is_none();
    assert!(!is_empty());
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    wait_for("a folder is left", is_empty);
}

/// A set-up that fails for want of descriptors leaves no folder either.
#[test]
fn a_set_up_that_fails_leaves_nothing() {
    use std::os::unix::process::CommandExt;
    let folder = tempfile::tempdir().unwrap();
    for descriptors in 3..40 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--ignored", "--exact", "kills::supervisor"])
            .env("TMPDIR", folder.path())
            .env(LINE, "cat /proc/mtd; ls /var/wwwroot");
        let limit = libc::rlimit {
            rlim_cur: descriptors,
            rlim_max: descriptors,
        };
        // SAFETY: one system call on a local.
        unsafe {
            command.pre_exec(move || {
                libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
                Ok(())
            });
        }
        // Whether it comes about does not matter here.
        let output = command.output();
        let left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .flatten()
            .collect();
        let told = output
            .map(|output| text(&output.stdout))
            .unwrap_or_default();
        assert!(
            left.is_empty(),
            "{descriptors} descriptors: {left:?} {told}"
        );
    }
    // With all that it wants it does come about.
    assert!(bench().ok("cat /proc/mtd").contains("RedBoot"));
}
