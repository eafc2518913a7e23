//! Layouts without offsets: a real dump is never cut at a guess, and a guess is never
//! told as a fact.

use crate::cli::support::{mtdkeep, text};
use rstest::rstest;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Numbered in another order than they lie on the chip, as on a QNAP: `config`
/// lies before `rootfs` there. Nothing in this text tells.
const TABLE: &str = "dev:    size   erasesize  name
mtd0: 00000800 00000400 \"boot\"
mtd1: 00001000 00000400 \"rootfs\"
mtd2: 00000800 00000400 \"config\"
";

/// The table and a dump of the chip, `table` and `chip`.
fn dump() -> TempDir {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("table"), TABLE).unwrap();
    let part = |byte: u8, bytes: usize| vec![byte; bytes];
    let chip = [part(b'b', 0x800), part(b'c', 0x800), part(b'r', 0x1000)].concat();
    fs::write(outer.path().join("chip"), chip).unwrap();
    outer
}

fn run(at: &Path, arguments: &[&str], code: i32) -> (String, String) {
    let output = mtdkeep().current_dir(at).args(arguments).output().unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let status = output.status.code();
    assert_eq!(status, Some(code), "{arguments:?}: {stdout}{stderr}");
    (stdout.into(), stderr.into())
}

#[rstest]
#[case::backup(&["backup", "--image", "chip", "--simulate=table", "-o", "b"])]
#[case::list(&["list", "--image", "chip", "--simulate=table"])]
fn a_dump_is_not_cut_at_a_guess(#[case] arguments: &[&str]) {
    refuses_to_cut(arguments);
}

// Other machines have no sandbox.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn a_sandbox_is_not_given_what_was_cut_at_a_guess() {
    let sandbox = ["sandbox", "--image", "chip", "--simulate=table"];
    refuses_to_cut(&[&sandbox[..], &["--", "touch", "b"]].concat());
}

fn refuses_to_cut(arguments: &[&str]) {
    let outer = dump();
    let (_, stderr) = run(outer.path(), arguments, 5);
    for word in ["table tells sizes and no offsets", "chip", "--assume-order"] {
        assert!(stderr.contains(word), "no {word:?} in {stderr}");
    }
    assert!(!outer.path().join("b").exists());
}

#[test]
fn an_order_that_the_user_vouches_for_is_marked_everywhere() {
    let outer = dump();
    let arguments = ["--image", "chip", "--simulate=table", "--assume-order"];
    let backup = [&["backup", "-o", "b"], &arguments[..]].concat();
    let (_, stderr) = run(outer.path(), &backup, 0);
    assert!(stderr.contains("nothing proves where"), "{stderr}");
    let text = fs::read_to_string(outer.path().join("b/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&text).unwrap();
    for entry in manifest["layout"].as_array().unwrap() {
        assert_eq!(entry["offset_source"], "sum of sizes");
    }
    let page = fs::read_to_string(outer.path().join("b/index.html")).unwrap();
    let (head, _) = page.split_once("<ul>").unwrap();
    assert!(head.contains("is not proven"), "{head}");
    // The same cut, to compare with.
    let verify = [&["verify", "--device", "b"], &arguments[..]].concat();
    run(outer.path(), &verify, 0);
}

#[test]
fn inferred_offsets_are_marked_where_they_are_read() {
    let outer = dump();
    let (stdout, _) = run(outer.path(), &["list", "--simulate=table"], 0);
    assert!(stdout.contains("0x1800?"), "{stdout}");
    assert!(
        stdout.contains("note: offsets with ? are inferred"),
        "{stdout}"
    );
    let (stdout, _) = run(outer.path(), &["list", "--simulate"], 0);
    assert!(!stdout.contains('?'), "{stdout}");
    let image = ["image", "--simulate=table", "-o", "f"];
    let (_, stderr) = run(outer.path(), &image, 0);
    assert!(stderr.contains("may lie otherwise"), "{stderr}");
}

/// The iSpot's offsets are known, from whatever file its table comes; and a single
/// partition is its whole chip.
#[rstest]
#[case::ispot(&mtd_harness::layout::Layout::ispot().to_proc_mtd(), 16 << 20)]
#[case::one_partition(
    "dev:    size   erasesize  name\nmtd0: 00000800 00000400 \"all\"\n",
    0x800
)]
fn what_is_known_is_cut(#[case] table: &str, #[case] bytes: u64) {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("table"), table).unwrap();
    let chip = fs::File::create(outer.path().join("chip")).unwrap();
    chip.set_len(bytes).unwrap();
    let arguments = ["list", "--image", "chip", "--simulate=table"];
    let (stdout, _) = run(outer.path(), &arguments, 0);
    assert!(!stdout.contains('?'), "{stdout}");
}
