//! `mtdkeep completions`.

use crate::cli::Exit;
use crate::cli::clap_tree;
use crate::cli::common::generated;
use crate::cli::error::UsageError;
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::spec::{CommandSpec, Job, OperandSpec, QUIET_ONLY, Table};
use clap_complete::{Generator as _, Shell};
use std::str::FromStr as _;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    operand: Some(OperandSpec {
        name: "SHELL",
        help: "bash, zsh, fish, elvish or powershell",
        required: false,
        rest: false,
    }),
    options: &[&[generated::ALL], QUIET_ONLY],
    details: "\
In bash, zsh and fish, values are completed as well: partitions (as the device
that the line names has them), digests, files, folders, names of commands.
The script goes to standard output as it is, so there is no --json.
",
    examples: &[
        "mtdkeep completions bash > /etc/bash_completion.d/mtdkeep",
        "mtdkeep completions --all completions",
    ],
    ..CommandSpec::new("completions", "Print completions for a shell", parse)
};

/// All shells, by the names that the command line takes.
pub(crate) const SHELLS: &[&str] = &["bash", "zsh", "fish", "elvish", "powershell"];

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    let table = given.table;
    let name = given.operand_text()?;
    let name = match (name, given.path("all")) {
        (Some(_), Some(_)) => {
            return Err(UsageError(
                "--all writes the completions for all shells: leave SHELL away".into(),
            ));
        }
        (None, None) => return Err(UsageError("SHELL is missing".into())),
        (None, Some(folder)) => {
            return Ok(Box::new(move |output| {
                let shells = SHELLS.iter().filter_map(|name| Shell::from_str(name).ok());
                let files = shells.map(|shell| (shell.file_name("mtdkeep"), script(table, shell)));
                generated::write(&folder, files, output)
            }));
        }
        (Some(name), None) => name,
    };
    let shell = Shell::from_str(&name).map_err(|_| {
        UsageError(format!(
            "there are no completions for {name:?}, but for bash, zsh, fish, elvish and powershell"
        ))
    })?;
    Ok(Box::new(move |output| Ok(run(table, shell, output))))
}

fn run(table: Table, shell: Shell, output: &Output) -> Exit {
    output.text(&script(table, shell));
    Exit::Done
}

/// For the shells that people have beside MTD devices, a script that asks the
/// program itself; for the others, what clap makes of the table of commands.
fn script(table: Table, shell: Shell) -> String {
    match shell {
        Shell::Bash => include_str!("completions/mtdkeep.bash").into(),
        Shell::Zsh => include_str!("completions/mtdkeep.zsh").into(),
        Shell::Fish => include_str!("completions/mtdkeep.fish").into(),
        _ => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut clap_tree::program(table), "mtdkeep", &mut text);
            String::from_utf8_lossy(&text).into_owned()
        }
    }
}
