//! What the program knows of MTD: devices, the traits that real devices and the
//! simulation share, the errors, `/proc/mtd`, and words for what is odd.
//!
//! Finding and opening ([`MtdBackend`]) is apart from one open device. Reading
//! ([`MtdRead`]) is the base; erase and program are separate capabilities
//! ([`MtdErase`], [`MtdProgram`]) behind a handle that only an explicit
//! [`WritePermit`] opens.
//!
//! Invariants: offsets and sizes are 64-bit and in bytes; nothing here does I/O
//! of its own; nothing opens flash for writing without a permit.
//!
//! Faults tolerated: anything a `/proc/mtd` can hold (each bad table is an error
//! with its line, never a panic), partitions off an erase-block boundary, equal
//! names, missing nodes. Those are told (`oddity`), not refused.

pub(crate) mod claim;
mod error;
mod info;
pub(crate) mod mount;
pub(crate) mod mtdparts;
mod node;
mod oddity;
mod offsets;
mod permit;
mod proc_mtd;
mod select;
#[cfg(test)]
mod tests;

pub use error::{MtdError, MtdErrorKind, Operation, SizeWitness};
pub(crate) use info::total_bytes;
pub(crate) use info::{ChipTiming, MTD_BLOCK_MAJOR, MTD_CHAR_MAJOR};
pub use info::{FactSource, MtdIndex, MtdInfo, MtdName, NodeState, PartitionOffset};
pub(crate) use node::{Node, NodeKind, missing_nodes};
pub(crate) use oddity::oddities;
#[cfg(feature = "full")]
pub(crate) use offsets::ISPOT_TABLE;
pub(crate) use offsets::infer_offsets;
pub use permit::WritePermit;
#[cfg(feature = "full")]
pub(crate) use proc_mtd::parse_line as parse_proc_mtd_line;
pub use proc_mtd::{ProcMtdError, parse_proc_mtd};
/// The error numbers that Linux answers with.
pub use rustix::io::Errno;
pub(crate) use select::select;

/// Finds and opens MTD devices.
///
/// A backend of one's own is two methods and an [`MtdRead`]: `examples/own_backend.rs` of
/// the source backs up a dump of a whole chip in this way.
pub trait MtdBackend: Sync {
    /// What this backend looks at, for messages and the manifest's `device`.
    fn description(&self) -> String;
    /// All MTD devices, in the order of their numbers; never an empty list.
    ///
    /// # Errors
    /// [`MtdError::NoMtd`] where there is no `/proc/mtd`, [`MtdError::NoDevices`] where it
    /// lists nothing, [`MtdError::BadTable`] where no kernel wrote it, and
    /// [`MtdError::File`] where it, or what goes with it, cannot be read.
    fn devices(&self) -> Result<Vec<MtdInfo>, MtdError>;
    /// Opens a device read-only. `device` is one of [`MtdBackend::devices`].
    ///
    /// # Errors
    /// [`MtdError::NodeMissing`] where there is no node and none may be made,
    /// [`MtdError::NodeWrong`] where the node is not this device's,
    /// [`MtdError::NotPermitted`] where the system does not let this process open it, and
    /// [`MtdError::SizeDisagrees`] or [`MtdError::EraseBlockDisagrees`] where the device
    /// itself, once it is open, says something else than `device`.
    fn open(&self, device: &MtdInfo) -> Result<Box<dyn MtdRead>, MtdError>;
    /// Opens a device for erasing and programming.
    ///
    /// # Errors
    /// [`MtdError::ReadOnly`] for a device that may not be written, before anything is
    /// opened where discovery told that; else as [`MtdBackend::open`].
    fn open_for_writing(
        &self,
        device: &MtdInfo,
        permit: &WritePermit,
    ) -> Result<Box<dyn MtdWrite>, MtdError>;
    /// Who else works on these devices now, as far as that can be seen: what is
    /// mounted, attached or open in another process. Nobody, where nobody can be.
    fn in_use(&self, devices: &[MtdInfo]) -> Vec<InUse> {
        let _ = devices;
        Vec::new()
    }
}

/// Somebody who works on an MTD device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InUse {
    /// The device.
    pub index: MtdIndex,
    /// How, as a sentence's end: `mounted at /etc (jffs2)`.
    pub how: String,
}

/// An open device that can be read.
pub trait MtdRead: Send {
    /// What it is.
    fn info(&self) -> &MtdInfo;
    /// Reads at an offset, in bytes from the device's start, and gives how many bytes of
    /// `buf` it filled, from its start on: 0 at or past the device's end, and nowhere
    /// else; may be short, as read(2) may, also where the device ends.
    ///
    /// # Errors
    /// [`MtdError::Device`] with the system's answer. An interrupted call (EINTR) is an
    /// error like any other: the caller knows whether to stop or to repeat it. EBADMSG is
    /// what ECC could not correct, also where a character node hands such bytes out and
    /// only counts them (Linux 6.1, drivers/mtd/mtdchar.c). A read at or past the place
    /// where a device ends before its size is [`MtdError::EndedEarly`] with the offset
    /// that was asked for, so that what came before is the device's; one that still has
    /// bytes at its size is [`MtdError::GoesOn`] to a read there.
    fn read_at(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, MtdError>;
    /// What the device says, now and itself, that all its bytes digest to: a look at
    /// them that does not come over the wire. None where it cannot tell.
    ///
    /// # Errors
    /// [`MtdError::Unreachable`] where the device does not answer any more.
    fn own_digest(&mut self) -> Result<Option<OwnDigest>, MtdError> {
        Ok(None)
    }
    /// Whether an erase block of the range (bytes, from the device's start) is locked;
    /// none where nobody tells: kernels before 2.6.36 have no ioctl MEMISLOCKED, and many
    /// chips' drivers do not answer it.
    fn is_locked(&mut self, offset_bytes: u64, length_bytes: u64) -> Option<bool> {
        let _ = (offset_bytes, length_bytes);
        None
    }
}

/// A digest that a device made itself of all that it holds; lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnDigest {
    /// As old devices make it: it finds accidents.
    Md5(String),
    /// As newer ones do.
    Sha256(String),
}

/// The capability to erase.
pub trait MtdErase: MtdRead {
    /// Erases whole erase blocks to 0xFF. Offset (from the device's start) and length are
    /// in bytes, and multiples of [`MtdInfo::erase_block_bytes`].
    ///
    /// # Errors
    /// [`MtdError::BadRange`], with nothing erased, for a range off the device or off its
    /// erase-block boundaries, or a device that has none; [`MtdError::Unfinished`] says
    /// how many bytes from `offset_bytes` on are surely erased.
    fn erase(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<(), MtdError>;
}

/// The capability to program: clear bits.
pub trait MtdProgram: MtdRead {
    /// Programs all of `data` at an offset, in bytes from the device's start. Nothing is
    /// erased: on NOR a cell then holds old AND new.
    ///
    /// # Errors
    /// [`MtdError::BadRange`], with nothing programmed, for data that crosses the device's
    /// end; [`MtdError::Unfinished`] says how many bytes from `offset_bytes` on are
    /// surely programmed.
    fn program(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), MtdError>;
}

/// An open device that can be read, erased and programmed.
pub trait MtdWrite: MtdErase + MtdProgram {
    /// Locks the erase blocks of a range (bytes, from the device's start) against erasing
    /// and programming, or unlocks them. Some chips unlock all their erase blocks at once
    /// (28F128J3A data sheet, Clear Block Lock-Bits command).
    ///
    /// # Errors
    /// [`MtdError::Device`] with the system's answer: EOPNOTSUPP where the device has no
    /// locks, EOVERFLOW past the 32 bits of the ioctls MEMLOCK and MEMUNLOCK.
    fn set_locked(
        &mut self,
        offset_bytes: u64,
        length_bytes: u64,
        locked: bool,
    ) -> Result<(), MtdError> {
        let operation = if locked {
            Operation::Lock
        } else {
            Operation::Unlock
        };
        Err(MtdError::Device {
            operation,
            device: self.info().id(),
            offset_bytes: Some(offset_bytes),
            length_bytes: Some(length_bytes),
            source: Errno::OPNOTSUPP,
        })
    }
}
