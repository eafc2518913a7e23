//! MTD devices and their nodes, as data.

use crate::chip::EraseRegion;

/// Major number of MTD's character nodes.
pub const MTD_CHAR_MAJOR: u32 = 90;
/// Major number of MTD's block nodes.
pub const MTD_BLOCK_MAJOR: u32 = 31;

/// A device node's identity, wherever in the file system it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeId {
    /// A character node: major 90, minor 2N for mtdN, 2N+1 for mtdNro.
    Character {
        /// Device driver number.
        major: u32,
        /// Device number within the driver.
        minor: u32,
    },
    /// A block node: major 31, minor N for mtdblockN.
    Block {
        /// Device driver number.
        major: u32,
        /// Device number within the driver.
        minor: u32,
    },
}

impl NodeId {
    /// The node of mtdN. Numbers past what Linux has nodes for (2^19 - 1) give one
    /// that no device has.
    pub fn mtd(index: u32) -> Self {
        Self::Character {
            major: MTD_CHAR_MAJOR,
            minor: index.saturating_mul(2),
        }
    }
    /// The node of mtdNro, the read-only twin.
    pub fn mtd_read_only(index: u32) -> Self {
        Self::Character {
            major: MTD_CHAR_MAJOR,
            minor: index.saturating_mul(2).saturating_add(1),
        }
    }
    /// The node of mtdblockN.
    pub fn mtdblock(index: u32) -> Self {
        Self::Block {
            major: MTD_BLOCK_MAJOR,
            minor: index,
        }
    }
}

/// What ECC came to in all reads so far (`struct mtd_ecc_stats`, its first half).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct EccStats {
    /// Reads with bits that were corrected.
    pub corrected: u32,
    /// Reads with bits that could not be.
    pub failed: u32,
}

/// One registered MTD device: what `/proc/mtd` and MEMGETINFO tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MtdDevice {
    /// N of mtdN.
    pub index: u32,
    /// The partition's name.
    pub name: String,
    /// Index of its chip.
    pub chip: usize,
    /// The MTD device that it is a part of, where that is not the chip itself.
    pub parent: Option<u32>,
    /// Where it starts on its chip.
    pub offset_bytes: u64,
    /// Where it starts in its parent, or on its chip where it has none: what sysfs
    /// tells.
    pub offset_in_parent_bytes: u64,
    /// Its size after Linux cut it to the chip.
    pub size_bytes: u64,
    /// Its erase-block size; the largest that it has something of, where a chip has
    /// several.
    pub erase_block_bytes: u32,
    /// The erase regions that MEMGETREGIONINFO tells of: those of a chip that is a device
    /// itself. Linux gives a partition none.
    pub erase_regions: Vec<EraseRegion>,
    /// False where Linux forces the partition read-only.
    pub writeable: bool,
    /// What ECC came to in reads of it, and of what is a part of it.
    pub ecc: EccStats,
}
