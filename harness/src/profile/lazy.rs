//! Cells that are made when they are first looked at.
//!
//! Invariants: an erase block is made by [`Contents`] until something programs,
//! erases or loads part of it; from then on it lives in memory. Contents always
//! make the same bytes, so nobody can tell the difference, but for time and
//! memory: reading a chip of gigabytes keeps no more than a few erase blocks.

use crate::Errno;
use crate::chip::{ERASED, EraseBlock, Geometry, MemoryStorage, Storage, hash_of};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Makes the contents of a chip, erase block by erase block.
pub trait Contents: Send + Sync {
    /// Writes an erase block, every byte of it, always the same ones.
    fn fill(&self, block: EraseBlock, cells: &mut [u8]);
    /// Whether the erase block is known to be all FF without making it.
    fn is_erased(&self, block: EraseBlock) -> bool {
        let _ = block;
        false
    }
}

/// Memory for erase blocks that are read in parts: so much for all of them.
const CACHE_BYTES: usize = 2 << 20;

/// Cells that start as [`Contents`] make them; changes stay in memory.
pub struct LazyStorage {
    block_bytes: usize,
    contents: Arc<dyn Contents>,
    /// The erase blocks that are not as made any more, and their cells.
    changed: Arc<HashSet<u64>>,
    memory: MemoryStorage,
    /// The last erase blocks that were read in parts, the newest last.
    cache: Mutex<Vec<(u64, Box<[u8]>)>>,
}

impl LazyStorage {
    /// Cells as `contents` make them.
    pub fn new(geometry: Geometry, contents: Box<dyn Contents>) -> Self {
        Self {
            block_bytes: geometry.erase_block_bytes as usize,
            contents: contents.into(),
            changed: Arc::default(),
            memory: MemoryStorage::new(geometry),
            cache: Mutex::default(),
        }
    }

    /// Reads part of one erase block.
    fn read_block(&self, block: u64, start: usize, buf: &mut [u8]) -> Result<(), Errno> {
        if self.changed.contains(&block) {
            let offset_bytes = block * self.block_bytes as u64 + start as u64;
            return self.memory.read(offset_bytes, buf);
        }
        if self.contents.is_erased(EraseBlock(block)) {
            buf.fill(0xff);
        } else if buf.len() == self.block_bytes {
            self.contents.fill(EraseBlock(block), buf);
        } else {
            self.with_cached(block, |cells| {
                buf.copy_from_slice(&cells[start..start + buf.len()]);
            });
        }
        Ok(())
    }

    fn with_cached(&self, block: u64, look: impl FnOnce(&[u8])) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = cache.iter().position(|(cached, _)| *cached == block) {
            let newest = cache.len() - 1;
            if at != newest {
                let entry = cache.remove(at);
                cache.push(entry);
            }
            return look(&cache[newest].1);
        }
        let room = (CACHE_BYTES / self.block_bytes).clamp(1, 16);
        let mut cells = match cache.len() >= room {
            true => cache.remove(0).1,
            false => vec![0; self.block_bytes].into_boxed_slice(),
        };
        self.contents.fill(EraseBlock(block), &mut cells);
        look(&cells);
        cache.push((block, cells));
    }

    /// Moves the erase blocks of a range into memory, before they change. Those that
    /// the change replaces as a whole, whatever they held, need not be made for it.
    fn take(&mut self, offset_bytes: u64, length_bytes: u64, replaces: bool) -> Result<(), Errno> {
        let block_bytes = self.block_bytes as u64;
        let end = offset_bytes + length_bytes;
        for block in offset_bytes / block_bytes..end.div_ceil(block_bytes) {
            if self.changed.contains(&block) {
                continue;
            }
            Arc::make_mut(&mut self.changed).insert(block);
            let cache = self.cache.get_mut().unwrap_or_else(PoisonError::into_inner);
            cache.retain(|(cached, _)| *cached != block);
            let start = block * block_bytes;
            let whole = offset_bytes <= start && start + block_bytes <= end;
            if !(replaces && whole || self.contents.is_erased(EraseBlock(block))) {
                let mut cells = vec![0; self.block_bytes];
                self.contents.fill(EraseBlock(block), &mut cells);
                self.memory.load(start, &cells)?;
            }
        }
        Ok(())
    }
}

impl Storage for LazyStorage {
    fn geometry(&self) -> Geometry {
        self.memory.geometry()
    }

    fn read(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), Errno> {
        let mut block = offset_bytes / self.block_bytes as u64;
        let mut start = (offset_bytes % self.block_bytes as u64) as usize;
        let mut rest = buf;
        while !rest.is_empty() {
            let length = rest.len().min(self.block_bytes - start);
            let (piece, after) = rest.split_at_mut(length);
            self.read_block(block, start, piece)?;
            (block, start, rest) = (block + 1, 0, after);
        }
        Ok(())
    }

    fn program(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        self.take(offset_bytes, data.len() as u64, false)?;
        self.memory.program(offset_bytes, data)
    }

    fn erase(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<(), Errno> {
        self.take(offset_bytes, length_bytes, true)?;
        self.memory.erase(offset_bytes, length_bytes)
    }

    fn load(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        self.take(offset_bytes, data.len() as u64, true)?;
        self.memory.load(offset_bytes, data)
    }

    fn fork(&self) -> Result<Box<dyn Storage>, Errno> {
        Ok(Box::new(Self {
            block_bytes: self.block_bytes,
            contents: Arc::clone(&self.contents),
            changed: Arc::clone(&self.changed),
            memory: self.memory.clone(),
            cache: Mutex::default(),
        }))
    }

    fn identity(&self, block: EraseBlock) -> Option<usize> {
        match self.changed.contains(&block.0) {
            true => self.memory.identity(block),
            false => Some(Arc::as_ptr(&self.contents).cast::<u8>() as usize),
        }
    }

    fn hash(&self, block: EraseBlock) -> Result<u128, Errno> {
        if self.changed.contains(&block.0) {
            return self.memory.hash(block);
        }
        if self.contents.is_erased(block) {
            return Ok(ERASED);
        }
        let mut cells = vec![0; self.block_bytes];
        self.contents.fill(block, &mut cells);
        Ok(hash_of(&cells))
    }
}
