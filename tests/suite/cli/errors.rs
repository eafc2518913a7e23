//! Each error says what happened and what to do next *of the command that met it*,
//! once, and ends with its documented code.

use crate::cli::support::{mtdkeep, text, unwrapped};
use rstest::rstest;
use std::fs;
use std::path::Path;

/// A backup `b`, an unfinished one `u`, what a script captured `s`, an empty folder `e`
/// and a plain file `file`.
fn surroundings() -> tempfile::TempDir {
    let outer = tempfile::tempdir().unwrap();
    mtdkeep()
        .current_dir(&outer)
        .args(["backup", "--simulate", "-q", "-o", "b", "-p", "param"])
        .assert()
        .code(0);
    let at = |name: &str| outer.path().join(name);
    fs::create_dir(at("e")).unwrap();
    fs::create_dir(at("u")).unwrap();
    fs::copy(at("b/manifest.json"), at("u/unfinished.json")).unwrap();
    fs::write(at("file"), "mine").unwrap();
    fs::create_dir(at("s")).unwrap();
    fs::write(at("s/mtd0.bin"), "data").unwrap();
    let record = "mtdkeep-capture 1\ntool mtdkeep 0.1.0\nfolder made\nmd5sum no\n\
                  image mtd0 4\ncomplete\n";
    fs::write(at("s/capture.txt"), record).unwrap();
    outer
}

fn fails(folder: &Path, line: &str) -> (i32, String) {
    let words = line.split(' ').filter(|word| !word.is_empty());
    let output = mtdkeep().current_dir(folder).args(words).output().unwrap();
    let stderr = text(&output.stderr).to_owned();
    (output.status.code().unwrap_or(-1), stderr)
}

#[rstest]
#[case("verify nosuch", 4, "no such folder")]
#[case("fetch https://192.168.1.1/ b2", 2, "or http://HOST[:PORT]/FOLDER/")]
#[case("verify file", 4, "not one of its files")]
#[case("verify b/mtd1.bin", 4, "not one of its files")]
#[case("verify e", 4, "the one with manifest.json")]
#[case("verify s", 4, "`mtdkeep import` makes a backup of it")]
#[case("image --from s -o x", 4, "`mtdkeep import` makes a backup of it")]
#[case("clean nosuch", 4, "no such folder")]
#[case("clean file", 4, "not one of its files")]
#[case("import nosuch", 4, "no such folder")]
#[case("import file", 4, "not one of them")]
#[case("import e", 4, "the files of the partitions")]
#[case("import b", 5, "`mtdkeep verify` checks it")]
#[case("import u", 5, "start the same `mtdkeep backup` again")]
#[case("import / -q", 2, "--output DIR")]
#[case("backup --simulate -p param -o b", 5, "--output")]
#[case("backup --simulate -o file", 4, "choose another folder with --output")]
#[case(
    "backup --simulate -o file/b",
    4,
    "choose another folder with --output"
)]
#[case("backup --simulate -p redboot -o x", 2, "did you mean RedBoot?")]
#[case("backup --simulate -p nonsense -o x", 2, "mtd10 (RedBoot config)")]
#[case("list --root e", 4, "must hold the device's proc")]
#[case("list --simulate=nosuch", 4, "a layout is the text of a /proc/mtd")]
#[case("list --simulate=file", 4, "the text of a /proc/mtd")]
#[case("list --image file", 4, "the whole chip as one file")]
#[case("list --simulate --faults foo", 2, "`mtdkeep list --help`")]
#[case("nodes --simulate --create", 5, "leave --create away")]
#[case("image --simulate -o file", 5, "choose another name")]
#[case("image --simulate -o file/x", 5, "choose another name")]
#[case("image --simulate", 2, "--output FILE")]
#[case("sandbox", 2, "mtdkeep sandbox [OPTIONS] -- <PROGRAM>")]
#[case("completions ksh", 2, "bash, zsh, fish")]
#[case("man nosuch", 2, "there is no command")]
#[case("lst", 2, "did you mean list?")]
#[case("verfy b", 2, "did you mean verify?")]
#[case("backup --outptu x", 2, "did you mean --output?")]
#[case("", 2, "`mtdkeep --help` lists commands")]
#[case("verify", 2, "mtdkeep verify [OPTIONS] <DIR>")]
#[case("verify b file", 2, "one word too many")]
#[case("backup b", 2, "one word too many; --output names what is written")]
#[case("man --simulate", 2, "`mtdkeep man` has no option --simulate")]
#[case(
    "clean b --faults short-read",
    2,
    "`mtdkeep clean` has no option --faults"
)]
#[case("--seed 1 clean b", 2, "`mtdkeep clean` has no option --seed")]
fn an_error_names_its_command_s_next_step(
    #[case] line: &str,
    #[case] code: i32,
    #[case] word: &str,
) {
    let outer = surroundings();
    let (ended, stderr) = fails(outer.path(), line);
    assert_eq!(ended, code, "{line}: {stderr}");
    let (_, help) = stderr.split_once("mtdkeep: help: ").unwrap();
    let help = format!("mtdkeep: help: {help}");
    for shown in help.lines() {
        // What is between backticks stays whole, to be copied.
        let fits = shown.chars().count() <= 80 || !shown.trim_start().contains(' ');
        assert!(fits || shown.starts_with("  `"), "{shown}");
    }
    let stderr = unwrapped(&stderr);
    assert!(stderr.contains(word), "{line}: no {word:?} in {stderr}");
    // One sentence for what happened, one for what to do; nothing is told twice.
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert!(lines[0].starts_with("mtdkeep: error: "), "{stderr}");
    assert!(lines[1].starts_with("mtdkeep: help: "), "{stderr}");
    // A command that makes no folder does not speak of the option that names one.
    if ["verify", "clean"]
        .iter()
        .any(|name| line.starts_with(name))
    {
        assert!(!stderr.contains("--output"), "{stderr}");
    }
    assert_eq!(fs::read(outer.path().join("file")).unwrap(), b"mine");
    assert!(!outer.path().join("x").exists());
}

/// A wrong fault is named once, with what there is.
#[test]
fn a_wrong_fault_is_named_once() {
    let outer = tempfile::tempdir().unwrap();
    let (_, stderr) = fails(outer.path(), "list --simulate --faults foo");
    assert_eq!(stderr.matches("foo").count(), 1, "{stderr}");
    assert!(stderr.contains("read-error"), "{stderr}");
}

#[test]
fn folders_above_the_output_are_made() {
    let outer = tempfile::tempdir().unwrap();
    for line in [
        "backup --simulate -q -p param -o no/such/folder",
        "image --simulate -q -o not/this/either",
    ] {
        let (code, stderr) = fails(outer.path(), line);
        assert_eq!((code, stderr.as_str()), (0, ""), "{line}");
    }
    assert!(outer.path().join("no/such/folder/manifest.json").exists());
    assert!(outer.path().join("not/this/either").exists());
}

#[test]
fn help_is_a_command_as_well() {
    let outer = tempfile::tempdir().unwrap();
    let shows = |line: &[&str]| {
        let output = mtdkeep().current_dir(&outer).args(line).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line:?}");
        text(&output.stdout).to_owned()
    };
    assert_eq!(shows(&["help"]), shows(&["--help"]));
    assert_eq!(shows(&["help", "verify"]), shows(&["verify", "--help"]));
    let sandbox = shows(&["help", "sandbox"]);
    assert!(
        sandbox.contains("  127  the program was not found"),
        "{sandbox}"
    );
    assert!(!sandbox.contains("something differs"), "{sandbox}");
    assert!(!shows(&["help", "clean"]).contains("--simulate"));
}
