//! One folder, several processes: who is second is told so, and changes nothing.

use crate::cli::support::{mtdkeep, snapshot, text};
use mtdkeep::backup::{Access, Folder};
use rstest::rstest;
use std::fs;

const TABLE: &str = "dev:    size   erasesize  name
mtd0: 00008000 00001000 \"boot\"
mtd1: 00001000 00001000 \"param\"
mtd2: 00010000 00001000 \"data\"
";

/// `capture` is a folder to import, `b` a finished backup, `new` is missing.
fn workplace() -> tempfile::TempDir {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("table"), TABLE).unwrap();
    let backup = ["backup", "--simulate=table", "-q", "-o", "b"];
    let mut command = mtdkeep();
    command.current_dir(outer.path()).args(backup);
    command.assert().code(0);
    let capture = outer.path().join("capture");
    fs::create_dir(&capture).unwrap();
    fs::write(capture.join("proc_mtd.txt"), TABLE).unwrap();
    for image in ["mtd0.bin", "mtd1.bin", "mtd2.bin"] {
        fs::copy(outer.path().join("b").join(image), capture.join(image)).unwrap();
    }
    outer
}

#[rstest]
#[case::backup(&["backup", "--simulate=table", "-o", "b"], "b", Access::Change)]
#[case::backup_beside_verify(&["backup", "--simulate=table", "-o", "b"], "b", Access::Look)]
#[case::verify(&["verify", "b"], "b", Access::Change)]
#[case::clean(&["clean", "b"], "b", Access::Change)]
#[case::clean_beside_verify(&["clean", "b"], "b", Access::Look)]
#[case::repair(&["repair", "b"], "b", Access::Change)]
#[case::clean_that_only_looks(&["clean", "--dry-run", "b"], "b", Access::Change)]
#[case::import_into(&["import", "capture", "-o", "b"], "b", Access::Change)]
#[case::import_of(&["import", "capture", "-o", "new"], "capture", Access::Change)]
fn who_comes_second_is_refused(#[case] words: &[&str], #[case] held: &str, #[case] access: Access) {
    let outer = workplace();
    let folder = outer.path().join(held);
    let before = snapshot(&folder);
    let lock = Folder::open(&folder, access).unwrap();
    let mut command = mtdkeep();
    command.current_dir(outer.path()).args(words);
    let refused = command.assert().code(5);
    let stderr = text(&refused.get_output().stderr).to_owned();
    let told = format!("another mtdkeep is working in {held}");
    assert!(
        stderr.contains(&told) && stderr.contains("help: wait"),
        "{stderr}"
    );
    assert_eq!(snapshot(&folder), before);
    assert!(!outer.path().join("new").exists());
    drop(lock);
    if words[0] != "backup" && words != ["import", "capture", "-o", "b"] {
        command.assert().code(0);
    }
}

#[test]
fn two_may_verify_at_once() {
    let outer = workplace();
    let folder = outer.path().join("b");
    let _lock = Folder::open(&folder, Access::Look).unwrap();
    mtdkeep().arg("verify").arg(&folder).assert().code(0);
}

#[test]
fn missing_folders_around_the_output_are_made() {
    let outer = workplace();
    let mut command = mtdkeep();
    command.current_dir(outer.path());
    command.args(["backup", "--simulate=table", "-q", "-o", "x/y/z"]);
    command.assert().code(0);
    assert!(outer.path().join("x/y/z/manifest.json").exists());
    // What is made for nothing does not stay.
    let mut command = mtdkeep();
    command.current_dir(outer.path());
    command.args(["backup", "--simulate=table", "-q", "-o", "table/y"]);
    command.assert().code(4);
    let mut command = mtdkeep();
    command.current_dir(outer.path());
    command.args([
        "backup",
        "--simulate=table",
        "--faults",
        "read-error@0",
        "-p",
        "nosuch",
    ]);
    command.args(["-q", "-o", "v/w"]);
    command.assert().code(2);
    assert!(!outer.path().join("v").exists());
}
