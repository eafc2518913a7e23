//! `mtdkeep clean`.

use super::Exit;
use super::error::CliError;
use super::output::Output;
use super::run_backup::open_folder;
use crate::backup::{self, size};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct Body {
    removed: Vec<String>,
    removed_bytes: u64,
    folder_removed: bool,
}

pub(crate) fn run(path: &Path, output: &Output) -> Result<Exit, CliError> {
    let folder = open_folder(path)?;
    let cleaned = backup::clean(&folder)?;
    // Only a folder that the backup made goes with it, and only if it is empty.
    let folder_removed = cleaned.folder_was_created && folder.remove_if_empty();
    output.line(&format!(
        "{} files removed, {}, {} {}",
        cleaned.files.len(),
        size(cleaned.bytes),
        if folder_removed {
            "and the folder"
        } else {
            "from"
        },
        path.display()
    ));
    let body = Body {
        removed: cleaned.files,
        removed_bytes: cleaned.bytes,
        folder_removed,
    };
    output.document("clean", Exit::Done, &body);
    Ok(Exit::Done)
}
