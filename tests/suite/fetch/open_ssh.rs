//! Real servers of ssh on loopback, as an ordinary user, with the sandbox behind them:
//! OpenSSH and dropbear. `ci/fetch` has them.

use super::support::{TABLE, assert_good};
use crate::cli::support::{program, text};
use rstest::rstest;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server that is ended when the test is.
struct Server(Child);

impl Server {
    /// The kernel tells when it listens: connecting succeeds.
    fn wait(&mut self, port: u16) {
        self.wait_at("127.0.0.1", port);
    }

    fn wait_at(&mut self, host: &str, port: u16) {
        while TcpStream::connect((host, port)).is_err() {
            let ended = self.0.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended: {ended:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn key(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status();
    assert!(made.unwrap().success());
}

/// What a login gets in place of a shell.
fn device(folder: &Path) -> String {
    fs::write(folder.join("table"), TABLE).unwrap();
    let me = program();
    let me = me.get_program().to_str().unwrap().to_owned();
    let table = folder.join("table").display().to_string();
    format!("{me} sandbox -q --simulate={table} -- sh -c 'exec sh'")
}

fn open_ssh(folder: &Path, port: u16) -> Server {
    key(&folder.join("host"));
    let keys = fs::read_to_string(folder.join("user.pub")).unwrap();
    fs::write(folder.join("authorized"), keys).unwrap();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nListenAddress ::1\nHostKey {0}/host\n\
         PidFile none\nStrictModes no\n\
         AuthorizedKeysFile {0}/authorized\nUsePAM no\nForceCommand {1}\n",
        folder.display(),
        device(folder)
    );
    fs::write(folder.join("config"), config).unwrap();
    let child = Command::new("/usr/sbin/sshd")
        .args(["-D", "-e", "-f"])
        .arg(folder.join("config"))
        .stderr(Stdio::null())
        .spawn();
    Server(child.unwrap())
}

/// A server that only lets through to another one; what it did is in its log.
fn jump(folder: &Path, port: u16) -> Server {
    let folder = folder.join("jump");
    fs::create_dir(&folder).unwrap();
    key(&folder.join("host"));
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host\nPidFile none\nStrictModes no\n\
         AuthorizedKeysFile {0}/../authorized\nUsePAM no\nForceCommand false\n",
        folder.display(),
    );
    fs::write(folder.join("config"), config).unwrap();
    let child = Command::new("/usr/sbin/sshd")
        .args(["-D", "-E"])
        .arg(folder.join("log"))
        .arg("-f")
        .arg(folder.join("config"))
        .spawn();
    Server(child.unwrap())
}

fn dropbear(folder: &Path, port: u16) -> Server {
    assert!(
        std::env::var_os("MTDKEEP_OWN_HOME").is_some(),
        "it takes keys from the user's home folder alone, which has to be the tests' own: ci/fetch"
    );
    let made = Command::new("dropbearkey")
        .args(["-t", "ed25519", "-f"])
        .arg(folder.join("host"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(made.unwrap().success());
    let keys = fs::read_to_string(folder.join("user.pub")).unwrap();
    let home = std::env::home_dir().unwrap().join(".ssh");
    fs::create_dir_all(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    // Behind those of other tests: they run at the same time, and the home is one.
    let all = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(home.join("authorized_keys"));
    all.unwrap().write_all(keys.as_bytes()).unwrap();
    let child = Command::new("dropbear")
        .args(["-F", "-E", "-s", "-c", &device(folder)])
        .args(["-p", &format!("127.0.0.1:{port}")])
        .args(["-p", &format!("[::1]:{port}"), "-r"])
        .arg(folder.join("host"))
        .arg("-P")
        .arg(folder.join("pid"))
        .stderr(Stdio::null())
        .spawn();
    Server(child.unwrap())
}

#[rstest]
#[case::open_ssh(open_ssh, "127.0.0.1")]
#[case::open_ssh_over_v6(open_ssh, "::1")]
#[case::dropbear(dropbear, "127.0.0.1")]
#[case::dropbear_over_v6(dropbear, "::1")]
#[ignore = "needs sshd and dropbear"]
fn a_device_behind_a_real_server(#[case] start: fn(&Path, u16) -> Server, #[case] host: &str) {
    if host.contains(':') && !super::v6::has_v6() {
        return;
    }
    let outer = tempfile::tempdir().unwrap();
    key(&outer.path().join("user"));
    let port = free_port();
    let mut server = start(outer.path(), port);
    server.wait_at(host, port);
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    let user = Command::new("id").arg("-un").output().unwrap();
    let identity = format!("IdentityFile={}", outer.path().join("user").display());
    let output = program()
        .arg("fetch")
        .arg(format!("ssh://{}@{host}:{port}", text(&user.stdout).trim()))
        .arg(outer.path().join("b"))
        .args(["--ssh-option", &identity])
        .args(["--ssh-option", "StrictHostKeyChecking=no"])
        .args(["--ssh-option", "UserKnownHostsFile=/dev/null"])
        .args(["--ssh-option", "IdentitiesOnly=yes"])
        .args(["--ssh-option", "BatchMode=yes"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_good(&outer.path().join("b"));
}

/// What the user's own configuration says of the way counts: a name, a key, and a host in
/// between.
#[test]
#[ignore = "needs sshd, and a home folder of its own"]
fn a_device_behind_another_host() {
    assert!(
        std::env::var_os("MTDKEEP_OWN_HOME").is_some(),
        "it writes the user's ssh configuration, which has to be the tests' own: ci/fetch"
    );
    let outer = tempfile::tempdir().unwrap();
    key(&outer.path().join("user"));
    let (port, jump_port) = (free_port(), free_port());
    let mut device = open_ssh(outer.path(), port);
    let mut between = jump(outer.path(), jump_port);
    device.wait(port);
    between.wait(jump_port);
    let home = std::env::home_dir().unwrap().join(".ssh");
    fs::create_dir_all(&home).unwrap();
    let config = format!(
        "Host mtdkeep-*\n HostName 127.0.0.1\n IdentityFile {}\n IdentitiesOnly yes\n \
         BatchMode yes\n StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n\
         Host mtdkeep-between\n Port {jump_port}\n\
         Host mtdkeep-behind\n Port {port}\n ProxyJump mtdkeep-between\n",
        outer.path().join("user").display()
    );
    fs::write(home.join("config"), config).unwrap();
    fs::set_permissions(home.join("config"), fs::Permissions::from_mode(0o600)).unwrap();
    let output = program()
        .args(["fetch", "ssh://mtdkeep-behind"])
        .arg(outer.path().join("b"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_good(&outer.path().join("b"));
    let log = fs::read_to_string(outer.path().join("jump/log")).unwrap();
    assert!(log.contains("Accepted publickey"), "{log}");
}
