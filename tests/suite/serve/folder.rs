//! A backup's folder, served.

use super::support::{Serving, TOKEN, ispot, sha256};
use crate::cli::support::{mtdkeep, program, snapshot, text};
use mtdkeep::backup::{self, Access, Folder, Request, Work};
use mtdkeep::serve::{Content, Until};
use rstest::rstest;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};

fn backed_up(path: &Path) {
    let folder = Folder::open_or_create(path).unwrap();
    backup::backup(&ispot(), &folder, &Request::default(), &Work::default()).unwrap();
}

fn serve(path: &Path) -> Serving {
    let path = path.to_owned();
    Serving::start(Until::Stopped, Some(TOKEN), move |_| {
        Content::of_folder(&Folder::open(&path, Access::Look).unwrap()).unwrap()
    })
}

#[test]
fn its_files_are_served_as_they_are() {
    let outer = tempfile::tempdir().unwrap();
    backed_up(&outer.path().join("b"));
    let serving = serve(&outer.path().join("b"));
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

/// The tag is of the bytes: who was cut off goes on with another run of the server.
#[test]
fn a_file_that_changes_is_never_sent_whole() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    backed_up(&path);
    let serving = serve(&path);
    let image = path.join("mtd7.bin");
    let mut bytes = fs::read(&image).unwrap();
    serving.get("mtd7.bin");
    bytes[70_000] ^= 1;
    fs::write(&image, bytes).unwrap();
    let error = serving.client().get("mtd7.bin", "").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    let said = serving.said();
    assert!(
        said.iter().any(|line| line.contains("mtd7.bin")),
        "{said:?}"
    );
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

/// The program, with what it prints.
struct Program {
    child: Child,
    said: BufReader<ChildStdout>,
    address: std::net::SocketAddr,
}

fn start(words: &[&str], folder: &Path) -> Program {
    let mut command = program();
    command.args(["serve", "--listen", "127.0.0.1:0", "--token", TOKEN]);
    let mut child = command
        .args(words)
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("http://") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "it ended");
    }
    let address = line.trim().trim_start_matches("http://");
    let address = address.split('/').next().unwrap().parse().unwrap();
    Program {
        child,
        said,
        address,
    }
}

/// It is removed only for a client that names the digest of what it should be.
#[test]
fn a_folder_is_removed_when_its_backup_was_proven_elsewhere() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    backed_up(&path);
    let digest = sha256(&fs::read(path.join("manifest.json")).unwrap());
    let mut program = start(&["--clean"], &path);
    let mut client = super::support::Client::connect(program.address).unwrap();
    client.get("backup.tar", "").unwrap();
    client.get("manifest.json", "").unwrap();
    let wrong = format!("verified/{}", "0".repeat(64));
    assert_eq!(client.get(&wrong, "").unwrap().status, 404);
    assert!(path.join("manifest.json").is_file());
    let right = format!("verified/{digest}");
    assert_eq!(client.get(&right, "").unwrap().status, 200);
    assert!(program.child.wait().unwrap().success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut program.said, &mut rest).unwrap();
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
    let mut client = super::support::Client::connect(address).unwrap();
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
