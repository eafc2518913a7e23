//! `mtdkeep receive` and `mtdkeep script --send` as a user meets them.

use super::device::{Device, TABLE, TOKEN, flash, names};
use crate::cli::support::{mtdkeep, program, program_words, text};
use rstest::rstest;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};
use tempfile::TempDir;

/// `mtdkeep receive`, running.
pub(crate) struct Running {
    pub(crate) child: Child,
    said: BufReader<ChildStdout>,
    aside: BufReader<ChildStderr>,
    pub(crate) address: SocketAddr,
    outer: TempDir,
}

impl Running {
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::of(program(), tempfile::tempdir().unwrap(), options)
    }

    fn of(mut command: Command, outer: TempDir, options: &[&str]) -> Self {
        let mut child = command
            .args(["receive", "127.0.0.1:0"])
            .arg(outer.path().join("b"))
            .args(["--token", TOKEN])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut aside = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            let count = match options.contains(&"--json") {
                true => aside.read_line(&mut line),
                false => said.read_line(&mut line),
            };
            assert_ne!(count.unwrap(), 0, "it ended");
            if let Some((_, rest)) = line.split_once("http://") {
                break rest.split('/').next().unwrap().parse().unwrap();
            }
        };
        Self {
            child,
            said,
            aside,
            address,
            outer,
        }
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.outer.path().join("b")
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.outer.path().join("b.receiving")
    }

    /// Its end, with all that it said.
    pub(crate) fn end(mut self) -> (Output, TempDir) {
        let outer = std::mem::replace(&mut self.outer, tempfile::tempdir().unwrap());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        self.said.read_to_end(&mut stdout).unwrap();
        self.aside.read_to_end(&mut stderr).unwrap();
        let status = self.child.wait().unwrap();
        let output = Output {
            status,
            stdout,
            stderr,
        };
        (output, outer)
    }
}

fn assert_good(folder: &Path) {
    mtdkeep()
        .args(["verify", "-q"])
        .arg(folder)
        .assert()
        .code(0);
}

#[test]
fn what_was_sent_is_a_backup() {
    let running = Running::start(&[]);
    let device = Device::greet(running.address, TABLE);
    device.send_and_prove(0);
    device.send_and_prove(1);
    assert!(!running.folder().exists(), "the name comes last");
    assert_eq!(device.ask("done"), "ok");
    let (folder, staging) = (running.folder(), running.staging());
    let (output, _outer) = running.end();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(fs::read(folder.join("mtd0.bin")).unwrap() == flash(0));
    assert_good(&folder);
    assert!(!staging.exists());
    let said = text(&output.stdout);
    assert!(
        said.contains("mtd0 (boot) came, and is what the device digests"),
        "{said}"
    );
    assert!(said.contains("SHA-256 made there"), "{said}");
}

#[rstest]
#[case::differs("differs", 1)]
#[case::partial("left/unreadable", 3)]
fn how_it_went_is_its_exit_code(#[case] how: &str, #[case] code: i32) {
    let running = Running::start(&["--json"]);
    let device = Device::greet(running.address, TABLE);
    device.send_and_prove(0);
    match how {
        "differs" => {
            for answer in ["again", "differs"] {
                device.send(1, "first", 0, &flash(1));
                assert_eq!(device.prove(1, b"other"), answer);
            }
        }
        how => assert_eq!(device.ask(&format!("mtd1/{how}")), "ok"),
    }
    assert_eq!(device.ask("done"), "ok");
    let folder = running.folder();
    let (output, _outer) = running.end();
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let manifest = fs::read(folder.join("manifest.json")).unwrap();
    let manifest = mtdkeep::backup::Manifest::parse(&manifest).unwrap();
    assert_eq!(manifest.is_partial(), code == 3);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["command"], "receive");
}

/// Stopped half way, it leaves no backup, and says where what came lies.
#[test]
fn half_of_it_is_no_backup() {
    let running = Running::start(&[]);
    let device = Device::greet(running.address, TABLE);
    device.send_and_prove(1);
    let pid = running.child.id();
    // SAFETY: a plain system call.
    assert_eq!(unsafe { libc::kill(pid as i32, libc::SIGTERM) }, 0);
    let (folder, staging) = (running.folder(), running.staging());
    let (output, _outer) = running.end();
    assert!(!output.status.success());
    assert!(!folder.exists());
    assert_eq!(names(&staging), ["mtd1.bin", "proc_mtd.txt"]);
    let said = text(&output.stderr);
    assert!(said.contains("holds what came so far"), "{said}");
}

/// A disk that is full is told to both sides, and nothing has its name.
#[test]
fn a_full_disk_ends_it() {
    let outer = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -f 2; exec \"$@\"", "sh"])
        .args(program_words());
    let running = Running::of(command, outer, &[]);
    let device = Device::greet(running.address, TABLE);
    // 1 KiB fits, 3.5 KiB do not, in blocks of 512 or 1024 bytes.
    let said = device.send(0, "first", 0, &flash(0));
    assert!(said.starts_with("no the PC cannot store it"), "{said}");
    let (folder, staging) = (running.folder(), running.staging());
    let (output, _outer) = running.end();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert!(!folder.exists() && staging.join("mtd0.bin.part").exists());
}

#[rstest]
#[case(&["receive", "8090"], "PORT and DIR are needed")]
#[case(&["receive", "0", "d"], "is no PORT")]
#[case(&["receive", "host:80", "d"], "is no PORT")]
#[case(&["receive", "8090", "d", "--token", "a/b"], "--token takes")]
#[case(&["script", "--send", "192.168.1.2:8090"], "belong together")]
#[case(&["script", "--token", "a"], "belong together")]
#[case(&["script", "--send", "192.168.1.2", "--token", "a"], "is no HOST:PORT")]
#[case(&["script", "--send", "a b:80", "--token", "a"], "is no HOST:PORT")]
#[case(&["script", "--send=-x:80", "--token", "a"], "is no HOST:PORT")]
#[case(&["script", "--send", "a:1", "--token", "a", "--read-again"], "stores nothing")]
fn wrong_words(#[case] words: &[&str], #[case] said: &str) {
    let assert = mtdkeep().args(words).assert().code(2);
    let error = text(&assert.get_output().stderr).to_owned();
    assert!(error.contains(said), "{error}");
}

/// What is pasted into a shell half way does nothing, and no line is too long for an
/// old one, or has a tab, which would complete a name.
#[test]
fn the_script_can_be_pasted() {
    let words = ["script", "--send", "192.168.1.2:8090", "--token", "abc"];
    let assert = mtdkeep().args(words).args(["-p", "it's"]).assert().code(0);
    let script = text(&assert.get_output().stdout).to_owned();
    assert!(script.contains("\nHOST='192.168.1.2'\nPORT=8090\nTOKEN='abc'\n"));
    assert!(script.contains("set -- 'it'\\''s'\n"));
    assert!(
        script
            .lines()
            .all(|line| line.len() < 120 && !line.contains('\t'))
    );
    assert!(script.trim_end().ends_with("\n) </dev/null"));
    for share in [3, 2] {
        let half = &script[..script.len() / share];
        let output = Command::new("sh").args(["-c", half]).output().unwrap();
        assert!(
            output.stdout.is_empty() && !output.status.success(),
            "{output:?}"
        );
    }
}

/// The folder is one to be made, not one that holds a backup.
#[rstest]
#[case("receive", "127.0.0.1:0")]
#[case("fetch", "http://127.0.0.1:9/b/")]
fn a_folder_that_cannot_be_made_is_told_as_that(#[case] command: &str, #[case] from: &str) {
    // Nobody makes folders there, root neither.
    let words = [command, from, "/proc/b"];
    let assert = mtdkeep().args(words).assert().code(4);
    let said = text(&assert.get_output().stderr).to_owned();
    assert!(said.contains("help: choose another folder"), "{said}");
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
