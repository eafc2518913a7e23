//! MTD devices as discovery tells of them.
//!
//! Invariants: an offset always comes with its source; a number always has a
//! minor that Linux can have (`MtdIndex::MAX`).

use crate::printable::printable;
use std::fmt;
use std::time::Duration;

/// Major number of MTD's character nodes (Linux 6.1, include/uapi/linux/major.h).
pub(crate) const MTD_CHAR_MAJOR: u32 = 90;
/// Major number of MTD's block nodes (the same file).
pub(crate) const MTD_BLOCK_MAJOR: u32 = 31;

/// All sizes together; `u64::MAX` where they are more, which no flash is.
pub(crate) fn total_bytes(sizes_bytes: impl Iterator<Item = u64>) -> u64 {
    sizes_bytes.fold(0, u64::saturating_add)
}

/// N of mtdN: the number in `/proc/mtd`, from 0; its character node has the major number
/// 90 and the minor 2N (Linux, Documentation/admin-guide/devices.txt).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MtdIndex(pub u32);

impl MtdIndex {
    /// The last number whose character node Linux can have: minors are 20 bits
    /// wide (Linux 6.1, include/linux/kdev_t.h), and mtdN takes 2N and 2N+1.
    pub(crate) const MAX: Self = Self((1 << 19) - 1);

    /// Minor number of the character node /dev/mtdN.
    pub(crate) fn char_minor(self) -> u32 {
        self.0.saturating_mul(2)
    }

    /// Minor number of the block node /dev/mtdblockN.
    pub(crate) fn block_minor(self) -> u32 {
        self.0
    }
}

impl fmt::Display for MtdIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mtd{}", self.0)
    }
}

/// A device by number and name, as messages call it: `mtd3 (rootfs)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MtdName {
    /// Its number.
    pub(crate) index: MtdIndex,
    /// Its name; may be empty.
    pub(crate) name: String,
}

impl fmt::Display for MtdName {
    /// The name comes from a file: what a terminal would obey is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.index)?;
        if self.name.is_empty() {
            return Ok(());
        }
        f.write_str(" (")?;
        f.write_str(&printable(&self.name))?;
        f.write_str(")")
    }
}

/// Whether a node of an MTD device can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeState {
    /// The node is there.
    Present,
    /// No node; backing up needs one made (character, major 90, minor 2N).
    Missing,
    /// Something is there that is not this device's node; says what: `block node 31:0`.
    Wrong(String),
}

/// Who says where a partition starts, how large it is, or what may be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FactSource {
    /// The kernel, in `/sys/class/mtd/mtdN/offset` (Linux 4.1 and later,
    /// Documentation/ABI/testing/sysfs-class-mtd).
    Sysfs,
    /// The simulated chip's layout.
    Simulation,
    /// This program knows the layout: it is the Clear iSpot's, exactly.
    Known,
    /// `mtdparts=` of a kernel's command line.
    CommandLine,
    /// A kernel's messages while it started.
    BootLog,
    /// The device tree that a kernel was given.
    DeviceTree,
    /// A partition table on the flash itself, such as RedBoot's FIS directory.
    FlashTable,
    /// The boot loader's own list.
    BootLoader,
    /// Whoever wrote the layout that was given.
    User,
    /// The kernel, in `/proc/mtd`.
    ProcMtd,
    /// The device itself, when it was opened and asked.
    Device,
    /// Nobody: inferred as the running sum of the sizes before it. Done only
    /// where the sizes look like one fully partitioned chip.
    Sum,
}

impl FactSource {
    /// All of them.
    #[cfg(feature = "full")]
    pub(crate) const ALL: [Self; 12] = [
        Self::Sysfs,
        Self::Simulation,
        Self::Known,
        Self::CommandLine,
        Self::BootLog,
        Self::DeviceTree,
        Self::FlashTable,
        Self::BootLoader,
        Self::User,
        Self::ProcMtd,
        Self::Device,
        Self::Sum,
    ];

    /// The source that is called so.
    #[cfg(feature = "full")]
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|source| source.to_string() == word)
    }

    /// Whether the offset is our conclusion and not somebody's word.
    pub(crate) fn is_inferred(self) -> bool {
        self == Self::Sum
    }
}

impl fmt::Display for FactSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sysfs => "sysfs",
            Self::Simulation => "simulation",
            Self::Known => "known layout",
            Self::CommandLine => "command line",
            Self::BootLog => "boot log",
            Self::DeviceTree => "device tree",
            Self::FlashTable => "partition table on flash",
            Self::BootLoader => "boot loader",
            Self::User => "user",
            Self::ProcMtd => "/proc/mtd",
            Self::Device => "device",
            Self::Sum => "sum of sizes",
        })
    }
}

/// Where a partition starts on its chip, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartitionOffset {
    /// Bytes from the start of the chip.
    pub bytes: u64,
    /// Who says so.
    pub source: FactSource,
}

/// How long a chip takes to be written, by its data sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChipTiming {
    /// Erasing one erase block.
    pub(crate) erase: Duration,
    /// Programming 1024 bytes.
    pub(crate) program_kib: Duration,
}

/// What discovery tells of one MTD device.
///
/// ```
/// use mtdkeep::mtd::{MtdIndex, MtdInfo};
///
/// let rootfs = MtdInfo::new(MtdIndex(3), "rootfs", 6 << 20, 128 << 10);
/// assert_eq!(rootfs.id().to_string(), "mtd3 (rootfs)");
/// assert_eq!(rootfs.offset_bytes(), None); // nobody has told
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MtdInfo {
    /// Its number.
    pub index: MtdIndex,
    /// Its name; may hold blanks, quotes, or be empty; need not be unique.
    pub name: String,
    /// Its size in bytes; may be 0 (a partition past the chip's end).
    pub size_bytes: u64,
    /// Who says that.
    pub(crate) size_source: FactSource,
    /// The size of its erase blocks in bytes, of the largest where there are several; 0
    /// where the device has none (MTD_NO_ERASE: RAM, ROM).
    pub erase_block_bytes: u64,
    /// Who says that, unless it was assumed.
    pub(crate) erase_block_source: FactSource,
    /// Nobody told that erase-block size: a simulation had to have one.
    pub(crate) erase_block_assumed: bool,
    /// Where it starts on its chip, where that is known.
    pub offset: Option<PartitionOffset>,
    /// What others say of its place or size, where that is something else: facts that
    /// cannot all be true, in words such as `0x300000 by the command line`.
    pub(crate) contradictions: Vec<String>,
    /// A number that all devices of one chip have and no others, where somebody
    /// tells which chip it is on.
    pub(crate) chip: Option<u32>,
    /// How large its chip is in bytes, where somebody tells that.
    pub(crate) chip_bytes: Option<u64>,
    /// The partition that it is a part of, where somebody tells that.
    pub(crate) parent: Option<MtdIndex>,
    /// Whether the kernel lets it be written (MTD_WRITEABLE), where that is known.
    pub writeable: Option<bool>,
    /// Who says that.
    pub(crate) writeable_source: Option<FactSource>,
    /// Whether single bits of it can be programmed, as on NOR, where that is known;
    /// NAND is programmed in pages, each once.
    pub(crate) bit_writeable: Option<bool>,
    /// How long its chip takes, where that is known.
    pub(crate) timing: Option<ChipTiming>,
    /// Its character node, `/dev/mtdN`: flash is read and written through it.
    pub node: NodeState,
    /// Its block node, `/dev/mtdblockN`; none is needed for a backup.
    pub block_node: NodeState,
}

impl MtdInfo {
    /// A device with what `/proc/mtd` tells (both sizes in bytes) and both nodes in place;
    /// offset and permission to write unknown.
    pub fn new(
        index: MtdIndex,
        name: impl Into<String>,
        size_bytes: u64,
        erase_block_bytes: u64,
    ) -> Self {
        Self {
            index,
            name: name.into(),
            size_bytes,
            size_source: FactSource::ProcMtd,
            erase_block_bytes,
            erase_block_source: FactSource::ProcMtd,
            erase_block_assumed: false,
            offset: None,
            contradictions: Vec::new(),
            chip: None,
            chip_bytes: None,
            parent: None,
            writeable: None,
            writeable_source: None,
            bit_writeable: None,
            timing: None,
            node: NodeState::Present,
            block_node: NodeState::Present,
        }
    }

    /// Number and name, for messages.
    pub fn id(&self) -> MtdName {
        MtdName {
            index: self.index,
            name: self.name.clone(),
        }
    }

    /// Where it starts on its chip in bytes, where that is told or inferred.
    pub fn offset_bytes(&self) -> Option<u64> {
        self.offset.map(|offset| offset.bytes)
    }

    /// Where it starts on its chip in bytes, where that is certain: somebody tells it,
    /// and nobody denies it.
    pub(crate) fn certain_offset_bytes(&self) -> Option<u64> {
        self.offset
            .filter(|offset| !offset.source.is_inferred() && self.contradictions.is_empty())
            .map(|offset| offset.bytes)
    }

    /// Offset and length in bytes, inside this partition, of the erase block
    /// that holds `offset_bytes`. Erase blocks are counted from the chip's start
    /// where the offset is known, else from the partition's; they are cut to the
    /// partition. The whole partition where it has no erase blocks.
    pub(crate) fn erase_block_around(&self, offset_bytes: u64) -> (u64, u64) {
        if self.erase_block_bytes == 0 || offset_bytes >= self.size_bytes {
            return (0, self.size_bytes);
        }
        let block_bytes = self.erase_block_bytes;
        let base = self.offset_bytes().unwrap_or(0) % block_bytes;
        let phase = offset_bytes % block_bytes;
        // (phase + base) % block_bytes, without a sum that could overflow.
        let in_block = if phase >= block_bytes - base {
            phase - (block_bytes - base)
        } else {
            phase + base
        };
        let start = offset_bytes.saturating_sub(in_block);
        let end = offset_bytes
            .saturating_add(block_bytes - in_block)
            .min(self.size_bytes);
        (start, end - start)
    }
}
