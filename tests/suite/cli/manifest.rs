//! Manifests that must not be trusted, backups that were damaged, and what `verify`
//! makes of them.

use crate::cli::support::{mtdkeep, snapshot, text, vouch};
use rstest::rstest;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A small backup: two partitions of the simulated iSpot.
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

fn verify(folder: &Path, options: &[&str]) -> (i32, String) {
    let output = mtdkeep()
        .arg("verify")
        .args(options)
        .arg(folder)
        .output()
        .unwrap();
    let words = format!("{}{}", text(&output.stdout), text(&output.stderr));
    (output.status.code().unwrap(), words)
}

#[rstest]
#[case::path("\"file\": \"mtd1.bin\"", "\"file\": \"../x\"", "../x")]
#[case::absolute("\"file\": \"mtd1.bin\"", "\"file\": \"/etc/passwd\"", "/etc/passwd")]
#[case::itself(
    "\"file\": \"mtd1.bin\"",
    "\"file\": \"manifest.json\"",
    "manifest.json"
)]
#[case::document("\"file\": \"mtd1.bin\"", "\"file\": \"thesis.doc\"", "thesis.doc")]
#[case::other_number("\"file\": \"mtd1.bin\"", "\"file\": \"mtd7.bin\"", "mtd1.bin")]
#[case::leading_zero("\"file\": \"mtd1.bin\"", "\"file\": \"mtd01.bin\"", "mtd01.bin")]
#[case::mtd_twice("\"mtd\": 7,\n      \"name\"", "\"mtd\": 1,\n      \"name\"", "mtd1")]
#[case::no_such_number("\"mtd\": 10,", "\"mtd\": 524288,", "mtd524288")]
#[case::huge(
    "\"size_bytes\": 131072",
    "\"size_bytes\": 9223372036854775808",
    "9223372036854775808"
)]
#[case::huge_erase_block(
    "\"erase_block_bytes\": 131072",
    "\"erase_block_bytes\": 4294967296",
    "4294967296"
)]
#[case::past_every_chip(
    "\"offset_bytes\": 16773120",
    "\"offset_bytes\": 9223372036854775807",
    "mtd10"
)]
#[case::major("\"format_version\": \"1.3\"", "\"format_version\": \"2.0\"", "2.0")]
#[case::foreign("mtdkeep-backup", "other-backup", "other-backup")]
#[case::no_digest("\"sha256\": \"", "\"sha256\": \"xyz", "digest")]
#[case::range_outside(
    "\"unreadable\": []",
    "\"unreadable\": [{\"offset_bytes\": 131072, \"length_bytes\": 1, \"reason\": \"\"}]",
    "outside"
)]
#[case::range_past_64_bits(
    "\"unreadable\": []",
    "\"unreadable\": [{\"offset_bytes\": 18446744073709551615, \"length_bytes\": 2, \"reason\": \"\"}]",
    "outside"
)]
fn a_manifest_that_cannot_be_trusted_is_refused(
    #[case] from: &str,
    #[case] to: &str,
    #[case] word: &str,
) {
    let (outer, folder) = small_backup();
    let manifest = folder.join("manifest.json");
    let before = fs::read_to_string(&manifest).unwrap();
    assert!(before.contains(from), "{before}");
    // The last one: images come after the device, whose identity has a digest.
    let at = before.rfind(from).unwrap();
    let at = if from.contains("mtd1.bin") {
        before.find(from).unwrap()
    } else {
        at
    };
    let after = format!("{}{to}{}", &before[..at], &before[at + from.len()..]);
    fs::write(&manifest, after).unwrap();
    vouch(&folder);
    fs::write(outer.path().join("x"), "mine").unwrap();
    fs::write(folder.join("thesis.doc"), "mine").unwrap();
    let files = snapshot(&folder);
    let (code, words) = verify(&folder, &[]);
    assert_eq!(code, 5, "{words}");
    assert!(words.contains(word), "{words}");
    mtdkeep().arg("clean").arg(&folder).assert().code(5);
    mtdkeep()
        .args(["backup", "--simulate", "-o"])
        .arg(&folder)
        .assert()
        .code(5);
    assert_eq!(snapshot(&folder), files);
    assert_eq!(fs::read(outer.path().join("x")).unwrap(), b"mine");
}

#[test]
fn a_manifest_cut_anywhere_is_never_taken_for_whole() {
    let (_outer, folder) = small_backup();
    let manifest = folder.join("manifest.json");
    let whole = fs::read(&manifest).unwrap();
    for length in (0..whole.trim_ascii_end().len()).step_by(97) {
        assert!(mtdkeep_manifest(&whole[..length]).is_err(), "{length}");
    }
    assert!(mtdkeep_manifest(&whole).is_ok());
}

fn mtdkeep_manifest(
    text: &[u8],
) -> Result<mtdkeep::backup::Manifest, mtdkeep::backup::ManifestError> {
    mtdkeep::backup::Manifest::parse(text)
}

#[test]
fn fields_of_a_later_minor_version_are_tolerated() {
    let (_outer, folder) = small_backup();
    let manifest = folder.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let text = text
        .replace("\"1.3\"", "\"1.7\"")
        .replace("\"file\":", "\"colour\": [1, {\"x\": null}], \"file\":")
        .replacen('{', "{\"weather\": \"fine\",", 1);
    fs::write(&manifest, text).unwrap();
    vouch(&folder);
    assert_eq!(verify(&folder, &[]).0, 0);
}

/// What can happen to a finished backup, and how `verify` must end.
#[rstest]
#[case::image_changed(|f: &Path| flip(&f.join("mtd1.bin"), 77), 1, &["mtd1.bin (param): damaged: SHA-256 differs"])]
#[case::image_shorter(|f: &Path| cut(&f.join("mtd1.bin"), 5), 1, &["mtd1.bin (param): damaged: 5 bytes instead of 128 KiB"])]
#[case::image_missing(|f: &Path| fs::remove_file(f.join("mtd7.bin")).unwrap(), 1, &["mtd7.bin (ver_1) is missing"])]
#[case::extra_file(|f: &Path| fs::write(f.join("more"), "").unwrap(), 1, &["more is not part"])]
#[case::extra_image(|f: &Path| fs::write(f.join("mtd2.bin"), "").unwrap(), 1, &["mtd2.bin is not part"])]
#[case::extra_part(|f: &Path| fs::write(f.join("mtd1.bin.part"), "").unwrap(), 1, &["mtd1.bin.part"])]
#[case::sums_missing(|f: &Path| fs::remove_file(f.join("SHA256SUMS")).unwrap(), 1, &["SHA256SUMS is missing"])]
#[case::sums_changed(|f: &Path| flip_digit(&f.join("SHA256SUMS")), 1, &["SHA256SUMS"])]
#[case::sums_torn(|f: &Path| cut(&f.join("SHA256SUMS"), 70), 1, &["SHA256SUMS"])]
#[case::sums_empty(|f: &Path| cut(&f.join("SHA256SUMS"), 0), 1, &["no line for mtd1.bin"])]
#[case::page_missing(|f: &Path| fs::remove_file(f.join("index.html")).unwrap(), 0, &["note: index.html"])]
#[case::manifest_missing(|f: &Path| fs::remove_file(f.join("manifest.json")).unwrap(), 1, &["manifest.json is missing"])]
#[case::manifest_changed(|f: &Path| flip(&f.join("manifest.json"), 300), 1, &["manifest.json"])]
fn a_damaged_backup(#[case] damage: fn(&Path), #[case] code: i32, #[case] words: &[&str]) {
    let (_outer, folder) = small_backup();
    damage(&folder);
    let (ended, said) = verify(&folder, &[]);
    assert_eq!(ended, code, "{said}");
    for word in words {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

fn flip_digit(file: &Path) {
    let text = fs::read_to_string(file).unwrap();
    let other = if text.starts_with('0') { "1" } else { "0" };
    fs::write(file, format!("{other}{}", &text[1..])).unwrap();
}

fn cut(file: &Path, length: usize) {
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..length]).unwrap();
}

#[test]
fn the_flash_is_compared_to_the_first_difference() {
    let (outer, folder) = small_backup();
    let chip = outer.path().join("flash.bin");
    mtdkeep()
        .args(["image", "--simulate", "-o"])
        .arg(&chip)
        .assert()
        .code(0);
    let image = chip.to_str().unwrap();
    assert_eq!(verify(&folder, &["--device", "--image", image]).0, 0);
    // The last byte of mtd7 (ver_1), which starts at 0xfa0000.
    flip(&chip, 0xfb_ffff);
    let (code, said) = verify(&folder, &["--device", "--image", image]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("mtd7.bin (ver_1) differs from the flash, first at 0x1ffff (erase block 0)"),
        "{said}"
    );
    assert!(!said.contains("mtd1"), "{said}");
    // The same of a device with another layout.
    let table = outer.path().join("table");
    fs::write(
        &table,
        "dev:    size   erasesize  name\nmtd0: 00020000 00020000 \"a\"\n",
    )
    .unwrap();
    let profile = format!("--simulate={}", table.display());
    let (code, said) = verify(&folder, &["--device", &profile]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("this is another device"), "{said}");
    // Flash that cannot be read is not the same as flash that differs.
    let faults = ["--device", "--simulate", "--faults", "read-error@0xfa0000"];
    let (code, said) = verify(&folder, &faults);
    assert_eq!(code, 4, "{said}");
    assert!(said.contains("not compared with the flash"), "{said}");
}

#[test]
fn unreadable_flash_makes_a_partial_backup() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("b");
    let backup = |faults: &str| {
        mtdkeep()
            .args(["backup", "--simulate", "--faults", faults, "-o"])
            .arg(&folder)
            .output()
            .unwrap()
    };
    // In the second erase block of mtd3 (rootfs), which starts at 0x180000.
    let output = backup("read-error@0x1a0010");
    assert_eq!(output.status.code(), Some(3));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("mtd3 (rootfs): 0x20000 bytes at 0x20000"),
        "{stderr}"
    );
    assert!(text(&output.stdout).contains("; partial: "));
    let mut expected = mtd_harness::profile::ispot(1).partition_bytes(3);
    expected[0x20000..0x40000].fill(0xFF);
    assert!(fs::read(folder.join("mtd3.bin")).unwrap() == expected);
    let (code, said) = verify(&folder, &[]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("partial: mtd3.bin"), "{said}");
    assert_eq!(verify(&folder, &["--simulate", "--device"]).0, 3);
    // Without the fault, the same command makes it whole; whole ones are kept.
    let output = mtdkeep()
        .args(["backup", "--simulate", "-o"])
        .arg(&folder)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout).matches("(kept)").count(), 10);
    crate::cli::backup::assert_images_are_the_flash(&folder, 1);
    // A fault that goes away when tried again costs nothing but a word.
    let other = outer.path().join("c");
    let assert = mtdkeep()
        .args([
            "backup",
            "--simulate",
            "--faults",
            "read-error@0x1a0010:once",
            "-o",
        ])
        .arg(&other)
        .assert()
        .code(0);
    assert!(text(&assert.get_output().stderr).contains("tried again"));
    crate::cli::backup::assert_images_are_the_flash(&other, 1);
}

#[test]
fn flash_that_changes_is_told_with_read_again() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("b");
    // A bit that reads wrong once: the first reading of mtd8 (ver_2).
    let assert = mtdkeep()
        .args(["backup", "--simulate", "--read-again", "-p", "ver_2"])
        .args(["--faults", "bit-flip@0xfc0123.4:once", "-o"])
        .arg(&folder)
        .assert()
        .code(1);
    let stderr = text(&assert.get_output().stderr);
    assert!(stderr.contains("first at 0x123"), "{stderr}");
    assert!(stderr.contains("JFFS2"), "{stderr}");
    assert_eq!(verify(&folder, &[]).0, 3);
}

/// A note that is a sentence, also where it is about one partition.
#[rstest]
#[case(&["param", "ver_1"], "9 partitions")]
#[case(&["mtd0", "mtd1", "mtd2", "mtd3", "mtd4", "mtd5", "mtd6", "mtd7", "mtd8", "mtd9"], "1 partition")]
fn what_was_not_asked_for_is_noted(#[case] partitions: &[&str], #[case] lacks: &str) {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("b");
    mtdkeep()
        .args(["backup", "--simulate", "-o"])
        .arg(&folder)
        .args(partitions.iter().flat_map(|name| ["-p", name]))
        .assert()
        .code(0);
    let (status, words) = verify(&folder, &[]);
    assert_eq!(status, 0, "{words}");
    let note = format!("note: this backup lacks {lacks} that had not been asked for\n");
    assert!(words.contains(&note), "{words}");
}
