//! `clean`: exactly what a backup made, or nothing.

use crate::cli::support::{mtdkeep, snapshot, text, vouch};
use rstest::rstest;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A backup of two partitions, in a folder that it made.
fn small_backup() -> (TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("b");
    mtdkeep()
        .args(["backup", "--simulate", "-p", "param", "-p", "ver_1", "-o"])
        .arg(&folder)
        .assert()
        .code(0);
    (outer, folder)
}

/// Runs clean; gives its exit code, standard output and standard error.
fn clean(folder: &Path, options: &[&str]) -> (i32, String, String) {
    let output = mtdkeep()
        .arg("clean")
        .args(options)
        .arg(folder)
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        text(&output.stdout).into(),
        text(&output.stderr).into(),
    )
}

#[rstest]
#[case(&[])]
#[case(&["mtd3.bin.part", "unfinished.json.part"])]
fn clean_takes_exactly_what_a_backup_made(#[case] more: &[&str]) {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("b");
    fs::create_dir(&folder).unwrap();
    mtdkeep()
        .args(["backup", "--simulate", "-o"])
        .arg(&folder)
        .assert()
        .code(0);
    for name in more {
        fs::write(folder.join(name), "").unwrap();
    }
    fs::write(folder.join("mine"), "mine").unwrap();
    let before = snapshot(&folder);
    mtdkeep().arg("clean").arg(&folder).assert().code(5);
    assert_eq!(snapshot(&folder), before);
    fs::remove_file(folder.join("mine")).unwrap();
    mtdkeep().arg("clean").arg(&folder).assert().code(0);
    // The folder was there before the backup: it stays, empty.
    assert_eq!(snapshot(&folder).len(), 0);
    assert!(folder.is_dir());
}

/// What the article's script leaves: images, and a page that it wrote line by line.
#[test]
fn clean_takes_what_the_shell_script_made() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("mtd_backup");
    fs::create_dir(&folder).unwrap();
    let mut page = String::from(
        "<HTML><body>\n<br>Right-click and 'Save Target As...' on all of the following:<br>\n",
    );
    for index in 0..10 {
        fs::write(folder.join(format!("mtd{index}.bin")), "image").unwrap();
        page += &format!("<br><br><A HREF=\"mtd{index}.bin\">mtd{index}.bin</A>\n");
    }
    fs::write(folder.join("index.html"), page + "</body></html>\n").unwrap();
    // A backup does not touch it, and says how to go on.
    let assert = mtdkeep()
        .args(["backup", "--simulate", "-o"])
        .arg(&folder)
        .assert()
        .code(5);
    assert!(text(&assert.get_output().stderr).contains("mtdkeep clean"));
    for name in ["mtd01.bin", "mtd0.bin.part", "manifest.txt"] {
        fs::write(folder.join(name), "").unwrap();
        mtdkeep().arg("clean").arg(&folder).assert().code(5);
        assert_eq!(snapshot(&folder).len(), 12, "{name}");
        fs::remove_file(folder.join(name)).unwrap();
    }
    mtdkeep().arg("clean").arg(&folder).assert().code(0);
    assert_eq!(snapshot(&folder).len(), 0);
}

/// A manifest that names somebody's document as an image: the document stays.
#[test]
fn a_manifest_gives_no_right_to_other_peoples_files() {
    let (_outer, folder) = small_backup();
    let manifest = folder.join("manifest.json");
    let before = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, before.replace("mtd1.bin", "thesis.doc")).unwrap();
    vouch(&folder);
    fs::rename(folder.join("mtd1.bin"), folder.join("thesis.doc")).unwrap();
    let files = snapshot(&folder);
    for options in [&[] as &[&str], &["--dry-run"]] {
        let (code, _, stderr) = clean(&folder, options);
        assert_eq!(code, 5, "{stderr}");
        assert!(stderr.contains("thesis.doc"), "{stderr}");
        assert_eq!(snapshot(&folder), files);
    }
}

#[rstest]
#[case(".DS_Store")]
#[case("._mtd0.bin")]
#[case("Thumbs.db")]
#[case("desktop.ini")]
#[case("@eaDir")]
fn what_systems_leave_is_neither_doubted_nor_removed(#[case] name: &str) {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("b");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(name), "the system's").unwrap();
    // A folder of a file system's own, such as lost+found.
    fs::create_dir(folder.join("lost+found")).unwrap();
    mtdkeep()
        .args(["backup", "--simulate", "-p", "param", "-o"])
        .arg(&folder)
        .assert()
        .code(0);
    let output = mtdkeep().arg("verify").arg(&folder).output().unwrap();
    let words = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{words}");
    assert!(words.contains(&format!("note: {name}")), "{words}");
    assert!(words.contains("note: lost+found"), "{words}");
    let (code, stdout, _) = clean(&folder, &[]);
    assert_eq!(code, 0);
    assert!(
        stdout.contains(name) && stdout.contains("stays"),
        "{stdout}"
    );
    let left: Vec<_> = snapshot(&folder).into_keys().collect();
    assert_eq!(left, [folder.join(name), folder.join("lost+found")]);
}

/// The folder that a backup made goes with it, but not from under such a file.
#[test]
fn a_folder_with_a_systems_file_stays() {
    let (_outer, folder) = small_backup();
    fs::write(folder.join(".DS_Store"), "").unwrap();
    let (_, would, _) = clean(&folder, &["--dry-run"]);
    assert!(!would.contains("with the folder"), "{would}");
    assert_eq!(clean(&folder, &[]).0, 0);
    assert_eq!(snapshot(&folder).len(), 1);
    fs::remove_file(folder.join(".DS_Store")).unwrap();
    let (_outer, folder) = small_backup();
    assert_eq!(clean(&folder, &[]).0, 0);
    assert!(!folder.exists());
}

#[test]
fn a_dry_run_lists_what_would_go_and_removes_nothing() {
    let (_outer, folder) = small_backup();
    let before = snapshot(&folder);
    let (code, stdout, stderr) = clean(&folder, &["--dry-run"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    for file in [
        "mtd1.bin",
        "mtd7.bin",
        "SHA256SUMS",
        "index.html",
        "manifest.json",
    ] {
        assert!(stdout.contains(file), "no {file} in {stdout}");
    }
    assert!(stdout.contains("128 KiB  mtd1.bin"), "{stdout}");
    assert!(stdout.contains("5 files, "), "{stdout}");
    assert!(stdout.contains("nothing was changed"), "{stdout}");
    let (code, stdout, _) = clean(&folder, &["--dry-run", "--json"]);
    assert_eq!(code, 0);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    let files = document["would_remove"].as_array().unwrap();
    // The one by which the folder is known as a backup goes last.
    assert_eq!(files[4]["file"], "manifest.json");
    let bytes: u64 = files
        .iter()
        .map(|f| f["size_bytes"].as_u64().unwrap())
        .sum();
    assert_eq!(document["would_remove_bytes"], bytes);
    assert_eq!(document["folder_would_be_removed"], true);
    assert_eq!(snapshot(&folder), before);
    // What the dry run told is what goes.
    let (code, stdout, _) = clean(&folder, &["--json"]);
    assert_eq!(code, 0);
    let done: Value = serde_json::from_str(&stdout).unwrap();
    let names: Vec<_> = files.iter().map(|file| file["file"].clone()).collect();
    assert_eq!(done["removed"].as_array().unwrap(), &names);
    assert!(!folder.exists());
}

#[rstest]
#[case::a_file("b/manifest.json", 4, &["Not a directory", "not one of its files"])]
#[case::nothing("nosuch", 4, &["nosuch", "there is no such folder"])]
#[case::no_backup("other", 5, &["holds no backup", "notes.txt", "that `mtdkeep backup`"])]
fn what_cannot_be_cleaned_says_why_and_what_next(
    #[case] name: &str,
    #[case] code: i32,
    #[case] words: &[&str],
) {
    let (outer, _) = small_backup();
    fs::create_dir(outer.path().join("other")).unwrap();
    fs::write(outer.path().join("other/notes.txt"), "mine").unwrap();
    let (ended, _, stderr) = clean(&outer.path().join(name), &[]);
    assert_eq!(ended, code, "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "no {word:?} in {stderr}");
    }
    assert!(!stderr.contains("--output"), "{stderr}");
}

/// A clean that was killed leaves the manifest for last: a backup says what is so.
#[test]
fn what_a_killed_clean_leaves_is_no_finished_backup() {
    let (_outer, folder) = small_backup();
    fs::remove_file(folder.join("mtd1.bin")).unwrap();
    let mut again = mtdkeep();
    again.args(["backup", "--simulate", "-p", "param", "-p", "ver_1", "-o"]);
    let refused = again.arg(&folder).assert().code(5);
    let stderr = text(&refused.get_output().stderr);
    assert!(stderr.contains("but no mtd1.bin"), "{stderr}");
    assert!(!stderr.contains("already holds"), "{stderr}");
    assert!(stderr.contains("mtdkeep clean"), "{stderr}");
    assert_eq!(clean(&folder, &[]).0, 0);
    assert!(!folder.exists());
}
