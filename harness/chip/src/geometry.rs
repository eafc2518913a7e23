//! Sizes and indices of a chip.

/// Size and erase-block size of a chip, both in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Size of the whole chip.
    pub size_bytes: u64,
    /// Size of one erase block; divides `size_bytes`.
    pub erase_block_bytes: u32,
}

impl Geometry {
    /// The 28F128J3: 16 MiB in 128 erase blocks of 128 KiB.
    pub const INTEL_28F128J3: Geometry = Geometry {
        size_bytes: 16 << 20,
        erase_block_bytes: 128 << 10,
    };

    /// How many erase blocks the chip has.
    pub fn erase_blocks(&self) -> u64 {
        self.size_bytes / u64::from(self.erase_block_bytes)
    }

    /// The erase block that holds an offset.
    pub fn block_of(&self, offset_bytes: u64) -> EraseBlock {
        EraseBlock(offset_bytes / u64::from(self.erase_block_bytes))
    }

    /// Where an erase block starts.
    pub fn start_of(&self, block: EraseBlock) -> u64 {
        block.0 * u64::from(self.erase_block_bytes)
    }
}

/// Index of an erase block within its chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EraseBlock(pub u64);
