//! What stops a backup, a check or a clean-up.
//!
//! Invariants: an error's text is whole (what was done, to which file, with
//! offset and length, the system's answer); [`BackupError::help`] says what to do
//! next; [`Failure`] adds what was left behind.

use super::manifest::ManifestError;
use super::units::size;
use crate::mtd::{MtdError, MtdErrorKind};
use std::io;

/// What stopped the work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The flash side, before any image was begun.
    #[error(transparent)]
    Mtd(#[from] MtdError),
    /// No wanted partition could be opened.
    #[error("none of the wanted partitions can be read; the first: {first}")]
    NothingReadable {
        /// Why the first one cannot.
        first: MtdError,
    },
    /// All that is wanted is empty partitions.
    #[error("the wanted partitions hold no byte; nothing was changed")]
    NothingWanted,
    /// The folder is missing, is no folder, or cannot be used.
    #[error("{operation} {folder}: {source}")]
    Folder {
        /// What was being done.
        operation: &'static str,
        /// The folder.
        folder: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Work on a file of the folder failed.
    #[error("{operation} {file} in {folder}{}: {source}", Place(*offset_bytes, *length_bytes))]
    File {
        /// What was being done.
        operation: &'static str,
        /// The file.
        file: String,
        /// Its folder.
        folder: String,
        /// Where in the file, in bytes from its start.
        offset_bytes: Option<u64>,
        /// How much was to be written or read there, in bytes.
        length_bytes: Option<u64>,
        /// The system's answer.
        source: io::Error,
    },
    /// The images would not fit.
    #[error(
        "not enough free space in {folder}: {} needed ({needed_bytes} bytes), {} free ({free_bytes} bytes)",
        size(*needed_bytes),
        size(*free_bytes)
    )]
    NoSpace {
        /// The folder.
        folder: String,
        /// What the images and the texts beside them take, in bytes.
        needed_bytes: u64,
        /// What the file system still has for this user, in bytes.
        free_bytes: u64,
    },
    /// There is no memory for a buffer.
    #[error("no memory for a buffer of {}", size(*bytes as u64))]
    NoMemory {
        /// How large it would be, in bytes.
        bytes: usize,
    },
    /// The folder holds something that a backup must not touch or mix with.
    #[error("{folder} {holds}; nothing in it was changed")]
    Refused {
        /// The folder.
        folder: String,
        /// What it holds, as a sentence's end.
        holds: String,
        /// What to do next.
        help: String,
    },
    /// Another run of this program has the folder.
    #[error("another mtdkeep is working in {folder}; nothing was changed")]
    Busy {
        /// The folder.
        folder: String,
    },
    /// A file is not the one that was written.
    #[error(
        "{file} in {folder} is not the file that was written: something else is at work in the folder"
    )]
    Interfered {
        /// The name.
        file: String,
        /// The folder.
        folder: String,
    },
    /// An earlier image has more of the flash than can be read now.
    #[error(
        "{file} in {folder} is from an earlier run and has all of its partition; now {unreadable_bytes:#x} bytes of it cannot be read; the earlier image was kept"
    )]
    WouldLose {
        /// The image.
        file: String,
        /// The folder.
        folder: String,
        /// How much cannot be read now, in bytes.
        unreadable_bytes: u64,
    },
    /// A manifest that cannot be trusted.
    #[error("{file} in {folder} cannot be used: {source}")]
    Manifest {
        /// The manifest's file name.
        file: &'static str,
        /// Its folder.
        folder: String,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// There is no manifest.
    #[error("{folder} holds no backup: there is no manifest.json in it")]
    NoManifest {
        /// The folder.
        folder: String,
        /// What lies there was captured by a script.
        captured: bool,
    },
    /// The backup was cut off.
    #[error("{folder} holds a backup that was begun {created_utc} and never finished")]
    Unfinished {
        /// The folder.
        folder: String,
        /// When it was begun, `YYYY-MM-DDThh:mm:ssZ`.
        created_utc: String,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// What an error means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// The request itself is wrong.
    Usage,
    /// The system, the flash or the folder failed.
    Io,
    /// Refused before anything was changed.
    Refused,
    /// A part is there, but not all.
    Partial,
    /// The user asked to stop.
    Interrupted,
}

impl BackupError {
    /// A folder that could not be opened, or that somebody else has.
    pub(crate) fn of_folder(operation: &'static str, folder: String, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::WouldBlock {
            return Self::Busy { folder };
        }
        Self::Folder {
            operation,
            folder,
            source,
        }
    }

    /// What it means for the caller.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Mtd(error) => match error.kind() {
                MtdErrorKind::BadSelection => ErrorKind::Usage,
                MtdErrorKind::Refused => ErrorKind::Refused,
                _ => ErrorKind::Io,
            },
            Self::NothingWanted
            | Self::Refused { .. }
            | Self::Busy { .. }
            | Self::WouldLose { .. }
            | Self::Manifest { .. } => ErrorKind::Refused,
            Self::Unfinished { .. } => ErrorKind::Partial,
            Self::Interrupted => ErrorKind::Interrupted,
            Self::NothingReadable { .. }
            | Self::Folder { .. }
            | Self::File { .. }
            | Self::Interfered { .. }
            | Self::NoSpace { .. }
            | Self::NoMemory { .. }
            | Self::NoManifest { .. } => ErrorKind::Io,
        }
    }

    /// What to do next, as one line; none where nothing sensible can be said.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Mtd(error) | Self::NothingReadable { first: error } => return error.help(),
            Self::NothingWanted => "`mtdkeep list` shows what there is to back up".into(),
            // The command knows what it wanted there: the command line says more.
            Self::Folder { .. } => "check the folder, and the medium that holds it".into(),
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "free some space and start the same command again".into()
                }
                _ => "check the medium that holds the folder, then start again".into(),
            },
            Self::NoSpace { .. } => {
                "free some space, choose another folder with --output, or back up fewer \
                 partitions at a time with --partition"
                    .into()
            }
            Self::NoMemory { .. } => {
                "end what else takes memory, and start the same command again".into()
            }
            Self::Refused { help, .. } => help.clone(),
            Self::Busy { .. } => {
                "wait until that one has ended, or end it, and start the same command again".into()
            }
            Self::Interfered { .. } => {
                "let nothing else work in the folder, and start the same command again".into()
            }
            Self::WouldLose { .. } => {
                "back up into another folder with --output, and keep this one".into()
            }
            Self::Manifest { source, .. } => match source {
                ManifestError::UnknownVersion { .. } => "use a newer mtdkeep".into(),
                _ => "nothing was changed; take the backup's own manifest from where the folder \
                      came from. What `sha256sum -c SHA256SUMS` calls OK there is whole"
                    .into(),
            },
            #[cfg(feature = "full")]
            Self::NoManifest { captured: true, .. } => {
                "a script captured what is there: `mtdkeep import` makes a backup of it".into()
            }
            Self::NoManifest { .. } => {
                "name the folder that `mtdkeep backup` filled; a backup that was cut off is \
                 completed by starting it again"
                    .into()
            }
            Self::Unfinished { .. } => {
                "start the same `mtdkeep backup` again to complete it".into()
            }
            Self::Interrupted => "start the same command again to go on".into(),
        })
    }
}

/// An error, and what it left behind in the folder.
#[derive(Debug, thiserror::Error)]
#[error("{error}{}", LeftBehind(left_behind.as_deref()))]
pub struct Failure {
    /// What stopped the work.
    // Not its source: its text stands in this one's.
    pub error: Box<BackupError>,
    /// What is in the folder now, as a sentence; none where nothing was changed.
    pub left_behind: Option<String>,
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        Box::new(error).into()
    }
}

impl From<Box<BackupError>> for Failure {
    fn from(error: Box<BackupError>) -> Self {
        Self {
            error,
            left_behind: None,
        }
    }
}

// Inside, errors are boxed: most calls can fail, and what each hands on is a word
// instead of a copy of 64 bytes.
impl From<MtdError> for Box<BackupError> {
    fn from(error: MtdError) -> Self {
        Self::new(error.into())
    }
}

impl From<Box<BackupError>> for BackupError {
    fn from(error: Box<BackupError>) -> Self {
        *error
    }
}

impl From<MtdError> for Failure {
    fn from(error: MtdError) -> Self {
        BackupError::from(error).into()
    }
}

/// `; …`, if there is something to say.
struct LeftBehind<'a>(Option<&'a str>);

impl std::fmt::Display for LeftBehind<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |text| write!(f, "; {text}"))
    }
}

/// ` at 0x…, 0x… bytes`, as far as known.
struct Place(Option<u64>, Option<u64>);

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(offset_bytes) = self.0 {
            write!(f, " at {offset_bytes:#x}")?;
        }
        if let Some(length_bytes) = self.1 {
            write!(f, ", {length_bytes:#x} bytes")?;
        }
        Ok(())
    }
}
