//! What `verify` says of a backup: what is wrong, of which partition, and what to
//! do; and that it says good only of what is all there and fits together.

use crate::cli::support::{mtdkeep, sha256, text};
use rstest::rstest;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

mod flash;

const LAYOUT: &str = "\
dev:    size   erasesize  name
mtd0: 00000800 00000400 \"boot\"
mtd1: 00000400 00000400 \"param\"
mtd2: 00000800 00000400 \"a\"
mtd3: 00000800 00000400 \"b\"
";

struct Backup {
    outer: TempDir,
    folder: PathBuf,
}

impl Backup {
    /// A backup of a small device in `b`, whose layout is in `table`.
    fn new(options: &[&str]) -> Self {
        let outer = tempfile::tempdir().unwrap();
        fs::write(outer.path().join("table"), LAYOUT).unwrap();
        let words = ["backup", "--simulate=table", "-q", "-o", "b"];
        let words = [&words[..], options].concat();
        mtdkeep().current_dir(&outer).args(words).assert().code(0);
        let folder = outer.path().join("b");
        Self { outer, folder }
    }

    fn verify(&self, options: &[&str]) -> (i32, String) {
        let words = [&["verify", "b"], options].concat();
        let output = mtdkeep().current_dir(&self.outer).args(words).output();
        let output = output.unwrap();
        assert_eq!(text(&output.stderr), "");
        (output.status.code().unwrap(), text(&output.stdout).into())
    }

    fn findings(&self, options: &[&str]) -> Vec<Value> {
        let (code, said) = self.verify(&[options, &["--json"]].concat());
        let document: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(document["exit_code"], code);
        document["findings"].as_array().unwrap().clone()
    }

    fn at(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    fn manifest(&self) -> Value {
        serde_json::from_slice(&fs::read(self.at("manifest.json")).unwrap()).unwrap()
    }

    /// Changes the manifest, and writes `SHA256SUMS` for its images.
    fn change(&self, change: impl Fn(&mut Value)) {
        let mut manifest = self.manifest();
        change(&mut manifest);
        fs::write(self.at("manifest.json"), manifest.to_string()).unwrap();
        let mut sums = String::new();
        for image in manifest["images"].as_array().unwrap() {
            if let (Some(sha256), Some(file)) = (image["sha256"].as_str(), image["file"].as_str()) {
                sums += &format!("{sha256}  {file}\n");
            }
        }
        fs::write(self.at("SHA256SUMS"), sums).unwrap();
    }
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn one_bit_is_one_line_and_a_next_step() {
    let backup = Backup::new(&[]);
    flip(&backup.at("mtd2.bin"), 77);
    let (code, said) = backup.verify(&[]);
    assert_eq!(code, 1, "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "mtd2.bin (a): damaged: SHA-256 differs");
    assert_eq!(
        lines[1],
        "b: differs: 3 of 4 images are right, 5 KiB of 7 KiB"
    );
    assert_eq!(lines[2], "compared with manifest.json and SHA256SUMS");
    let next = "next: copy mtd2.bin from its source again, or back up into a new folder";
    assert_eq!(lines.last(), Some(&next));
    assert!(lines.iter().all(|line| line.len() <= 80), "{said}");
    // The same as fields, with the digests that should be and are.
    let manifest = backup.manifest();
    let findings = backup.findings(&[]);
    let found = &findings[0];
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(found["kind"], "damaged");
    assert_eq!(found["meaning"], "differs");
    assert_eq!(
        (&found["subject"], &found["partition"]),
        (&json!("mtd2.bin"), &json!("a"))
    );
    for digest in ["sha256", "crc32"] {
        assert_eq!(found["expected"][digest], manifest["images"][2][digest]);
        assert!(found["actual"][digest].is_string());
        assert_ne!(found["expected"][digest], found["actual"][digest]);
    }
}

/// What it was compared with, and how much is right, is said of what was there.
#[test]
fn nothing_is_said_of_what_is_not_there() {
    let backup = Backup::new(&[]);
    fs::remove_file(backup.at("SHA256SUMS")).unwrap();
    fs::remove_file(backup.at("mtd0.bin")).unwrap();
    let (code, said) = backup.verify(&[]);
    assert_eq!(code, 1);
    assert!(
        said.contains("mtd0.bin (boot) is missing\nSHA256SUMS is missing\n"),
        "{said}"
    );
    assert!(
        said.contains("3 of 4 images are right, 5 KiB of 7 KiB\n"),
        "{said}"
    );
    assert!(said.contains("\ncompared with manifest.json\n"), "{said}");
}

#[rstest]
#[case::both("both")]
#[case::crc32("crc32")]
#[case::sha256("sha256")]
fn files_that_changed_places_are_known(#[case] digest: &str) {
    let backup = Backup::new(&["--digest", digest]);
    let names = ["mtd2.bin", "spare", "mtd3.bin"].map(|name| backup.at(name));
    fs::rename(&names[0], &names[1]).unwrap();
    fs::rename(&names[2], &names[0]).unwrap();
    fs::rename(&names[1], &names[2]).unwrap();
    let (code, said) = backup.verify(&[]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.starts_with(
            "mtd2.bin (a) holds what belongs into mtd3.bin (b)\n\
             mtd3.bin (b) holds what belongs into mtd2.bin (a)\n"
        ),
        "{said}"
    );
    assert!(said.ends_with("next: give the files their right names, and verify again\n"));
    // Of another length as well.
    fs::copy(backup.at("mtd1.bin"), backup.at("mtd0.bin")).unwrap();
    let (_, said) = backup.verify(&[]);
    assert!(
        said.starts_with("mtd0.bin (boot) holds what belongs into mtd1.bin (param)\n"),
        "{said}"
    );
}

/// Three witnesses, file, manifest and sums: the one that disagrees is named.
#[test]
fn the_text_that_is_wrong_is_named() {
    let other = "0".repeat(64);
    let backup = Backup::new(&[]);
    let sums = fs::read_to_string(backup.at("SHA256SUMS")).unwrap();
    let manifest = fs::read_to_string(backup.at("manifest.json")).unwrap();
    fs::write(backup.at("SHA256SUMS"), sums.replace(&sums[..64], &other)).unwrap();
    let (code, said) = backup.verify(&[]);
    assert_eq!(code, 1);
    assert!(
        said.starts_with("SHA256SUMS has another digest of mtd0.bin (boot)\n"),
        "{said}"
    );
    assert!(said.contains("4 of 4 images are right"), "{said}");
    fs::write(backup.at("SHA256SUMS"), &sums).unwrap();
    // The page has a copy of the manifest, which would be believed.
    fs::remove_file(backup.at("index.html")).unwrap();
    fs::write(
        backup.at("manifest.json"),
        manifest.replace(&sums[..64], &other),
    )
    .unwrap();
    let (code, said) = backup.verify(&[]);
    assert_eq!(code, 1);
    let text = "mtd0.bin (boot) is what SHA256SUMS says, not what manifest.json says\n\
                manifest.json is not what SHA256SUMS says\n";
    assert!(said.starts_with(text), "{said}");
}

#[test]
fn another_device_is_said_once_and_first() {
    let backup = Backup::new(&[]);
    assert_eq!(backup.verify(&["--device", "--simulate=table"]).0, 0);
    // The same layout, and another `param`.
    let other = ["--device", "--simulate=table", "--seed", "2"];
    let (code, said) = backup.verify(&other);
    assert_eq!(code, 1);
    assert!(
        said.starts_with("this is another device, or its param was changed\nb: "),
        "{said}"
    );
    assert!(said.contains("4 of 4 images are right"), "{said}");
    let found = &backup.findings(&other)[0];
    assert_eq!(found["kind"], "another_device");
    let identity = &backup.manifest()["device"]["identity"]["sha256"];
    assert_eq!(&found["expected"]["sha256"], identity);
    assert_ne!(found["actual"]["sha256"], found["expected"]["sha256"]);
    // Another layout altogether, and nothing that tells the device.
    let table = "dev:    size   erasesize  name\nmtd0: 00000400 00000400 \"x\"\n";
    fs::write(backup.outer.path().join("other"), table).unwrap();
    let (code, said) = backup.verify(&["--device", "--simulate=other"]);
    assert_eq!(code, 1);
    let text = "this is another device: it has none of the backup's partitions\nb: ";
    assert!(said.starts_with(text), "{said}");
}

/// A device whose layout changed: each partition that does is named.
#[rstest]
#[case::more(|table: String| table + "mtd4: 00000400 00000400 \"new\"\n", "mtd4 (new) is on the device, but unknown to the backup")]
#[case::fewer(|table: String| table.lines().take(4).map(|l| format!("{l}\n")).collect(), "mtd3 (b) is in the backup, but not on the device")]
#[case::name(|table: String| table.replace("\"b\"", "\"c\""), "mtd3 (b): the device has another name there")]
#[case::size(|table: String| table.replace("mtd3: 00000800", "mtd3: 00000c00"), "mtd3 (b): the device has another size there")]
fn a_changed_layout_is_named(#[case] change: fn(String) -> String, #[case] line: &str) {
    let backup = Backup::new(&[]);
    fs::write(backup.outer.path().join("table"), change(LAYOUT.into())).unwrap();
    let (code, said) = backup.verify(&["--device", "--simulate=table"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.lines().any(|its| its == line), "{said}");
}

fn drop_all(manifest: &mut Value) {
    manifest["layout"] = json!([]);
    manifest["images"] = json!([]);
}

/// Manifests that do not hold together, or hold nothing. Their files and sums are as
/// they say.
#[rstest]
#[case::nothing(drop_all, "holds_nothing")]
#[case::no_image(|m: &mut Value| m["images"] = json!([]), "holds_nothing")]
#[case::no_layout(|m: &mut Value| m["layout"] = json!([]), "not_in_layout")]
#[case::no_entry(|m: &mut Value| drop(m["layout"].as_array_mut().unwrap().pop()), "not_in_layout")]
#[case::no_reason(|m: &mut Value| drop(m["images"].as_array_mut().unwrap().pop()), "no_image")]
#[case::reason(|m: &mut Value| m["layout"][0]["left_out"] = json!({"by_choice": true, "reason": ""}), "image_and_reason")]
#[case::name(|m: &mut Value| m["layout"][2]["name"] = json!("c"), "contradiction")]
#[case::size(|m: &mut Value| m["layout"][2]["size_bytes"] = json!(0x400), "contradiction")]
#[case::erase_block(|m: &mut Value| m["layout"][2]["erase_block_bytes"] = json!(7), "contradiction")]
#[case::identity(|m: &mut Value| m["device"]["identity"]["sha256"] = json!("0".repeat(64)), "other_identity")]
#[case::identity_of_none(|m: &mut Value| m["device"]["identity"]["partition"] = json!("x"), "not_in_layout")]
#[case::changed(|m: &mut Value| m["origin"] = json!({"captured_by": "", "layout_from": "",
    "proven": [], "not_proven": [], "changed_while_read": [9]}), "not_in_layout")]
fn what_does_not_hold_together_is_not_good(#[case] change: fn(&mut Value), #[case] kind: &str) {
    let backup = Backup::new(&[]);
    backup.change(change);
    // Files that the manifest does not name any more are another matter.
    let manifest = backup.manifest();
    for image in 0..4 {
        let file = format!("mtd{image}.bin");
        let images = manifest["images"].as_array().unwrap();
        if !images.iter().any(|image| image["file"] == json!(file)) {
            fs::remove_file(backup.at(&file)).unwrap();
        }
    }
    for options in [&[][..], &["--device", "--simulate=table"]] {
        let (code, said) = backup.verify(options);
        assert_eq!(code, 1, "{said}");
        let kinds = backup.findings(options);
        assert!(kinds.iter().any(|found| found["kind"] == kind), "{said}");
    }
}

/// The identity is proven by the image also where the manifest has no SHA-256 of it.
#[test]
fn the_identity_is_compared_without_sums() {
    let backup = Backup::new(&["--digest", "crc32"]);
    assert_eq!(backup.verify(&[]).0, 0);
    let mut manifest = backup.manifest();
    manifest["device"]["identity"]["sha256"] = json!("0".repeat(64));
    fs::write(backup.at("manifest.json"), manifest.to_string()).unwrap();
    let (code, said) = backup.verify(&[]);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.starts_with("mtd1.bin (param): the manifest says that the device has another\n"),
        "{said}"
    );
}

/// The one digest that `backup` printed finds what was changed on purpose, with
/// everything beside it: nothing in the folder can.
#[test]
fn a_noted_digest_finds_what_was_changed_on_purpose() {
    let backup = Backup::new(&[]);
    let (code, said) = backup.verify(&[]);
    assert_eq!(code, 0);
    let digest = said
        .lines()
        .find_map(|line| line.strip_prefix("backup digest: "));
    let digest = digest.unwrap().to_owned();
    let next = "next: note this digest elsewhere; `mtdkeep verify --digest` compares it\n";
    assert!(said.ends_with(next), "{said}");
    let text = fs::read(backup.at("manifest.json")).unwrap();
    assert_eq!(digest, sha256(&text));
    for noted in [&digest, &digest[..16], &digest.to_uppercase()] {
        let (code, said) = backup.verify(&["--digest", noted]);
        assert_eq!(code, 0, "{said}");
        let with = "compared with manifest.json, SHA256SUMS and the digest given\n";
        assert!(said.contains(with), "{said}");
    }
    // One bit, and its digests wherever they stand.
    flip(&backup.at("mtd2.bin"), 5);
    let image = fs::read(backup.at("mtd2.bin")).unwrap();
    backup.change(|manifest| {
        manifest["images"][2]["sha256"] = json!(sha256(&image));
        manifest["images"][2]
            .as_object_mut()
            .unwrap()
            .remove("crc32");
    });
    fs::remove_file(backup.at("index.html")).unwrap();
    assert_eq!(backup.verify(&[]).0, 0);
    let (code, said) = backup.verify(&["--digest", &digest]);
    assert_eq!(code, 1, "{said}");
    let other = sha256(&fs::read(backup.at("manifest.json")).unwrap());
    let lines = format!(
        "manifest.json is not the one whose digest was given\n  expected {digest}\n  found    {other}\n"
    );
    assert!(said.starts_with(&lines), "{said}");
    let found = &backup.findings(&["--digest", &digest[..20]])[0];
    assert_eq!(found["kind"], "other_digest");
    assert_eq!(found["expected"]["sha256"], digest[..20]);
    assert_eq!(found["actual"]["sha256"], other);
    assert!(lines.lines().all(|line| line.len() <= 80), "{lines}");
}

#[test]
fn a_backup_ends_with_its_digest() {
    let outer = tempfile::tempdir().unwrap();
    let words = ["backup", "--simulate", "-p", "param", "-o", "b"];
    let assert = mtdkeep().current_dir(&outer).args(words).assert().code(0);
    let said = text(&assert.get_output().stdout);
    let digest = sha256(&fs::read(outer.path().join("b/manifest.json")).unwrap());
    assert!(
        said.contains(&format!("\nbackup digest: {digest}\nnext: ")),
        "{said}"
    );
    let words = ["backup", "--simulate", "-p", "param", "-o", "c", "--json"];
    let assert = mtdkeep().current_dir(&outer).args(words).assert().code(0);
    let document: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    let digest = sha256(&fs::read(outer.path().join("c/manifest.json")).unwrap());
    assert_eq!(document["manifest_sha256"], digest);
}

#[rstest]
#[case::short("0123456789abcde")]
#[case::long("01234567890123456789012345678901234567890123456789012345678901234")]
#[case::letters("0123456789abcdeg")]
#[case::empty("")]
fn a_digest_that_is_none_is_wrong_usage(#[case] word: &str) {
    let backup = Backup::new(&[]);
    let digest = format!("--digest={word}");
    let words = ["verify", "b", &digest];
    mtdkeep()
        .current_dir(&backup.outer)
        .args(words)
        .assert()
        .code(2)
        .stdout("");
}

/// What was decided is the worst of what is certain: a difference, whatever could
/// not be checked or is missing beside it; then what could not be checked.
#[test]
fn the_exit_code_is_of_the_worst_finding() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("table"), LAYOUT).unwrap();
    let run = |words: &[&str]| {
        let output = mtdkeep().current_dir(&outer).args(words).output().unwrap();
        (
            output.status.code().unwrap(),
            text(&output.stdout).to_owned(),
        )
    };
    let hole = [
        "backup",
        "--simulate=table",
        "-o",
        "b",
        "--faults",
        "read-error@0x1000",
    ];
    assert_eq!(run(&hole).0, 3);
    let (code, said) = run(&["verify", "b"]);
    assert_eq!(code, 3, "{said}");
    assert!(
        said.starts_with("partial: mtd2.bin (a): 1 KiB at 0x400 could not be read"),
        "{said}"
    );
    assert!(
        said.ends_with("next: back up into the same folder again to complete it\n"),
        "{said}"
    );
    let unread = [
        "verify",
        "b",
        "--device",
        "--simulate=table",
        "--faults",
        "read-error@0",
    ];
    let (code, said) = run(&unread);
    assert_eq!(code, 4, "{said}");
    assert!(
        said.contains("b: could not be checked: 3 of 4 images are right"),
        "{said}"
    );
    flip(&outer.path().join("b/mtd3.bin"), 0);
    let (code, said) = run(&unread);
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("b: differs: 2 of 4 images are right"),
        "{said}"
    );
    let quiet = [&unread[..], &["-q"]].concat();
    assert_eq!(run(&quiet), (1, String::new()));
}
