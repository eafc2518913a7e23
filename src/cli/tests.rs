//! Both parsers take the same command lines.

use super::args::{Parsed, UsageError};
use super::{full, help, small, spec};
use proptest::prelude::*;
use rstest::rstest;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

fn words(line: &str) -> Vec<OsString> {
    line.split(' ')
        .filter(|w| !w.is_empty())
        .map(Into::into)
        .collect()
}

/// The same meaning, the same text to print, or an error from both.
fn same(words: &[OsString]) -> Result<Parsed, UsageError> {
    let (full, small) = (full::parse(words), small::parse(words));
    match (&full, &small) {
        (Ok(full), Ok(small)) => assert_eq!(full, small, "{words:?}"),
        (Err(_), Err(_)) => {}
        _ => panic!("{words:?}: full program {full:?}, device build {small:?}"),
    }
    full
}

#[rstest]
#[case("list")]
#[case("list --json -q")]
#[case("--json list")]
#[case("-q list --json")]
#[case("--simulate list")]
#[case("--simulate=ispot list")]
#[case("list --simulate --seed 5")]
#[case("list --seed=5 --simulate=table.txt")]
#[case("list --root /tmp/tree")]
#[case("backup")]
#[case("backup --simulate --output ispot-backup")]
#[case("backup -o x -p param -p mtd10 --read-again")]
#[case("backup -ox -pparam")]
#[case("backup -o=x")]
#[case("backup -qo x")]
#[case("backup --partition=a --partition b --output=c=d")]
#[case("backup --image flash.bin --faults read-error@0x1a0000")]
#[case("backup -o -")]
#[case("backup --digest both")]
#[case("backup --digest=crc32 -q")]
#[case("backup --digest sha256 --read-again")]
#[case("verify x")]
#[case("verify --device x")]
#[case("verify x --device --simulate")]
#[case("verify -- -x")]
#[case("verify --simulate --device x")]
#[case("clean x")]
#[case("nodes")]
#[case("nodes --create --root /tmp/x")]
#[case("image --simulate -o f")]
#[case("sandbox true")]
#[case("sandbox -- true")]
#[case("sandbox --trace sh -c --trace")]
#[case("sandbox --map /a=b --map=/c=d --save f --with-node mtd10 --keep -- sh -- -x")]
#[case("sandbox --simulate --seed 2 --faults read-error@0x0 --stats -- dd -q")]
#[case("sandbox --image f --read-only --kernel 2.6.24 x")]
#[case("sandbox --kernel 5.10 x -")]
#[case("script")]
#[case("script --output-dir /tmp/x -p param --partition=mtd10 --read-again")]
#[case("import x")]
#[case("import --layout f x --output y")]
#[case("import -oy x --json")]
#[case("completions bash")]
#[case("man")]
#[case("man backup")]
#[case("--help")]
#[case("-h")]
#[case("backup --help")]
#[case("backup -h")]
#[case("backup --output x --help")]
#[case("--version")]
#[case("-V")]
fn lines_that_are_right(#[case] line: &str) {
    same(&words(line)).unwrap_or_else(|error| panic!("{line}: {error}"));
}

#[rstest]
#[case("")]
#[case("nonsense")]
#[case("-- list")]
#[case("lis")]
#[case("list more")]
#[case("list --nonsense")]
#[case("list -x")]
#[case("list --json=yes")]
#[case("list --json --json")]
#[case("list --output x")]
#[case("list --simulate --root /x")]
#[case("list --image f --root /x")]
#[case("list --seed 5")]
#[case("list --simulate --seed five")]
#[case("list --simulate --seed -1")]
#[case("list --simulate --seed 18446744073709551616")]
#[case("list --image f --seed 5")]
#[case("list --faults short-read")]
#[case("list --simulate=")]
#[case("backup --output")]
#[case("backup --output --read-again")]
#[case("backup --output=")]
#[case("backup -o x -o y")]
#[case("backup x")]
#[case("backup --digest")]
#[case("backup --digest none")]
#[case("backup --digest=SHA256")]
#[case("backup --digest crc32 --digest sha256")]
#[case("verify x --digest crc32")]
#[case("verify")]
#[case("verify x y")]
#[case("verify x --root /y")]
#[case("verify x --simulate")]
#[case("clean")]
#[case("clean x --simulate")]
#[case("image -o f")]
#[case("image --simulate")]
#[case("script x")]
#[case("script --root /x")]
#[case("script --output x")]
#[case("import")]
#[case("import x y")]
#[case("import x --simulate")]
#[case("import x --layout")]
#[case("completions")]
#[case("man list more")]
#[case("list --version")]
fn lines_that_are_wrong(#[case] line: &str) {
    let error = same(&words(line)).expect_err(line);
    assert!(!error.to_string().is_empty());
}

#[test]
fn a_path_need_not_be_utf8() {
    let odd = OsString::from_vec(b"caf\xe9".to_vec());
    same(&["backup".into(), "--output".into(), odd.clone()]).unwrap();
    same(&["verify".into(), odd.clone()]).unwrap();
    same(&["backup".into(), "--partition".into(), odd]).unwrap_err();
}

proptest! {
    /// Any mixture of words that could matter means the same to both.
    #[test]
    fn any_line_means_the_same(
        line in prop::collection::vec(prop::sample::select(vec![
            "list", "backup", "verify", "clean", "nodes", "image", "man", "x", "-", "--",
            "--json", "-q", "--quiet", "--simulate", "--simulate=ispot", "--simulate=f",
            "--seed", "7", "--seed=7", "--image", "--image=f", "--root", "--root=/",
            "--output", "--output=o", "-o", "-oo", "-qo", "--partition", "-p", "--read-again",
            "--device", "--create", "--faults=short-read", "--help", "-h",
        ]), 0..6)
    ) {
        let words: Vec<OsString> = line.iter().map(Into::into).collect();
        // Which of two mistakes, or of a mistake and a call for help, comes first
        // may differ; what is right must be the same.
        let (full, small) = (full::parse(&words), small::parse(&words));
        match (full, small) {
            (Ok(full), Ok(small)) => prop_assert_eq!(full, small),
            (Ok(Parsed::Run(run)), other) => prop_assert!(false, "{run:?}, {other:?}"),
            (other, Ok(Parsed::Run(run))) => prop_assert!(false, "{other:?}, {run:?}"),
            _ => {}
        }
    }
}

#[test]
fn help_tells_every_option_and_every_exit_code() {
    let program = help::program();
    for command in spec::COMMANDS {
        assert!(program.contains(command.name));
        let text = help::command(command);
        for option in command.options.iter().chain(spec::GLOBAL) {
            assert!(
                text.contains(&format!("--{}", option.name)),
                "{}",
                option.name
            );
        }
        assert!(text.contains("Examples:\n  mtdkeep "), "{}", command.name);
        assert!(text.contains(spec::EXIT_CODES));
    }
    for exit in [
        super::Exit::Done,
        super::Exit::Differs,
        super::Exit::Usage,
        super::Exit::Partial,
        super::Exit::Io,
        super::Exit::Refused,
        super::Exit::Interrupted,
    ] {
        let line = format!("\n  {:<3}  ", exit.code());
        assert!(program.contains(&line), "{line:?}");
    }
}

#[test]
fn the_table_is_sound() {
    full::program_spec().debug_assert();
}
