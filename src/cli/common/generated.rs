//! Files that the program generates into a folder: manual pages, completions.

use crate::cli::Exit;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::spec::{OptionSpec, Takes, option};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
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
        let file = folder.join(&name);
        replace(folder, &name, &text).map_err(|error| cannot_write(&file, &error))?;
        output.line(&file.display().to_string());
    }
    Ok(Exit::Done)
}

/// Writes a file beside the older one, and gives it the name when it is whole: what
/// reads it (a shell that starts, a program of a user) never finds half of it, and a
/// link or a file of several names there is not written through.
fn replace(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let part = folder.join(format!(".{name}.{}.part", std::process::id()));
    // Of a run with this number that was killed.
    let _ = fs::remove_file(&part);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&part)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&part, folder.join(name)));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

fn cannot_write(path: &Path, error: &io::Error) -> CliError {
    CliError::Other {
        exit: Exit::Io,
        message: format!("cannot write {}: {error}", path.display()),
        help: Some("choose a folder that this user may write, with --all".into()),
    }
}
