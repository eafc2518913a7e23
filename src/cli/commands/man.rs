//! `mtdkeep man`.

use crate::cli::Exit;
use crate::cli::clap_tree;
use crate::cli::commands;
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::spec::{CommandSpec, Job, OperandSpec, QUIET_ONLY};

pub(crate) const SPEC: CommandSpec = CommandSpec {
    operand: Some(OperandSpec {
        name: "COMMAND",
        help: "The command; without it, the program's page",
        required: false,
        rest: false,
    }),
    options: &[QUIET_ONLY],
    examples: &[
        "mtdkeep man > mtdkeep.1",
        "mtdkeep man backup > mtdkeep-backup.1",
    ],
    ..CommandSpec::new(
        "man",
        "Print the manual page of the program or of one command",
        parse,
    )
};

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    let command = given.operand_text()?;
    let command = command.as_deref().map(commands::named).transpose()?;
    Ok(Box::new(move |output| run(command, output)))
}

fn run(command: Option<&CommandSpec>, output: &Output) -> Result<Exit, CliError> {
    let page = match command {
        None => clap_tree::program(),
        Some(command) => clap_tree::command(command).name(format!("mtdkeep-{}", command.name)),
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page)
        .render(&mut text)
        .map_err(|error| CliError::Other {
            exit: Exit::Io,
            message: format!("cannot render the manual page: {error}"),
            help: None,
        })?;
    output.text(&String::from_utf8_lossy(&text));
    Ok(Exit::Done)
}
