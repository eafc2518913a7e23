//! What a caller of the library calls: the pipeline on a [`Folder`]. Inside, the same
//! works on any [`Directory`](super::directory::Directory).

use super::error::Failure;
use super::folder::Folder;
use super::pipeline::{Request, Summary};
use super::report::Report;
use super::work::Work;
use crate::mtd::MtdBackend;

/// Backs up a device into a folder. A backup that was cut off there is completed; images
/// that the flash still has byte for byte are kept.
///
/// # Errors
/// [`Failure`], with what is in the folder then: never a finished backup, unless one was
/// there before. Flash that cannot be read is no error, as long as one partition can be:
/// it is in [`Manifest::is_partial`](super::Manifest::is_partial).
pub fn backup(
    backend: &dyn MtdBackend,
    folder: &Folder,
    request: &Request<'_>,
    work: &Work<'_>,
) -> Result<Summary, Failure> {
    super::pipeline::backup(backend, folder, request, work)
}

/// Checks a backup against its manifest and its `SHA256SUMS`, and with a `backend` against
/// that device's flash as well. Nothing is changed.
///
/// # Errors
/// What kept the check from being done at all: a folder that cannot be read
/// ([`BackupError::Folder`](super::BackupError::Folder)) or holds no finished backup, a
/// device that cannot be found, or an interruption. What was found is in the report,
/// damage too.
pub fn verify(
    folder: &Folder,
    backend: Option<&dyn MtdBackend>,
    work: &Work<'_>,
) -> Result<Report, Failure> {
    super::verify::verify(folder, backend, work)
}

/// Removes a backup's files from a folder, and nothing else. The folder itself stays, and
/// so does what an operating system put there. Gives how many files it removed.
///
/// # Errors
/// [`BackupError::Refused`](super::BackupError::Refused) before anything is removed where
/// there is no backup, or more than one; [`Failure`] where a file cannot be removed, with
/// how many are gone.
pub fn clean(folder: &Folder) -> Result<usize, Failure> {
    Ok(super::clean::clean(folder)?.files.len())
}
