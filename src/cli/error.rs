//! What ends a command early, and which exit code that is.

use super::Exit;
use mtdkeep::backup::{BackupError, ErrorKind, Failure};
use mtdkeep::mtd::{MtdError, MtdErrorKind};

/// A command line that makes no sense; says why.
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
            Self::Backup(failure) => match failure.error.kind() {
                ErrorKind::Usage => Exit::Usage,
                ErrorKind::Io => Exit::Io,
                ErrorKind::Refused => Exit::Refused,
                ErrorKind::Partial => Exit::Partial,
                ErrorKind::Interrupted => Exit::Interrupted,
            },
            Self::Mtd(error) => match error.kind() {
                MtdErrorKind::BadSelection => Exit::Usage,
                MtdErrorKind::Refused => Exit::Refused,
                _ => Exit::Io,
            },
            Self::Other { exit, .. } => *exit,
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::Usage(error) => error.0.clone(),
            Self::Backup(failure) => failure.error.to_string(),
            Self::Mtd(error) => error.to_string(),
            Self::Other { message, .. } => message.clone(),
        }
    }

    pub(crate) fn left_behind(&self) -> Option<&str> {
        match self {
            Self::Backup(failure) => failure.left_behind.as_deref(),
            _ => None,
        }
    }

    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::Usage(_) => Some("`mtdkeep --help` lists commands and options".into()),
            Self::Backup(failure) => failure.error.help(),
            Self::Mtd(error) => error.help(),
            Self::Other { help, .. } => help.clone(),
        }
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

impl From<UsageError> for CliError {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}
