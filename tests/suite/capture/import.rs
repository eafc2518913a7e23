//! `mtdkeep import`: what becomes of a capture, whole or damaged.

use crate::capture::support::{Bench, small};
use crate::cli::support::{mtdkeep, snapshot, text};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// A capture by the script, in a folder that may be damaged.
pub(crate) struct Captured {
    pub(crate) bench: Bench,
}

impl Captured {
    pub(crate) fn with(options: &[&str]) -> Self {
        let bench = Bench::new(small(5));
        let output = bench.run(&["sh"], options);
        assert_eq!(output.status.code(), Some(0));
        Self { bench }
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.bench.folder().join(name)
    }

    pub(crate) fn target(&self) -> PathBuf {
        self.bench.outer.path().join("backup")
    }

    /// Imports, and holds the rule: the captured files stay as they are.
    pub(crate) fn import(&self, options: &[&str]) -> Output {
        let before = snapshot(&self.bench.folder());
        let output = run_import(&self.bench.folder(), &self.target(), options);
        assert_eq!(snapshot(&self.bench.folder()), before);
        output
    }
}

pub(crate) fn run_import(folder: &Path, target: &Path, options: &[&str]) -> Output {
    mtdkeep()
        .arg("import")
        .arg(folder)
        .arg("--output")
        .arg(target)
        .args(options)
        .output()
        .unwrap()
}

pub(crate) fn words(output: &Output) -> String {
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[track_caller]
pub(crate) fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", words(output));
}

pub(crate) fn manifest(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

#[test]
fn a_capture_becomes_a_backup_that_verifies() {
    let captured = Captured::with(&["--read-again"]);
    let output = captured.import(&[]);
    assert_code(&output, 0);
    let target = captured.target();
    captured.bench.assert_images(&target, &[0, 1, 2, 3]);
    assert_eq!(text(&output.stderr), "", "all could be proven");
    let said = words(&output);
    assert!(
        said.contains("layout: the device's /proc/mtd, as captured"),
        "{said}"
    );
    assert!(
        said.contains("4 files are what the device stored"),
        "{said}"
    );
    assert!(
        said.contains("the same bytes twice for mtd0, mtd1, mtd2, mtd3"),
        "{said}"
    );
    let manifest = manifest(&target);
    assert_eq!(
        manifest["origin"]["captured_by"],
        "the script of mtdkeep 0.1.0"
    );
    assert_eq!(manifest["origin"]["not_proven"], serde_json::json!([]));
    assert_eq!(manifest["layout"][2]["name"], "FIS directory");
    assert_eq!(manifest["device"]["identity"]["partition"], "param");
    mtdkeep().arg("verify").arg(&target).assert().code(0);
    // The same once more is refused: it is finished.
    assert_code(&captured.import(&[]), 5);
    mtdkeep().arg("clean").arg(&target).assert().code(0);
    assert!(!target.exists());
}

#[test]
fn what_was_not_proven_is_said_and_kept() {
    let captured = Captured::with(&[]);
    let output = captured.import(&[]);
    assert_code(&output, 0);
    assert!(text(&output.stderr).contains("mtd0, mtd1, mtd2, mtd3 were read once"));
    let verify = mtdkeep()
        .arg("verify")
        .arg(captured.target())
        .assert()
        .code(0);
    assert!(text(&verify.get_output().stdout).contains("not proven: "));
    let page = fs::read_to_string(captured.target().join("index.html")).unwrap();
    assert!(page.contains("Not proven: "), "{page}");
}

#[test]
fn a_selection_is_no_partial_backup() {
    let captured = Captured::with(&["-p", "param", "-p", "mtd3"]);
    assert_code(&captured.import(&[]), 0);
    let manifest = manifest(&captured.target());
    assert_eq!(manifest["images"].as_array().unwrap().len(), 2);
    assert_eq!(manifest["layout"][0]["left_out"]["by_choice"], true);
}

#[test]
fn a_file_that_was_not_fetched_makes_it_partial_until_it_is() {
    let captured = Captured::with(&[]);
    let kept = fs::read(captured.at("mtd2.bin")).unwrap();
    fs::remove_file(captured.at("mtd2.bin")).unwrap();
    let output = captured.import(&[]);
    assert_code(&output, 3);
    assert!(words(&output).contains("the device stored mtd2.bin; it was not fetched"));
    mtdkeep()
        .arg("verify")
        .arg(captured.target())
        .assert()
        .code(3);
    fs::write(captured.at("mtd2.bin"), kept).unwrap();
    assert_code(&captured.import(&[]), 0);
    captured
        .bench
        .assert_images(&captured.target(), &[0, 1, 2, 3]);
    mtdkeep()
        .arg("verify")
        .arg(captured.target())
        .assert()
        .code(0);
}

#[test]
fn a_reading_that_differed_on_the_device_stays_known() {
    let captured = Captured::with(&["--read-again"]);
    let record = fs::read_to_string(captured.at("capture.txt")).unwrap();
    let changed = record.replace("image mtd1 131072 same", "image mtd1 131072 differs");
    assert_ne!(record, changed);
    fs::write(captured.at("capture.txt"), changed).unwrap();
    // Its digest no longer fits, as for any change.
    assert_code(&captured.import(&[]), 1);
    let sums = fs::read_to_string(captured.at("MD5SUMS")).unwrap();
    let others: String = sums
        .lines()
        .filter(|line| !line.ends_with("capture.txt"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(captured.at("MD5SUMS"), others).unwrap();
    let output = captured.import(&[]);
    assert_code(&output, 1);
    assert!(words(&output).contains("mtd1: the flash changed while it was read"));
    captured
        .bench
        .assert_images(&captured.target(), &[0, 1, 2, 3]);
    mtdkeep()
        .arg("verify")
        .arg(captured.target())
        .assert()
        .code(3);
}

#[test]
fn damage_is_named_and_nothing_is_made() {
    type Damage = fn(&Captured);
    fn change(captured: &Captured, name: &str, how: impl Fn(&mut Vec<u8>)) {
        let mut bytes = fs::read(captured.at(name)).unwrap();
        how(&mut bytes);
        fs::write(captured.at(name), bytes).unwrap();
    }
    let cases: [(&str, i32, Damage); 12] = [
        ("mtd1.bin is too short", 1, |c| {
            change(c, "mtd1.bin", |b| b.truncate(b.len() - 1))
        }),
        ("mtd1.bin is too long", 1, |c| {
            change(c, "mtd1.bin", |b| b.push(0))
        }),
        ("mtd3.bin has MD5", 1, |c| {
            change(c, "mtd3.bin", |b| b[4095] ^= 1)
        }),
        ("line 2 of MD5SUMS", 1, |c| {
            change(c, "MD5SUMS", |b| b[50] = b'x')
        }),
        ("MD5SUMS has no line for mtd0.bin", 1, |c| {
            change(c, "MD5SUMS", Vec::clear)
        }),
        ("MD5SUMS is missing", 1, |c| {
            fs::remove_file(c.at("MD5SUMS")).unwrap()
        }),
        ("proc_mtd.txt does not have the MD5", 1, |c| {
            change(c, "proc_mtd.txt", |b| b[60] = b'X')
        }),
        ("capture.txt does not have the MD5", 1, |c| {
            change(c, "capture.txt", |b| {
                b.truncate(b.len() - "complete\n".len())
            });
        }),
        ("line 1 of capture.txt", 1, |c| {
            change(c, "capture.txt", Vec::clear)
        }),
        ("mtd9.bin is of no partition", 1, |c| {
            fs::write(c.at("mtd9.bin"), b"x").unwrap()
        }),
        ("mtd2.bin is no regular file", 1, |c| {
            fs::remove_file(c.at("mtd2.bin")).unwrap();
            std::os::unix::fs::symlink("mtd1.bin", c.at("mtd2.bin")).unwrap();
        }),
        ("holds a backup of mtdkeep", 5, |c| {
            fs::write(c.at("manifest.json"), b"{}").unwrap()
        }),
    ];
    for (says, code, damage) in cases {
        let captured = Captured::with(&[]);
        damage(&captured);
        let output = captured.import(&[]);
        assert_code(&output, code);
        assert!(words(&output).contains(says), "{says}: {}", words(&output));
        assert!(!captured.target().exists(), "{says}");
    }
}

#[test]
fn line_ends_that_a_download_changed_do_no_harm() {
    let captured = Captured::with(&[]);
    for name in ["proc_mtd.txt", "capture.txt", "MD5SUMS"] {
        let unix = fs::read_to_string(captured.at(name)).unwrap();
        fs::write(captured.at(name), unix.replace('\n', "\r\n")).unwrap();
    }
    assert_code(&captured.import(&[]), 0);
}

#[test]
fn foreign_files_are_named_and_not_taken() {
    let captured = Captured::with(&[]);
    fs::write(captured.at("notes.txt"), b"mine").unwrap();
    let output = captured.import(&[]);
    assert_code(&output, 0);
    assert!(text(&output.stderr).contains("notes.txt is no part of the capture"));
    assert!(!captured.target().join("notes.txt").exists());
}

#[test]
fn the_backup_goes_beside_and_never_into_the_capture() {
    let captured = Captured::with(&[]);
    let folder = captured.bench.folder();
    let into_itself = run_import(&folder, &folder, &[]);
    assert_code(&into_itself, 5);
    mtdkeep().arg("import").arg(&folder).assert().code(0);
    let beside = folder.with_file_name("mtd_backup-imported");
    captured.bench.assert_images(&beside, &[0, 1, 2, 3]);
    mtdkeep().args(["import", "/"]).assert().code(2);
    mtdkeep()
        .args(["import", "/nonexistent/x"])
        .assert()
        .code(4);
}
