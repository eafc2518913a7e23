//! What happens to dumps on their way, and dumps that are texts.

use super::{Dumps, packed};
use crate::capture::import::{assert_code, words};
use crate::cli::support::sha256;
use rstest::rstest;
use std::fs;

#[test]
fn text_mode_is_named_and_undone_only_if_told() {
    let dumps = Dumps::whole();
    let mut changed = Vec::new();
    for byte in &dumps.contents[0] {
        if *byte == b'\n' {
            changed.push(b'\r');
        }
        changed.push(*byte);
    }
    dumps.put("mtd0.bin", &changed);
    let says = ["mtd0.bin is too long", "follows a 0d", "--undo-crlf"];
    dumps.assert_refused(&dumps.import(&[]), 1, &says);
    // The device's own digest proves that the undoing is right.
    dumps.put(
        "sums",
        format!("{}  /dev/mtd0\n", sha256(&dumps.contents[0])),
    );
    let output = dumps.import(&["--undo-crlf"]);
    assert_code(&output, 0);
    dumps.assert_imported();
    assert!(words(&output).contains("mtd0 is mtd0.bin without the 0d before each 0a"));
    assert!(
        dumps
            .not_proven()
            .contains("differs from the flash in that alone")
    );
    // What it does not explain it does not change.
    fs::remove_dir_all(dumps.at("backup")).unwrap();
    changed.push(0);
    dumps.put("mtd0.bin", &changed);
    dumps.assert_refused(&dumps.import(&["--undo-crlf"]), 1, &["too long"]);
}

/// The length is right, and yet it is no copy: said, unless the device's digest says that
/// it is one.
#[test]
fn text_mode_that_is_cut_off_at_the_right_length_is_said() {
    let dumps = Dumps::of(
        "dev:    size   erasesize  name\nmtd0: 00020000 00010000 \"a\"\n\
         mtd1: 00020000 00010000 \"b\"\nmtd2: 00020000 00010000 \"c\"\n",
    );
    let mut changed = Vec::new();
    for byte in &dumps.contents[0] {
        if *byte == b'\n' {
            changed.push(b'\r');
        }
        changed.push(*byte);
    }
    changed.truncate(dumps.contents[0].len());
    let mut other = dumps.contents[1].clone();
    for byte in other.iter_mut().filter(|byte| **byte == b'\r') {
        *byte = b'\n';
    }
    dumps.put("mtd0.bin", &changed);
    dumps.put("mtd1.bin", packed(&other));
    fs::rename(dumps.at("dumps/mtd1.bin"), dumps.at("dumps/mtd1.bin.gz")).unwrap();
    dumps.put("mtd2.bin", &dumps.contents[2]);
    assert_code(&dumps.import(&[]), 0);
    let not_proven = dumps.not_proven();
    for says in [
        "that a transfer did not change mtd0.bin: each of its",
        "that a transfer did not change mtd1.bin.gz: it has",
    ] {
        assert!(not_proven.contains(says), "{says}: {not_proven}");
    }
    assert!(!not_proven.contains("change mtd2.bin"), "{not_proven}");
    fs::remove_dir_all(dumps.at("backup")).unwrap();
    dumps.put("sums", format!("{}  /dev/mtd0\n", sha256(&changed)));
    assert_code(&dumps.import(&[]), 0);
    assert!(!dumps.not_proven().contains("change mtd0.bin"));
}

/// Cut off or with something behind: it is not said to be one of them alone.
#[rstest]
fn a_packed_file_that_is_not_whole(#[values(&[][..], b"xx", b"# ")] behind: &[u8]) {
    let dumps = Dumps::whole();
    let mut data = packed(&dumps.contents[0]);
    match behind {
        [] => data.truncate(data.len() - 5),
        behind => data.extend_from_slice(behind),
    }
    fs::remove_file(dumps.at("dumps/mtd0.bin")).unwrap();
    dumps.put("mtd0.bin.gz", data);
    let says = ["mtd0.bin.gz cannot be unpacked: it is cut off, or something stands behind"];
    dumps.assert_refused(&dumps.import(&[]), 1, &says);
}

#[rstest]
#[case::cut_off(|data: &[u8]| data[..0x2800].to_vec(), &["too short", "5 blocks of 2048 bytes"])]
#[case::empty(|_: &[u8]| Vec::new(), &["too short", "it is empty"])]
#[case::oob(|data: &[u8]| [data, &[0x55; 0x4000 / 32]].concat(), &["too long", "--omit-oob"])]
#[case::prompt(|data: &[u8]| [data, b"\r\n/ # "].concat(), &["too long", "what follows is text"])]
#[case::filled(|data: &[u8]| [data, &[0; 0x4000]].concat(), &["too long", "0x00 alone"])]
fn damage_is_diagnosed(#[case] damage: fn(&[u8]) -> Vec<u8>, #[case] says: &[&str]) {
    let dumps = Dumps::whole();
    dumps.put("mtd0.bin", damage(&dumps.contents[0]));
    dumps.assert_refused(&dumps.import(&[]), 1, says);
}

/// Pages with what lies behind them: told, and left out only if told how large they are.
#[test]
fn out_of_band_bytes_are_left_out_if_told() {
    let dumps = Dumps::whole();
    let raw: Vec<u8> = dumps.contents[0]
        .chunks(2048)
        .flat_map(|page| [page, &[0x55; 64]].concat())
        .collect();
    dumps.put("mtd0.bin", &raw);
    let says = ["pages of NAND with their out-of-band bytes, 512+16 (or 2048+64, 4096+128)"];
    dumps.assert_refused(&dumps.import(&[]), 1, &says);
    dumps.assert_refused(&dumps.import(&["--omit-oob", "4096+224"]), 1, &says);
    dumps.assert_refused(
        &dumps.import(&["--omit-oob", "2048"]),
        2,
        &["such as 2048+64"],
    );
    let output = dumps.import(&["--omit-oob", "2048+64"]);
    assert_code(&output, 0);
    dumps.assert_imported();
    assert!(words(&output).contains("mtd0 is mtd0.bin without what lies behind pages of 2048+64"));
    assert!(dumps.not_proven().contains("that pages are so in mtd0.bin"));
}

/// As U-Boot prints it: the only way out of many cameras.
fn memory_dump(data: &[u8], base: usize) -> Vec<String> {
    let line = |(bytes, at): (&[u8], usize)| {
        let hex: Vec<String> = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let shown = |b: &u8| match b {
            b' '..=b'~' => char::from(*b),
            _ => '.',
        };
        let text: String = bytes.iter().map(shown).collect();
        format!(
            "{:08x}: {:<47}    {text}\r\n",
            base + at * 16,
            hex.join(" ")
        )
    };
    data.chunks(16).zip(0..).map(line).collect()
}

#[test]
fn a_log_of_md_b_becomes_the_partition() {
    let dumps = Dumps::whole();
    fs::remove_file(dumps.at("dumps/mtd1.bin")).unwrap();
    let mut lines = memory_dump(&dumps.contents[1], 0x8200_0000);
    let log = |lines: &[String]| {
        format!(
            "hisilicon # md.b 0x82000000 0x2000\r\n{}hisilicon # \r\n",
            lines.concat()
        )
    };
    dumps.put("mtd1.log", log(&lines));
    let output = dumps.import(&[]);
    assert_code(&output, 0);
    dumps.assert_imported();
    assert!(words(&output).contains("512 lines of a dump, without a gap"));
    fs::remove_dir_all(dumps.at("backup")).unwrap();
    let line = lines.remove(300);
    dumps.put("mtd1.log", log(&lines));
    let says = [
        "mtd1.log cannot be",
        "0x10 bytes from address 0x820012c0 on are missing",
    ];
    dumps.assert_refused(&dumps.import(&[]), 1, &says);
    // A letter that the line lost.
    let mut torn = line.clone();
    torn.remove(12);
    lines.insert(300, torn);
    dumps.put("mtd1.log", log(&lines));
    dumps.assert_refused(&dumps.import(&[]), 1, &["line 302"]);
}
