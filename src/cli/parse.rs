//! Tells the words of a command line apart: options, values, the command, what
//! stands alone. What they mean together is the command's to decide.
//!
//! `--name value`, `--name=value`, `-o value`, `-ovalue`, `-o=value`, flags
//! together (`-q`), options before and after the command, `--` for the end of
//! options.

use super::error::UsageError;
use super::given::Given;
use super::spec::{CommandSpec, GLOBAL, OptionSpec, Table, Takes};
use super::{help, names};
use lexopt::{Arg, Parser};
use std::ffi::OsString;
use std::mem;
use std::os::unix::ffi::OsStrExt;

/// What a command line comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A command with what was given to it.
    Run(Given),
    /// A text to print: help or version.
    Print(String),
}

/// A command line that cannot be understood.
#[derive(Debug)]
pub(crate) struct Misunderstood {
    /// The command, as far as the line came to one.
    pub(crate) command: Option<&'static CommandSpec>,
    pub(crate) error: UsageError,
}

/// Parses a command line, without the program's own name, by a table of commands.
pub(crate) fn parse(
    table: Table,
    words: impl IntoIterator<Item = OsString>,
) -> Result<Parsed, Misunderstood> {
    let mut line = Line {
        table,
        ..Line::default()
    };
    line.parse(words).map_err(|error| Misunderstood {
        command: line.command,
        error,
    })
}

/// Behind which option a word belongs that stands alone where no word does, as other commands
/// have it there.
fn meant(command: &CommandSpec) -> &'static str {
    let has = |name| command.options().any(|option| option.name == name);
    if command.operand.is_some() {
        return "";
    }
    #[cfg(feature = "full")]
    if has("from") {
        return "; --from names a backup's folder, and --output what is written";
    }
    #[cfg(feature = "full")]
    if has("simulate") && !has("output") {
        return "; --simulate=FILE takes a layout, --root DIR the files of a device";
    }
    if has("output") {
        return "; --output names what is written";
    }
    ""
}

/// What was read so far.
#[derive(Default)]
struct Line {
    table: Table,
    command: Option<&'static CommandSpec>,
    operands: Vec<OsString>,
    options: Vec<(&'static str, Option<OsString>)>,
}

impl Line {
    fn parse(&mut self, words: impl IntoIterator<Item = OsString>) -> Result<Parsed, UsageError> {
        let mut parser = Parser::from_args(words);
        while let Some(word) = parser.next().map_err(wrong_word)? {
            let option = match word {
                Arg::Long("help") | Arg::Short('h') => return Ok(Parsed::Print(self.help())),
                Arg::Long("version") | Arg::Short('V') if self.command.is_none() => {
                    return Ok(Parsed::Print(version()));
                }
                Arg::Value(word) if self.command.is_none() && word == "help" => {
                    return help_about(self.table, &mut parser).map(Parsed::Print);
                }
                Arg::Value(word) => {
                    self.word(word, &mut parser)?;
                    continue;
                }
                Arg::Long(name) => self
                    .find(|option| option.name == name)
                    .ok_or_else(|| self.no_option(&format!("--{name}")))?,
                Arg::Short(letter) => self
                    .find(|option| option.short == Some(letter))
                    .ok_or_else(|| self.no_option(&format!("-{letter}")))?,
            };
            let value = value_of(option, &mut parser)?;
            self.options.push((option.name, value));
        }
        self.finish()
    }

    /// The options that may come here: before the command, those of any.
    fn find(&self, fits: impl Fn(&OptionSpec) -> bool) -> Option<&'static OptionSpec> {
        match self.command {
            Some(command) => command.options().find(|option| fits(option)),
            None => GLOBAL.iter().find(|option| fits(option)),
        }
    }

    /// Takes a word that stands alone.
    fn word(&mut self, word: OsString, parser: &mut Parser) -> Result<(), UsageError> {
        let Some(command) = self.command else {
            let command = names::named(self.table, &word.to_string_lossy())?;
            self.command = Some(command);
            let takes = |name| command.options().any(|option| option.name == name);
            return match self.options.iter().find(|(name, _)| !takes(*name)) {
                Some((name, _)) => Err(self.no_option(&format!("--{name}"))),
                None => Ok(()),
            };
        };
        let takes_rest = command.operand.is_some_and(|operand| operand.rest);
        if command.operand.is_none() || self.operands.len() >= command.operands_max {
            return Err(UsageError(format!(
                "{:?} is one word too many{}",
                word.to_string_lossy(),
                meant(command)
            )));
        }
        self.operands.push(word);
        if takes_rest {
            self.operands.extend(parser.raw_args().map_err(wrong_word)?);
        }
        Ok(())
    }

    fn no_option(&self, option: &str) -> UsageError {
        UsageError(match self.command {
            Some(command) => {
                let word = option.trim_start_matches('-');
                let known = command.options().map(|option| option.name);
                let hint = names::did_you_mean("--", word, known);
                format!("`mtdkeep {}` has no option {option}{hint}", command.name)
            }
            None => format!("there is no option {option} before a command"),
        })
    }

    fn help(&self) -> String {
        self.command
            .map_or_else(|| help::program(self.table), help::command)
    }

    fn finish(&mut self) -> Result<Parsed, UsageError> {
        let command = self
            .command
            .ok_or_else(|| UsageError("a command is missing".into()))?;
        let (operands, options) = (mem::take(&mut self.operands), mem::take(&mut self.options));
        let given = Given::new(command, self.table, operands, options);
        given.check()?;
        Ok(Parsed::Run(given))
    }
}

/// `mtdkeep help`, `mtdkeep help COMMAND`.
fn help_about(table: Table, parser: &mut Parser) -> Result<String, UsageError> {
    let mut words = parser.raw_args().map_err(wrong_word)?;
    match (words.next(), words.next()) {
        (None, _) => Ok(help::program(table)),
        (Some(name), None) if name == "help" => Ok(help::program(table)),
        (Some(name), None) => names::named(table, &name.to_string_lossy()).map(help::command),
        (Some(_), Some(_)) => Err(UsageError("help takes one command".into())),
    }
}

/// The value behind an option, if it takes one.
fn value_of(
    option: &'static OptionSpec,
    parser: &mut Parser,
) -> Result<Option<OsString>, UsageError> {
    let name = option.name;
    if option.full_only && !cfg!(feature = "full") {
        return Err(names::not_in_this_build(&format!("--{name}")));
    }
    let value = match option.takes {
        // A value to it is an error at the next word.
        Takes::Nothing => return Ok(None),
        Takes::MaybeValue(_) => parser.optional_value(),
        Takes::Value(what) | Takes::Values(what) => match parser.optional_value() {
            Some(value) => Some(value),
            // A word that looks like an option is not taken for a value: a
            // forgotten value must not swallow the next option.
            None => Some(
                parser
                    .raw_args()
                    .map_err(wrong_word)?
                    .next_if(|word| word == "-" || !word.as_bytes().starts_with(b"-"))
                    .ok_or_else(|| UsageError(format!("--{name} needs a value: {what}")))?,
            ),
        },
    };
    if value.as_ref().is_some_and(|value| value.is_empty()) {
        return Err(UsageError(format!(
            "--{name} needs a value that is not empty"
        )));
    }
    Ok(value)
}

fn wrong_word(error: lexopt::Error) -> UsageError {
    UsageError(match error {
        lexopt::Error::UnexpectedValue { option, .. } => format!("{option} takes no value"),
        other => other.to_string(),
    })
}

/// The text of `--version`.
fn version() -> String {
    concat!("mtdkeep ", env!("CARGO_PKG_VERSION"), "\n").into()
}
