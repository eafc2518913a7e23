//! Takes a backup away: exactly the files that a backup made (this program's, or
//! the article's shell script), or nothing at all.
//!
//! Invariants: a folder with anything else in it is refused before the first file
//! goes; the file by which the folder is known as a backup goes last, so that a
//! clean-up that was cut off can be started again.

use super::contents::{self, RECORD, RECORD_PART, State, names};
use super::destination::Destination;
use super::error::{BackupError, Failure};
use super::manifest::{INDEX, MANIFEST, UNFINISHED};

/// What was removed.
#[derive(Debug, PartialEq, Eq)]
pub struct Cleaned {
    /// The files, in the order in which they went.
    pub files: Vec<String>,
    /// How many bytes they held.
    pub bytes: u64,
    /// Whether the backup had made the folder, so that it may go as well.
    pub folder_was_created: bool,
}

/// Removes a backup's files from a folder.
pub fn clean(folder: &dyn Destination) -> Result<Cleaned, Failure> {
    let found = contents::look(folder)?;
    let (keystone, folder_was_created) = match &found.state {
        State::Finished(manifest) => (MANIFEST, manifest.folder_created),
        State::Unfinished(manifest) => (UNFINISHED, manifest.folder_created),
        State::Script => (INDEX, false),
        State::Capture { folder_created } => {
            let finished = found.own.iter().any(|entry| entry.name == RECORD);
            (if finished { RECORD } else { RECORD_PART }, *folder_created)
        }
        State::Empty => ("", false),
        State::Foreign => {
            return Err(refused(
                folder,
                format!("holds no backup, but {}", names(&found.foreign)),
            ));
        }
    };
    if !found.foreign.is_empty() {
        return Err(refused(
            folder,
            format!("holds more than a backup: {}", names(&found.foreign)),
        ));
    }
    let (last, first): (Vec<_>, Vec<_>) = found
        .own
        .into_iter()
        .chain(found.parts)
        .partition(|entry| entry.name == keystone);
    let mut cleaned = Cleaned {
        files: Vec::new(),
        bytes: 0,
        folder_was_created,
    };
    for entry in first.into_iter().chain(last) {
        folder.remove(&entry.name).map_err(|source| Failure {
            left_behind: Some(format!(
                "{} of the files are gone, the rest is still there; start again to remove it",
                cleaned.files.len()
            )),
            error: Box::new(BackupError::File {
                operation: "cannot remove",
                file: entry.name.clone(),
                folder: folder.describe(),
                offset_bytes: None,
                length_bytes: None,
                source,
            }),
        })?;
        cleaned.bytes += entry.size_bytes.unwrap_or(0);
        cleaned.files.push(entry.name);
    }
    Ok(cleaned)
}

fn refused(folder: &dyn Destination, holds: String) -> Failure {
    BackupError::Refused {
        folder: folder.describe(),
        holds,
        help: "look at what else is there, and move it away if you need it".into(),
    }
    .into()
}
