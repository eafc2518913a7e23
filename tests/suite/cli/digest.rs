//! `backup --digest`: with one digest only, the backup says so, and is proven by
//! the one that it has.

use crate::cli::backup::assert_images_are_the_flash;
use crate::cli::support::{mtdkeep, text};
use rstest::rstest;
use serde_json::Value;
use std::fs;
use std::path::Path;

fn back_up(folder: &Path, digest: &str) -> String {
    let output = mtdkeep()
        .args(["backup", "--simulate", "--digest", digest, "--output"])
        .arg(folder)
        .assert()
        .code(0)
        .stderr("");
    text(&output.get_output().stdout).to_owned()
}

fn images(folder: &Path) -> Vec<Value> {
    let text = fs::read(folder.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&text).unwrap();
    manifest["images"].as_array().unwrap().clone()
}

fn verify(folder: &Path) -> (i32, String) {
    let output = mtdkeep().arg("verify").arg(folder).output().unwrap();
    (
        output.status.code().unwrap(),
        text(&output.stdout).to_owned(),
    )
}

#[rstest]
#[case::both("both", true, true, "compared with manifest.json and SHA256SUMS\n")]
#[case::crc32("crc32", true, false, "compared with manifest.json\n")]
#[case::sha256("sha256", false, true, "compared with manifest.json and SHA256SUMS\n")]
fn a_backup_has_the_digests_that_were_asked_for(
    #[case] digest: &str,
    #[case] crc32: bool,
    #[case] sha256: bool,
    #[case] compared: &str,
) {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("b");
    let told = back_up(&folder, digest);
    assert_images_are_the_flash(&folder, 1);
    for row in told.lines().take(11) {
        assert_eq!(row.contains("  crc32 "), crc32, "{row}");
        assert_eq!(row.contains("  sha256 "), sha256, "{row}");
    }
    for image in images(&folder) {
        assert_eq!(image.get("crc32").is_some(), crc32, "{image}");
        assert_eq!(image.get("sha256").is_some(), sha256, "{image}");
    }
    let page = fs::read_to_string(folder.join("index.html")).unwrap();
    assert_eq!(page.contains("crc32 "), crc32);
    assert_eq!(page.contains("sha256 "), sha256);
    assert_eq!(page.contains("\"SHA256SUMS\""), sha256);
    assert_eq!(folder.join("SHA256SUMS").exists(), sha256);
    let (status, words) = verify(&folder);
    assert_eq!(status, 0, "{words}");
    assert!(words.contains(compared), "{words}");
    let note = "note: this backup has CRC-32 alone, which finds no change made on purpose\n";
    assert_eq!(words.contains(note), !sha256, "{words}");

    // One bit, in the middle of the largest image.
    let image = folder.join("mtd3.bin");
    let mut bytes = fs::read(&image).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&image, &bytes).unwrap();
    let (status, words) = verify(&folder);
    assert_eq!(status, 1, "{words}");
    let which = if sha256 { "SHA-256" } else { "CRC-32" };
    let damaged = format!("mtd3.bin (rootfs): damaged: {which} differs\n");
    assert!(words.starts_with(&damaged), "{words}");

    mtdkeep().arg("clean").arg(&folder).assert().code(0);
    assert!(!folder.exists());
}

/// A partial backup with SHA-256 that is completed without: its old sums are not
/// those of the new images, and must not stay beside them.
#[test]
fn sums_of_an_earlier_run_do_not_outlive_it() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("b");
    mtdkeep()
        .args(["backup", "--simulate", "--faults", "read-error@0x1a0000"])
        .arg("--output")
        .arg(&folder)
        .assert()
        .code(3);
    assert!(folder.join("SHA256SUMS").exists());
    back_up(&folder, "crc32");
    assert!(!folder.join("SHA256SUMS").exists());
    let (status, words) = verify(&folder);
    assert_eq!(status, 0, "{words}");
}

/// Sums that somebody made with sha256sum for a backup without are compared too.
#[test]
fn sums_beside_a_backup_without_sha256_are_compared() {
    let outer = tempfile::tempdir().unwrap();
    let (with, without) = (outer.path().join("with"), outer.path().join("without"));
    back_up(&with, "both");
    back_up(&without, "crc32");
    let sums = fs::read_to_string(with.join("SHA256SUMS")).unwrap();
    // The last line is the manifest's, which differs.
    let (sums, _) = sums.trim_end().rsplit_once('\n').unwrap();
    fs::write(without.join("SHA256SUMS"), sums).unwrap();
    let (status, words) = verify(&without);
    assert_eq!(status, 0, "{words}");
    assert!(
        words.contains("compared with manifest.json and SHA256SUMS\n"),
        "{words}"
    );
    // Of the first image, other digits.
    let turned: String = sums[..64].chars().rev().collect();
    fs::write(without.join("SHA256SUMS"), turned.to_owned() + &sums[64..]).unwrap();
    let (status, words) = verify(&without);
    assert_eq!(status, 1, "{words}");
    assert!(
        words.contains("SHA256SUMS has another digest of mtd0.bin (RedBoot)"),
        "{words}"
    );
}
