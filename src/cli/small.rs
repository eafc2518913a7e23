//! The parser of the device's own build: no dependency, no allocation to speak of.
//!
//! It takes what the full program's parser takes: `--name value`, `--name=value`,
//! `-o value`, `-ovalue`, `-o=value`, flags together (`-q`), options before and
//! after the command, `--` for the end of options.

use super::args::{Parsed, UsageError, not_in_this_build, version};
use super::help;
use super::spec::{self, CommandSpec, GLOBAL, OptionSpec, Takes};
use super::words::{Words, missing_operand};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Parses a command line.
pub(crate) fn parse(words: &[OsString]) -> Result<Parsed, UsageError> {
    let mut parser = Parser {
        words: words.iter(),
        command: None,
        operands: Vec::new(),
        options: Vec::new(),
        only_operands: false,
    };
    while let Some(word) = parser.words.next() {
        if let Some(text) = parser.word(word)? {
            return Ok(Parsed::Print(text));
        }
    }
    parser.finish()
}

struct Parser<'a> {
    words: std::slice::Iter<'a, OsString>,
    command: Option<&'static CommandSpec>,
    operands: Vec<OsString>,
    options: Vec<(&'static str, Option<OsString>)>,
    only_operands: bool,
}

impl Parser<'_> {
    /// Takes one word; a text to print ends the command line.
    fn word(&mut self, word: &OsStr) -> Result<Option<String>, UsageError> {
        let bytes = word.as_bytes();
        if self.only_operands || bytes == b"-" || !bytes.starts_with(b"-") {
            return self.operand(word).map(|()| None);
        }
        if bytes == b"--" {
            if self.command.is_none() {
                return Err(wrong("a command must come before --".into()));
            }
            self.only_operands = true;
            return Ok(None);
        }
        match bytes.strip_prefix(b"--") {
            Some(long) => self.long(long),
            None => self.shorts(&bytes[1..]),
        }
    }

    fn operand(&mut self, word: &OsStr) -> Result<(), UsageError> {
        let Some(command) = self.command else {
            let name = word.to_string_lossy();
            let command = spec::command(&name)
                .ok_or_else(|| wrong(format!("there is no command {name:?}")))?;
            if command.full_only && !cfg!(feature = "full") {
                return Err(not_in_this_build(command.name));
            }
            self.command = Some(command);
            return Ok(());
        };
        let takes_rest = command.operand.is_some_and(|operand| operand.rest);
        if command.operand.is_none() || !(self.operands.is_empty() || takes_rest) {
            return Err(wrong(format!(
                "{:?} is one word too many\n\nUsage: {}",
                word.to_string_lossy(),
                help::usage(command)
            )));
        }
        self.operands.push(word.into());
        self.only_operands |= takes_rest;
        Ok(())
    }

    fn long(&mut self, word: &[u8]) -> Result<Option<String>, UsageError> {
        let mut halves = word.splitn(2, |byte| *byte == b'=');
        let name = String::from_utf8_lossy(halves.next().unwrap_or_default()).into_owned();
        let value = halves
            .next()
            .map(|value| OsString::from_vec(value.to_vec()));
        match (name.as_str(), &value) {
            ("help", None) => return Ok(Some(self.help())),
            ("version", None) if self.command.is_none() => return Ok(Some(version())),
            _ => {}
        }
        let option = self
            .find(|option| option.name == name)
            .ok_or_else(|| wrong(format!("there is no option --{name} here")))?;
        self.option(option, value).map(|()| None)
    }

    /// `-q`, `-ovalue`, `-qo value`.
    fn shorts(&mut self, word: &[u8]) -> Result<Option<String>, UsageError> {
        let mut rest = word;
        while let Some((&letter, after)) = rest.split_first() {
            match letter {
                b'h' => return Ok(Some(self.help())),
                b'V' if self.command.is_none() => return Ok(Some(version())),
                _ => {}
            }
            let option = self
                .find(|option| option.short == Some(char::from(letter)))
                .ok_or_else(|| wrong(format!("there is no option -{} here", char::from(letter))))?;
            rest = after;
            if option.takes != Takes::Nothing && !after.is_empty() {
                let value = after.strip_prefix(b"=").unwrap_or(after);
                self.option(option, Some(OsString::from_vec(value.to_vec())))?;
                return Ok(None);
            }
            self.option(option, None)?;
        }
        Ok(None)
    }

    fn find(&self, fits: impl Fn(&OptionSpec) -> bool) -> Option<&'static OptionSpec> {
        let own = self.command.map_or(&[][..], |command| command.options);
        own.iter().chain(GLOBAL).find(|option| fits(option))
    }

    fn option(
        &mut self,
        option: &'static OptionSpec,
        mut value: Option<OsString>,
    ) -> Result<(), UsageError> {
        let name = option.name;
        if option.full_only && !cfg!(feature = "full") {
            return Err(not_in_this_build(&format!("--{name}")));
        }
        match option.takes {
            Takes::Nothing if value.is_some() => {
                return Err(wrong(format!("--{name} takes no value")));
            }
            Takes::Nothing | Takes::MaybeValue(_) => {}
            Takes::Value(_) | Takes::Values(_) if value.is_some() => {}
            Takes::Value(what) | Takes::Values(what) => {
                // A word that looks like an option is not taken for a value: a
                // forgotten value must not swallow the next option.
                let next = self.words.clone().next();
                match next {
                    Some(word) if word == "-" || !word.as_bytes().starts_with(b"-") => {
                        value = self.words.next().cloned();
                    }
                    _ => return Err(wrong(format!("--{name} needs a value: {what}"))),
                }
            }
        }
        if value.as_ref().is_some_and(|value| value.is_empty()) {
            return Err(wrong(format!("--{name} needs a value that is not empty")));
        }
        self.options.push((name, value));
        Ok(())
    }

    fn help(&self) -> String {
        self.command.map_or_else(help::program, help::command)
    }

    fn finish(self) -> Result<Parsed, UsageError> {
        let command = self
            .command
            .ok_or_else(|| wrong(format!("a command is missing\n\n{}", help::program())))?;
        if command.operand.is_some_and(|operand| operand.required) && self.operands.is_empty() {
            return Err(missing_operand(command));
        }
        let words = Words {
            command,
            operands: self.operands,
            options: self.options,
        };
        Ok(Parsed::Run(Box::new(words.interpret()?)))
    }
}

fn wrong(text: String) -> UsageError {
    UsageError(text)
}
