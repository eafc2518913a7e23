//! What goes wrong at the MTD layer.
//!
//! Invariants: an error's text is whole (operation, device, hex offset, length
//! and the system's answer), so a program prints it alone, without the chain of
//! sources; what to do next is [`MtdError::help`]; what it means for the caller
//! is [`MtdError::kind`]. All that is known of each error beside its text is one row of
//! `table`.

mod table;

use super::info::MtdName;
use super::proc_mtd::ProcMtdError;
use rustix::io::Errno;
use std::fmt;
use std::path::PathBuf;

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Looking at a node or a file without opening it.
    Look,
    /// Opening.
    Open,
    /// Asking a device what it is (an ioctl or a seek to its end).
    Query,
    /// Reading.
    Read,
    /// Erasing.
    Erase,
    /// Programming.
    Program,
    /// Locking erase blocks.
    Lock,
    /// Unlocking erase blocks.
    Unlock,
    /// Making a node.
    MakeNode,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Look => "looking at",
            Self::Open => "opening",
            Self::Query => "asking",
            Self::Read => "reading",
            Self::Erase => "erasing",
            Self::Program => "programming",
            Self::Lock => "locking",
            Self::Unlock => "unlocking",
            Self::MakeNode => "making a node for",
        })
    }
}

/// Who contradicts `/proc/mtd` on a device's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SizeWitness {
    /// The ioctl MEMGETINFO; its size field has 32 bits (`struct mtd_info_user` in Linux
    /// 6.1, include/uapi/mtd/mtd-abi.h).
    MemGetInfo,
    /// The position of the device's end (lseek with SEEK_END).
    End,
    /// The length of the plain file that stands for the device.
    FileLength,
    /// `/sys/class/mtd/mtdN/size`.
    Sysfs,
}

impl fmt::Display for SizeWitness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MemGetInfo => "the device itself (MEMGETINFO)",
            Self::End => "the device itself (its end)",
            Self::FileLength => "the file that stands for it",
            Self::Sysfs => "sysfs",
        })
    }
}

/// What an error means for the caller, whatever its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MtdErrorKind {
    /// No MTD here: no `/proc/mtd`, or nothing in it.
    NoMtd,
    /// `/proc/mtd` is not what a kernel writes.
    BadTable,
    /// The caller asked for a partition that is not there, or not clearly.
    BadSelection,
    /// This device has no usable node; others may still be read.
    NodeMissing,
    /// Two sources disagree on what the device is.
    Disagreement,
    /// The system does not let this process do it.
    NotPermitted,
    /// Refused by this program before anything was touched.
    Refused,
    /// The way to a device that is somewhere else is gone: nothing is known of its flash.
    Unreachable,
    /// The system or the flash failed.
    Io,
}

/// What went wrong at the MTD layer. Its text is whole, to be printed alone: what was
/// done, to which device, where, and the system's answer.
///
/// ```
/// use mtdkeep::backend::LinuxBackend;
/// use mtdkeep::mtd::{MtdBackend, MtdErrorKind};
///
/// # let folder = tempfile::tempdir()?;
/// # let empty_folder = folder.path().to_owned();
/// let error = LinuxBackend::new(Some(empty_folder)).devices().unwrap_err();
/// assert_eq!(error.kind(), MtdErrorKind::NoMtd);
/// assert!(error.to_string().starts_with("no MTD here: "));
/// assert!(error.help().is_some()); // what to do next
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MtdError {
    /// There is no `/proc/mtd`.
    #[error("no MTD here: {} cannot be read: {source}", path.display())]
    NoMtd {
        /// Where the table was looked for.
        path: PathBuf,
        /// Whether the caller named another root.
        other_root: bool,
        /// The system's answer.
        source: Errno,
    },
    /// `/proc/mtd` is there and lists nothing.
    #[error("{} lists no MTD device", path.display())]
    NoDevices {
        /// The table.
        path: PathBuf,
    },
    /// `/proc/mtd` is not what a kernel writes.
    #[error("{}: {source}", path.display())]
    BadTable {
        /// The table.
        path: PathBuf,
        /// What is wrong with it, and where.
        source: ProcMtdError,
    },
    /// A file of discovery could not be read.
    #[error("{operation} {} failed: {source}", path.display())]
    File {
        /// What was being done.
        operation: Operation,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: Errno,
    },
    /// A system call on a device failed.
    #[error(
        "{operation} {device}{} failed: {source}{}",
        Place(*offset_bytes, *length_bytes),
        if *source == Errno::BADMSG { ": ECC could not correct it" } else { "" }
    )]
    Device {
        /// What was being done.
        operation: Operation,
        /// The device.
        device: MtdName,
        /// Where on the device, in bytes from its start.
        offset_bytes: Option<u64>,
        /// How much was asked for, in bytes.
        length_bytes: Option<u64>,
        /// The system's answer.
        source: Errno,
    },
    /// A device that is somewhere else does not answer.
    #[error("{from}: {why}")]
    Unreachable {
        /// The way to it.
        from: String,
        /// What happened.
        why: String,
        /// What to do next.
        help: String,
    },
    /// A device ended before its size: it changed since it was found.
    #[error("{device} ended at {offset_bytes:#x}; it should have {size_bytes:#x} bytes")]
    EndedEarly {
        /// The device.
        device: MtdName,
        /// Where nothing more came, in bytes from its start.
        offset_bytes: u64,
        /// Its size when it was opened, in bytes.
        size_bytes: u64,
    },
    /// A device goes on past its size: it changed since it was found.
    #[error("{device} goes on past {size_bytes:#x}, where it should end")]
    GoesOn {
        /// The device.
        device: MtdName,
        /// Its size when it was opened, in bytes.
        size_bytes: u64,
    },
    /// A private node was used and could not be removed.
    #[error("the private node folder {} could not be removed: {source}", path.display())]
    LeftBehind {
        /// The folder.
        path: PathBuf,
        /// The system's answer.
        source: Errno,
    },
    /// An erase or a program stopped on the way: flash has changed.
    #[error(
        "{operation} {device}{} stopped after {done_bytes:#x} bytes: {source}",
        Place(Some(*offset_bytes), Some(*length_bytes))
    )]
    Unfinished {
        /// What was being done.
        operation: Operation,
        /// The device.
        device: MtdName,
        /// Where it started, in bytes from the device's start.
        offset_bytes: u64,
        /// How much was asked for, in bytes.
        length_bytes: u64,
        /// How much of it is surely done, from the start, in bytes.
        done_bytes: u64,
        /// The system's answer.
        source: Errno,
    },
    /// Two sources disagree on a device's size.
    #[error("{device}: /proc/mtd says {table_bytes:#x} bytes, {witness} says {witness_bytes:#x}")]
    SizeDisagrees {
        /// The device.
        device: MtdName,
        /// Its size in the table, in bytes.
        table_bytes: u64,
        /// Who says otherwise.
        witness: SizeWitness,
        /// What that one says, in bytes; of MEMGETINFO the lower 32 bits.
        witness_bytes: u64,
    },
    /// Two sources disagree on a device's erase-block size.
    #[error(
        "{device}: /proc/mtd says erase blocks of {table_bytes:#x} bytes, {witness} says {witness_bytes:#x}"
    )]
    EraseBlockDisagrees {
        /// The device.
        device: MtdName,
        /// Its erase-block size in the table, in bytes.
        table_bytes: u64,
        /// Who says otherwise.
        witness: SizeWitness,
        /// What that one says, in bytes.
        witness_bytes: u64,
    },
    /// A device, or some of it, is not in a capture that another program made.
    #[error("{reason}")]
    NotCaptured {
        /// The device.
        device: MtdName,
        /// What is not there, and why, as far as known.
        reason: String,
    },
    /// A device has no node, and this process may not make one.
    #[error("{device} has no device node: {} is missing, and {why}", path.display())]
    NodeMissing {
        /// The device.
        device: MtdName,
        /// Where its node belongs.
        path: PathBuf,
        /// Why no private node was used instead.
        why: String,
        /// What to do about it.
        fix: String,
    },
    /// Where a device's node belongs there is something else.
    #[error("{} is not the node of {device}: it is {found}", path.display())]
    NodeWrong {
        /// The device.
        device: MtdName,
        /// Where its node belongs.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What to do about it.
        fix: String,
    },
    /// The node is right, but the system does not let this process open it.
    #[error("{operation} {device} ({}) is not permitted: {source}", path.display())]
    NotPermitted {
        /// What was being done.
        operation: Operation,
        /// The device.
        device: MtdName,
        /// The node.
        path: PathBuf,
        /// Whether the file system that holds the node allows no nodes (nodev).
        nodev: bool,
        /// The system's answer.
        source: Errno,
    },
    /// A device that must not be written was to be opened for writing.
    #[error("{device} is read-only; not opened for writing (asked because: {reason})")]
    ReadOnly {
        /// The device.
        device: MtdName,
        /// The permit's reason.
        reason: &'static str,
    },
    /// An erase or a program off the device or off its erase-block boundaries.
    #[error("{operation} {device}{} refused: {problem}", Place(Some(*offset_bytes), Some(*length_bytes)))]
    BadRange {
        /// What was asked for.
        operation: Operation,
        /// The device.
        device: MtdName,
        /// Where, in bytes from the device's start.
        offset_bytes: u64,
        /// How much, in bytes.
        length_bytes: u64,
        /// What is wrong with that.
        problem: &'static str,
    },
    /// No partition of that name or number.
    #[error("there is no partition {wanted:?}")]
    UnknownPartition {
        /// What was asked for.
        wanted: String,
        /// What there is.
        known: Vec<MtdName>,
    },
    /// Several partitions go by that name.
    #[error("{wanted:?} could be any of {}", List(candidates))]
    AmbiguousPartition {
        /// What was asked for.
        wanted: String,
        /// Who answers to it.
        candidates: Vec<MtdName>,
    },
    /// The same partition was asked for twice.
    #[error("{device} was asked for twice, as {first:?} and as {second:?}")]
    PartitionTwice {
        /// The partition.
        device: MtdName,
        /// How it was named first.
        first: String,
        /// How it was named then.
        second: String,
    },
}

/// ` at 0x…, N bytes`, as far as known.
struct Place(Option<u64>, Option<u64>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(offset_bytes) = self.0 {
            write!(f, " at {offset_bytes:#x}")?;
        }
        if let Some(length_bytes) = self.1 {
            write!(f, ", {length_bytes:#x} bytes,")?;
        }
        Ok(())
    }
}

/// `mtd0 (a), mtd1 (b)`.
struct List<'a>(&'a [MtdName]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, name) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{name}")?;
        }
        Ok(())
    }
}
