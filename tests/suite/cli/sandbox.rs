//! `mtdkeep sandbox`, as the real binary.

use crate::cli::support::{mtdkeep, program, signals_at_start, text};
use std::process::Command;
use std::time::Duration;

/// Runs `mtdkeep sandbox ARGS` with a usual PATH.
pub fn sandbox(args: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = mtdkeep();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
        .arg("sandbox")
        .args(args)
        .timeout(Duration::from_secs(120));
    command.assert()
}

pub fn stderr(assert: &assert_cmd::assert::Assert) -> String {
    text(&assert.get_output().stderr).to_owned()
}

#[test]
fn a_program_sees_the_device_and_its_exit_status_passes_through() {
    let table = mtd_harness::profile::ispot(1).system.proc_mtd();
    sandbox(&["--", "cat", "/proc/mtd"]).success().stdout(table);
    sandbox(&["sh", "-c", "test -c /dev/mtd0 && exit 7"]).code(7);
    sandbox(&["--", "test", "-c", "/dev/mtd10"]).code(1);
    sandbox(&["--with-node", "mtd10", "--", "test", "-c", "/dev/mtd10"]).code(0);
}

/// Nodes where devfs and Android have them.
#[test]
fn nodes_may_stand_in_folders() {
    for (name, of) in [
        ("mtd/0", "mtd0"),
        ("mtd/3ro", "mtd3ro"),
        ("/dev/mtd/mtd1", "mtd1"),
        ("block/mtdblock3", "mtdblock3"),
        ("mtdblock/3", "mtdblock3"),
    ] {
        let short = name.trim_start_matches("/dev/");
        let line = format!(
            "cmp /dev/{short} /dev/{of} && test $(stat -c %t:%T /dev/{short}) = $(stat -c %t:%T /dev/{of}) \
             && ls /dev/{short} && ls -la $(dirname /dev/{short}) >/dev/null"
        );
        let run = sandbox(&["--with-node", name, "--", "sh", "-c", &line]);
        run.success().stdout(format!("/dev/{short}\n"));
        assert!(!std::path::Path::new("/dev").join(short).exists());
    }
    for name in [
        "mtd/x",
        "mtd/",
        "block/mtd",
        "disk/mtd0",
        "mtd/mtdblock",
        "../mtd0",
    ] {
        sandbox(&["--with-node", name, "--", "true"]).code(2);
    }
}

/// No text tells where nodes lie: a script of a phone, of a camera or of a router with
/// devfs finds its own. Known devices have theirs alone.
#[test]
fn nodes_of_a_device_that_a_text_describes() {
    let mut table = tempfile::NamedTempFile::new().unwrap();
    let text = "dev:    size   erasesize  name\nmtd0: 00020000 00010000 \"boot\"\n";
    std::io::Write::write_all(&mut table, text.as_bytes()).unwrap();
    let simulate = format!("--simulate={}", table.path().display());
    let line = "for node in mtd0 mtd0ro mtdblock0 mtd/0 mtd/0ro mtd/mtd0 mtd/mtd0ro mtdblock/0 \
                block/mtdblock0; do dd if=/dev/$node bs=64k 2>/dev/null | cmp - /dev/mtd0 || exit 1; \
                done; ls /dev/mtd";
    let run = sandbox(&[&simulate, "--", "sh", "-c", line]).code(0);
    run.stdout("0\n0ro\nmtd0\nmtd0ro\n");
    sandbox(&["--", "test", "-e", "/dev/mtd/mtd0"]).code(1);
    let phone = "test -c /dev/mtd/mtd7 && test -b /dev/block/mtdblock7 && test ! -e /dev/mtd/7";
    sandbox(&["--simulate=android-phone", "--", "sh", "-c", phone]).code(0);
}

#[test]
fn what_cannot_be_run_has_codes_of_its_own() {
    let missing = sandbox(&["--", "/no/such/program"]).code(127);
    assert!(stderr(&missing).contains("/no/such/program"));
    let plain = tempfile::NamedTempFile::new().unwrap();
    sandbox(&["--", plain.path().to_str().unwrap()]).code(126);
    let map = sandbox(&["--map", "/x=/no/such", "--", "true"]).code(125);
    assert!(stderr(&map).contains("/no/such"), "{}", stderr(&map));
    for (folder, code) in [("", 0), ("/no/such/folder", 125)] {
        let mut command = mtdkeep();
        command
            .env("TMPDIR", folder)
            .args(["sandbox", "--", "true"]);
        let ended = command.env("PATH", "/usr/bin:/bin").assert().code(code);
        let said = stderr(&ended);
        assert!(
            code == 0 || said.contains("/no/such/folder (TMPDIR)"),
            "{said}"
        );
    }
    for wrong in [
        &["--map", "x", "--", "true"][..],
        &["--kernel", "old", "--", "true"],
        &["--with-node", "sda", "--", "true"],
        &["--json", "--", "true"],
        &["--root", "/", "--", "true"],
        &[],
    ] {
        sandbox(wrong).code(2);
    }
}

#[test]
fn signals_end_this_program_as_they_ended_the_other() {
    use std::os::unix::process::ExitStatusExt;
    let temporary = tempfile::tempdir().unwrap();
    for signal in [9, 15, 2] {
        let mut command = program();
        signals_at_start(&mut command, &[]);
        command
            .env("PATH", "/usr/bin:/bin")
            .env("TMPDIR", temporary.path());
        let line = format!("cat /proc/mtd; kill -{signal} $$");
        command.args(["sandbox", "--", "sh", "-c", &line]);
        let status = command.output().unwrap().status;
        assert_eq!(status.signal(), Some(signal), "{status:?}");
        let left = std::fs::read_dir(temporary.path()).unwrap().count();
        assert_eq!(left, 0, "its temporary folder is left");
    }
}

#[test]
fn sigterm_and_interrupt_end_everything() {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::{CommandExt, ExitStatusExt};
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mtdkeep"));
        // It is waiting, or about to. While it starts a program, a shell that does so by
        // vfork(2) may lose an interrupt, here and elsewhere.
        command.args(["sandbox", "--", "sh", "-c", "sleep 1000 & echo $$; wait"]);
        // A group of its own, as a terminal's foreground job has.
        command
            .process_group(0)
            .stdout(std::process::Stdio::piped());
        signals_at_start(&mut command, &[]);
        let mut running = command.spawn().unwrap();
        let mut line = String::new();
        let stdout = running.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let group = rustix::process::Pid::from_child(&running);
        rustix::process::kill_process_group(group, signal).unwrap();
        let status = running.wait().unwrap();
        assert_eq!(status.signal(), Some(signal.as_raw()), "{status:?}");
        let pid: i32 = line.trim().parse().unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        assert!(
            rustix::process::test_kill_process(pid).is_err(),
            "{pid:?} lives on"
        );
    }
}

/// As under `nohup`, and in a shell's job in the background.
#[test]
fn what_was_ignored_from_the_start_ends_nothing() {
    use rustix::process::Signal;
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::process::CommandExt;
    use std::process::Stdio;
    let mut command = Command::new(env!("CARGO_BIN_EXE_mtdkeep"));
    command.args(["sandbox", "--", "sh", "-c", "echo begun; read line; exit 3"]);
    command.process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    signals_at_start(&mut command, &[libc::SIGINT, libc::SIGHUP, libc::SIGQUIT]);
    let mut running = command.spawn().unwrap();
    let stdout = running.stdout.take().unwrap();
    BufReader::new(stdout)
        .read_line(&mut String::new())
        .unwrap();
    let group = rustix::process::Pid::from_child(&running);
    for signal in [Signal::INT, Signal::INT, Signal::QUIT, Signal::HUP] {
        rustix::process::kill_process_group(group, signal).unwrap();
    }
    let mut stdin = running.stdin.take().unwrap();
    stdin.write_all(b"\n").unwrap();
    let status = running.wait().unwrap();
    assert_eq!(status.code(), Some(3), "{status:?}");
}

#[test]
fn images_come_in_and_go_out() {
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (
        folder.path().join("before.bin"),
        folder.path().join("after.bin"),
    );
    let (before_name, after_name) = (before.to_str().unwrap(), after.to_str().unwrap());
    mtdkeep()
        .args(["image", "--simulate", "--output", before_name])
        .assert()
        .success();
    let line = "printf '\\000' > /dev/mtd7";
    let args = [
        "--image",
        before_name,
        "--save",
        after_name,
        "--",
        "sh",
        "-c",
        line,
    ];
    sandbox(&args).success();
    let (was, is) = (
        std::fs::read(&before).unwrap(),
        std::fs::read(&after).unwrap(),
    );
    let changed: Vec<usize> = (0..was.len()).filter(|at| was[*at] != is[*at]).collect();
    assert!(
        changed.is_empty() && was[0xfa_0000] == 0 || changed == [0xfa_0000],
        "{changed:x?}"
    );
    let refused = sandbox(&args).code(5);
    assert!(stderr(&refused).contains("nothing was run"));
}

#[test]
fn statistics_trace_and_faults_see_every_read() {
    let counted = sandbox(&[
        "--stats",
        "--",
        "dd",
        "if=/dev/mtd1",
        "of=/dev/null",
        "bs=4k",
    ])
    .success();
    assert!(
        stderr(&counted).contains("chip 0: 32 reads (131072 bytes), 0 programs"),
        "{}",
        stderr(&counted)
    );
    let traced = sandbox(&["--trace", "--", "head", "-c", "1", "/dev/mtd1"]).success();
    assert!(
        stderr(&traced).contains("openat(\"/dev/mtd1\""),
        "{}",
        stderr(&traced)
    );
    assert!(stderr(&traced).contains("read("), "{}", stderr(&traced));
    let failed = sandbox(&["--faults", "read-error@0x40000", "--", "cat", "/dev/mtd1"]).code(1);
    assert!(
        stderr(&failed).contains("Input/output error"),
        "{}",
        stderr(&failed)
    );
}

#[test]
fn the_web_root_can_be_mapped_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let map = format!("/var/wwwroot={}", folder.path().display());
    sandbox(&["--map", &map, "--", "sh", "-c", "echo x > /var/wwwroot/f"]).success();
    assert_eq!(std::fs::read(folder.path().join("f")).unwrap(), b"x\n");
    let kept = sandbox(&["--keep", "--", "sh", "-c", "echo y > /var/wwwroot/f"]).success();
    let told = stderr(&kept);
    let path = told.trim().rsplit(' ').next().unwrap();
    assert_eq!(std::fs::read(format!("{path}/f")).unwrap(), b"y\n");
    std::fs::remove_dir_all(path).unwrap();
}

/// This program's own real-device backend, on what it takes for a real device,
/// makes the same images as its simulated backend.
#[test]
fn a_backup_in_the_sandbox_is_that_of_the_simulation() {
    let folder = tempfile::tempdir().unwrap();
    let map = format!("/var/wwwroot={}", folder.path().display());
    let me = env!("CARGO_BIN_EXE_mtdkeep");
    let made = sandbox(&["--with-node", "mtd10", "--map", &map, "--", me, "backup"]).success();
    let said = crate::cli::support::unwrapped(&String::from_utf8_lossy(&made.get_output().stdout));
    for words in [
        "/var/wwwroot/mtd_backup holds this device's secrets, and everybody",
        "then `mtdkeep clean /var/wwwroot/mtd_backup` here",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let simulated = folder.path().join("simulated");
    mtdkeep()
        .args([
            "backup",
            "--simulate",
            "--output",
            simulated.to_str().unwrap(),
        ])
        .assert()
        .success();
    let real = folder.path().join("mtd_backup");
    for index in 0..11 {
        let image = |folder: &std::path::Path| {
            let names = std::fs::read_dir(folder).unwrap().flatten();
            let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
            let start = format!("mtd{index}");
            let mut fits = names.filter(|name| {
                name.strip_prefix(&start)
                    .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
                    && name.ends_with(".bin")
            });
            fits.next()
                .map(|name| std::fs::read(folder.join(name)).unwrap())
        };
        let (real, simulated) = (image(&real), image(&simulated));
        assert!(real.is_some() && real == simulated, "mtd{index}");
    }
    sandbox(&[
        "--with-node",
        "mtd10",
        "--map",
        &map,
        "--",
        me,
        "verify",
        "--device",
        "/var/wwwroot/mtd_backup",
    ])
    .success();
}

#[test]
fn an_old_kernel_lacks_later_calls() {
    sandbox(&["--kernel", "2.6.24", "--", "uname", "-r"])
        .success()
        .stdout("2.6.24\n");
    sandbox(&[
        "--kernel",
        "2.6.24",
        "--",
        "sh",
        "-c",
        "cat /dev/mtd1 | wc -c; printf '\\0' > /dev/mtd7",
    ])
    .success()
    .stdout("131072\n");
}

/// A warning says whose it is; `--quiet` takes it away, and no line of the trace.
#[test]
fn quiet_takes_the_warnings_and_not_the_trace() {
    let line = "(: <> /dev/mtd1) 2>/dev/null; : > '/var/wwwroot/warning: x'";
    let warning = "mtdkeep sandbox: warning: /dev/mtd1 was not opened for writing";
    for (quiet, warns) in [(&[][..], true), (&["--quiet"][..], false)] {
        let rest = ["--trace", "--read-only", "--", "sh", "-c", line];
        let run = sandbox(&[quiet, &rest].concat()).success();
        let told = stderr(&run);
        assert_eq!(told.contains(warning), warns, "{told}");
        assert_eq!(told.contains("warning: /dev/mtd1"), warns, "{told}");
        let traced = |line: &str| line.starts_with('[') && line.contains("warning: x");
        assert!(told.lines().any(traced), "{told}");
    }
}
