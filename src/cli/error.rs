//! What ends a command early: in words, as a fixed word to match, and as an exit
//! code. What to do next is the command's own to say: see [`super::advice`].

use super::Exit;
use crate::backup::{BackupError, ErrorKind, Failure};
#[cfg(feature = "full")]
use crate::capture::ImportError;
use crate::mtd::{MtdError, MtdErrorKind};
use crate::restore::{RestoreError, Stopped};

/// A command line that makes no sense; says why, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UsageError(pub(crate) String);

/// What ended a command.
#[derive(Debug)]
pub(crate) enum CliError {
    /// The command line makes no sense.
    Usage(UsageError),
    /// A backup, a check or a clean-up stopped.
    Backup(Failure),
    /// The device side, outside a backup.
    Mtd(MtdError),
    /// A restore stopped.
    Restore(Stopped),
    /// What a script captured cannot be imported.
    #[cfg(feature = "full")]
    Import(ImportError),
    /// Something of the command line's own.
    Other {
        exit: Exit,
        message: String,
        help: Option<String>,
    },
}

impl CliError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            Self::Backup(failure) => exit_of(failure.error.kind()),
            Self::Restore(stopped) if stopped.changed => Exit::Unfinished,
            Self::Restore(stopped) => exit_of(stopped.error.kind()),
            Self::Mtd(error) => match error.kind() {
                MtdErrorKind::BadSelection => Exit::Usage,
                MtdErrorKind::Refused => Exit::Refused,
                _ => Exit::Io,
            },
            #[cfg(feature = "full")]
            Self::Import(error) => match error {
                ImportError::Wrong { .. } => Exit::Differs,
                ImportError::NeedsLayout { .. }
                | ImportError::NeedsMap { .. }
                | ImportError::BadMap { .. } => Exit::Usage,
                ImportError::LayoutsDiffer { .. } | ImportError::IsBackup { .. } => Exit::Refused,
                ImportError::Interrupted => Exit::Interrupted,
                _ => Exit::Io,
            },
            Self::Other { exit, .. } => *exit,
        }
    }

    /// The word for programs to match; `docs/output.schema.json` lists them.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Backup(failure) => backup_kind(&failure.error, self.exit()),
            Self::Restore(stopped) => match &*stopped.error {
                _ if stopped.changed => "changed",
                RestoreError::Backup(error) => backup_kind(error, self.exit()),
                RestoreError::Mtd(error) => mtd_kind(error),
                RestoreError::NoSpace { .. } => "no_space",
                _ => exit_kind(self.exit()),
            },
            Self::Mtd(error) => mtd_kind(error),
            #[cfg(feature = "full")]
            Self::Import(error) => match error {
                ImportError::NoImages { .. } => "no_capture",
                ImportError::IsBackup { .. } => "is_backup",
                ImportError::NeedsLayout { .. } => "needs_layout",
                ImportError::NeedsMap { .. } => "needs_map",
                ImportError::BadLayout { .. } | ImportError::EmptyLayout { .. } => "bad_table",
                ImportError::LayoutsDiffer { .. } => "disagreement",
                ImportError::Wrong { .. } | ImportError::ChangedMeanwhile { .. } => "differs",
                _ => exit_kind(self.exit()),
            },
            Self::Usage(_) | Self::Other { .. } => exit_kind(self.exit()),
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::Usage(error) => error.0.clone(),
            Self::Backup(failure) => failure.error.to_string(),
            Self::Mtd(error) => error.to_string(),
            Self::Restore(stopped) => stopped.error.to_string(),
            #[cfg(feature = "full")]
            Self::Import(ImportError::Wrong { .. }) => {
                "the capture is not right; nothing was imported:".into()
            }
            #[cfg(feature = "full")]
            Self::Import(ImportError::NeedsMap { .. }) => {
                "it is not certain which file is of which partition; nothing was imported:".into()
            }
            #[cfg(feature = "full")]
            Self::Import(error) => error.to_string(),
            Self::Other { message, .. } => message.clone(),
        }
    }

    /// Lines that belong below the message, one problem each.
    pub(crate) fn details(&self) -> &[String] {
        match self {
            #[cfg(feature = "full")]
            Self::Import(ImportError::Wrong { problems }) => problems,
            #[cfg(feature = "full")]
            Self::Import(ImportError::NeedsMap { questions }) => questions,
            _ => &[],
        }
    }

    pub(crate) fn left_behind(&self) -> Option<&str> {
        match self {
            Self::Backup(failure) => failure.left_behind.as_deref(),
            Self::Restore(stopped) if stopped.changed => Some(
                "the flash was changed and is not finished: do not switch off; run the same \
                 command again",
            ),
            Self::Restore(_) => Some("nothing on the flash was changed"),
            _ => None,
        }
    }
}

fn exit_of(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::Usage => Exit::Usage,
        ErrorKind::Io => Exit::Io,
        ErrorKind::Refused => Exit::Refused,
        ErrorKind::Partial => Exit::Partial,
        ErrorKind::Interrupted => Exit::Interrupted,
    }
}

fn backup_kind(error: &BackupError, exit: Exit) -> &'static str {
    match error {
        BackupError::Mtd(error) => mtd_kind(error),
        BackupError::NothingReadable { .. } => "nothing_readable",
        BackupError::Folder { .. } => "folder",
        BackupError::File { .. } => "file",
        BackupError::NoSpace { .. } => "no_space",
        BackupError::WouldLose { .. } => "would_lose",
        BackupError::Manifest { .. } => "bad_manifest",
        BackupError::NoManifest { .. } => "no_backup",
        BackupError::Unfinished { .. } => "unfinished",
        _ => exit_kind(exit),
    }
}

fn mtd_kind(error: &MtdError) -> &'static str {
    match error.kind() {
        MtdErrorKind::NoMtd => "no_mtd",
        MtdErrorKind::BadTable => "bad_table",
        MtdErrorKind::BadSelection => "bad_selection",
        MtdErrorKind::NodeMissing => "node_missing",
        MtdErrorKind::Disagreement => "disagreement",
        MtdErrorKind::NotPermitted => "not_permitted",
        MtdErrorKind::Refused => "refused",
        MtdErrorKind::Unreachable => "unreachable",
        _ => "io",
    }
}

/// Where nothing closer is known.
fn exit_kind(exit: Exit) -> &'static str {
    match exit {
        Exit::Usage => "usage",
        Exit::Refused => "refused",
        Exit::Partial => "partial",
        Exit::Differs => "differs",
        Exit::Interrupted => "interrupted",
        _ => "io",
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        Self::Backup(failure)
    }
}

impl From<BackupError> for CliError {
    fn from(error: BackupError) -> Self {
        Self::Backup(error.into())
    }
}

impl From<MtdError> for CliError {
    fn from(error: MtdError) -> Self {
        Self::Mtd(error)
    }
}

#[cfg(feature = "full")]
impl From<ImportError> for CliError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Backup(failure) => Self::Backup(failure),
            other => Self::Import(other),
        }
    }
}

impl From<UsageError> for CliError {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}
