//! `mtdkeep completions` and `mtdkeep man`: texts from the table of commands.

use super::Exit;
use super::args::UsageError;
use super::error::CliError;
use super::full::program_spec;
use super::output::Output;
use super::spec;
use clap_complete::Shell;
use std::str::FromStr as _;

pub(crate) fn completions(shell: &str, output: &Output) -> Result<Exit, CliError> {
    let shell = Shell::from_str(shell).map_err(|_| {
        UsageError(format!(
            "there are no completions for {shell:?}, but for bash, zsh, fish, elvish and powershell"
        ))
    })?;
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut program_spec(), "mtdkeep", &mut text);
    output.text(&String::from_utf8_lossy(&text));
    Ok(Exit::Done)
}

pub(crate) fn man(command: Option<&str>, output: &Output) -> Result<Exit, CliError> {
    let mut program = program_spec();
    program.build();
    let page = match command {
        None => program,
        Some(name) => {
            let name = spec::command(name)
                .ok_or_else(|| UsageError(format!("there is no command {name:?}")))?
                .name;
            let found = program.get_subcommands().find(|c| c.get_name() == name);
            let found = found.cloned().unwrap_or(program);
            found.name(format!("mtdkeep-{name}"))
        }
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
