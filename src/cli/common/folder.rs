//! The folder of a backup.

use crate::cli::error::CliError;
use mtdkeep::backup::{BackupError, Folder};
use std::path::Path;

/// Where a backup goes on a device: below its web server's root.
pub(crate) const FOLDER_ON_DEVICE: &str = "/var/wwwroot/mtd_backup";

/// Opens a folder, or makes it.
pub(crate) fn open_or_create(path: &Path) -> Result<Folder, CliError> {
    Folder::open_or_create(path).map_err(|source| error("cannot use", path, source))
}

/// Opens a folder that must be there.
pub(crate) fn open(path: &Path) -> Result<Folder, CliError> {
    Folder::open(path).map_err(|source| error("cannot open", path, source))
}

fn error(operation: &'static str, path: &Path, source: std::io::Error) -> CliError {
    BackupError::Folder {
        operation,
        folder: path.display().to_string(),
        source,
    }
    .into()
}
