//! Over IPv6, on this machine's own address.

use super::support::{TABLE, assert_good};
use crate::cli::support::{program, text};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};

/// Whether this machine has IPv6 at all; a container may not.
pub(super) fn has_v6() -> bool {
    let is_there = TcpListener::bind("[::1]:0").is_ok();
    if !is_there {
        println!("skipped: this machine has no address ::1");
    }
    is_there
}

/// A command that says where it listens, and that.
fn started(words: &[&str], folder: &std::path::Path) -> (Child, String) {
    let mut child = program()
        .args(words)
        .current_dir(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("http://") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0);
    }
    // It goes on to speak.
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    (child, line)
}

#[test]
fn serve_and_fetch() {
    if !has_v6() {
        return;
    }
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("table"), TABLE).unwrap();
    let words = ["serve", "--simulate=table", "--listen", "[::1]:0", "--once"];
    let (mut server, line) = started(&words, outer.path());
    let address = line.trim();
    assert!(address.starts_with("http://[::1]:"), "{address}");
    let path = outer.path().join("b");
    let output = program()
        .arg("fetch")
        .arg(address)
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        text(&output.stderr).contains("connecting to http://[::1]:"),
        "{output:?}"
    );
    assert_good(&path);
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

/// The line for the device has the address in brackets, and it is heard there.
#[test]
fn receive() {
    if !has_v6() {
        return;
    }
    let outer = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("[::1]:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (mut receiver, line) = started(&["receive", &format!("[::1]:{port}"), "b"], outer.path());
    let (_, rest) = line.split_once(&format!("http://[::1]:{port}/")).unwrap();
    let (path, _) = rest.split_once(' ').unwrap();
    let mut stream = TcpStream::connect(("::1", port)).unwrap();
    stream
        .write_all(format!("GET /{path}\n").as_bytes())
        .unwrap();
    let mut script = String::new();
    stream.read_to_string(&mut script).unwrap();
    receiver.kill().unwrap();
    receiver.wait().unwrap();
    assert!(
        script.contains("HOST=") && script.contains("::1"),
        "{script}"
    );
}
