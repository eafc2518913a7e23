//! From an OpenSSH server on this machine whose every login is a shell in the sandbox.

use super::shared::rounds::{Contest, Standing};
use super::shared::servers::{Beside, Programs, free_port, started, table};
use super::{fetch, run};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Wall time of 0.95 of the speed.
const AIM: f64 = 1.0 / 0.95;

pub(super) fn standings(
    scratch: &Path,
    megabytes: u64,
    rounds: usize,
    programs: &mut Programs,
) -> Vec<Standing> {
    let (Some(sshd), Some(keygen), Some(ssh)) = (
        programs.find("sshd", "openssh-server"),
        programs.find("ssh-keygen", "openssh-client"),
        programs.find("ssh", "openssh-client"),
    ) else {
        return Vec::new();
    };
    let simulate = table(scratch, megabytes);
    let Some((_server, port)) = server(&sshd, &keygen, scratch, &simulate) else {
        println!("left out: sshd does not start (as root it needs the folder /run/sshd)");
        programs.missing.push("a running sshd".into());
        return Vec::new();
    };
    let user = Command::new("id").arg("-un").output().expect("id");
    let user = String::from_utf8_lossy(&user.stdout).trim().to_owned();
    let options = [
        format!("IdentityFile={}/user", scratch.display()),
        "StrictHostKeyChecking=no".into(),
        "UserKnownHostsFile=/dev/null".into(),
        "IdentitiesOnly=yes".into(),
        "BatchMode=yes".into(),
    ];
    let by_hand = |line: &str| {
        let mut command = Command::new(&ssh);
        for option in &options {
            command.args(["-o", option]);
        }
        command.args([
            "-T",
            "-p",
            &port.to_string(),
            &format!("{user}@127.0.0.1"),
            "exec sh",
        ]);
        piped(command, line);
    };
    let source = format!("ssh://{user}@127.0.0.1:{port}");
    let name = format!("{megabytes} MiB over ssh");
    let mut contest = Contest::new(name, Some(megabytes << 20));
    let both = "for n in 0 1; do cat /dev/mtd$n; sha256sum </dev/mtd$n; done";
    contest.enter(
        "cat and the device's sha256sum, piped to sha256sum",
        None,
        || by_hand(both),
    );
    contest.enter_timed("mtdkeep fetch", Some(AIM), || {
        fetch(&source, scratch, &|command| {
            for option in &options {
                command.args(["--ssh-option", option]);
            }
        })
    });
    contest.enter("cat alone, piped to sha256sum", None, || {
        by_hand("for n in 0 1; do cat /dev/mtd$n; done");
    });
    contest.run(rounds)
}

/// ssh with a line for the shell there, and its output into sha256sum.
fn piped(mut ssh: Command, line: &str) {
    let ssh = ssh.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut ssh = ssh.stderr(Stdio::null()).spawn().expect("ssh starts");
    let (mut stdin, stdout) = (ssh.stdin.take(), ssh.stdout.take());
    let mut sum = Command::new("sha256sum")
        .stdin(stdout.expect("its output"))
        .stdout(Stdio::null())
        .spawn()
        .expect("sha256sum starts");
    let stdin = stdin.take().expect("its input");
    writeln!(&stdin, "{line}").expect("it takes a line");
    drop(stdin);
    assert!(ssh.wait().expect("ssh ends").success());
    assert!(sum.wait().expect("it ends").success());
}

fn key(keygen: &Path, path: &Path) {
    run(Command::new(keygen)
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path));
}

/// None where it does not start.
fn server(sshd: &Path, keygen: &Path, scratch: &Path, table: &Path) -> Option<(Beside, u16)> {
    key(keygen, &scratch.join("host"));
    key(keygen, &scratch.join("user"));
    let port = free_port();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nPidFile none\nStrictModes no\n\
         AuthorizedKeysFile {0}/user.pub\nUsePAM no\n\
         ForceCommand {1} sandbox -q --simulate={2} -- sh -c 'exec sh'\n",
        scratch.display(),
        env!("CARGO_BIN_EXE_mtdkeep"),
        table.display(),
    );
    std::fs::write(scratch.join("config"), config).expect("the configuration");
    let mut command = Command::new(sshd);
    command.args(["-D", "-e", "-f"]).arg(scratch.join("config"));
    Some((started(&mut command, port)?, port))
}
