//! Files that the program generates into a folder: manual pages, completions.

use crate::cli::Exit;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::spec::{OptionSpec, Takes, option};
use std::fs;
use std::io;
use std::path::Path;

pub(crate) const ALL: OptionSpec = option(
    "all",
    Takes::Value("DIR"),
    "Write all of them into this folder, over older ones, instead of printing one",
);

/// Writes files, each with its name, into a folder that is made if it is missing.
pub(crate) fn write(
    folder: &Path,
    files: impl IntoIterator<Item = (String, String)>,
    output: &Output,
) -> Result<Exit, CliError> {
    fs::create_dir_all(folder).map_err(|error| cannot_write(folder, &error))?;
    for (name, text) in files {
        let file = folder.join(name);
        fs::write(&file, text).map_err(|error| cannot_write(&file, &error))?;
        output.line(&file.display().to_string());
    }
    Ok(Exit::Done)
}

fn cannot_write(path: &Path, error: &io::Error) -> CliError {
    CliError::Other {
        exit: Exit::Io,
        message: format!("cannot write {}: {error}", path.display()),
        help: Some("choose a folder that this user may write, with --all".into()),
    }
}
