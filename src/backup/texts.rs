//! The small files beside the images, and names.

use super::contents::part;
use super::destination::Destination;
use super::error::BackupError;
use std::io;

/// Writes a small file so that its name stands for all of it or nothing.
pub(super) fn write_whole(
    folder: &dyn Destination,
    file: &str,
    text: &[u8],
) -> Result<(), BackupError> {
    let temporary = part(file);
    let written = folder.create(&temporary).and_then(|mut out| {
        out.write_all(text)?;
        out.sync()
    });
    if let Err(source) = written {
        let _ = folder.remove(&temporary);
        return Err(error(folder, "cannot write", &temporary, source));
    }
    rename(folder, &temporary, file)
}

/// Gives a file another name, on the medium.
pub(super) fn rename(folder: &dyn Destination, from: &str, to: &str) -> Result<(), BackupError> {
    folder
        .rename(from, to)
        .and_then(|()| folder.sync())
        .map_err(|source| error(folder, "cannot name", to, source))
}

pub(super) fn error(
    folder: &dyn Destination,
    operation: &'static str,
    file: &str,
    source: io::Error,
) -> BackupError {
    BackupError::File {
        operation,
        file: file.into(),
        folder: folder.describe(),
        offset_bytes: None,
        length_bytes: None,
        source,
    }
}
