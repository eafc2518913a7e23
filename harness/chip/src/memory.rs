//! Cells in memory, sparse: an erased erase block takes no memory.
//!
//! Invariants: an absent erase block reads as 0xFF; a held one has the full
//! size, and is copied before it changes if a fork holds it too. Nothing here fails:
//! the chip has checked the range before.

use super::table::SparseTable;
use crate::storage::{ERASED, hash_of, is_erased};
use crate::{EraseBlock, Errno, Geometry, Storage};
use std::sync::{Arc, OnceLock};

/// Buffers of erased blocks kept for the next program, so that erase-and-program
/// loops do not go back to the system for memory each time.
const SPARES: usize = 4;

/// The cells of one erase block, which several chips may hold.
#[derive(Clone, Default)]
pub(crate) struct Cells {
    bytes: Box<[u8]>,
    hash: OnceLock<u128>,
}

impl Cells {
    pub(crate) fn new(bytes: Box<[u8]>) -> Arc<Self> {
        Arc::new(Self {
            bytes,
            hash: OnceLock::new(),
        })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// To be changed: copied first if somebody else holds them.
    pub(crate) fn bytes_mut(cells: &mut Arc<Self>) -> &mut [u8] {
        let cells = Arc::make_mut(cells);
        cells.hash.take();
        &mut cells.bytes
    }

    pub(crate) fn hash(&self) -> u128 {
        *self.hash.get_or_init(|| hash_of(&self.bytes))
    }

    /// See [`Storage::identity`].
    pub(crate) fn identity(cells: &Arc<Self>) -> usize {
        Arc::as_ptr(cells) as usize
    }
}

/// Cells in memory; gigabytes are fine as long as most of them are erased. Clones
/// share the erase blocks that neither has changed.
pub struct MemoryStorage {
    geometry: Geometry,
    block_bytes: usize,
    blocks: SparseTable<Option<Arc<Cells>>>,
    spares: Vec<Arc<Cells>>,
}

impl Clone for MemoryStorage {
    fn clone(&self) -> Self {
        Self {
            blocks: self.blocks.clone(),
            spares: Vec::new(),
            ..*self
        }
    }
}

impl MemoryStorage {
    /// All cells erased.
    pub fn new(geometry: Geometry) -> Self {
        Self {
            geometry,
            block_bytes: geometry.erase_block_bytes as usize,
            blocks: SparseTable::new(),
            spares: Vec::new(),
        }
    }

    /// A copy of another storage's cells.
    ///
    /// # Errors
    /// Cells that cannot be read.
    pub fn copy_of(storage: &dyn Storage) -> Result<Self, Errno> {
        let geometry = storage.geometry();
        let mut copy = Self::new(geometry);
        let mut cells = vec![0; geometry.erase_block_bytes as usize];
        for block in 0..geometry.erase_blocks() {
            let start = geometry.start_of(EraseBlock(block));
            storage.read(start, &mut cells)?;
            copy.load(start, &cells)?;
        }
        Ok(copy)
    }

    /// Bytes of memory that the cells take now, those included that a fork holds
    /// as well.
    pub fn held_bytes(&self) -> u64 {
        let held = self.blocks.iter().filter(|(_, block)| block.is_some());
        held.count() as u64 * self.block_bytes as u64
    }

    /// An absent block made present, with every cell erased.
    fn held(&mut self, block: u64) -> &mut [u8] {
        let entry = self.blocks.entry(block);
        let cells = entry.get_or_insert_with(|| match self.spares.pop() {
            Some(mut spare) => {
                Cells::bytes_mut(&mut spare).fill(0xff);
                spare
            }
            None => Cells::new(vec![0xff; self.block_bytes].into_boxed_slice()),
        });
        Cells::bytes_mut(cells)
    }

    /// A block that gets all its cells at once.
    fn hold_all(&mut self, block: u64, data: &[u8]) {
        let cells = match self.spares.pop() {
            Some(mut spare) => {
                Cells::bytes_mut(&mut spare).copy_from_slice(data);
                spare
            }
            None => Cells::new(data.into()),
        };
        *self.blocks.entry(block) = Some(cells);
    }

    fn is_held(&self, block: u64) -> bool {
        self.blocks.get(block).is_some_and(Option::is_some)
    }

    fn drop_block(&mut self, block: u64) {
        if self.is_held(block) {
            let cells = self.blocks.entry(block).take();
            let mine = |cells: &mut Arc<Cells>| Arc::get_mut(cells).is_some();
            if self.spares.len() < SPARES {
                self.spares
                    .extend(cells.and_then(|mut cells| mine(&mut cells).then_some(cells)));
            }
        }
    }
}

impl Storage for MemoryStorage {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), Errno> {
        for piece in pieces(self.block_bytes, offset_bytes, buf.len()) {
            let out = &mut buf[piece.done..piece.done + piece.length];
            match self.blocks.get(piece.block) {
                Some(Some(cells)) => {
                    let cells = &cells.bytes()[piece.start..piece.start + piece.length];
                    out.copy_from_slice(cells)
                }
                _ => out.fill(0xff),
            }
        }
        Ok(())
    }

    fn program(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        for piece in pieces(self.block_bytes, offset_bytes, data.len()) {
            let data = &data[piece.done..piece.done + piece.length];
            if self.is_held(piece.block) {
                let cells = self.held(piece.block);
                and_into(&mut cells[piece.start..piece.start + piece.length], data);
            } else if is_erased(data) {
                // Programming ones changes no cell: stay sparse.
            } else if piece.length == self.block_bytes {
                self.hold_all(piece.block, data);
            } else {
                let cells = self.held(piece.block);
                cells[piece.start..piece.start + piece.length].copy_from_slice(data);
            }
        }
        Ok(())
    }

    fn erase(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<(), Errno> {
        let block_bytes = self.block_bytes as u64;
        let end = offset_bytes + length_bytes;
        let mut at = offset_bytes;
        while at < end {
            let block = at / block_bytes;
            let start = (at % block_bytes) as usize;
            let length = (block_bytes - at % block_bytes).min(end - at) as usize;
            if length == self.block_bytes {
                self.drop_block(block);
            } else if self.is_held(block) {
                self.held(block)[start..start + length].fill(0xff);
            }
            at += length as u64;
        }
        Ok(())
    }

    fn load(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        for piece in pieces(self.block_bytes, offset_bytes, data.len()) {
            let data = &data[piece.done..piece.done + piece.length];
            if piece.length == self.block_bytes && is_erased(data) {
                self.drop_block(piece.block);
            } else if piece.length == self.block_bytes && !self.is_held(piece.block) {
                self.hold_all(piece.block, data);
            } else if self.is_held(piece.block) || !is_erased(data) {
                let cells = self.held(piece.block);
                cells[piece.start..piece.start + piece.length].copy_from_slice(data);
            }
        }
        Ok(())
    }

    fn fork(&self) -> Result<Box<dyn Storage>, Errno> {
        Ok(Box::new(self.clone()))
    }

    fn identity(&self, block: EraseBlock) -> Option<usize> {
        match self.blocks.get(block.0) {
            Some(Some(cells)) => Some(Cells::identity(cells)),
            _ => Some(0),
        }
    }

    fn hash(&self, block: EraseBlock) -> Result<u128, Errno> {
        match self.blocks.get(block.0) {
            Some(Some(cells)) => Ok(cells.hash()),
            _ => Ok(ERASED),
        }
    }
}

/// The part of a range that lies in one erase block.
pub(super) struct Piece {
    /// The erase block.
    pub block: u64,
    /// Where the part starts within it.
    pub start: usize,
    /// How long the part is.
    pub length: usize,
    /// How much of the range came before it.
    pub done: usize,
}

/// Cuts a range at erase-block boundaries.
pub(super) fn pieces(
    block_bytes: usize,
    offset_bytes: u64,
    length_bytes: usize,
) -> impl Iterator<Item = Piece> {
    let mut done = 0;
    // A division costs more than reading a few cells does.
    let shift = block_bytes
        .is_power_of_two()
        .then(|| block_bytes.trailing_zeros());
    std::iter::from_fn(move || {
        if done == length_bytes {
            return None;
        }
        let at = offset_bytes + done as u64;
        let (block, start) = match shift {
            Some(shift) => (at >> shift, at as usize & (block_bytes - 1)),
            None => (at / block_bytes as u64, (at % block_bytes as u64) as usize),
        };
        let piece = Piece {
            block,
            start,
            length: (block_bytes - start).min(length_bytes - done),
            done,
        };
        done += piece.length;
        Some(piece)
    })
}

/// Programming: each cell becomes old AND new.
pub(super) fn and_into(cells: &mut [u8], data: &[u8]) {
    for (cell, new) in cells.iter_mut().zip(data) {
        *cell &= *new;
    }
}
