//! Text from outside reaches a terminal only as text: no command obeys it, and no
//! line of it can be taken for one of the program's.

use crate::cli::support::{mtdkeep, text};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

/// Controls, and the characters of Unicode's category "format", as a table of its
/// own: the program's comes from the standard library.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

/// Runs the program and holds all that it says against the rule.
fn run(folder: &Path, words: &[&OsStr]) -> (Option<i32>, String) {
    let output = mtdkeep().current_dir(folder).args(words).output().unwrap();
    let mut all = String::new();
    for said in [&output.stdout, &output.stderr] {
        let said = text(said);
        let obeyed = said.chars().find(|c| *c != '\n' && is_obeyed(*c));
        assert_eq!(obeyed, None, "{words:?} said {said:?}");
        let forged = said.lines().find(|line| line.starts_with("FORGED"));
        assert_eq!(forged, None, "{words:?} said {said:?}");
        all += said;
    }
    (output.status.code(), all)
}

fn words<'a>(words: &[&'a str]) -> Vec<&'a OsStr> {
    words.iter().map(|word| OsStr::new(*word)).collect()
}

/// Texts of what terminals obey, with line ends of all kinds and letters between.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "\nFORGED: good", "\rFORGED", "\u{85}FORGED", "\u{2028}FORGED", "\u{2029}FORGED",
            "\x1b[31m", "\x1b]0;title\x07", "\u{9b}2J", "\u{8}", "\u{7f}", "\u{202e}", "\u{2066}",
            "\u{200f}", "\u{200b}", "\u{feff}", "\u{e0041}", "\t", "name", "'", "\"", "\\", "<b>",
        ]).prop_map(String::from),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

/// Each case is a dozen processes, so there are few, always the same.
fn each_hostile(check: impl Fn(&Path, &str)) {
    let config = Config {
        cases: 12,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[11; 32]);
    TestRunner::new_with_rng(config, rng)
        .run(&hostile(), |name| {
            let outer = tempfile::tempdir().unwrap();
            check(outer.path(), &name);
            Ok(())
        })
        .unwrap();
}

/// A table with two small partitions, one of them of that name.
fn table(folder: &Path, name: &str) {
    // A line end would only end the table's line.
    let name = name.replace('\n', "\r");
    let table = format!(
        "dev:    size   erasesize  name\n\
         mtd0: 00000800 00000400 \"{name}\"\nmtd1: 00000400 00000400 \"param\"\n"
    );
    fs::write(folder.join("table"), table).unwrap();
}

#[test]
fn names_of_partitions() {
    each_hostile(|outer, name| {
        table(outer, name);
        let faults = ["--faults", "read-error@0"];
        for command in [
            &["list"][..],
            &["list", "--json"],
            &["nodes"],
            &["backup", "-o", "b"],
            &["backup", "-o", "c", "-p", "nosuch"],
            &["backup", "-o", "d", "--json"],
            &[&["backup", "-o", "e"][..], &faults].concat(),
            &["verify", "--device", "b"],
            &["verify", "--device", "e"],
            &["verify", "--device", "b", "--json"],
            &[&["verify", "--device", "b"][..], &faults].concat(),
            &["backup", "-o", "b"],
        ] {
            let (code, said) = run(outer, &words(&[command, &["--simulate=table"]].concat()));
            assert!(matches!(code, Some(0..=5)), "{command:?}: {said}");
        }
        let page = fs::read_to_string(outer.join("b/index.html")).unwrap();
        assert!(
            !page.contains("<b>") && !page.contains(|c| c != '\n' && is_obeyed(c)),
            "{page}"
        );
        assert_eq!(run(outer, &words(&["clean", "b"])).0, Some(0));
    });
}

#[test]
fn names_of_stray_files() {
    each_hostile(|outer, name| {
        table(outer, "name");
        let simulated = ["backup", "--simulate=table", "-o", "b"];
        assert_eq!(run(outer, &words(&simulated)).0, Some(0));
        let name = name.replace(['/', '\0'], "_");
        fs::write(outer.join("b").join(&name), "").unwrap();
        assert_eq!(run(outer, &words(&["verify", "b"])).0, Some(1));
        assert_eq!(run(outer, &words(&["clean", "b"])).0, Some(5));
        assert_eq!(run(outer, &words(&simulated)).0, Some(5));
        // A folder of that name, and one that is not there.
        fs::rename(outer.join("b"), outer.join(&name)).unwrap();
        assert_eq!(run(outer, &words(&["verify", "--", &name])).0, Some(1));
        assert_eq!(
            run(outer, &words(&["verify", "--", &format!("{name}x")])).0,
            Some(4)
        );
    });
}

/// Bytes that are no UTF-8 are shown as such, and nothing of them is obeyed.
#[test]
fn a_name_that_is_no_text() {
    use std::os::unix::ffi::OsStrExt as _;
    let outer = tempfile::tempdir().unwrap();
    table(outer.path(), "name");
    let backup = words(&["backup", "--simulate=table", "-o", "b"]);
    run(outer.path(), &backup);
    let name = OsStr::from_bytes(b"\xff\x9b31m\x1b[2J");
    if fs::write(outer.path().join("b").join(name), "").is_err() {
        // A file system that takes only UTF-8 has no such name either.
        return;
    }
    let (code, said) = run(outer.path(), &words(&["verify", "b"]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(r"\xff\x9b31m\x1b[2J"), "{said}");
    assert_eq!(run(outer.path(), &[OsStr::new("verify"), name]).0, Some(4));
}

#[test]
fn words_of_a_manifest() {
    each_hostile(|outer, name| {
        table(outer, "name");
        let backup = ["backup", "--simulate=table", "-o", "b"];
        assert_eq!(run(outer, &words(&backup)).0, Some(0));
        let file = outer.join("b/manifest.json");
        let good: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let left_out = json!({"by_choice": false, "reason": name});
        let hole = json!([{"offset_bytes": 0, "length_bytes": 1, "reason": name}]);
        let origin = json!({"captured_by": name, "layout_from": name, "proven": [name],
            "not_proven": [name], "changed_while_read": [0]});
        for (place, value) in [
            ("/tool", json!(name)),
            ("/created_utc", json!(name)),
            ("/format", json!(name)),
            ("/format_version", json!(name)),
            ("/device/description", json!(name)),
            (
                "/device/identity",
                json!({"partition": name, "sha256": name}),
            ),
            ("/layout/0/name", json!(name)),
            ("/layout/1/left_out", left_out),
            ("/images/0/name", json!(name)),
            ("/images/0/file", json!(name)),
            ("/images/0/doubt", json!(name)),
            ("/images/0/unreadable", hole),
            ("/origin", origin),
        ] {
            let mut changed = good.clone();
            let (parent, key) = place.rsplit_once('/').unwrap();
            changed.pointer_mut(parent).unwrap()[key] = value;
            fs::write(&file, changed.to_string()).unwrap();
            run(outer, &words(&["verify", "b"]));
            run(outer, &words(&backup));
        }
        run(outer, &words(&["clean", "b"]));
    });
}

#[test]
fn words_of_a_command_line() {
    each_hostile(|outer, name| {
        let name = name.replace('\0', "_");
        let option = format!("--{name}");
        for words in [
            &[name.as_str()][..],
            &[&option],
            &["verify", "a", &name],
            &["backup", "--digest", &name],
            &["backup", "--simulate", "-p", &name],
            &["list", "--simulate", "--faults", &name],
            &["completions", "--", &name],
            &["man", "--", &name],
        ] {
            // Standing for itself, a word may be a command's only by accident.
            let words: Vec<&OsStr> = words.iter().map(|word| OsStr::new(*word)).collect();
            assert_eq!(run(outer, &words).0, Some(2), "{words:?}");
        }
    });
}

#[test]
fn words_of_a_capture() {
    each_hostile(|outer, name| {
        table(outer, name);
        let captured = outer.join("captured");
        fs::create_dir(&captured).unwrap();
        fs::rename(outer.join("table"), captured.join("proc_mtd.txt")).unwrap();
        fs::write(captured.join("mtd0.bin"), [1; 0x800]).unwrap();
        let line = name.replace('\n', "\r");
        let record = format!(
            "mtdkeep-capture 1\ntool {line}\nfolder made\nmd5sum no\n\
             image mtd0 2048\nleft mtd1 {line}\ncomplete\n"
        );
        fs::write(captured.join("capture.txt"), record).unwrap();
        fs::write(captured.join(name.replace(['/', '\0'], "_")), "").unwrap();
        run(outer, &words(&["import", "captured", "-o", "b"]));
        run(outer, &words(&["verify", "b"]));
    });
}
