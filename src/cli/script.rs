//! `mtdkeep script`.

use super::Exit;
use super::args::{ScriptArgs, UsageError};
use super::error::CliError;
use super::output::Output;
use super::run_backup::FOLDER_ON_DEVICE;
use crate::script::{ScriptRequest, render};
use serde::Serialize;

#[derive(Serialize)]
struct Body<'a> {
    script: &'a str,
}

pub(crate) fn run(args: &ScriptArgs, output: &Output) -> Result<Exit, CliError> {
    let folder = match &args.output {
        None => FOLDER_ON_DEVICE,
        Some(folder) => folder.to_str().ok_or_else(|| {
            UsageError(format!(
                "output-dir: {} is not valid UTF-8",
                folder.display()
            ))
        })?,
    };
    let script = render(&ScriptRequest {
        folder,
        partitions: &args.partitions,
        read_again: args.read_again,
    })
    .map_err(|error| UsageError(error.to_string()))?;
    if output.is_json() {
        output.document("script", Exit::Done, &Body { script: &script });
    } else {
        output.text(&script);
    }
    Ok(Exit::Done)
}
