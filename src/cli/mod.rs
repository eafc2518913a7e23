//! The command line: what the user asked for, what is shown, and the exit code.
//!
//! Invariants: results go to standard output, as text or as one JSON document;
//! errors, warnings and progress go to standard error; `--quiet` leaves errors
//! only. Nothing below this module prints.

pub mod args;
mod clean;
mod device;
mod error;
mod list;
mod nodes;
mod output;
mod progress;
mod run_backup;
#[cfg(feature = "full")]
mod run_import;
mod run_verify;
#[cfg(feature = "full")]
mod script;
mod signals;
mod spec;
mod words;

#[cfg(feature = "full")]
mod full;
#[cfg(feature = "full")]
mod generate;
mod help;
#[cfg(feature = "full")]
mod image;
#[cfg(feature = "full")]
mod run_sandbox;
#[cfg(any(test, not(feature = "full")))]
mod small;
#[cfg(all(test, feature = "full"))]
mod tests;

use args::{Command, Invocation, Parsed};
use error::CliError;
use output::Output;
use std::ffi::OsString;
use std::process::ExitCode;

/// How the program ends; the numbers stand in `--help` and in the README.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All is done.
    Done,
    /// Something differs.
    Differs,
    /// Wrong usage.
    Usage,
    /// Something is missing that was wanted, and is named.
    Partial,
    /// An I/O error.
    Io,
    /// Refused; nothing was changed.
    Refused,
    /// Interrupted by the user.
    Interrupted,
    /// The exit status of the program that was run.
    Program(u8),
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Differs => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::Io => 4,
            Self::Refused => 5,
            Self::Interrupted => 130,
            Self::Program(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Runs the program on a command line without the program's own name.
pub fn main(words: impl IntoIterator<Item = OsString>) -> Exit {
    let mut output = Output::default();
    let exit = match args::parse(words) {
        Ok(Parsed::Print(text)) => {
            output.text(&text);
            Exit::Done
        }
        Ok(Parsed::Run(invocation)) => {
            output = Output::new(&invocation.global);
            let name = command_name(&invocation.command);
            run(*invocation, &output).unwrap_or_else(|error| output.error(name, &error))
        }
        Err(error) => output.error("", &CliError::Usage(error)),
    };
    output.finish(exit)
}

fn run(invocation: Invocation, output: &Output) -> Result<Exit, CliError> {
    let global = invocation.global;
    match invocation.command {
        Command::List => list::run(&global, output),
        Command::Backup(args) => run_backup::run(&global, &args, output),
        Command::Verify { folder, device } => run_verify::run(&global, &folder, device, output),
        Command::Clean { folder, dry_run } => clean::run(&folder, dry_run, output),
        Command::Nodes { create } => nodes::run(&global, create, output),
        #[cfg(feature = "full")]
        Command::Image { output: file } => image::run(&global, &file, output),
        #[cfg(feature = "full")]
        Command::Sandbox(args) => run_sandbox::run(&global, args, output),
        #[cfg(feature = "full")]
        Command::Script(args) => script::run(&args, output),
        #[cfg(feature = "full")]
        Command::Import(args) => run_import::run(&args, output),
        #[cfg(feature = "full")]
        Command::Completions { shell } => generate::completions(&shell, output),
        #[cfg(feature = "full")]
        Command::Man { command } => generate::man(command.as_deref(), output),
        #[cfg(not(feature = "full"))]
        other => Err(CliError::Usage(args::not_in_this_build(command_name(
            &other,
        )))),
    }
}

fn command_name(command: &Command) -> &'static str {
    match command {
        Command::List => "list",
        Command::Backup(_) => "backup",
        Command::Verify { .. } => "verify",
        Command::Clean { .. } => "clean",
        Command::Nodes { .. } => "nodes",
        Command::Image { .. } => "image",
        Command::Sandbox(_) => "sandbox",
        Command::Script(_) => "script",
        Command::Import(_) => "import",
        Command::Completions { .. } => "completions",
        Command::Man { .. } => "man",
    }
}
