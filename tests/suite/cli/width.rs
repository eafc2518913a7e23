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
    // Inferred offsets.
    let table = "dev:    size   erasesize  name\nmtd0: 00020000 00020000 \"a\"\n\
                 mtd1: 00020000 00020000 \"b\"\n";
    fs::write(outer.path().join("table"), table).unwrap();
    assert!(run("list --simulate=table", 0).contains("inferred"));
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

/// What a backup shows on a terminal so wide.
fn on_terminal(columns: u16, locale: (&str, &str)) -> String {
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
    let words = ["backup", "--simulate", "-o", "b"];
    let mut child = command
        .args(words)
        .stdout(Stdio::null())
        .stderr(slave)
        .spawn()
        .unwrap();
    // It still holds the terminal's other end, and would keep it open.
    drop(command);
    let mut shown = Vec::new();
    // The terminal ends with EIO when nobody has it open any more.
    let _ = fs::File::from(master).read_to_end(&mut shown);
    assert!(child.wait().unwrap().success());
    String::from_utf8(shown).unwrap()
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
