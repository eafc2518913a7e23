//! Takes a backup away: exactly the files that a backup made (this program's, or
//! the article's shell script), or nothing at all.
//!
//! Invariants: a folder with anything else in it is refused before the first file
//! goes, what operating systems leave in folders excepted, which stays; the file by
//! which the folder is known as a backup goes last, so that a clean-up that was cut
//! off can be started again.

use super::capture_format::{RECORD, RECORD_PART};
use super::contents::{self, Contents, State, names};
use super::directory::{Directory, Entry};
use super::error::{BackupError, Failure};
use super::manifest::{INDEX, MANIFEST, UNFINISHED};
use super::texts;

/// What a clean-up removed, or would remove.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cleaning {
    /// The files, in the order in which they go.
    pub(crate) files: Vec<Entry>,
    /// What an operating system put there; it stays, and the folder with it.
    pub(crate) left: Vec<Entry>,
    /// Whether the backup had made the folder, so that it may go as well.
    pub(crate) folder_was_created: bool,
}

impl Cleaning {
    /// How many bytes the files hold.
    pub(crate) fn bytes(&self) -> u64 {
        let sizes = self.files.iter().filter_map(|entry| entry.size_bytes);
        sizes.fold(0, u64::saturating_add)
    }

    /// Whether the folder may go as well.
    pub(crate) fn takes_folder(&self) -> bool {
        self.folder_was_created && self.left.is_empty()
    }
}

/// Tells what [`clean`] would remove, and removes nothing.
pub(crate) fn plan_clean(folder: &dyn Directory) -> Result<Cleaning, Failure> {
    let found = contents::look(folder)?;
    let (keystone, folder_was_created) = keystone(folder, &found)?;
    if !found.foreign.is_empty() {
        return Err(refused(
            folder,
            format!("holds more than a backup: {}", names(&found.foreign)),
            "move what else is there to another place if you need it, or remove it; \
             then start again",
        ));
    }
    let (last, first): (Vec<_>, Vec<_>) = found
        .own
        .into_iter()
        .chain(found.parts)
        .partition(|entry| entry.name == keystone);
    Ok(Cleaning {
        files: first.into_iter().chain(last).collect(),
        left: found.litter,
        folder_was_created,
    })
}

/// The file by which the folder is known as a backup, and whether a backup made
/// the folder.
fn keystone(folder: &dyn Directory, found: &Contents) -> Result<(&'static str, bool), Failure> {
    Ok(match &found.state {
        State::Finished(manifest) => (MANIFEST, manifest.folder_created),
        State::Unfinished(manifest) => (UNFINISHED, manifest.folder_created),
        State::Script => (INDEX, false),
        State::Capture { folder_created } => {
            let finished = contents::has(&found.own, RECORD);
            (if finished { RECORD } else { RECORD_PART }, *folder_created)
        }
        State::Empty => ("", false),
        State::Damaged(damage) if damage.is_ours => match damage.file {
            file if contents::has(&found.own, file) => (file, false),
            _ => (INDEX, false),
        },
        State::Damaged(damage) => {
            return Err(refused(
                folder,
                format!("may hold a backup, but its {} {}", damage.file, damage.why),
                "`mtdkeep verify` says what is proven of it, and `mtdkeep repair` makes the \
                 manifest anew; clean removes what a manifest names",
            ));
        }
        State::Foreign => {
            return Err(refused(
                folder,
                format!("holds no backup, but {}", names(&found.foreign)),
                "name the folder that `mtdkeep backup` or a capture script filled; clean \
                 removes nothing else",
            ));
        }
    })
}

/// Removes a backup's files from a folder.
pub(crate) fn clean(folder: &dyn Directory) -> Result<Cleaning, Failure> {
    let plan = plan_clean(folder)?;
    for (gone, entry) in plan.files.iter().enumerate() {
        let failed = |source| Failure {
            left_behind: Some(format!(
                "{gone} of the files are gone, the rest is still there; start again to remove it"
            )),
            error: texts::error(folder, "cannot remove", &entry.name, source),
        };
        // The others are gone from the medium as well before the last one goes.
        if gone + 1 == plan.files.len() {
            folder.sync().map_err(failed)?;
        }
        folder.remove(&entry.name).map_err(failed)?;
    }
    Ok(plan)
}

fn refused(folder: &dyn Directory, holds: String, help: &str) -> Failure {
    BackupError::Refused {
        folder: folder.describe(),
        holds,
        help: help.into(),
    }
    .into()
}

#[cfg(all(test, feature = "full"))]
mod tests;
