//! Manual pages and shell completions.

use crate::cli::support::{mtdkeep, program_words, text};
use rstest::rstest;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The commands that the program's help lists.
fn commands() -> Vec<String> {
    let assert = mtdkeep().arg("--help").assert().code(0);
    let help = text(&assert.get_output().stdout).to_owned();
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let list = list.lines().take_while(|line| !line.is_empty());
    let names = list.map(|line| line.split_whitespace().next().unwrap().to_owned());
    names.filter(|name| name != "help").collect()
}

fn written(what: &str, folder: &Path) -> BTreeSet<String> {
    let all = [what.as_ref(), "--all".as_ref(), folder.as_os_str()];
    mtdkeep().args(all).assert().code(0);
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn all_pages_with_their_sections() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("share/man1");
    let pages = written("man", &folder);
    let commands = commands();
    let expected = commands.iter().map(|name| format!("mtdkeep-{name}.1"));
    let expected: BTreeSet<_> = expected.chain(["mtdkeep.1".into()]).collect();
    assert_eq!(pages, expected);
    let version = format!("\"mtdkeep {}\"", env!("CARGO_PKG_VERSION"));
    for file in &pages {
        let page = fs::read_to_string(folder.join(file)).unwrap();
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES"] {
            assert!(
                page.contains(&format!(".SH {section}\n")),
                "{file}: {section}"
            );
        }
        for section in ["\"EXIT STATUS\"", "\"SEE ALSO\""] {
            assert!(
                page.contains(&format!(".SH {section}\n")),
                "{file}: {section}"
            );
        }
        let title = page.lines().find(|line| line.starts_with(".TH ")).unwrap();
        assert!(title.contains(&version), "{title}");
        let date = title.split(' ').find(|word| is_date(word));
        assert!(date.is_some(), "{title}");
        // Printed alone, it is the same.
        let name = file.trim_end_matches(".1").trim_start_matches("mtdkeep");
        let words = ["man", name.trim_start_matches('-')];
        let words = words.iter().filter(|word| !word.is_empty());
        mtdkeep().args(words).assert().code(0).stdout(page.clone());
        let has_files = page.contains(".SH FILES\n");
        assert_eq!(
            has_files,
            !["completions", "man"].contains(&&name[name.len().min(1)..])
        );
    }
    // The same command again replaces them.
    assert_eq!(written("man", &folder), expected);
}

fn is_date(word: &str) -> bool {
    let shape = |c: char| if c.is_ascii_digit() { '0' } else { c };
    word.chars().map(shape).collect::<String>() == "0000-00-00"
}

/// The date is that of the release, once there is one.
#[test]
fn the_date_is_the_changelog_s() {
    let changelog = include_str!("../../../CHANGELOG.md");
    let heading = format!("## {} - ", env!("CARGO_PKG_VERSION"));
    let Some(line) = changelog.lines().find(|line| line.starts_with(&heading)) else {
        assert!(changelog.contains("\n## Unreleased\n"));
        return;
    };
    let date = line.trim_start_matches(&heading);
    let assert = mtdkeep().arg("man").assert().code(0);
    let page = text(&assert.get_output().stdout).to_owned();
    assert!(page.contains(&format!(" {date} ")), "{date}");
}

#[test]
fn completions_for_all_shells() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("c");
    let files = written("completions", &folder);
    let expected = [
        "_mtdkeep",
        "_mtdkeep.ps1",
        "mtdkeep.bash",
        "mtdkeep.elv",
        "mtdkeep.fish",
    ];
    assert_eq!(files, expected.map(String::from).into());
}

#[rstest]
#[case(&["man", "--all", "x", "list"])]
#[case(&["completions", "--all", "x", "bash"])]
fn all_or_one(#[case] words: &[&str]) {
    let outer = tempfile::tempdir().unwrap();
    mtdkeep()
        .current_dir(&outer)
        .args(words)
        .assert()
        .code(2)
        .stdout("");
    assert_eq!(fs::read_dir(&outer).unwrap().count(), 0);
}

#[test]
fn a_folder_that_cannot_be_made() {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("taken"), "mine").unwrap();
    let words = ["man", "--all", "taken"];
    let assert = mtdkeep().current_dir(&outer).args(words).assert().code(4);
    let error = text(&assert.get_output().stderr).to_owned();
    assert!(
        error.contains("taken") && error.contains("--all"),
        "{error}"
    );
    assert_eq!(fs::read(outer.path().join("taken")).unwrap(), b"mine");
}

/// An older page is replaced in one step: what has it open keeps what it had, and
/// nothing is written through a link.
#[rstest]
#[case("man", "mtdkeep.1")]
#[case("completions", "mtdkeep.bash")]
fn an_older_file_is_replaced_and_not_written_into(#[case] what: &str, #[case] name: &str) {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("x");
    fs::create_dir(&folder).unwrap();
    let other = outer.path().join("other");
    fs::write(&other, "mine").unwrap();
    for link in [true, false] {
        let _ = fs::remove_file(folder.join(name));
        match link {
            true => std::os::unix::fs::symlink(&other, folder.join(name)).unwrap(),
            false => fs::hard_link(&other, folder.join(name)).unwrap(),
        }
        let files = written(what, &folder);
        assert!(!files.iter().any(|file| file.contains("part")), "{files:?}");
        assert_eq!(fs::read(&other).unwrap(), b"mine");
        let written = fs::symlink_metadata(folder.join(name)).unwrap();
        assert!(written.is_file() && written.len() > 1000);
    }
}

#[test]
#[ignore = "needs groff"]
fn groff_has_nothing_to_say() {
    let outer = tempfile::tempdir().unwrap();
    for file in written("man", outer.path()) {
        let page = outer.path().join(&file);
        let mut groff = Command::new("groff");
        groff.args(["-man", "-Tutf8", "-ww", "-z", "-rCHECKSTYLE=3"]);
        let output = groff.arg(page).output().unwrap();
        assert!(output.status.success());
        assert_eq!(text(&output.stderr), "", "{file}");
    }
}

/// What bash makes of a line whose words are these, the last one being typed.
fn bash(folder: &Path, words: &[&str]) -> Vec<String> {
    // Under an emulator the program is several words, and COMP_WORDS has one.
    let program = folder.join("bin/mtdkeep");
    fs::create_dir_all(folder.join("bin")).unwrap();
    let quoted: Vec<String> = program_words()
        .iter()
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    fs::write(&program, format!("exec {} \"$@\"\n", quoted.join(" "))).unwrap();
    let mut chmod = Command::new("chmod");
    assert!(chmod.arg("+x").arg(&program).status().unwrap().success());
    // compopt works only inside a real completion.
    let script = "compopt() { :; }; source <(\"$1\" completions bash); shift; \
                  COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _mtdkeep; \
                  (( ${#COMPREPLY[@]} == 0 )) || printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut arguments: Vec<OsString> = vec!["-uc".into(), script.into(), "bash".into()];
    arguments.extend([program.clone().into(), program.into()]);
    let mut bash = Command::new("bash");
    bash.arg("--norc").args(arguments).args(words);
    let output = bash.current_dir(folder).output().unwrap();
    assert_eq!(text(&output.stderr), "", "{words:?}");
    let mut lines: Vec<_> = text(&output.stdout).lines().map(String::from).collect();
    lines.sort();
    lines
}

#[rstest]
#[case(&["ver"], &["verify"])]
#[case(&["backup", "--digest", ""], &["both", "crc32", "sha256"])]
#[case(&["backup", "--digest", "=", "s"], &["sha256"])]
#[case(&["backup", "--simulate", "-p", "Red"], &["RedBoot", r"RedBoot\ config"])]
#[case(&["backup", "--simulate", "-p", r"RedBoot\ c"], &[r"RedBoot\ config"])]
#[case(&["backup", "--simulate", "-p", "\"RedBoot c"], &["RedBoot config"])]
#[case(&["backup", "--simulate", "=", "table", "-p", ""], &["\\$\\(touch\\ made\\)", "mtd0"])]
#[case(&["verify", ""], &["bin", "folder"])]
#[case(&["backup", "-o", "fo"], &["folder"])]
#[case(&["list", "--simulate", "=", "t"], &["table"])]
#[case(&["completions", "f"], &["fish"])]
#[ignore = "needs bash"]
fn bash_completes(#[case] words: &[&str], #[case] answers: &[&str]) {
    let outer = tempfile::tempdir().unwrap();
    fs::create_dir(outer.path().join("folder")).unwrap();
    let table = "dev:    size   erasesize  name\nmtd0: 00000800 00000400 \"$(touch made)\"\n";
    fs::write(outer.path().join("table"), table).unwrap();
    assert_eq!(bash(outer.path(), words), answers);
    // A partition's name is text, whatever it looks like.
    assert!(!outer.path().join("made").exists());
}

/// Two words of a command line are two words in what is told of them.
#[test]
fn two_operands_are_told_apart() {
    let said = |words: &[&str]| {
        let assert = mtdkeep().args(words).assert().code(0);
        text(&assert.get_output().stdout).to_owned()
    };
    let help = said(&["help", "fetch"]);
    assert!(help.contains("[OPTIONS] <SOURCE> <DIR>\n"), "{help}");
    assert!(help.contains("\n  SOURCE DIR\n"), "{help}");
    let page = said(&["man", "fetch"]);
    assert!(page.contains("<\\fISOURCE\\fR> <\\fIDIR\\fR>"), "{page}");
    let help = said(&["help", "receive"]);
    assert!(help.contains("[OPTIONS] <PORT> <DIR>\n"), "{help}");
}
