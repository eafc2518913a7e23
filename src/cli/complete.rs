//! What may come next on a command line that somebody is typing. The completion
//! scripts ask for it: `mtdkeep __complete plain|quoted WORDS`, the last word being
//! the one that is typed.
//!
//! Answers are bare: a value without its `--name=`. What a value is, is told by its
//! name in the help (DIR, FILE, …), so that an option needs no second description.
//! Partitions are those of the device that the other words name.

use super::commands::completions::SHELLS;
use super::commands::{COMMANDS, backup};
use super::common::device;
use super::given::Given;
use super::names;
use super::spec::{CommandSpec, DEVICE, GLOBAL, OptionSpec, Takes};
use crate::cli::output::Output;
use crate::printable::printable;
use crate::restore::Tool;
use std::ffi::OsString;

/// What asks for it; no command of the table, because nobody types it.
pub(crate) const WORD: &str = "__complete";

/// The answer to the words after [`WORD`], one a line.
pub(crate) fn answer(words: &[OsString]) -> String {
    let Some((how, words)) = words.split_first() else {
        return String::new();
    };
    let words: Vec<String> = words
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words = if how == "quoted" {
        rejoined(words).iter().map(|word| unquoted(word)).collect()
    } else {
        words
    };
    let Some((typed, before)) = words.split_last() else {
        return String::new();
    };
    let line = Line::of(before);
    let (value, answers) = line.next(typed);
    let fits = |answer: &String| answer.starts_with(':') || answer.starts_with(value);
    answers
        .into_iter()
        .filter(fits)
        // A name that a terminal would obey is no text to type.
        .filter(|answer| printable(answer) == *answer)
        .fold(String::new(), |text, answer| text + &answer + "\n")
}

/// Puts `--name`, `=` and `value`, which Readline takes apart, together.
fn rejoined(words: Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for word in words {
        match all.last_mut() {
            Some(last)
                if last.starts_with('-')
                    && (word == "=" && !last.contains('=') || last.ends_with('=')) =>
            {
                *last += &word;
            }
            _ => all.push(word),
        }
    }
    all
}

/// A word as a POSIX shell would understand it, but for `$` and `` ` ``, which are left.
fn unquoted(word: &str) -> String {
    let mut text = String::new();
    let mut open = None;
    let mut letters = word.chars();
    while let Some(letter) = letters.next() {
        match (letter, open) {
            ('\\', None | Some('"')) => text.extend(letters.next()),
            ('\'' | '"', None) => open = Some(letter),
            (_, Some(quote)) if quote == letter => open = None,
            _ => text.push(letter),
        }
    }
    text
}

/// What the words before the typed one come to.
#[derive(Default)]
struct Line<'a> {
    command: Option<&'static CommandSpec>,
    options: Vec<(&'static str, Option<&'a str>)>,
    /// The option that waits for its value.
    waiting: Option<&'static OptionSpec>,
    operands: usize,
    /// `--` was there.
    only_operands: bool,
    /// After `help`.
    is_help: bool,
}

impl<'a> Line<'a> {
    fn of(words: &'a [String]) -> Self {
        let mut line = Self::default();
        for word in words {
            line.word(word);
        }
        line
    }

    fn word(&mut self, word: &'a str) {
        if let Some(option) = self.waiting.take() {
            self.options.push((option.name, Some(word)));
        } else if self.only_operands || !word.starts_with('-') || word == "-" {
            match self.command {
                Some(_) => self.operands += 1,
                None if word == "help" => self.is_help = true,
                None => self.command = names::named(COMMANDS, word).ok(),
            }
            // What stands behind a program is its own.
            let rest = self.operand().is_some_and(|(_, rest)| rest);
            self.only_operands |= rest && self.operands > 0;
        } else if word == "--" {
            self.only_operands = true;
        } else if let Some((name, value)) = word.split_once('=') {
            if let Some(option) = self.find(name) {
                self.options.push((option.name, Some(value)));
            }
        } else if let Some(option) = self.find(word) {
            match option.takes {
                Takes::Value(_) | Takes::Values(_) => self.waiting = Some(option),
                Takes::Nothing | Takes::MaybeValue(_) => self.options.push((option.name, None)),
            }
        }
    }

    fn known(&self) -> Vec<&'static OptionSpec> {
        match self.command {
            Some(command) => command.options().collect(),
            None => GLOBAL.iter().collect(),
        }
    }

    fn find(&self, word: &str) -> Option<&'static OptionSpec> {
        let fits = |option: &&&OptionSpec| match word.strip_prefix("--") {
            Some(name) => option.name == name,
            None => option.short == word.chars().nth(1),
        };
        self.known().iter().find(fits).copied()
    }

    /// Name of what stands without an option, and whether words behind it are its own.
    fn operand(&self) -> Option<(&'static str, bool)> {
        let operand = self.command?.operand?;
        Some((operand.name, operand.rest))
    }

    /// What the typed word is to be compared with, and what it may become.
    fn next<'b>(&self, typed: &'b str) -> (&'b str, Vec<String>) {
        if let Some(option) = self.waiting {
            return (typed, self.values(option));
        }
        if let (false, Some((name, value))) = (self.only_operands, typed.split_once('=')) {
            let answers = self.find(name).map(|option| self.values(option));
            return (value, answers.unwrap_or_default());
        }
        let mut answers = Vec::new();
        if typed.starts_with('-') && !self.only_operands {
            let names = self.known().into_iter().filter(|it| self.may_come(it));
            answers.extend(names.map(|option| format!("--{}", option.name)));
            answers.push("--help".into());
        } else if self.command.is_none() {
            answers.extend(COMMANDS.iter().map(|command| command.name.to_owned()));
            answers.extend((!self.is_help).then(|| "help".into()));
        } else if let (Some((name, _)), 0) = (self.operand(), self.operands) {
            answers = self.named(name);
        } else if let Some((_, true)) = self.operand() {
            answers.push(":files".into());
        }
        (typed, answers)
    }

    /// Whether an option may still be given.
    fn may_come(&self, option: &OptionSpec) -> bool {
        let repeats = matches!(option.takes, Takes::Values(_));
        repeats || !self.options.iter().any(|(name, _)| *name == option.name)
    }

    fn values(&self, option: &OptionSpec) -> Vec<String> {
        match option.takes {
            Takes::Nothing => Vec::new(),
            Takes::Value(name) | Takes::Values(name) | Takes::MaybeValue(name) => self.named(name),
        }
    }

    /// What the help calls `name`.
    fn named(&self, name: &str) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| String::from(*word)).collect();
        match name {
            // The second of two; the first is an address or a port.
            "DIR" | "SOURCE DIR" | "PORT DIR" => words(&[":folders"]),
            "FILE" => words(&[":files"]),
            "PROGRAM" => words(&[":programs"]),
            "PROFILE" => words(&[":files", "ispot"]),
            "WHICH" => words(backup::DIGESTS),
            "SHELL" => words(SHELLS),
            "TOOL" => words(&Tool::ALL.map(|(word, _)| word)),
            "COMMAND" => COMMANDS.iter().map(|it| it.name.to_owned()).collect(),
            "NAME" => self.partitions(),
            _ => Vec::new(),
        }
    }

    /// The partitions of the device that the line names, by name and as mtdN; none
    /// where the line names none, or the device cannot be looked at.
    fn partitions(&self) -> Vec<String> {
        let Some(command) = self.command else {
            return Vec::new();
        };
        let of_device = |name: &str| DEVICE.iter().any(|option| option.name == name);
        if !command.options().any(|option| of_device(option.name)) {
            return Vec::new();
        }
        let options = self.options.iter().filter(|(name, _)| of_device(name));
        let options = options.map(|(name, value)| (*name, value.map(OsString::from)));
        let mut given = Given::new(command, COMMANDS, Vec::new(), options.collect());
        let Ok(device) = device::parse(&mut given) else {
            return Vec::new();
        };
        let devices =
            device::open(&device, &Output::new(false, true)).and_then(|it| Ok(it.devices()?));
        let devices = devices.unwrap_or_default();
        let names = devices.iter().map(|info| info.name.clone());
        names
            .chain(devices.iter().map(|info| info.index.to_string()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn ask(how: &str, words: &[&str]) -> Vec<String> {
        let words = std::iter::once(&how).chain(words).map(OsString::from);
        let answer = answer(&words.collect::<Vec<_>>());
        answer.lines().map(String::from).collect()
    }

    #[rstest]
    #[case(&["ver"], &["verify"])]
    #[case(&["-q", "ver"], &["verify"])]
    #[case(&["help", "ba"], &["backup"])]
    #[case(&["backup", "--dig"], &["--digest"])]
    #[case(&["backup", "--digest", ""], &["both", "crc32", "sha256"])]
    #[case(&["backup", "--digest", "c"], &["crc32"])]
    #[case(&["backup", "--digest=c"], &["crc32"])]
    #[case(&["backup", "--digest", "crc32", "--dig"], &[])]
    #[case(&["backup", "-o", ""], &[":folders"])]
    #[case(&["backup", "--output="], &[":folders"])]
    #[case(&["image", "-o", "x"], &[":files"])]
    #[case(&["list", "--simulate="], &[":files", "ispot"])]
    #[case(&["verify", ""], &[":folders"])]
    #[case(&["verify", "x", ""], &[])]
    #[case(&["verify", "--digest", ""], &[])]
    #[case(&["completions", "b"], &["bash"])]
    #[case(&["man", "cl"], &["clean"])]
    #[case(&["sandbox", ""], &[":programs"])]
    #[case(&["sandbox", "--", "ls", ""], &[":files"])]
    #[case(&["sandbox", "ls", "--tr"], &[":files"])]
    #[case(&["backup", "--simulate", "-p", "RedBoot"], &["RedBoot", "RedBoot config"])]
    #[case(&["--simulate", "backup", "--partition", "mtd1"], &["mtd1", "mtd10"])]
    #[case(&["backup", "--simulate", "-p", "param", "-p", "rootfs_"], &["rootfs_2"])]
    #[case(&["backup", "--simulate=/nowhere", "-p", ""], &[])]
    #[case(&["script", "-p", ""], &[])]
    #[case(&["script", "--restore", "b", "--with", "fl"], &["flashcp", "flash_eraseall"])]
    #[case(&["nonsense", ""], COMMAND_NAMES)]
    #[case(&[], &[])]
    fn what_may_come(#[case] words: &[&str], #[case] answers: &[&str]) {
        assert_eq!(ask("plain", words), answers, "{words:?}");
    }

    const COMMAND_NAMES: &[&str] = &[
        "list",
        "backup",
        "fetch",
        "receive",
        "verify",
        "restore",
        "repair",
        "clean",
        "nodes",
        "serve",
        "image",
        "sandbox",
        "script",
        "import",
        "completions",
        "man",
        "help",
    ];

    /// As Readline gives a line to bash: taken apart at `=`, and not unquoted.
    #[rstest]
    #[case(&["backup", "--digest", "=", "cr"], &["crc32"])]
    #[case(&["backup", "--digest", "="], &["both", "crc32", "sha256"])]
    #[case(&["backup", "--simulate", "=", "ispot", "-p", r"FIS\ d"], &["FIS directory"])]
    #[case(&["backup", "--simulate", "-p", "\"RedBoot c"], &["RedBoot config"])]
    #[case(&["backup", "--simulate", "-p", "'RedBoot c"], &["RedBoot config"])]
    fn from_bash(#[case] words: &[&str], #[case] answers: &[&str]) {
        assert_eq!(ask("quoted", words), answers, "{words:?}");
    }

    /// Every value that an option or a command takes is either completed, or known
    /// not to be: a new one has to be thought of.
    #[test]
    fn every_kind_of_value_is_known() {
        const FREE: &[&str] = &[
            "N",
            "SPEC",
            "SHA256",
            "ADDR:PORT",
            "WORD",
            "INSIDE=DIR",
            "NODE",
            "VERSION",
            "NAME",
            "OPTION",
            "LINE",
            "FILE=MTD",
            "PAGE+OOB",
            "MTD:NAME",
            "HOST:PORT",
        ];
        let line = Line::default();
        for command in COMMANDS {
            let operand = command.operand.map(|operand| operand.name);
            let values = command.options().filter_map(|option| match option.takes {
                Takes::Nothing => None,
                Takes::Value(n) | Takes::Values(n) | Takes::MaybeValue(n) => Some(n),
            });
            for name in values.chain(operand) {
                let known = !line.named(name).is_empty() || FREE.contains(&name);
                assert!(known, "{}: what is {name}?", command.name);
            }
        }
    }
}
