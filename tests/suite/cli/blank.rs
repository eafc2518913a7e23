//! What partitions hold: nothing, which is named in every report, by backup, verify and
//! import, in the manifest, on the page and in the documents; or UBI.

use crate::cli::support::{mtdkeep, text};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const TABLE: &str = "dev:    size   erasesize  name
mtd0: 00004000 00001000 \"u-boot\"
mtd1: 00002000 00001000 \"config\"
mtd2: 00004000 00001000 \"art\"
mtd3: 00002000 00001000 \"unused\"
mtd4: 00001000 00001000 \"zeros\"
";
const ERASED: &str = "every byte is 0xFF: it is empty";
const ZEROS: &str = "every byte is 0x00, and flash erases to 0xFF";
const TAIL: &str = "all is 0x00 from 0x2000 to the end";

/// One with contents, one erased, one whose last two erase blocks were not read, one
/// that is used at its beginning alone, one of zeros.
fn contents() -> [Vec<u8>; 5] {
    let text = |bytes: usize| b"contents".repeat(bytes / 8);
    [
        text(0x4000),
        vec![0xff; 0x2000],
        [text(0x2000), vec![0; 0x2000]].concat(),
        [text(0x1000), vec![0xff; 0x1000]].concat(),
        vec![0; 0x1000],
    ]
}

fn said(arguments: &[&str], at: &Path) -> String {
    let output = mtdkeep().current_dir(at).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    // Lines are broken at 80 columns.
    text(&output.stdout).replace("\n  ", " ")
}

#[track_caller]
fn assert_told(said: &str, names: [&str; 3]) {
    let told = [(ERASED, names[0]), (TAIL, names[1]), (ZEROS, names[2])];
    for (what, name) in told {
        let line = format!("note: {name}: {what}");
        assert!(said.contains(&line), "{line}: {said}");
    }
    assert_eq!(
        said.matches("0xFF").count(),
        3,
        "and of nothing else: {said}"
    );
}

#[test]
fn what_holds_nothing_is_named_everywhere() {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    fs::create_dir_all(at.join("tree/proc")).unwrap();
    fs::create_dir_all(at.join("tree/dev")).unwrap();
    fs::create_dir_all(at.join("dumps")).unwrap();
    fs::write(at.join("tree/proc/mtd"), TABLE).unwrap();
    for (n, data) in contents().iter().enumerate() {
        fs::write(at.join(format!("tree/dev/mtd{n}")), data).unwrap();
        fs::write(at.join(format!("dumps/mtd{n}.bin")), data).unwrap();
    }
    let of_device = ["mtd1 (config)", "mtd2 (art)", "mtd4 (zeros)"];
    let of_files = ["mtd1.bin (config)", "mtd2.bin (art)", "mtd4.bin (zeros)"];
    assert_told(
        &said(&["backup", "--root", "tree", "-o", "b"], at),
        of_device,
    );
    assert_told(&said(&["verify", "b"], at), of_files);
    let import = ["import", "dumps", "--layout", "tree/proc/mtd", "-o", "i"];
    assert_told(&said(&import, at), of_device);
    let verified: Value = serde_json::from_str(&said(&["verify", "--json", "i"], at)).unwrap();
    let findings = verified["findings"].as_array().unwrap();
    let blanks = findings.iter().filter(|finding| finding["kind"] == "blank");
    assert_eq!(blanks.count(), 3, "{findings:?}");
    for folder in ["b", "i"] {
        let manifest = fs::read(at.join(folder).join("manifest.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let blank = |n: usize| manifest["images"][n]["blank"].clone();
        let range = |byte, offset, length| json!({"byte": byte, "offset_bytes": offset, "length_bytes": length});
        assert_eq!(blank(0), Value::Null);
        assert_eq!(blank(1), range(0xff, 0, 0x2000));
        assert_eq!(blank(2), range(0, 0x2000, 0x2000));
        assert_eq!(
            blank(3),
            Value::Null,
            "0xFF at the end is what unused flash is"
        );
        assert_eq!(blank(4), range(0, 0, 0x1000));
        let page = fs::read_to_string(at.join(folder).join("index.html")).unwrap();
        for what in [ERASED, TAIL, ZEROS] {
            assert_eq!(page.matches(what).count(), 1, "{what}");
        }
    }
}

/// What could not be read stands as 0xFF, and is told as that alone.
#[test]
fn what_could_not_be_read_is_not_called_erased() {
    let outer = tempfile::tempdir().unwrap();
    let table = outer.path().join("table");
    fs::write(&table, TABLE).unwrap();
    let simulate = format!("--simulate={}", table.display());
    let backup = mtdkeep()
        .current_dir(outer.path())
        .args([
            "backup",
            &simulate,
            "-p",
            "mtd4",
            "--faults",
            "read-error@0xc000+0x1000",
        ])
        .args(["-o", "b"])
        .output()
        .unwrap();
    assert_eq!(backup.status.code(), Some(3), "{}", text(&backup.stderr));
    let said = format!("{}{}", text(&backup.stdout), text(&backup.stderr));
    assert!(
        said.contains("could not be read") && !said.contains(ERASED),
        "{said}"
    );
    let verify = mtdkeep()
        .current_dir(outer.path())
        .args(["verify", "b"])
        .output()
        .unwrap();
    assert!(!text(&verify.stdout).contains(ERASED));
}

/// The header of an erase block of UBI (Linux, drivers/mtd/ubi/ubi-media.h).
fn erase_counter() -> Vec<u8> {
    let mut header = b"UBI#\x01\0\0\0".to_vec();
    header.extend(7_u64.to_be_bytes());
    header.extend(0x800_u32.to_be_bytes());
    header.extend(0x1000_u32.to_be_bytes());
    header.resize(60, 0);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header);
    header.extend((!hasher.finalize()).to_be_bytes());
    header
}

/// A raw copy of UBI is put back in another way than other images: that is said.
#[test]
fn ubi_is_named() {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    fs::create_dir_all(at.join("tree/proc")).unwrap();
    fs::create_dir_all(at.join("tree/dev")).unwrap();
    let table = "dev:    size   erasesize  name\nmtd0: 00040000 00008000 \"u-boot\"\n\
                 mtd1: 00060000 00008000 \"ubi\"\n";
    fs::write(at.join("tree/proc/mtd"), table).unwrap();
    fs::write(at.join("tree/dev/mtd0"), b"contents".repeat(0x8000)).unwrap();
    let mut block = erase_counter();
    block.resize(0x8000, 0xff);
    fs::write(at.join("tree/dev/mtd1"), block.repeat(12)).unwrap();
    said(&["backup", "--root", "tree", "-o", "b"], at);
    let told = said(&["verify", "b"], at);
    let note = "note: mtd1.bin (ubi) holds UBI in 12 of 12 erase blocks; it fits this chip alone";
    assert!(told.contains(note), "{told}");
    assert!(told.contains("ubiformat puts it back"), "{told}");
    assert_eq!(told.matches("UBI").count(), 1, "{told}");
}
