//! `repair`, and what the other commands say of a damaged manifest: as its user
//! sees it. Damage at every byte is in `backup::repair`.

use crate::cli::support::{mtdkeep, snapshot, text};
use rstest::rstest;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const TABLE: &str = "dev:    size   erasesize  name
mtd0: 00000800 00000400 \"boot\"
mtd1: 00000400 00000400 \"param\"
mtd2: 00001000 00000400 \"data\"
";

/// A small backup `b`, and the table `table` of its device beside it.
fn small_backup() -> (TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("table"), TABLE).unwrap();
    run(outer.path(), &["backup", "--simulate=table", "-o", "b"], 0);
    let folder = outer.path().join("b");
    (outer, folder)
}

/// Runs the program; gives all that it said.
fn run(at: &Path, arguments: &[&str], code: i32) -> String {
    let output = mtdkeep().current_dir(at).args(arguments).output().unwrap();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    said
}

fn tear(folder: &Path, bytes: usize) -> Vec<u8> {
    let manifest = folder.join("manifest.json");
    let whole = fs::read(&manifest).unwrap();
    fs::write(&manifest, &whole[..bytes]).unwrap();
    whole
}

#[test]
fn a_torn_manifest_leaves_the_images_their_worth() {
    let (outer, folder) = small_backup();
    let whole = tear(&folder, 300);
    let said = run(outer.path(), &["verify", "b"], 1);
    assert!(said.contains("manifest.json cannot be used"), "{said}");
    for image in ["mtd0.bin", "mtd1.bin", "mtd2.bin"] {
        assert!(said.contains(&format!("note: {image}")), "{said}");
    }
    assert!(said.contains("next: `mtdkeep repair"), "{said}");
    assert!(!said.contains("remove"), "{said}");
    let said = run(outer.path(), &["repair", "b"], 0);
    assert!(said.contains("exact to the byte"), "{said}");
    assert!(said.contains("kept, damaged: manifest.json.torn"), "{said}");
    assert!(said.contains("good: 3 of 3 images are right"), "{said}");
    assert!(fs::read(folder.join("manifest.json")).unwrap() == whole);
    // What was kept disturbs nobody, and goes with the backup.
    let said = run(outer.path(), &["verify", "b"], 0);
    assert!(said.contains("note: manifest.json.torn"), "{said}");
    run(outer.path(), &["clean", "b"], 0);
    assert!(!folder.exists());
}

#[rstest]
#[case::layout(&["--layout", "table"])]
#[case::device(&["--device", "--simulate=table"])]
fn what_nobody_has_whole_is_made_from_what_is_provable(#[case] options: &[&str]) {
    let (outer, folder) = small_backup();
    fs::remove_file(folder.join("index.html")).unwrap();
    tear(&folder, 0);
    let before = snapshot(&folder);
    let said = run(outer.path(), &["repair", "b"], 5);
    assert!(
        said.contains("--layout") && said.contains("nothing in it was changed"),
        "{said}"
    );
    assert_eq!(snapshot(&folder), before);
    let arguments = [&["repair", "b"], options].concat();
    let said = run(outer.path(), &arguments, 3);
    assert!(
        said.contains("proven: mtd0.bin, mtd1.bin, mtd2.bin have"),
        "{said}"
    );
    assert!(
        said.contains("not proven: that the flash gave all of"),
        "{said}"
    );
    let manifest: Value =
        serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["layout"][1]["name"], "param");
    assert!(manifest["rebuilt"]["not_proven"].as_array().unwrap().len() >= 2);
    let said = run(outer.path(), &["verify", "b"], 3);
    assert!(said.contains("manifest.json was made anew"), "{said}");
    // With the device, the backup is proven again as a whole.
    run(outer.path(), &["backup", "--simulate=table", "-o", "b"], 0);
    run(outer.path(), &["verify", "b"], 0);
}

#[test]
fn a_document_says_how_the_manifest_came_about() {
    let (outer, folder) = small_backup();
    let document = |words: &str| -> Value { serde_json::from_str(words).unwrap() };
    let said = document(&run(outer.path(), &["repair", "--json", "b"], 0));
    assert_eq!(said["manifest_is"], "whole");
    assert_eq!(said["written"].as_array().unwrap().len(), 0);
    tear(&folder, 100);
    let said = document(&run(outer.path(), &["repair", "--json", "b"], 0));
    assert_eq!(said["manifest_is"], "restored");
    assert_eq!(said["kept"][0], "manifest.json.torn");
    assert_eq!(said["images_right"], 3);
}

/// The other commands on the same folder: each names what helps.
#[test]
fn every_command_says_what_helps() {
    let (outer, folder) = small_backup();
    tear(&folder, 300);
    let before = snapshot(&folder);
    let said = run(outer.path(), &["import", "b"], 5);
    assert!(said.contains("mtdkeep repair"), "{said}");
    let other = ["backup", "--simulate=table", "--seed", "9", "-o", "b"];
    let said = run(outer.path(), &other, 5);
    assert!(
        said.contains("mtd0.bin") && said.contains("mtdkeep verify"),
        "{said}"
    );
    assert_eq!(snapshot(&folder), before);
    run(outer.path(), &["backup", "--simulate=table", "-o", "b"], 0);
    run(outer.path(), &["verify", "b"], 0);
}

#[rstest]
#[case::nothing_there("empty", "no backup")]
#[case::a_file("table", "not one of its files")]
#[case::missing("nosuch", "look at the name")]
fn what_cannot_be_repaired(#[case] name: &str, #[case] word: &str) {
    let (outer, _) = small_backup();
    fs::create_dir(outer.path().join("empty")).unwrap();
    let output = mtdkeep()
        .current_dir(&outer)
        .args(["repair", name])
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert!(matches!(output.status.code(), Some(4 | 5)), "{said}");
    assert!(said.contains(word) && said.contains("help: "), "{said}");
    assert!(!said.contains("--output"), "{said}");
    if name != "empty" {
        // The same for the other command that looks at a folder.
        let said = run(outer.path(), &["verify", name], 4);
        assert!(said.contains(word) && !said.contains("--output"), "{said}");
    }
}
