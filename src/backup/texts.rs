//! Names of files in a folder, and what is said where one fails.

use super::directory::Directory;
use super::error::BackupError;
use std::io;

/// Gives a file another name, on the medium.
pub(super) fn rename(folder: &dyn Directory, from: &str, to: &str) -> Result<(), Box<BackupError>> {
    folder
        .rename(from, to)
        .and_then(|()| folder.sync())
        .map_err(|source| error(folder, "cannot name", to, source))
}

pub(crate) fn error(
    folder: &dyn Directory,
    operation: &'static str,
    file: &str,
    source: io::Error,
) -> Box<BackupError> {
    BackupError::File {
        operation,
        file: file.into(),
        folder: folder.describe(),
        offset_bytes: None,
        length_bytes: None,
        source,
    }
    .into()
}
