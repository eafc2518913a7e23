//! The table of commands as clap has it, from which completions and manual pages
//! are generated. Nothing is parsed with it.

use super::spec::{ABOUT, CommandSpec, GLOBAL, OptionSpec, Table, Takes};
use clap::{Arg, ArgAction};

/// The whole program.
pub(crate) fn program(table: Table) -> clap::Command {
    let program = clap::Command::new("mtdkeep")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .args(GLOBAL.iter().map(argument));
    table.iter().fold(program, |program, command| {
        program.subcommand(self::command(command))
    })
}

/// One command.
pub(crate) fn command(command: &CommandSpec) -> clap::Command {
    let mut it = clap::Command::new(command.name)
        .about(command.about)
        .long_about(format!("{}.\n\n{}", command.about, command.details))
        .args(command.options().map(argument));
    if let Some(operand) = command.operand {
        // Of two words, each has its part of the help.
        let words = operand.name.split(' ').zip(operand.help.split("; and "));
        for (name, help) in words {
            let arg = Arg::new(name).help(help).required(operand.required);
            it = it.arg(match operand.rest {
                true => arg.num_args(1..).trailing_var_arg(true),
                false => arg,
            });
        }
    }
    it
}

fn argument(option: &OptionSpec) -> Arg {
    let arg = Arg::new(option.name).long(option.name).help(option.help);
    let arg = match option.short {
        Some(short) => arg.short(short),
        None => arg,
    };
    match option.takes {
        Takes::Nothing => arg.action(ArgAction::SetTrue),
        Takes::Value(name) => arg.value_name(name),
        Takes::Values(name) => arg.value_name(name).action(ArgAction::Append),
        Takes::MaybeValue(name) => arg.value_name(name).num_args(0..=1).require_equals(true),
    }
}
