//! Beginnings and ends.

use crate::support::{bench, text};
use mtd_harness::sandbox::SandboxError;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn exit_codes_and_signals_pass_through() {
    let bench = bench();
    for code in [0, 1, 7, 255] {
        assert_eq!(bench.sh(&format!("exit {code}")).status.code(), Some(code));
    }
    // A shell that starts the tests in the background has SIGINT ignored, and programs
    // inherit that.
    // SAFETY: the default disposition runs no code of ours.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    for signal in [libc::SIGTERM, libc::SIGKILL, libc::SIGINT, libc::SIGPIPE] {
        assert_eq!(
            bench.sh(&format!("kill -{signal} $$")).status.signal(),
            Some(signal)
        );
    }
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    let error = bench()
        .sandbox
        .run(&mut Command::new("/no/such/program"))
        .unwrap_err();
    assert!(matches!(error, SandboxError::Start { .. }), "{error}");
    assert!(error.to_string().contains("/no/such/program"), "{error}");
}

#[test]
fn a_command_may_run_twice() {
    let bench = bench();
    let mut command = Command::new("sh");
    command.args(["-c", "test -c /dev/mtd0"]);
    for _ in 0..2 {
        assert!(bench.sandbox.run(&mut command).unwrap().status.success());
    }
}

#[test]
fn standard_input_reaches_the_program() {
    use std::io::Write;
    let bench = bench();
    let mut running = bench
        .sandbox
        .spawn(
            Command::new("cat")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped()),
        )
        .unwrap();
    let mut stdin = running.child().stdin.take().unwrap();
    stdin.write_all(b"through").unwrap();
    drop(stdin);
    assert_eq!(text(&running.wait().unwrap().stdout), "through");
}

fn wait_until_gone(pid: i32) {
    let start = Instant::now();
    // SAFETY: signal 0 only asks.
    while unsafe { libc::kill(pid, 0) } == 0 {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "process {pid} lives on"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn pids(text: &str) -> Vec<i32> {
    text.split_whitespace()
        .map(|pid| pid.parse().unwrap())
        .collect()
}

#[test]
fn what_the_program_leaves_running_ends_with_it() {
    let line = "(sleep 1000 & echo $! ) ; setsid sh -c 'sleep 1000 & echo $! $$; : > told; \
                exec sleep 1000' & until [ -e told ]; do sleep 0.01; done";
    let outcome = bench().sh(&format!("{line} 2>/dev/null"));
    let pids = pids(&text(&outcome.stdout));
    assert_eq!(pids.len(), 3, "{}", text(&outcome.stdout));
    for pid in pids {
        wait_until_gone(pid);
    }
}

#[test]
fn dropping_a_running_program_ends_it() {
    use std::io::{BufRead, BufReader};
    let bench = bench();
    let line = "echo x > /dev/mtd8; sleep 1000 & echo $$ $!; wait";
    let mut running = bench
        .sandbox
        .spawn(Command::new("sh").args(["-c", line]).stdout(Stdio::piped()))
        .unwrap();
    let mut first = String::new();
    let stdout = running.child().stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut first).unwrap();
    drop(running);
    for pid in pids(&first) {
        wait_until_gone(pid);
    }
}

/// The supervisor of the next test.
#[test]
#[ignore = "started and killed by killing_the_supervisor_leaves_nothing"]
fn supervisor_to_be_killed() {
    let line = "exec 3> /dev/mtd8; (while :; do printf x >&3; dd if=/dev/mtd1 of=/dev/null status=none; done) & \
                (while :; do ls -l /dev /proc/mtd > /dev/null; cd /var/wwwroot; cd /; done) & \
                echo pids $$ $! ; sleep 1000";
    let bench = bench();
    let _ = bench.sandbox.run(Command::new("sh").args(["-c", line]));
}

#[test]
fn killing_the_supervisor_leaves_nothing() {
    use std::io::{BufRead, BufReader};
    for round in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let mut supervisor = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "--nocapture",
                "life::supervisor_to_be_killed",
            ])
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(supervisor.stdout.take().unwrap()).lines();
        let mut lines = lines.map_while(Result::ok);
        let line = lines.find_map(|line| Some(line.split_once("pids ")?.1.to_owned()));
        std::thread::sleep(Duration::from_millis(round * 7));
        supervisor.kill().unwrap();
        supervisor.wait().unwrap();
        for pid in pids(&line.expect("the program said who it is")) {
            wait_until_gone(pid);
        }
        // The output ends only when nobody holds it open any more.
        lines.for_each(drop);
        let start = Instant::now();
        let left = || {
            let names = std::fs::read_dir(folder.path()).unwrap().flatten();
            let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
            names
                .filter(|name| name.starts_with("mtdkeep-sandbox"))
                .count()
        };
        while left() > 0 {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "its folder is left"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Runs in surroundings that lack something; prints the error.
#[test]
#[ignore = "started where a sandbox cannot be"]
fn where_it_cannot_be() {
    let device = mtd_harness::profile::ispot(1);
    let ran = mtd_harness::sandbox::Sandbox::builder(device)
        .build()
        .and_then(|sandbox| sandbox.run(&mut Command::new("true")));
    println!("error: {}", ran.unwrap_err());
}

const ELSEWHERE: [&str; 4] = [
    "--ignored",
    "--exact",
    "--nocapture",
    "life::where_it_cannot_be",
];

#[test]
fn a_sandbox_in_a_sandbox_says_that_it_cannot_be() {
    let me = std::env::current_exe().unwrap();
    let outcome = bench().run(me.to_str().unwrap(), &ELSEWHERE);
    let told = text(&outcome.stdout);
    assert!(
        told.contains("inside another sandbox"),
        "{told}{}",
        text(&outcome.stderr)
    );
}

/// What a container's profile may do: EPERM to one call.
fn forbid(number: i64) -> std::io::Result<()> {
    let op = |code, k, jt, jf| libc::sock_filter { code, jt, jf, k };
    let program = [
        op(0x20, 0, 0, 0),
        op(0x15, number as u32, 0, 1),
        op(0x06, 0x0005_0001, 0, 0),
        op(0x06, 0x7fff_0000, 0, 0),
    ];
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the program is a local that the kernel copies.
    let failed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) != 0
    };
    if failed {
        return Err(std::io::Error::last_os_error());
    }
    Ok(())
}

#[test]
fn a_forbidden_call_is_named() {
    use std::os::unix::process::CommandExt;
    for (number, name) in [
        (libc::SYS_pidfd_getfd, "pidfd_getfd"),
        (libc::SYS_process_vm_readv, "process_vm_readv"),
        (libc::SYS_seccomp, "seccomp"),
    ] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(ELSEWHERE);
        // SAFETY: `forbid` makes two system calls on its own stack.
        unsafe { command.pre_exec(move || forbid(number)) };
        let told = text(&command.output().unwrap().stdout);
        let line = told.lines().find(|line| line.contains("error: "));
        assert!(
            line.is_some_and(|line| line.contains(name)),
            "{name}: {told}"
        );
    }
}
