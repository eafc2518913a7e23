//! `mtdkeep script --restore`.

use crate::backup::Access;
use crate::cli::Exit;
use crate::cli::common::folder::{self, FOLDER_ON_DEVICE};
use crate::cli::common::{self, signals};
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::progress::{Lines, Progress};
use crate::cli::spec::Job;
use crate::restore::{self, Request, Script, ScriptRequest, Tool};
use serde::Serialize;
use std::path::PathBuf;

struct Args {
    backup: PathBuf,
    tool: Tool,
    partitions: Vec<String>,
    allow: Vec<String>,
    other_device: bool,
    folder: String,
}

/// What is to be done, where `--restore` is given.
pub(super) fn parse(given: &mut Given) -> Result<Option<Job>, UsageError> {
    let (backup, with) = (given.path("restore"), given.text("with")?);
    let (allow, other_device) = (given.texts("allow")?, given.flag("other-device"));
    let usage = |text: &str| Err(UsageError(text.into()));
    let Some(backup) = backup else {
        return match with.is_some() || !allow.is_empty() || other_device {
            true => usage("--with, --allow and --other-device are for --restore DIR"),
            false => Ok(None),
        };
    };
    let words = || Tool::ALL.map(|(word, _)| word).join(", ");
    let Some(with) = with else {
        return Err(UsageError(format!(
            "--restore needs --with and what the device has: one of {}",
            words()
        )));
    };
    let Some((_, tool)) = Tool::ALL.into_iter().find(|(word, _)| *word == with) else {
        return Err(UsageError(format!(
            "--with takes one of {}, not {with:?}",
            words()
        )));
    };
    if given.flag("read-again") {
        return usage("--read-again is for a script that captures");
    }
    let folder = given.text("output-dir")?;
    let folder = folder.as_deref().unwrap_or(FOLDER_ON_DEVICE);
    let folder = folder.trim_end_matches('/');
    if !folder.starts_with('/') || folder.contains(char::is_control) {
        return usage("--output-dir takes the folder on the device, absolute and not / itself");
    }
    let args = Args {
        backup,
        tool,
        partitions: given.texts("partition")?,
        allow,
        other_device,
        folder: folder.into(),
    };
    Ok(Some(Box::new(move |output| run(&args, output))))
}

#[derive(Serialize)]
struct Body<'a> {
    script: &'a str,
    notes: &'a [String],
}

fn run(args: &Args, output: &Output) -> Result<Exit, CliError> {
    let interrupt = signals::interrupt_flag()?;
    let backup = folder::open(&args.backup, Access::Look, output)?;
    let progress = Progress::new(output, Lines::None);
    let request = ScriptRequest {
        tool: args.tool,
        restore: Request {
            partitions: &args.partitions,
            allow: &args.allow,
            other_device: args.other_device,
            at_once: false,
        },
        folder: &args.folder,
    };
    let made = restore::script(&backup, &request, &common::work(interrupt, &progress));
    progress.end();
    let Script { text, notes } = made.map_err(|error| CliError::Restore(error.into()))?;
    if output.is_json() {
        let body = Body {
            script: &text,
            notes: &notes,
        };
        output.document("script", Exit::Done, &body);
        return Ok(Exit::Done);
    }
    for note in &notes {
        output.warn(note);
    }
    output.text(&text);
    Ok(Exit::Done)
}
