//! Digests that lie beside the files, whoever made them.

use super::{Dumps, packed};
use crate::capture::import::{assert_code, run_import, words};
use crate::cli::support::sha256;
use rstest::rstest;
use std::fs;
use std::path::Path;

#[rstest]
#[case::one_list("SHA256SUMS", "{0}  mtd0.bin\n{1}  mtd1.bin\n{2}  mtd2.bin\n")]
#[case::any_name(
    "what-i-noted.txt",
    "# on the router\n{0} *mtd0.bin\n{1}  mtd1.bin\n{2}  ./mtd2.bin\n"
)]
#[case::nodes("sums", "{0}  /dev/mtd0\n{1}  /dev/mtd1ro\n{2}  /dev/mtdblock2\n")]
#[case::nodes_in_folders(
    "sums",
    "{0}  /dev/mtd/0\n{1}  /dev/mtd/mtd1\n{2}  /dev/block/mtdblock2\n"
)]
#[case::bsd(
    "CHECKSUMS",
    "SHA256 (mtd0.bin) = {0}\nSHA2-256(mtd1.bin)= {1}\nSHA256 (mtd2.bin) = {2}\n"
)]
#[case::other_names(
    "sha256sum.txt",
    "{0}  /tmp/u-boot.dump\n{1}  backup-mtd1.img\n{2}  factory\n"
)]
#[case::windows(
    "sums.txt",
    "{0} *C:\\dumps\\mtd0.bin\r\n{1} *mtd1.bin\r\n{2} *mtd2.bin\r\n"
)]
fn digests_of_any_kind_are_used(#[case] file: &str, #[case] form: &str) {
    let dumps = Dumps::whole();
    let mut text = form.to_owned();
    for (n, data) in dumps.contents.iter().enumerate() {
        text = text.replace(&format!("{{{n}}}"), &sha256(data));
    }
    dumps.put(file, &text);
    let output = dumps.import(&[]);
    assert_code(&output, 0);
    let said = words(&output).replace("\n  ", " ");
    let by_device = form.contains("/dev/");
    let says = match by_device {
        true => "3 files are what the device stored: they have the SHA-256 made there",
        false => "3 files have the SHA-256 given in",
    };
    assert!(said.contains(says), "{said}");
    assert!(!said.contains("no part of the capture"), "{said}");
    assert!(!dumps.not_proven().contains("made no digest"));
    // One changed byte is found, whatever the form.
    fs::remove_dir_all(dumps.at("backup")).unwrap();
    let mut changed = dumps.contents[2].clone();
    changed[99] ^= 1;
    dumps.put("mtd2.bin", &changed);
    let output = dumps.import(&[]);
    dumps.assert_refused(&output, 1, &["mtd2.bin has SHA-256", file]);
}

#[test]
fn a_digest_beside_each_file_is_its_own() {
    let dumps = Dumps::whole();
    dumps.put(
        "mtd0.bin.sha256",
        format!("{}\n", sha256(&dumps.contents[0])),
    );
    dumps.put(
        "mtd1.bin.sha256",
        format!("{}  -\n", sha256(&dumps.contents[1])),
    );
    let output = dumps.import(&[]);
    assert_code(&output, 0);
    let made_none = dumps.not_proven();
    assert!(
        made_none.contains("it made no digest of mtd2"),
        "{made_none}"
    );
    let torn = format!("{}\n{}", sha256(&dumps.contents[2]), "0123");
    dumps.put("mtd2.bin.sha256", torn);
    let output = run_import(
        &dumps.at("dumps"),
        &dumps.at("second"),
        &["--layout", dumps.at("table").to_str().unwrap()],
    );
    assert_code(&output, 1);
    assert!(words(&output).contains("line 2 of mtd2.bin.sha256"));
}

/// The digest of a packed file is of the packing, or of what was packed.
#[test]
fn a_packed_files_digest_may_be_of_either() {
    for of_image in [false, true] {
        let dumps = Dumps::new();
        let mut sums = String::new();
        for (n, data) in dumps.contents.iter().enumerate() {
            let file = packed(data);
            dumps.put(&format!("mtd{n}.bin.gz"), &file);
            let (digest, name) = match of_image {
                true => (sha256(data), format!("mtd{n}.bin")),
                false => (sha256(&file), format!("mtd{n}.bin.gz")),
            };
            sums += &format!("{digest}  {name}\n");
        }
        dumps.put("SHA256SUMS", sums);
        let output = dumps.import(&[]);
        assert_code(&output, 0);
        dumps.assert_imported();
    }
    // Of the packed file, though it is called after the node: it shows that the file
    // arrived, and not what the device has.
    let dumps = Dumps::new();
    let mut sums = String::new();
    for (n, data) in dumps.contents.iter().enumerate() {
        let file = packed(data);
        dumps.put(&format!("mtd{n}.bin.gz"), &file);
        sums += &format!("{}  /dev/mtd{n}\n", sha256(&file));
    }
    dumps.put("sums", sums);
    let output = dumps.import(&[]);
    assert_code(&output, 0);
    let said = words(&output).replace("\n  ", " ");
    assert!(!said.contains("what the device stored: they"), "{said}");
    assert!(
        said.contains("3 files have the SHA-256 given in sums"),
        "{said}"
    );
    let dumps = Dumps::whole();
    let file = packed(&dumps.contents[0]);
    fs::remove_file(dumps.at("dumps/mtd0.bin")).unwrap();
    dumps.put("mtd0.bin.gz", &file[..file.len() - 5]);
    let output = dumps.import(&[]);
    dumps.assert_refused(&output, 1, &["mtd0.bin.gz cannot be unpacked"]);
}

/// A digest tells that a file was there: it is not called absent on the device.
#[test]
fn what_a_list_names_was_there() {
    let dumps = Dumps::whole();
    fs::remove_file(dumps.at("dumps/mtd1.bin")).unwrap();
    dumps.put("md5sum", "d41d8cd98f00b204e9800998ecf8427e  mtd1.bin\n");
    let output = dumps.import(&[]);
    assert_code(&output, 3);
    assert!(
        words(&output).contains("md5sum has a digest of mtd1.bin; it was not fetched"),
        "{}",
        words(&output)
    );
}

/// Our images without their manifest, and our manifest with images of other names.
#[test]
fn a_backup_in_pieces_is_one_again() {
    let dumps = Dumps::whole();
    assert_code(&dumps.import(&[]), 0);
    let from = |folder: &Path, name: &str| fs::read(folder.join(name)).unwrap();
    let backup = dumps.at("backup");
    // The sums of it name the manifest and the page, which nobody needs here.
    dumps.put("SHA256SUMS", from(&backup, "SHA256SUMS"));
    let output = run_import(
        &dumps.at("dumps"),
        &dumps.at("second"),
        &["--layout", dumps.at("table").to_str().unwrap()],
    );
    assert_code(&output, 0);
    assert!(words(&output).contains("3 files have the SHA-256 given in SHA256SUMS"));
    // The page has a copy of the manifest.
    let with_page = Dumps::whole();
    with_page.put("index.html", from(&backup, "index.html"));
    let output = with_page.import_alone(&[]);
    assert_code(&output, 0);
    assert!(words(&output).contains("the copy of manifest.json in index.html"));
    assert!(words(&output).contains("3 files have the SHA-256 given in index.html"));
    // Layout and digests come from the manifest.
    let renamed = Dumps::named(|n| format!("mtd{n}_backup.bin"));
    renamed.put("manifest.json", from(&backup, "manifest.json"));
    let output = renamed.import_alone(&[]);
    assert_code(&output, 0);
    renamed.assert_imported();
    assert!(
        words(&output).contains("manifest.json of a backup"),
        "{}",
        words(&output)
    );
    fs::remove_dir_all(renamed.at("backup")).unwrap();
    renamed.put("mtd1_backup.bin", &renamed.contents[2]);
    let output = renamed.import_alone(&[]);
    renamed.assert_refused(
        &output,
        1,
        &["mtd1_backup.bin has SHA-256", "manifest.json"],
    );
    // One of them is gone: it is missing, and not "never made".
    renamed.put("mtd1_backup.bin", &renamed.contents[1]);
    fs::remove_file(renamed.at("dumps/mtd2_backup.bin")).unwrap();
    let output = renamed.import_alone(&[]);
    assert_code(&output, 3);
    assert!(words(&output).contains("manifest.json has an image of it"));
}

/// CRC-32 finds accidents as well, and there are lists that have nothing else.
#[test]
fn a_crc_that_does_not_fit_ends_the_import() {
    let dumps = Dumps::whole();
    let line = |(n, data): (usize, &Vec<u8>)| format!("mtd{n}.bin {:08X}\n", crc32fast::hash(data));
    let text: String = dumps.contents.iter().enumerate().map(line).collect();
    dumps.put("dumps.sfv", &text);
    assert_code(&dumps.import(&[]), 0);
    fs::remove_dir_all(dumps.at("backup")).unwrap();
    let mut changed = dumps.contents[1].clone();
    changed[7] ^= 1;
    dumps.put("mtd1.bin", &changed);
    let output = dumps.import(&[]);
    dumps.assert_refused(&output, 1, &["mtd1.bin has CRC-32", "dumps.sfv"]);
}
