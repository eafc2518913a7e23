//! A backup's folder, served.

use super::client::{Client, TOKEN};
use super::support::Serving;
use crate::cli::support::{mtdkeep, program, sha256, snapshot, text};
use rstest::rstest;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

fn backed_up(path: &Path) {
    let mut command = mtdkeep();
    command.args(["backup", "--simulate", "--output"]).arg(path);
    command.assert().success();
}

#[test]
fn its_files_are_served_as_they_are() {
    let outer = tempfile::tempdir().unwrap();
    backed_up(&outer.path().join("b"));
    let serving = Serving::start(&[outer.path().join("b").to_str().unwrap()]);
    for (path, bytes) in snapshot(&outer.path().join("b")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(serving.get(name) == bytes, "{name}");
    }
    let tar = serving.get("backup.tar");
    mtdkeep()
        .args(["verify", "-"])
        .write_stdin(tar)
        .assert()
        .success();
    assert_eq!(serving.get("flash.bin").len(), 16 << 20);
}

#[rstest]
#[case::nothing(|_: &Path| (), 4)]
#[case::unfinished(|path: &Path| {
    backed_up(path);
    fs::rename(path.join("manifest.json"), path.join("unfinished.json")).unwrap();
}, 3)]
#[case::an_image_is_missing(|path: &Path| {
    backed_up(path);
    fs::remove_file(path.join("mtd4.bin")).unwrap();
}, 4)]
#[case::an_image_is_short(|path: &Path| {
    backed_up(path);
    fs::write(path.join("mtd4.bin"), "short").unwrap();
}, 4)]
#[case::its_manifest_is_torn(|path: &Path| {
    backed_up(path);
    fs::write(path.join("manifest.json"), "{").unwrap();
}, 5)]
#[case::a_script_s(|path: &Path| {
    fs::write(path.join("mtd0.bin"), "image").unwrap();
    fs::write(path.join("capture.txt"), "mtdkeep-capture 1\n").unwrap();
}, 5)]
fn what_is_no_finished_backup_is_not_served(#[case] make: fn(&Path), #[case] code: i32) {
    let outer = tempfile::tempdir().unwrap();
    make(outer.path());
    let mut command = mtdkeep();
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .arg(outer.path());
    command.assert().code(code);
}

/// It is removed only for a client that names the digest of what it should be.
#[test]
fn a_folder_is_removed_when_its_backup_was_proven_elsewhere() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    backed_up(&path);
    let digest = sha256(&fs::read(path.join("manifest.json")).unwrap());
    let program = Serving::start(&["--clean", path.to_str().unwrap()]);
    let mut client = program.client();
    client.get("backup.tar", "").unwrap();
    client.get("manifest.json", "").unwrap();
    let wrong = format!("verified/{}", "0".repeat(64));
    assert_eq!(client.get(&wrong, "").unwrap().status, 404);
    assert!(path.join("manifest.json").is_file());
    let right = format!("verified/{digest}");
    assert_eq!(client.get(&right, "").unwrap().status, 200);
    let (status, rest) = program.end();
    assert!(status.success());
    assert!(rest.contains("was removed"), "{rest}");
    assert!(!path.exists());
}

#[test]
fn the_end_is_told_as_a_document() {
    let mut child = program()
        .args(["serve", "--simulate", "-p", "ver_1", "--json", "--once"])
        .args(["--listen", "127.0.0.1:0", "--token", TOKEN])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut aside = BufReader::new(child.stderr.take().unwrap());
    aside.read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap();
    let address = address.split('/').next().unwrap().parse().unwrap();
    let mut client = Client::connect(address).unwrap();
    client.get("backup.tar", "").unwrap();
    let output = child.wait_with_output().unwrap();
    let document = serde_json::from_slice(&output.stdout).unwrap();
    crate::cli::schema::conforms(&document, "output.schema.json").unwrap();
    assert_eq!(document["outcome"], "done");
    assert_eq!(document["fetched"], true);
    assert_eq!(
        document["addresses"][0],
        format!("http://{address}/{TOKEN}/")
    );
}

#[rstest]
#[case(&["serve", "--clean"])]
#[case(&["serve", "--simulate", "some-folder"])]
#[case(&["serve", "--token", "a/b", "--simulate"])]
#[case(&["serve", "--token", "a", "--no-token", "--simulate"])]
#[case(&["serve", "--listen", "8080", "--simulate"])]
#[case(&["serve", "-p", "param", "some-folder"])]
fn wrong_usage(#[case] words: &[&str]) {
    mtdkeep().args(words).assert().code(2);
}

#[test]
fn an_address_that_is_taken_is_told() {
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let words = ["serve", "--simulate", "--listen", &address];
    let assert = mtdkeep().args(words).assert().code(4);
    let said = text(&assert.get_output().stderr);
    assert!(
        said.contains(&address) && said.contains("--listen"),
        "{said}"
    );
}
