//! The parser: what the words of a command line come to.

use super::clap_tree;
use super::commands::COMMANDS;
use super::error::UsageError;
use super::parse::{self, Misunderstood, Parsed};
use super::spec;
use super::{help, names};
use proptest::prelude::*;
use rstest::rstest;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Parsed, Misunderstood> {
    parse::parse(COMMANDS, words)
}

fn words(line: &str) -> Vec<OsString> {
    line.split(' ')
        .filter(|w| !w.is_empty())
        .map(Into::into)
        .collect()
}

/// Whether a command line is right, its command's own rules included. Nothing is run.
fn understood(words: &[OsString]) -> Result<(), UsageError> {
    match parse(words.iter().cloned()).map_err(|wrong| wrong.error)? {
        Parsed::Print(_) => Ok(()),
        Parsed::Run(mut given) => {
            // As the program does before the command sees its words.
            given.flag("json");
            given.flag("quiet");
            (given.command.parse)(&mut given).map(|_job| ())
        }
    }
}

#[rstest]
#[case("list")]
#[case("-- list")]
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
#[case("backup --image f --simulate=table --assume-order")]
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
#[case("clean --dry-run x --json")]
#[case("repair x")]
#[case("repair --layout f x")]
#[case("repair --device --simulate x")]
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
#[case("help")]
#[case("help backup")]
#[case("backup -v --simulate")]
#[case("--help")]
#[case("-h")]
#[case("backup --help")]
#[case("backup -h")]
#[case("backup --output x --help")]
#[case("--version")]
#[case("-V")]
fn lines_that_are_right(#[case] line: &str) {
    understood(&words(line)).unwrap_or_else(|error| panic!("{line}: {}", error.0));
}

#[rstest]
#[case("")]
#[case("nonsense")]
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
#[case("repair")]
#[case("repair --simulate x")]
#[case("backup --assume-order")]
#[case("backup --simulate --assume-order")]
#[case("backup --image f --assume-order")]
#[case("repair --device --layout f x")]
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
#[case("help nonsense")]
#[case("help list more")]
#[case("man --simulate")]
#[case("man --json")]
#[case("completions bash --json")]
#[case("--faults read-error@0 clean x")]
#[case("clean x --faults read-error@0")]
#[case("script --seed 1")]
#[case("image --simulate -o f --faults read-error@0")]
#[case("list -v")]
fn lines_that_are_wrong(#[case] line: &str) {
    let error = understood(&words(line)).expect_err(line);
    assert!(!error.0.is_empty());
}

#[test]
fn a_path_need_not_be_utf8() {
    let odd = OsString::from_vec(b"caf\xe9".to_vec());
    understood(&["backup".into(), "--output".into(), odd.clone()]).unwrap();
    understood(&["verify".into(), odd.clone()]).unwrap();
    understood(&["backup".into(), "--partition".into(), odd]).unwrap_err();
}

#[rstest]
#[case("backup -o x -p a -q", "backup -ox -pa --quiet")]
#[case("backup -o x -q", "backup --output=x -q")]
#[case("backup -o x", "backup -o=x")]
#[case("backup -q -o x", "backup -qo x")]
#[case("--root /t --json list", "list --root=/t --json")]
#[case("sandbox -- sh -c x", "sandbox sh -c x")]
fn spellings_of_one_line(#[case] one: &str, #[case] other: &str) {
    let (one, other) = (parse(words(one)).unwrap(), parse(words(other)).unwrap());
    assert_eq!(one, other);
}

#[test]
fn what_belongs_to_the_sandboxed_program_is_left_to_it() {
    let Parsed::Run(mut given) = parse(words("sandbox --trace sh -c --trace -- -x")).unwrap()
    else {
        panic!("nothing to print");
    };
    assert_eq!(given.operands(), words("sh -c --trace -- -x"));
    assert!(given.flag("trace") && !given.flag("trace"));
}

proptest! {
    /// Options may stand before or after what stands alone, and a line that makes no
    /// sense is an error, never a panic.
    #[test]
    fn any_line(
        line in prop::collection::vec(prop::sample::select(vec![
            "list", "backup", "verify", "clean", "nodes", "image", "man", "x", "-", "--",
            "--json", "-q", "--quiet", "--simulate", "--simulate=ispot", "--simulate=f",
            "--seed", "7", "--seed=7", "--image", "--image=f", "--root", "--root=/",
            "--output", "--output=o", "-o", "-oo", "-qo", "--partition", "-p", "--read-again",
            "--device", "--create", "--faults=short-read", "--help", "-h", "", "=", "--=", "-=",
        ]), 0..6)
    ) {
        let words: Vec<OsString> = line.iter().map(Into::into).collect();
        match understood(&words) {
            Err(error) => prop_assert!(!error.0.is_empty()),
            Ok(()) if words.iter().any(|word| word == "--" || word == "--help" || word == "-h") => {}
            Ok(()) => {
                let more: Vec<OsString> = [OsString::from("--json")].into_iter().chain(words).collect();
                let again = understood(&more);
                let repeated = more[1..].iter().any(|word| word == "--json");
                // A word such as man may be a folder's name as well.
                let takes = match parse(more[1..].iter().cloned()) {
                    Ok(Parsed::Run(given)) => given.command.options().any(|it| it.name == "json"),
                    _ => true,
                };
                prop_assert_eq!(again.is_ok(), !repeated && takes, "{:?}", more);
            }
        }
    }
}

#[test]
fn help_tells_every_option_and_every_exit_code() {
    let program = help::program(COMMANDS);
    for command in COMMANDS {
        assert!(program.contains(command.name));
        let text = help::command(command);
        for option in command.options() {
            assert!(
                text.contains(&format!("--{}", option.name)),
                "{}",
                option.name
            );
        }
        assert!(text.contains("Examples:\n  mtdkeep "), "{}", command.name);
        assert!(text.contains(&command.exit_codes.concat()));
        let tells_of_changed_flash = text.contains("\n  6    flash was changed");
        assert_eq!(tells_of_changed_flash, command.name == "restore");
    }
    for exit in [
        super::Exit::Done,
        super::Exit::Differs,
        super::Exit::Usage,
        super::Exit::Partial,
        super::Exit::Io,
        super::Exit::Refused,
        super::Exit::Unfinished,
        super::Exit::Interrupted,
    ] {
        let line = format!("\n  {:<3}  ", exit.code());
        assert!(program.contains(&line), "{line:?}");
    }
}

#[test]
fn the_table_is_sound() {
    clap_tree::program(COMMANDS).debug_assert();
    // The device's build knows by name what it lacks.
    for name in names::FULL_ONLY {
        assert!(COMMANDS.iter().any(|command| command.name == *name));
    }
    for global in spec::GLOBAL {
        let takes = |command: &spec::CommandSpec| command.options().any(|o| o.name == global.name);
        assert!(COMMANDS.iter().any(takes), "{}", global.name);
    }
}
