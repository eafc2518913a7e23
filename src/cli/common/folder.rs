//! The folder of a backup.

use super::work;
use crate::backup::{Access, BackupError, Directory as _, Folder, Work};
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::progress::{Lines, Progress};
use std::path::Path;
use std::sync::atomic::AtomicBool;

/// Where a backup goes on a device: below its web server's root.
pub(crate) const FOLDER_ON_DEVICE: &str = "/var/wwwroot/mtd_backup";

/// Opens a folder, or makes it.
pub(crate) fn open_or_create(path: &Path, output: &Output) -> Result<Folder, CliError> {
    let folder =
        Folder::open_or_create(path).map_err(|source| error("cannot use", path, source))?;
    warn_of_no_lock(&folder, output);
    Ok(folder)
}

/// Opens a folder, or makes it, and has a backup made in it, with progress shown; a
/// folder that was made for it is gone again where that fails.
pub(crate) fn fill<T, E: Into<CliError>>(
    path: &Path,
    lines: Lines,
    interrupt: &AtomicBool,
    output: &Output,
    make: impl FnOnce(&Folder, &Work<'_>) -> Result<T, E>,
) -> Result<(T, Folder), CliError> {
    let folder = open_or_create(path, output)?;
    let progress = Progress::new(output, lines);
    let result = make(&folder, &work(interrupt, &progress));
    progress.end();
    match result {
        Ok(made) => Ok((made, folder)),
        Err(error) => {
            if folder.was_created() {
                folder.remove_if_empty();
            }
            Err(error.into())
        }
    }
}

/// Opens a folder that must be there.
pub(crate) fn open(path: &Path, access: Access, output: &Output) -> Result<Folder, CliError> {
    let folder = Folder::open(path, access).map_err(|source| error("cannot open", path, source))?;
    warn_of_no_lock(&folder, output);
    Ok(folder)
}

pub(crate) fn warn_of_no_lock(folder: &Folder, output: &Output) {
    if let Some(error) = folder.unlocked() {
        output.warn(&format!(
            "{} cannot be locked ({error}): let nothing else work in it meanwhile",
            folder.describe()
        ));
    }
}

pub(crate) fn error(operation: &'static str, path: &Path, source: std::io::Error) -> CliError {
    BackupError::of_folder(operation, path.display().to_string(), source).into()
}
