//! What stops a restore, or keeps a partition out of it.
//!
//! Invariants: an error's text is whole; [`RestoreError::help`] says what to do next;
//! [`Stopped`] says whether the flash was changed, and never leaves that open.

use crate::backup::{BackupError, ErrorKind, size};
use crate::mtd::{MtdError, MtdErrorKind, MtdName};
use std::fmt;
use std::io;

/// Why a partition that differs stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Obstacle {
    /// The kernel lets nobody write it.
    ReadOnly,
    /// Erasing it would erase others, and nothing writeable holds all of them.
    SharesEraseBlock {
        /// The others.
        with: String,
    },
    /// Its flash is programmed in pages, as NAND is.
    NotBitwise,
    /// It has no erase blocks.
    NoEraseBlocks,
    /// It belongs to this device alone, and the backup may be of another.
    OfThisDevice,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "read-only: the kernel lets nobody write it",
            Self::SharesEraseBlock { with } => {
                return write!(
                    f,
                    "it shares an erase block with {with}, and no writeable device has all of that"
                );
            }
            Self::NotBitwise => "its flash is no NOR: bad blocks and pages are not dealt with",
            Self::NoEraseBlocks => "it has no erase blocks",
            Self::OfThisDevice => "it belongs to this device alone",
        })
    }
}

/// What stops a restore.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RestoreError {
    /// The backup, or its folder.
    #[error(transparent)]
    Backup(Box<BackupError>),
    /// The device.
    #[error(transparent)]
    Mtd(MtdError),
    /// The backup is not what it was.
    #[error("the backup in {folder} is not right: {finding}")]
    NotRight {
        /// The backup's folder.
        folder: String,
        /// What is wrong, the first thing.
        finding: String,
    },
    /// The device has another layout.
    #[error("the device has another layout than the backup: {difference}")]
    OtherLayout {
        /// The first difference.
        difference: String,
    },
    /// It is not proven that the backup is of this device.
    #[error("this is not known to be the device that was backed up: {why}")]
    OtherDevice {
        /// Why.
        why: String,
    },
    /// What belongs to one device alone is not written to another.
    #[error("{partition} differs and stays: {what}; of another device it is never written")]
    Stays {
        /// The partition.
        partition: MtdName,
        /// What it is.
        what: &'static str,
    },
    /// A partition that needs a word of its own.
    #[error("{partition} differs, and is {what}")]
    NeedsAllow {
        /// The partition.
        partition: MtdName,
        /// What it is.
        what: &'static str,
    },
    /// Parts of both banks of the firmware would be written.
    #[error("{one} and {other} belong to different banks of the firmware")]
    BothBanks {
        /// Of the first bank.
        one: MtdName,
        /// Of the second.
        other: MtdName,
    },
    /// Somebody else works on it.
    #[error("{partition} is in use: {by}{how}")]
    InUse {
        /// The partition.
        partition: MtdName,
        /// Which device, where it is another with a part of the same flash.
        by: String,
        /// How.
        how: String,
    },
    /// A partition that was asked for cannot be written.
    #[error("{partition} differs and cannot be written: {why}")]
    CannotWrite {
        /// The partition.
        partition: MtdName,
        /// Why.
        why: Obstacle,
    },
    /// Two partitions have a part of the same erase block.
    #[error("{one} and {other} have a part of the same erase block, and both differ")]
    Overlap {
        /// One of them.
        one: MtdName,
        /// The other.
        other: MtdName,
    },
    /// Of two partitions that lie in each other the backup has different bytes.
    #[error(
        "{other} lies in {one}, and the backup's images of them differ there, first at {offset_bytes:#x} of {other}"
    )]
    Disagree {
        /// The one that holds the other.
        one: MtdName,
        /// The other.
        other: MtdName,
        /// Where, in bytes of the other.
        offset_bytes: u64,
    },
    /// The backup has no image of it.
    #[error("the backup has no image of {partition}")]
    NotInBackup {
        /// The partition.
        partition: MtdName,
    },
    /// The backup itself doubts an image.
    #[error("the backup's image of {partition} is in doubt: {why}")]
    Doubtful {
        /// The partition.
        partition: MtdName,
        /// Why.
        why: String,
    },
    /// An earlier run stopped in an erase block that this one would not write.
    #[error("an earlier restore stopped in the erase block at {offset_bytes:#x} of mtd{mtd}")]
    InHandElsewhere {
        /// Where its old bytes are.
        file: String,
        /// N of mtdN.
        mtd: u32,
        /// Where it starts, in bytes of that device.
        offset_bytes: u64,
    },
    /// A kept erase block cannot be used.
    #[error("{file} in {folder} should hold an erase block's old bytes: {what}")]
    BadKept {
        /// The file.
        file: String,
        /// Its folder.
        folder: String,
        /// What is wrong with it.
        what: String,
    },
    /// The old bytes of an erase block that is only partly in the backup are lost.
    #[error(
        "{partition}: the erase block at {offset_bytes:#x} cannot be read, and the backup has only a part of it"
    )]
    LostPart {
        /// The partition.
        partition: MtdName,
        /// Where, in bytes of the device that is written.
        offset_bytes: u64,
    },
    /// No room for what is kept.
    #[error("not enough free space in {folder}: {} needed, {} free", size(*needed_bytes), size(*free_bytes))]
    NoSpace {
        /// The folder.
        folder: String,
        /// How much is needed.
        needed_bytes: u64,
        /// How much there is.
        free_bytes: u64,
    },
    /// The plan is not the one that was agreed to.
    #[error("this is not the plan {given}: it is {is}")]
    OtherPlan {
        /// The digest that was given.
        given: String,
        /// This plan's.
        is: String,
    },
    /// What was planned is no more what is there.
    #[error("{what} has changed since the plan was made")]
    Changed {
        /// The file, or the erase block.
        what: String,
    },
    /// The old bytes of an erase block could not be stored, or be removed afterwards.
    #[error("{operation} {file} in {folder}: {source}")]
    Journal {
        /// What was being done.
        operation: &'static str,
        /// The file.
        file: String,
        /// Its folder.
        folder: String,
        /// The system's answer.
        source: io::Error,
    },
    /// An erase block does not take what it should.
    #[error("{partition}, erase block at {offset_bytes:#x}: {what}; it {state}")]
    Block {
        /// The partition.
        partition: MtdName,
        /// Where it starts, in bytes of the device that is written.
        offset_bytes: u64,
        /// What went wrong.
        what: String,
        /// What it holds now, as a sentence's end.
        state: &'static str,
        /// Where its old bytes are; none where it was not touched.
        kept: Option<String>,
    },
    /// All was written, and the last reading says otherwise.
    #[error(
        "{partition} was written, and reads differently in the end, first at {offset_bytes:#x}"
    )]
    ReadsDifferently {
        /// The partition.
        partition: MtdName,
        /// Where, in bytes of the device that is written.
        offset_bytes: u64,
    },
}

impl RestoreError {
    /// What it means for the caller, where the flash was not changed.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Backup(error) => error.kind(),
            Self::Mtd(error) => match error.kind() {
                MtdErrorKind::BadSelection => ErrorKind::Usage,
                MtdErrorKind::Refused => ErrorKind::Refused,
                _ => ErrorKind::Io,
            },
            Self::NoSpace { .. }
            | Self::Journal { .. }
            | Self::Block { .. }
            | Self::ReadsDifferently { .. } => ErrorKind::Io,
            _ => ErrorKind::Refused,
        }
    }

    /// What to do next, as one line.
    pub(crate) fn help(&self) -> Option<String> {
        let text = match self {
            Self::Backup(error) => return error.help(),
            Self::Mtd(error) => return error.help(),
            Self::NotRight { folder, .. } => {
                return Some(format!(
                    "`mtdkeep verify {folder}` says all of it; use another copy"
                ));
            }
            Self::OtherLayout { .. } => {
                "use the backup of this device: with another layout, bytes would land elsewhere"
            }
            Self::OtherDevice { .. } => {
                "only if you are sure that the firmware fits: --other-device, which still keeps \
                 what belongs to this device alone"
            }
            Self::Stays { .. } => "choose the others with --partition",
            Self::NeedsAllow { partition, .. } => {
                return Some(format!(
                    "choose the others with --partition, or name it: --allow '{}'",
                    partition.name
                ));
            }
            Self::BothBanks { .. } => {
                "restore one bank, see that the device starts, then the other: choose with \
                 --partition"
            }
            Self::InUse { .. } => {
                "unmount it, end that process, or start the device from its other firmware"
            }
            Self::CannotWrite { .. } => "choose the others with --partition",
            Self::Overlap { .. } => "choose one of them with --partition, then the other",
            Self::Disagree { .. } => {
                "one of them changed while it was backed up: choose with --partition which is right"
            }
            Self::NotInBackup { .. } => "leave it away, or use a backup that has it",
            Self::Doubtful { .. } => "use another backup, or choose the others with --partition",
            Self::InHandElsewhere { file, .. } => {
                return Some(format!(
                    "run that restore again first, with the same options; its old bytes are in \
                     {file}"
                ));
            }
            Self::BadKept { .. } => {
                "if the backup has the whole erase block, remove the file and run again"
            }
            Self::LostPart { .. } => "nothing can be done here: its other bytes are nowhere",
            Self::NoSpace { .. } => "free some space, or name another folder with --journal",
            Self::OtherPlan { .. } => "look at it with --dry-run, and give its digest",
            Self::Changed { .. } => "let nothing else work on it, and run the same command again",
            Self::Journal { .. } => {
                "look at the medium of that folder, or name another one with --journal, and run \
                 the same command again"
            }
            Self::Block { kept: None, .. } => {
                "run the same command again; if it fails there again, the flash is protected or \
                 worn out"
            }
            Self::Block {
                kept: Some(kept), ..
            } => {
                return Some(format!(
                    "its old bytes are in {kept}; run the same command again; if it fails there \
                     again, the flash is worn out"
                ));
            }
            Self::ReadsDifferently { .. } => "run the same command again",
        };
        Some(text.into())
    }
}

/// An error, and whether the flash was changed.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(crate) struct Stopped {
    /// What stopped it.
    pub(crate) error: Box<RestoreError>,
    /// Whether the flash is neither as it was nor as it should be.
    pub(crate) changed: bool,
}

// Errors travel as one word: a larger one is moved about at each step of its way, which
// is code of the program for the device.
impl From<BackupError> for Box<RestoreError> {
    fn from(error: BackupError) -> Self {
        Self::new(RestoreError::Backup(error.into()))
    }
}

impl From<Box<BackupError>> for Box<RestoreError> {
    fn from(error: Box<BackupError>) -> Self {
        Self::new(RestoreError::Backup(error))
    }
}

impl From<MtdError> for Box<RestoreError> {
    fn from(error: MtdError) -> Self {
        Self::new(RestoreError::Mtd(error))
    }
}

impl From<Box<RestoreError>> for Stopped {
    fn from(error: Box<RestoreError>) -> Self {
        Self {
            error,
            changed: false,
        }
    }
}
