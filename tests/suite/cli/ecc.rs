//! Flash whose ECC could not correct what was read: a character node hands the bytes out
//! as if they were right, and only counts. A backup of them is not good.

use crate::cli::support::{mtdkeep, text};
use rstest::rstest;
use serde_json::Value;
use std::fs;

/// A router's, as a report had it: its "factory" cannot be read past its first erase block.
const TABLE: &str = "dev:    size   erasesize  name
mtd0: 00008000 00002000 \"bl2\"
mtd1: 00010000 00002000 \"factory\"
mtd2: 00008000 00002000 \"ubi\"
";

#[rstest]
#[case::ecc(":errno=EBADMSG", "ECC could not correct it")]
#[case::read_error("", "Input/output error")]
fn what_cannot_be_read_is_named_and_the_rest_is_kept(#[case] errno: &str, #[case] says: &str) {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("table"), TABLE).unwrap();
    let run = |words: &[&str]| {
        let output = mtdkeep().current_dir(&outer).args(words).output().unwrap();
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        (output.status.code(), said)
    };
    let faults = format!("read-error@0xa000+0xe000{errno}");
    let (code, said) = run(&["backup", "--simulate=table", "--faults", &faults, "-o", "b"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(says), "{said}");
    let (code, said) = run(&["verify", "b"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("56 KiB at 0x2000"), "{said}");
    let manifest = fs::read(outer.path().join("b/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let holes = &manifest["images"][1]["unreadable"];
    assert_eq!(holes[0]["offset_bytes"], 0x2000, "{holes}");
    assert_eq!(holes[0]["length_bytes"], 0xe000, "{holes}");
    // What the owner needs is at its start.
    let (code, _) = run(&["backup", "--simulate=table", "-o", "good"]);
    assert_eq!(code, Some(0));
    let image = |folder: &str| fs::read(outer.path().join(folder).join("mtd1.bin")).unwrap();
    assert_eq!(image("b")[..0x2000], image("good")[..0x2000]);
    for mtd in ["mtd0.bin", "mtd2.bin"] {
        let of = |folder: &str| fs::read(outer.path().join(folder).join(mtd)).unwrap();
        assert!(of("b") == of("good"), "{mtd}");
    }
}

/// An error that ECC counts once, and not when it is read again, costs nothing.
#[test]
fn an_ecc_error_that_goes_away_is_read_again() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("table"), TABLE).unwrap();
    let output = mtdkeep()
        .current_dir(&outer)
        .args(["backup", "--simulate=table", "-o", "b"])
        .args(["--faults", "read-error@0xa000:errno=EBADMSG:times=1"])
        .output()
        .unwrap();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("failed first and succeeded"), "{said}");
}

/// A script in the sandbox sees the kernel's count move, where `dd` hears nothing: what
/// ECC could not correct is named there, too.
#[test]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[cfg(target_os = "linux")]
fn a_script_sees_what_ecc_could_not_correct() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("table"), TABLE).unwrap();
    fs::create_dir(outer.path().join("out")).unwrap();
    let script = mtdkeep()
        .args(["script", "--output-dir", "/var/wwwroot/cap"])
        .output()
        .unwrap();
    fs::write(outer.path().join("capture.sh"), script.stdout).unwrap();
    let faults = "read-error@0xa000+0xe000:errno=EBADMSG";
    let output = mtdkeep()
        .current_dir(&outer)
        .args(["sandbox", "--simulate=table", "--faults", faults])
        .args(["--map", "/var/wwwroot=out", "--", "sh", "capture.sh"])
        .output()
        .unwrap();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("57344 of its 65536 bytes cannot be read, by ECC"),
        "{said}"
    );
    let output = mtdkeep()
        .current_dir(&outer)
        .args(["import", "out/cap", "-o", "i"])
        .output()
        .unwrap();
    let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("0xe000 bytes at 0x2000 could not be read"),
        "{said}"
    );
}
