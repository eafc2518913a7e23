//! The small files beside the images, and names.

use super::contents::part;
use super::destination::Destination;
use super::digest::{DigestChoice, Digests};
use super::error::BackupError;
use super::naming::{Naming, Placed};
use std::io;

/// Writes a small file so that its name stands for all of it or nothing.
pub(super) fn write_whole(
    folder: &dyn Destination,
    file: &str,
    text: &[u8],
) -> Result<Placed, Box<BackupError>> {
    let temporary = part(file);
    let failed = |source| error(folder, "cannot write", &temporary, source);
    let naming = Naming(folder);
    let mut out = folder.create(&temporary).map_err(failed)?;
    let mut digests = Digests::new(DigestChoice::Both);
    digests.update(text);
    let placed = out
        .write_all(text)
        .and_then(|()| out.sync())
        .map_err(failed)
        .and_then(|()| naming.give(out.as_ref(), &temporary, file, digests.finish()));
    if placed.is_err() {
        naming.discard(out.as_ref(), &temporary);
    }
    placed
}

/// Gives a file another name, on the medium.
pub(super) fn rename(
    folder: &dyn Destination,
    from: &str,
    to: &str,
) -> Result<(), Box<BackupError>> {
    folder
        .rename(from, to)
        .and_then(|()| folder.sync())
        .map_err(|source| error(folder, "cannot name", to, source))
}

pub(crate) fn error(
    folder: &dyn Destination,
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
