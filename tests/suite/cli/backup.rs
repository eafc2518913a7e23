//! `mtdkeep backup` as users run it: the real binary, its files, its words.

use crate::cli::support::{mtdkeep, text};
use mtd_harness::profile;
use rstest::rstest;
use std::path::Path;
use std::process::Command;

/// The bytes that a perfect backup of the simulated iSpot has.
pub(crate) fn assert_images_are_the_flash(folder: &Path, seed: u64) {
    let device = profile::ispot(seed);
    for info in device.system.devices() {
        let file = folder.join(format!("mtd{}.bin", info.index));
        let image = std::fs::read(&file).unwrap();
        assert!(image == device.partition_bytes(info.index), "{file:?}");
    }
}

#[test]
fn the_simulated_ispot_is_backed_up_whole() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("ispot-backup");
    let output = mtdkeep()
        .current_dir(&outer)
        .args(["backup", "--simulate", "--output", "ispot-backup"])
        .assert()
        .code(0)
        .stderr("")
        .get_output()
        .clone();
    let lines: Vec<String> = text(&output.stdout).lines().map(String::from).collect();
    assert_eq!(lines.len(), 14);
    assert!(lines[0].starts_with("mtd0   RedBoot          256 KiB  crc32 "));
    assert!(lines[0].contains("  sha256 "));
    assert!(lines[10].starts_with("mtd10  RedBoot config     4 KiB  crc32 "));
    assert_eq!(lines[11], "11 partitions, 16 MiB, in ispot-backup");
    let readme = include_str!("../../../README.md");
    // All but the digest, which the time of the backup is part of.
    assert!(lines[12].starts_with("backup digest: "), "{}", lines[12]);
    let (before, after) = (lines[..12].join("\n"), &lines[13]);
    let shown = readme.split_once(&(before + "\nbackup digest: "));
    let shown = shown.expect("the README's transcript is another one").1;
    assert_eq!(shown.lines().nth(1), Some(after.as_str()));
    assert_images_are_the_flash(&folder, 1);
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut expected: Vec<String> = (0..11).map(|n| format!("mtd{n}.bin")).collect();
    expected.extend(["SHA256SUMS", "index.html", "manifest.json"].map(String::from));
    expected.sort();
    assert_eq!(names, expected);
    let sums = Command::new("sha256sum")
        .args(["-c", "--quiet", "SHA256SUMS"])
        .current_dir(&folder)
        .status();
    assert!(sums.unwrap().success());
    mtdkeep().arg("verify").arg(&folder).assert().code(0);
    mtdkeep()
        .args(["verify", "--simulate", "--device"])
        .arg(&folder)
        .assert()
        .code(0);
}

#[rstest]
#[case(&[], 0)]
#[case(&["--read-again"], 0)]
#[case(&["--quiet"], 0)]
#[case(&["--json"], 0)]
fn options_change_no_byte(#[case] options: &[&str], #[case] code: i32) {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("b");
    mtdkeep()
        .args(["backup", "--simulate", "--seed", "7", "--output"])
        .arg(&folder)
        .args(options)
        .assert()
        .code(code);
    assert_images_are_the_flash(&folder, 7);
}
