//! The full program's parser: clap, fed from the table of commands and options.

use super::args::{Parsed, UsageError};
use super::help;
use super::spec::{self, ABOUT, COMMANDS, CommandSpec, EXIT_CODES, GLOBAL, OptionSpec, Takes};
use super::words::Words;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};
use std::ffi::OsString;

/// Parses a command line.
pub(crate) fn parse(words: &[OsString]) -> Result<Parsed, UsageError> {
    let program = std::iter::once(OsString::from("mtdkeep"));
    let matches = match program_spec().try_get_matches_from(program.chain(words.iter().cloned())) {
        Ok(matches) => matches,
        Err(error) => {
            let text = error.render().to_string();
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Parsed::Print(text)),
                ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                | ErrorKind::MissingSubcommand => Err(UsageError(format!(
                    "a command is missing\n\n{}",
                    help::program()
                ))),
                // The program puts its own "error: " in front.
                _ => Err(UsageError(
                    text.strip_prefix("error: ")
                        .unwrap_or(&text)
                        .trim_end()
                        .into(),
                )),
            };
        }
    };
    let Some((command, own)) = matches
        .subcommand()
        .and_then(|(name, own)| spec::command(name).map(|command| (command, own)))
    else {
        return Err(UsageError("a command is missing".into()));
    };
    // Before the command and after it are two places to clap; one line to us.
    let mut options = given(GLOBAL.iter(), &matches);
    options.extend(given(command.options.iter().chain(GLOBAL), own));
    let operands = command
        .operand
        .and_then(|operand| own.get_many::<OsString>(operand.name))
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    let words = Words {
        command,
        operands,
        options,
    };
    Ok(Parsed::Run(Box::new(words.interpret()?)))
}

/// The whole program as clap sees it; also for completions and manual pages.
pub(crate) fn program_spec() -> clap::Command {
    let program = clap::Command::new("mtdkeep")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(EXIT_CODES)
        .override_help(help::program())
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .args(GLOBAL.iter().map(argument));
    COMMANDS.iter().fold(program, |program, command| {
        program.subcommand(command_spec(command))
    })
}

fn command_spec(command: &CommandSpec) -> clap::Command {
    let mut it = clap::Command::new(command.name)
        .about(command.about)
        .long_about(format!("{}\n\n{}", command.about, command.details))
        .after_help(format!(
            "Examples:\n{}\n{EXIT_CODES}",
            help::examples(command)
        ))
        .override_help(help::command(command))
        .args(command.options.iter().chain(GLOBAL).map(argument));
    if let Some(operand) = command.operand {
        let arg = Arg::new(operand.name)
            .help(operand.help)
            .required(operand.required)
            .value_parser(OsStringValueParser::new());
        it = it.arg(if operand.rest {
            arg.num_args(1..).trailing_var_arg(true)
        } else {
            arg
        });
    }
    it
}

fn argument(option: &OptionSpec) -> Arg {
    let arg = Arg::new(option.name).long(option.name).help(option.help);
    let arg = match option.short {
        Some(short) => arg.short(short),
        None => arg,
    };
    let value = |arg: Arg, name: &'static str| arg.value_name(name).value_parser(not_empty());
    match option.takes {
        Takes::Nothing => arg.action(ArgAction::SetTrue),
        Takes::Value(name) => value(arg, name).action(ArgAction::Set),
        Takes::Values(name) => value(arg, name).action(ArgAction::Append),
        Takes::MaybeValue(name) => value(arg, name)
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            // Stands for "no value"; an empty one cannot be typed.
            .default_missing_value(NO_VALUE),
    }
}

/// What clap puts in place of a value that was not given.
const NO_VALUE: &str = "\u{1}";

fn not_empty() -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(|value| {
        if value.is_empty() {
            // The text that clap itself has for it.
            Err("a value that is not empty is needed")
        } else {
            Ok(value)
        }
    })
}

/// The options that stand on the command line, with their values.
fn given<'a>(
    options: impl Iterator<Item = &'a OptionSpec>,
    matches: &ArgMatches,
) -> Vec<(&'static str, Option<OsString>)> {
    let mut found = Vec::new();
    for option in options {
        let name = option.name;
        if matches.value_source(name) != Some(ValueSource::CommandLine) {
            continue;
        }
        if option.takes == Takes::Nothing {
            found.push((name, None));
            continue;
        }
        for value in matches.get_many::<OsString>(name).into_iter().flatten() {
            let value = (value != NO_VALUE).then(|| value.clone());
            found.push((name, value));
        }
    }
    found
}
