//! What one run left, and the next makes of it.

use super::http::{Server, Wrong, backup, capture, files};
use crate::cli::support::{program_words, text};
use rstest::rstest;
use std::fs;

/// What another run left goes on at its last byte, from the same server or one that was
/// started anew; what it left of another backup is found by the manifest.
#[rstest]
#[case::same("", 0)]
#[case::knows_no_parts("plain", 0)]
#[case::other_bytes_before("changed", 0)]
fn a_full_disk_ends_it_and_another_run_goes_on(#[case] how: &str, #[case] code: i32) {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    let server = Server::of(backup(), Wrong::default());
    let limited = std::process::Command::new("sh")
        .args(["-c", "ulimit -f 2; exec \"$@\"", "sh"])
        .args(program_words())
        .args(["fetch", &format!("http://127.0.0.1:{}/x/", server.port)])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(limited.status.code(), Some(4), "{limited:?}");
    assert!(text(&limited.stderr).contains("holds what came so far"));
    assert!(!path.exists());
    let part = outer.path().join("b.fetching/mtd0.bin.part");
    let left = fs::metadata(&part).unwrap().len();
    assert!((1..0x1000).contains(&left), "{left}");
    if how == "changed" {
        let mut bytes = fs::read(&part).unwrap();
        bytes[3] ^= 1;
        fs::write(&part, bytes).unwrap();
    }
    let wrong = Wrong {
        plain: how == "plain",
        ..Wrong::default()
    };
    let server = Server::of(server.state.lock().unwrap().files.clone(), wrong);
    let output = server.fetch(&path, &["-q"]);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert!(files(&path) == server.state.lock().unwrap().files);
    let asked = server.asked();
    assert!(
        asked.contains(&format!("GET mtd0.bin from {left}-")),
        "{asked:?}"
    );
    let again = asked.iter().filter(|one| *one == "GET mtd0.bin").count();
    assert_eq!(again, usize::from(how == "changed"), "{asked:?}");
}

/// A capture has no manifest: nothing of an earlier run is gone on with.
#[test]
fn what_nothing_proves_begins_anew() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    let staging = outer.path().join("b.fetching");
    fs::create_dir(&staging).unwrap();
    fs::write(staging.join("mtd0.bin.part"), [7; 100]).unwrap();
    let server = Server::of(capture(), Wrong::default());
    assert_eq!(server.fetch(&path, &["-q"]).status.code(), Some(0));
    assert!(server.asked().iter().all(|asked| !asked.contains(" from ")));
    assert!(fs::read(path.join("mtd0.bin")).unwrap() == capture()["mtd0.bin"]);
}
