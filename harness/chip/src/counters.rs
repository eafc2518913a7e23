//! What a chip has been asked to do, counted exactly.
//!
//! Invariant: only work that was carried out is counted as bytes and erases;
//! work that was refused or failed is counted in `failures` alone, apart from
//! the erase blocks that had been done before it.

use super::EraseBlock;
use super::table::SparseTable;

/// Exact counts since the chip was made or the counters were reset.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    pub(super) bytes_read: u64,
    pub(super) bytes_programmed: u64,
    pub(super) reads: u64,
    pub(super) programs: u64,
    pub(super) erases: u64,
    pub(super) lock_changes: u64,
    pub(super) failures: u64,
    pub(super) erases_per_block: SparseTable<u64>,
}

impl Counters {
    /// Bytes that reads returned.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }
    /// Bytes programmed, also where the bits were clear already.
    pub fn bytes_programmed(&self) -> u64 {
        self.bytes_programmed
    }
    /// Read operations that the chip was asked for and carried out.
    pub fn reads(&self) -> u64 {
        self.reads
    }
    /// Program operations; one that crosses into another erase block counts
    /// once per erase block.
    pub fn programs(&self) -> u64 {
        self.programs
    }
    /// Erases of an erase block, over the whole chip.
    pub fn erases(&self) -> u64 {
        self.erases
    }
    /// Lock bits set or cleared by command.
    pub fn lock_changes(&self) -> u64 {
        self.lock_changes
    }
    /// Operations that ended in an error: locked, out of range, or a fault.
    pub fn failures(&self) -> u64 {
        self.failures
    }
    /// How often one erase block was erased.
    pub fn erases_of(&self, block: EraseBlock) -> u64 {
        self.erases_per_block.get(block.0).copied().unwrap_or(0)
    }
    /// The erase blocks that were erased at least once, in order, and how often.
    pub fn erased_blocks(&self) -> impl Iterator<Item = (EraseBlock, u64)> + '_ {
        self.erases_per_block
            .iter()
            .filter(|(_, times)| **times != 0)
            .map(|(block, times)| (EraseBlock(block), *times))
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
