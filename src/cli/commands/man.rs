//! `mtdkeep man`.

use crate::cli::Exit;
use crate::cli::common::generated;
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::manual;
use crate::cli::names;
use crate::cli::output::Output;
use crate::cli::spec::{CommandSpec, Job, OperandSpec, QUIET_ONLY, Table};

pub(crate) const SPEC: CommandSpec = CommandSpec {
    operand: Some(OperandSpec {
        name: "COMMAND",
        help: "The command; without it, the program's page",
        required: false,
        rest: false,
    }),
    options: &[&[generated::ALL], QUIET_ONLY],
    details: "\
The page goes to standard output as it is, so there is no --json.
",
    examples: &[
        "mtdkeep man backup > mtdkeep-backup.1",
        "mtdkeep man --all /usr/local/share/man/man1",
    ],
    ..CommandSpec::new(
        "man",
        "Print the manual page of the program or of one command",
        parse,
    )
};

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    let table = given.table;
    let command = given.operand_text()?;
    let command = command.as_deref();
    let command = command.map(|name| names::named(table, name)).transpose()?;
    match (command, given.path("all")) {
        (Some(_), Some(_)) => Err(UsageError(
            "--all writes the pages of all commands: leave COMMAND away".into(),
        )),
        (None, Some(folder)) => Ok(Box::new(move |output| {
            let pages = manual::pages(table).map(|command| {
                Ok((
                    format!("{}.1", manual::name(command)),
                    page(table, command)?,
                ))
            });
            let pages: Vec<_> = pages.collect::<Result<_, CliError>>()?;
            generated::write(&folder, pages, output)
        })),
        (command, None) => Ok(Box::new(move |output| run(table, command, output))),
    }
}

fn page(table: Table, command: Option<&CommandSpec>) -> Result<String, CliError> {
    manual::page(table, command).map_err(|error| CliError::Other {
        exit: Exit::Io,
        message: format!("cannot render the manual page: {error}"),
        help: None,
    })
}

fn run(table: Table, command: Option<&CommandSpec>, output: &Output) -> Result<Exit, CliError> {
    output.text(&page(table, command)?);
    Ok(Exit::Done)
}
