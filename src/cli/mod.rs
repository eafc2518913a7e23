//! The command line: what the user asked for, what is shown, and the exit code.
//! Nothing beside it prints.
//!
//! [`parse`] tells the words apart by the table of [`commands`], which is handed down
//! from here; the command's own `parse` decides what they mean and gives the job that
//! `main` runs.
//!
//! Invariants: results go to standard output, as text or as one JSON document;
//! errors, warnings and progress go to standard error; `--quiet` leaves errors
//! only.

mod advice;
#[cfg(feature = "full")]
mod clap_tree;
mod commands;
mod common;
#[cfg(feature = "full")]
mod complete;
mod error;
mod exit;
mod given;
mod help;
#[cfg(feature = "full")]
mod manual;
mod names;
mod output;
mod parse;
mod progress;
mod spec;
#[cfg(all(test, feature = "full"))]
mod tests;

use commands::COMMANDS;
use common::signals;
use error::CliError;
pub(crate) use exit::Exit;
use output::Output;
use parse::Parsed;
use spec::CommandSpec;
use std::ffi::OsString;

/// Tells of an error, and what to do next about it after this command.
fn failed(output: &Output, command: Option<&CommandSpec>, error: &CliError) -> Exit {
    let name = command.map_or("", |command| command.name);
    output.error(name, error, advice::next_step(command, error))
}

/// Runs the program on a command line without the program's own name.
pub(crate) fn main(words: Vec<OsString>) -> Exit {
    let mut output = Output::default();
    #[cfg(feature = "full")]
    if let Some((_, typed)) = words
        .split_first()
        .filter(|(word, _)| *word == complete::WORD)
    {
        output.text(&complete::answer(typed));
        return output.finish(Exit::Done);
    }
    let exit = match parse::parse(COMMANDS, words.iter().cloned()) {
        Ok(Parsed::Print(text)) => {
            output.text(&text);
            Exit::Done
        }
        Ok(Parsed::Run(mut given)) => {
            let command = given.command;
            output = Output::new(given.flag("json"), given.flag("quiet"));
            (given.command.parse)(&mut given)
                .map_err(CliError::Usage)
                .and_then(|job| job(&output))
                .unwrap_or_else(|error| failed(&output, Some(command), &error))
        }
        Err(wrong) => {
            // Whoever asked for JSON gets it for a mistake beside that as well.
            output = Output::new(words.iter().any(|word| word == "--json"), false);
            failed(&output, wrong.command, &CliError::Usage(wrong.error))
        }
    };
    let exit = output.finish(exit);
    if exit == Exit::Interrupted {
        signals::die_of_it();
    }
    exit
}
