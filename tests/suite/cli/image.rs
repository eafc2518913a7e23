//! `mtdkeep image`: killed, interrupted, and beside other files.

use crate::cli::support::{mtdkeep, program, text};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

/// So large that a signal always comes in the middle.
const TABLE: &str = "dev:    size   erasesize  name
mtd0: 10000000 00020000 \"large\"
";

fn start(place: &Path) -> Child {
    fs::write(place.join("table"), TABLE).unwrap();
    let mut command = program();
    command.current_dir(place);
    command.args(["image", "--simulate=table", "-o", "f.bin"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let part = place.join("f.bin.mtdkeep-part");
    while !fs::metadata(&part).is_ok_and(|part| part.len() > 0) {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child
}

#[test]
fn a_killed_image_can_be_made_again() {
    let outer = tempfile::tempdir().unwrap();
    let mut child = start(outer.path());
    // Meanwhile it is somebody's.
    let mut second = mtdkeep();
    second.current_dir(outer.path());
    second.args(["image", "--simulate", "-o", "f.bin"]);
    let refused = second.assert().code(5);
    let stderr = text(&refused.get_output().stderr).to_owned();
    assert!(
        stderr.contains("another mtdkeep is writing f.bin"),
        "{stderr}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(outer.path().join("f.bin.mtdkeep-part").exists());
    assert!(!outer.path().join("f.bin").exists());
    second.assert().code(0);
    assert_eq!(
        fs::metadata(outer.path().join("f.bin")).unwrap().len(),
        16 << 20
    );
    assert!(!outer.path().join("f.bin.mtdkeep-part").exists());
}

#[test]
fn an_interrupted_image_says_how_far_it_was() {
    let outer = tempfile::tempdir().unwrap();
    let child = start(outer.path());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = text(&output.stderr);
    assert!(!output.status.success(), "{output:?}");
    assert!(stderr.contains("interrupted (after "), "{stderr}");
    assert!(stderr.contains("nothing was left behind"), "{stderr}");
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1);
}
