//! What was given to a command, told apart by the parser; a command takes out of
//! it what it knows.

use super::error::UsageError;
use super::spec::{CommandSpec, Table, Takes};
use std::ffi::OsString;
use std::path::PathBuf;

/// A command with its words.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) command: &'static CommandSpec,
    /// All commands, for those that tell of them.
    #[cfg(feature = "full")]
    pub(crate) table: Table,
    operands: Vec<OsString>,
    /// Each option's name with its value; several times where it was.
    options: Vec<(&'static str, Option<OsString>)>,
}

impl Given {
    pub(crate) fn new(
        command: &'static CommandSpec,
        table: Table,
        operands: Vec<OsString>,
        options: Vec<(&'static str, Option<OsString>)>,
    ) -> Self {
        #[cfg(not(feature = "full"))]
        let _ = table;
        Self {
            command,
            #[cfg(feature = "full")]
            table,
            operands,
            options,
        }
    }

    /// Only options that take several values may come several times (otherwise
    /// one of them would silently do nothing), and no operand may be missing.
    pub(crate) fn check(&self) -> Result<(), UsageError> {
        let once = |takes: &Takes| !matches!(takes, Takes::Values(_));
        for option in self.command.options().filter(|option| once(&option.takes)) {
            let name = option.name;
            if self.options.iter().filter(|(n, _)| *n == name).count() > 1 {
                return Err(UsageError(format!("--{name} was given twice")));
            }
        }
        match self.command.operand {
            Some(operand) if operand.required && self.operands.is_empty() => {
                Err(UsageError(format!("{} is missing", operand.name)))
            }
            _ => Ok(()),
        }
    }

    /// The first occurrence of an option, with its value if it has one.
    pub(crate) fn take(&mut self, name: &str) -> Option<Option<OsString>> {
        let at = self.options.iter().position(|(n, _)| *n == name)?;
        Some(self.options.remove(at).1)
    }

    /// Whether an option stands there; leaves it.
    #[cfg(feature = "full")]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(n, _)| *n == name)
    }

    /// Whether an option was given; takes it.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        self.take(name).is_some()
    }

    /// An option's value.
    pub(crate) fn value(&mut self, name: &str) -> Option<OsString> {
        self.take(name).flatten()
    }

    /// An option's value that names a file or folder.
    pub(crate) fn path(&mut self, name: &str) -> Option<PathBuf> {
        self.value(name).map(PathBuf::from)
    }

    /// All values of an option that name files.
    #[cfg(feature = "full")]
    pub(crate) fn paths(&mut self, name: &str) -> Vec<PathBuf> {
        std::iter::from_fn(|| self.path(name)).collect()
    }

    /// An option's value that is text.
    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, UsageError> {
        self.value(name).map(|word| text(name, word)).transpose()
    }

    /// All values of an option that are text.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<String>, UsageError> {
        let mut all = Vec::new();
        while let Some(text) = self.text(name)? {
            all.push(text);
        }
        Ok(all)
    }

    /// What stands alone.
    pub(crate) fn operand(&mut self) -> Option<OsString> {
        self.operands.pop()
    }

    /// The folder or file that stands alone; [`Given::check`] saw that it is there.
    pub(crate) fn operand_path(&mut self) -> PathBuf {
        self.operand().unwrap_or_default().into()
    }
}

#[cfg(feature = "full")]
impl Given {
    /// An option's value that is a whole number.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<u64>, UsageError> {
        let number = |word: OsString| {
            let parsed = word.to_str().and_then(|word| word.parse().ok());
            parsed.ok_or_else(|| {
                UsageError(format!(
                    "--{name} takes a whole number, not {:?}",
                    word.to_string_lossy()
                ))
            })
        };
        self.value(name).map(number).transpose()
    }

    /// What stands alone and is text.
    pub(crate) fn operand_text(&mut self) -> Result<Option<String>, UsageError> {
        let name = self.command.operand.map_or("", |operand| operand.name);
        self.operand().map(|word| text(name, word)).transpose()
    }

    /// All that stands alone.
    pub(crate) fn operands(&mut self) -> Vec<OsString> {
        std::mem::take(&mut self.operands)
    }
}

/// For tests of the parser: the same command with the same words.
impl PartialEq for Given {
    fn eq(&self, other: &Self) -> bool {
        self.command.name == other.command.name
            && self.operands == other.operands
            && self.options == other.options
    }
}

impl Eq for Given {}

fn text(what: &str, word: OsString) -> Result<String, UsageError> {
    word.into_string()
        .map_err(|word| UsageError(format!("{what}: {word:?} is not valid UTF-8")))
}
