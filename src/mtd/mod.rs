//! The traits that the real devices and the simulation share.
//!
//! Finding and opening ([`MtdBackend`]) is apart from one open device. Reading
//! ([`MtdRead`]) is the base; erase and program are separate capabilities
//! ([`MtdErase`], [`MtdProgram`]) behind a handle that only an explicit
//! [`WritePermit`] opens.

use std::fmt;

/// N of mtdN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MtdIndex(pub u32);

impl fmt::Display for MtdIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mtd{}", self.0)
    }
}

/// Whether the character node of an MTD device can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeState {
    /// The node is there.
    Present,
    /// No node; backing up needs one made (character, 90, 2N).
    Missing,
    /// Something is there that is not this device's node; says what.
    Wrong(String),
}

/// What discovery tells of one MTD device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MtdInfo {
    /// Its number.
    pub index: MtdIndex,
    /// Its name; may hold blanks.
    pub name: String,
    /// Its size.
    pub size_bytes: u64,
    /// Its erase-block size.
    pub erase_block_bytes: u64,
    /// Where it starts on its chip, where that is known.
    pub offset_bytes: Option<u64>,
    /// Whether the kernel lets it be written, where that is known.
    pub writeable: Option<bool>,
    /// Its character node.
    pub node: NodeState,
}

/// The caller's explicit word that flash may be erased and programmed. There is
/// no default and no conversion: a caller must name why.
#[derive(Debug)]
pub struct WritePermit {
    #[expect(dead_code)]
    reason: &'static str,
}

impl WritePermit {
    /// Allows writing, for a reason that error messages can quote.
    pub fn granted_because(reason: &'static str) -> Self {
        Self { reason }
    }
}

/// What went wrong at the MTD layer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MtdError {}

/// Finds and opens MTD devices.
pub trait MtdBackend {
    /// What this backend looks at, for messages and the manifest's `device`.
    fn description(&self) -> String;
    /// All MTD devices, in the order of their numbers.
    fn devices(&self) -> Result<Vec<MtdInfo>, MtdError>;
    /// Opens a device read-only.
    fn open(&self, device: &MtdInfo) -> Result<Box<dyn MtdRead>, MtdError>;
    /// Opens a device for erasing and programming.
    fn open_for_writing(
        &self,
        device: &MtdInfo,
        permit: &WritePermit,
    ) -> Result<Box<dyn MtdWrite>, MtdError>;
}

/// An open device that can be read.
pub trait MtdRead: Send {
    /// What it is.
    fn info(&self) -> &MtdInfo;
    /// Reads at an offset; 0 at the end; may be short, as read(2) may.
    fn read_at(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, MtdError>;
}

/// The capability to erase.
pub trait MtdErase: MtdRead {
    /// Erases whole erase blocks; offset and length lie on their boundaries.
    fn erase(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<(), MtdError>;
}

/// The capability to program: clear bits.
pub trait MtdProgram: MtdRead {
    /// Programs all of `data` at an offset, or says how far it came.
    fn program(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), MtdError>;
}

/// An open device that can be read, erased and programmed.
pub trait MtdWrite: MtdErase + MtdProgram {}
