//! `mtdkeep completions`.

use crate::cli::Exit;
use crate::cli::clap_tree;
use crate::cli::error::UsageError;
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::spec::{CommandSpec, Job, OperandSpec, QUIET_ONLY};
use clap_complete::Shell;
use std::str::FromStr as _;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    operand: Some(OperandSpec {
        name: "SHELL",
        help: "bash, zsh, fish, elvish or powershell",
        required: true,
        rest: false,
    }),
    options: &[QUIET_ONLY],
    examples: &["mtdkeep completions bash > /etc/bash_completion.d/mtdkeep"],
    ..CommandSpec::new("completions", "Print completions for a shell", parse)
};

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    let name = given.operand_text()?.unwrap_or_default();
    let shell = Shell::from_str(&name).map_err(|_| {
        UsageError(format!(
            "there are no completions for {name:?}, but for bash, zsh, fish, elvish and powershell"
        ))
    })?;
    Ok(Box::new(move |output| Ok(run(shell, output))))
}

fn run(shell: Shell, output: &Output) -> Exit {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut clap_tree::program(), "mtdkeep", &mut text);
    output.text(&String::from_utf8_lossy(&text));
    Exit::Done
}
