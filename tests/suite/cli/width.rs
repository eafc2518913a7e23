//! What is shown fits: results into 80 columns, progress into the terminal.

use crate::cli::support::{mtdkeep, program, text};
use rstest::rstest;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;

#[test]
fn results_fit_80_columns() {
    let outer = tempfile::tempdir().unwrap();
    let run = |line: &str, code: i32| {
        let words = line.split_whitespace();
        let assert = mtdkeep()
            .current_dir(&outer)
            .args(words)
            .assert()
            .code(code);
        let said = text(&assert.get_output().stdout).to_owned();
        assert!(!said.is_empty(), "{line}");
        for line in said.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        said
    };
    run("list --simulate", 0);
    // Offsets that nobody tells.
    let table = "dev:    size   erasesize  name\nmtd0: 00020000 00020000 \"a\"\n\
                 mtd1: 00020000 00020000 \"b\"\n";
    fs::write(outer.path().join("table"), table).unwrap();
    assert!(run("list --simulate=table", 0).contains("unknown"));
    let made = run("backup --simulate -o ispot-backup", 0);
    let mtds = made.lines().filter_map(|line| line.strip_prefix("mtd"));
    let mtds = mtds.map(|line| line.split(' ').next().unwrap().parse::<u32>().unwrap());
    assert!(mtds.eq(0..11), "{made}");
    run("verify ispot-backup", 0);
    run("verify ispot-backup --device --simulate --seed 2", 1);
    fs::write(outer.path().join("ispot-backup/manifest.json"), "{").unwrap();
    run("verify ispot-backup", 1);
    run(
        "backup --simulate -o partial --faults read-error@0x1a0000",
        3,
    );
    run("verify partial", 3);
    let captured = outer.path().join("captured");
    fs::create_dir(&captured).unwrap();
    for mtd in 0..11 {
        let name = format!("mtd{mtd}.bin");
        fs::copy(
            outer.path().join("ispot-backup").join(&name),
            captured.join(name),
        )
        .unwrap();
    }
    run("import captured", 0);
}

/// Each command's help and the program's own.
#[test]
fn help_fits_80_columns() {
    let help_of = |words: &[&str]| {
        let assert = mtdkeep().args(words).assert().code(0);
        text(&assert.get_output().stdout).to_owned()
    };
    let program = help_of(&["--help"]);
    let (_, list) = program.split_once("Commands:\n").unwrap();
    let list = list.lines().take_while(|line| !line.is_empty());
    let names: Vec<_> = list
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert!(names.len() > 10, "{names:?}");
    let own = names.iter().filter(|name| **name != "help");
    let helps = own.map(|name| help_of(&["help", name]));
    for line in helps.chain([program.clone()]).flat_map(|help| {
        let lines: Vec<String> = help.lines().map(String::from).collect();
        lines
    }) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

/// What a partial backup says that it lacks, and nothing that it has.
#[rstest]
#[case("read-error@0x1a0000", "; partial: 128 KiB unreadable")]
#[case("read-error@0x1a0000+0x40000", "; partial: 256 KiB unreadable")]
#[case("bit-flip@0x40000+0x20000:seed=3", "; partial: 1 partition in doubt")]
fn a_partial_backup_names_what_it_lacks(#[case] faults: &str, #[case] lacks: &str) {
    let outer = tempfile::tempdir().unwrap();
    let line = ["backup", "--simulate", "-o", "b", "--faults", faults];
    let assert = mtdkeep().current_dir(&outer).args(line).assert().code(3);
    let said = crate::cli::support::unwrapped(text(&assert.get_output().stdout));
    let ends = |line: &str| line.starts_with("11 partitions, 16 MiB") && line.ends_with(lacks);
    assert!(said.lines().any(ends), "{said}");
}

/// Sizes are told in one style, whatever tells them.
#[test]
fn sizes_are_told_alike() {
    let outer = tempfile::tempdir().unwrap();
    let run = |line: &str, code: i32| {
        let words = line.split_whitespace();
        let assert = mtdkeep()
            .current_dir(&outer)
            .args(words)
            .assert()
            .code(code);
        let output = assert.get_output();
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    };
    let said = [
        run("backup --simulate -o b", 0),
        run("verify b", 0),
        run("clean --dry-run b", 0),
        run("clean b", 0),
    ];
    for said in said {
        assert!(said.contains(" 16 MiB"), "{said}");
        assert!(!said.contains(".0 "), "{said}");
    }
    let shown = lines(&on_terminal(80, ("LC_ALL", "C")));
    let bars: Vec<_> = shown.iter().filter(|line| line.contains("/s ")).collect();
    assert!(
        bars.iter().any(|bar| bar.contains("/16 MiB ")),
        "{shown:#?}"
    );
    for bar in bars {
        assert!(!bar.contains(".0"), "{bar}");
    }
}

/// What a backup shows on a terminal so wide.
fn on_terminal(columns: u16, locale: (&str, &str)) -> String {
    let line = "backup --simulate -o b";
    let (shown, succeeded) = shown_on_terminal(columns, locale, line);
    assert!(succeeded);
    shown
}

/// What a command shows on a terminal's standard error, and whether it succeeded.
fn shown_on_terminal(columns: u16, locale: (&str, &str), line: &str) -> (String, bool) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&master, size).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let name = std::ffi::OsStr::from_bytes(name.as_bytes()).to_owned();
    let slave = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(name)
        .unwrap();
    let outer = tempfile::tempdir().unwrap();
    let mut command = program();
    for name in ["LC_ALL", "LC_CTYPE", "LANG"] {
        command.env_remove(name);
    }
    command
        .current_dir(&outer)
        .env("TERM", "xterm")
        .env(locale.0, locale.1);
    let mut child = command
        .args(line.split(' '))
        .stdout(Stdio::null())
        .stderr(slave)
        .spawn()
        .unwrap();
    // It still holds the terminal's other end, and would keep it open.
    drop(command);
    let mut shown = Vec::new();
    // The terminal ends with EIO when nobody has it open any more.
    let _ = fs::File::from(master).read_to_end(&mut shown);
    let succeeded = child.wait().unwrap().success();
    (String::from_utf8(shown).unwrap(), succeeded)
}

/// Errors and warnings as well, on a terminal.
#[rstest]
#[case("list --simulate=nosuch", "no such file")]
#[case("backup --simulate --faults read-error@0x1a0000 -o b", "stand as 0xff")]
#[case("backup --simulate -p nonsense -o b", "there is no partition")]
#[case(
    "verify /nosuch/folder/of/a/name/so/long/that/the/sentence/does/not/fit",
    "cannot open"
)]
fn errors_and_warnings_fit_80_columns(#[case] line: &str, #[case] says: &str) {
    let (shown, succeeded) = shown_on_terminal(80, ("LC_ALL", "C"), line);
    assert!(!succeeded);
    let lines = lines(&shown);
    for line in &lines {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let words = lines.iter().flat_map(|line| line.split_whitespace());
    let whole = words.collect::<Vec<_>>().join(" ").to_lowercase();
    assert!(whole.contains(says), "{whole}");
}

/// Lines without what moves the cursor.
fn lines(shown: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut letters = shown.chars();
    while let Some(letter) = letters.next() {
        match letter {
            // `ESC [ … letter`.
            '\x1b' => drop(letters.find(|letter| letter.is_ascii_alphabetic())),
            '\r' => plain.push('\n'),
            _ => plain.push(letter),
        }
    }
    plain.lines().map(String::from).collect()
}

#[rstest]
#[case(20)]
#[case(40)]
#[case(79)]
#[case(80)]
#[case(200)]
fn progress_fits_the_terminal(#[case] columns: u16) {
    let shown = on_terminal(columns, ("LC_ALL", "C.UTF-8"));
    let lines = lines(&shown);
    assert!(
        lines.iter().any(|line| !line.trim().is_empty()),
        "{shown:?}"
    );
    for line in lines {
        assert!(line.chars().count() <= usize::from(columns), "{line}");
    }
}

#[rstest]
#[case(("LC_ALL", "C.UTF-8"), false)]
#[case(("LC_CTYPE", "en_US.utf8"), false)]
#[case(("LANG", "de_DE.UTF-8"), false)]
#[case(("LANG", "C"), true)]
#[case(("LC_ALL", ""), true)]
fn plain_characters_where_the_locale_has_no_others(
    #[case] locale: (&str, &str),
    #[case] plain: bool,
) {
    let shown = on_terminal(80, locale);
    assert_eq!(shown.is_ascii(), plain, "{shown:?}");
}
