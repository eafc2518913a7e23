//! Where a chip's cells live.

use crate::{EraseBlock, Errno, Geometry};
use twox_hash::XxHash3_128;

/// Where the cells live. Offsets are in bytes from the chip's start. The chip checks
/// ranges before it calls, and hands on what a call answers. An implementation can be
/// put through [`check_storage`](crate::check_storage).
pub trait Storage: Send + Sync {
    /// The chip that it has the cells of: its size and its erase blocks.
    fn geometry(&self) -> Geometry;
    /// Copies cells into `buf`, all of it.
    ///
    /// # Errors
    /// Cells that cannot be read; `buf` may hold anything then.
    fn read(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), Errno>;
    /// Clears bits: every cell becomes old AND new.
    ///
    /// # Errors
    /// Cells that cannot be changed.
    fn program(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno>;
    /// Sets cells to 0xFF.
    ///
    /// # Errors
    /// As [`Storage::program`].
    fn erase(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<(), Errno>;
    /// Replaces cells whatever they held, as a factory programmer does.
    ///
    /// # Errors
    /// As [`Storage::program`].
    fn load(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno>;

    /// The same cells once more, independent of these from now on. Those of this
    /// crate share what neither has changed; a storage without such means can
    /// answer [`MemoryStorage::copy_of`](crate::MemoryStorage::copy_of).
    ///
    /// # Errors
    /// Cells that cannot be read.
    fn fork(&self) -> Result<Box<dyn Storage>, Errno>;

    /// Where the cells of an erase block stand, if that is known: two storages that
    /// answer the same have the same cells there. None: compare them.
    fn identity(&self, block: EraseBlock) -> Option<usize> {
        let _ = block;
        None
    }

    /// A hash of an erase block's cells; [`ERASED`] for all 0xFF. Two storages with
    /// the same cells answer the same.
    ///
    /// # Errors
    /// Cells that cannot be read.
    fn hash(&self, block: EraseBlock) -> Result<u128, Errno> {
        let geometry = self.geometry();
        let mut cells = vec![0; geometry.erase_block_bytes as usize];
        self.read(geometry.start_of(block), &mut cells)?;
        Ok(hash_of(&cells))
    }
}

/// The hash of an erased erase block.
pub const ERASED: u128 = 0;

/// The hash that [`Storage::hash`] is to answer for these cells: XXH3, 128 bits.
pub fn hash_of(cells: &[u8]) -> u128 {
    match is_erased(cells) {
        true => ERASED,
        false => XxHash3_128::oneshot(cells),
    }
}

/// Whether all bytes are 0xFF; looks no further than the first that is not.
pub(crate) fn is_erased(data: &[u8]) -> bool {
    data.chunks(64)
        .all(|chunk| chunk.iter().all(|byte| *byte == 0xff))
}

/// A chip asks for cells by its own geometry, so that a storage of another one would
/// answer with wrong cells or none.
pub(crate) fn check_geometry(geometry: Geometry, storage: &dyn Storage) {
    let found = storage.geometry();
    assert!(
        found == geometry,
        "a storage of {} bytes in erase blocks of {} does not fit a chip of {} bytes in erase \
         blocks of {}",
        found.size_bytes,
        found.erase_block_bytes,
        geometry.size_bytes,
        geometry.erase_block_bytes
    );
}
