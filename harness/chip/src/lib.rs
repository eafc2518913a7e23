//! The silicon: a NOR flash chip of the 28F128J3 kind.
//!
//! Programming clears bits (old AND new) at any byte; erasing sets a whole
//! erase block to 0xFF; each erase block has a lock. The chip counts what it is
//! asked to do and adds up how long that takes by a [`Timing`]; nothing sleeps.
//!
//! Invariants:
//! - Cells change through [`Chip::program`], [`Chip::erase`] and the test
//!   control [`Chip::load`] alone, never past a lock in the first two.
//! - Faults ([`fault`]) distort what a read returns or refuse an
//!   operation; they never change the pristine cells, which [`Chip::peek`]
//!   shows at any time.
//! - A range that runs past the end of the chip is EINVAL and does nothing.

mod contract;
mod counters;
mod errno;
pub mod fault;
mod file;
mod locks;
mod memory;
mod table;
#[cfg(test)]
mod tests;
mod timing;
mod watch;

pub use contract::check_storage;
pub use counters::Counters;
pub use errno::Errno;
pub use file::{FileStorage, ImageError};
pub use memory::MemoryStorage;
pub use timing::Timing;
pub use watch::Watcher;

use fault::{FaultPlan, SizeChange};
use locks::Locks;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Weak;
use std::time::Duration;
use watch::Watchers;

/// Size and erase-block size of a chip, both in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Where the cells live. The chip checks ranges before it calls. An
/// implementation can be put through [`check_storage`].
pub trait Storage: Send + Sync {
    /// The chip that it has the cells of: its size and its erase blocks.
    fn geometry(&self) -> Geometry;
    /// Copies cells into `buf`.
    fn read(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), Errno>;
    /// Clears bits: every cell becomes old AND new.
    fn program(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno>;
    /// Sets cells to 0xFF.
    fn erase(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<(), Errno>;
    /// Replaces cells whatever they held, as a factory programmer does.
    fn load(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno>;
}

/// A chip asks for cells by its own geometry, so that a storage of another one would
/// answer with wrong cells or none.
fn check_geometry(geometry: Geometry, storage: &dyn Storage) {
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

/// What the command that clears lock bits reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnlockScope {
    /// The erase block that was addressed, as on later chips.
    #[default]
    EraseBlock,
    /// Every erase block of the chip, as on the 28F128J3A.
    WholeChip,
}

/// A chip: storage, erase-block locks, counters, virtual clock, fault overlay.
pub struct Chip {
    geometry: Geometry,
    storage: Box<dyn Storage>,
    locks: Locks,
    counters: Counters,
    timing: Timing,
    elapsed: Duration,
    faults: Option<FaultPlan>,
    watchers: Watchers,
}

impl fmt::Debug for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chip")
            .field("geometry", &self.geometry)
            .field("counters", &self.counters)
            .field("elapsed", &self.elapsed)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

impl Chip {
    /// An erased chip with its cells in (sparse) memory, nothing locked.
    ///
    /// # Panics
    /// If the erase-block size is 0 or does not divide the size.
    pub fn new(geometry: Geometry) -> Self {
        Self::with_storage(geometry, Box::new(MemoryStorage::new(geometry)))
    }

    /// A chip whose cells start as an image file says. The file is only read;
    /// changes stay in memory until [`Chip::save_to`].
    pub fn from_image(geometry: Geometry, path: impl AsRef<Path>) -> Result<Self, ImageError> {
        let storage = FileStorage::open(geometry, path)?;
        Ok(Self::with_storage(geometry, Box::new(storage)))
    }

    /// A chip over the given storage.
    ///
    /// # Panics
    /// If the storage is of another geometry, or if the erase-block size is 0 or does
    /// not divide the size.
    pub fn with_storage(geometry: Geometry, storage: Box<dyn Storage>) -> Self {
        check_geometry(geometry, &*storage);
        let block_bytes = u64::from(geometry.erase_block_bytes);
        assert!(
            block_bytes != 0 && geometry.size_bytes % block_bytes == 0,
            "a chip of {} bytes has no whole number of erase blocks of {block_bytes} bytes",
            geometry.size_bytes
        );
        Self {
            geometry,
            storage,
            locks: Locks::default(),
            counters: Counters::default(),
            timing: Timing::INTEL_28F128J3A,
            elapsed: Duration::ZERO,
            faults: None,
            watchers: Watchers::default(),
        }
    }

    /// Puts the cells somewhere else; `storage` holds the contents already.
    /// Locks, counters, clock and faults stay. Answers the old storage.
    ///
    /// # Panics
    /// If the storage is of another geometry.
    pub fn replace_storage(&mut self, storage: Box<dyn Storage>) -> Box<dyn Storage> {
        check_geometry(self.geometry, &*storage);
        let old = std::mem::replace(&mut self.storage, storage);
        self.tell(0, self.geometry.size_bytes);
        old
    }

    /// Has somebody told of every change of the cells from now on.
    pub fn watch(&mut self, watcher: Weak<dyn Watcher>) {
        self.watchers.add(watcher);
    }

    fn tell(&self, offset_bytes: u64, length_bytes: u64) {
        let cells = &*self.storage;
        self.watchers.tell(cells, offset_bytes, length_bytes);
    }

    /// Size and erase-block size.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Reads; counted and timed; subject to faults, which may shorten it.
    /// EINVAL past the end of the chip.
    pub fn read(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        let result = self.read_cells(offset_bytes, buf);
        match result {
            Ok(length) => {
                self.counters.reads += 1;
                self.counters.bytes_read += length as u64;
                self.elapsed += self.timing.read(offset_bytes, length as u64);
            }
            Err(_) => self.counters.failures += 1,
        }
        result
    }

    fn read_cells(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        self.check_range(offset_bytes, buf.len() as u64)?;
        self.storage.read(offset_bytes, buf)?;
        match &mut self.faults {
            Some(faults) => Ok(faults.on_read(offset_bytes, buf)?.min(buf.len())),
            None => Ok(buf.len()),
        }
    }

    /// Programs (old AND new); counted and timed. EROFS on a locked erase
    /// block, EINVAL past the end of the chip. What lies in earlier erase
    /// blocks stays programmed when a later one refuses.
    pub fn program(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        let result = self.program_pieces(offset_bytes, data);
        self.counters.failures += u64::from(result.is_err());
        result
    }

    fn program_pieces(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        self.check_range(offset_bytes, data.len() as u64)?;
        let block_bytes = self.geometry.erase_block_bytes as usize;
        for piece in memory::pieces(block_bytes, offset_bytes, data.len()) {
            if self.locks.is_locked(piece.block) {
                return Err(Errno::ROFS);
            }
            let at = offset_bytes + piece.done as u64;
            let length = piece.length as u64;
            if let Some(faults) = &mut self.faults {
                faults.on_program(at, length)?;
            }
            let data = &data[piece.done..piece.done + piece.length];
            let programmed = self.storage.program(at, data);
            self.tell(at, length);
            programmed?;
            self.counters.programs += 1;
            self.counters.bytes_programmed += length;
            self.elapsed += self.timing.program(at, length);
        }
        Ok(())
    }

    /// Erases one erase block to 0xFF; counted and timed. EROFS if locked,
    /// EINVAL past the end of the chip.
    pub fn erase(&mut self, block: EraseBlock) -> Result<(), Errno> {
        let result = self.erase_cells(block);
        match result {
            Ok(()) => {
                self.counters.erases += 1;
                *self.counters.erases_per_block.entry(block.0) += 1;
                self.elapsed += self.timing.erase;
            }
            Err(_) => self.counters.failures += 1,
        }
        result
    }

    fn erase_cells(&mut self, block: EraseBlock) -> Result<(), Errno> {
        self.check_block(block)?;
        if self.locks.is_locked(block.0) {
            return Err(Errno::ROFS);
        }
        let start = self.geometry.start_of(block);
        let length = u64::from(self.geometry.erase_block_bytes);
        if let Some(faults) = &mut self.faults {
            faults.on_erase(start, length)?;
        }
        let erased = self.storage.erase(start, length);
        self.tell(start, length);
        erased
    }

    /// Locks or unlocks one erase block, or all of them where
    /// [`Chip::set_unlock_scope`] says so; counted and timed. EINVAL past the
    /// end of the chip.
    pub fn set_locked(&mut self, block: EraseBlock, locked: bool) -> Result<(), Errno> {
        self.check_block(block)?;
        self.locks.set(block.0, locked);
        self.counters.lock_changes += 1;
        self.elapsed += match locked {
            true => self.timing.set_lock,
            false => self.timing.clear_lock,
        };
        Ok(())
    }

    /// Whether an erase block is locked.
    pub fn is_locked(&self, block: EraseBlock) -> bool {
        self.locks.is_locked(block.0)
    }

    /// Test control: switches the power off and on, after which every erase
    /// block is locked or unlocked as `locked` says. Chips with lock bits in
    /// flash, such as the 28F128J3, come up as they went down; chips with
    /// volatile locks come up locked.
    pub fn power_up(&mut self, locked: bool) {
        self.locks.set_all(locked);
    }

    /// Chooses what clearing a lock reaches; one erase block by default.
    pub fn set_unlock_scope(&mut self, scope: UnlockScope) {
        self.locks.scope = scope;
    }

    /// Test control: puts contents in place, uncounted, whatever the cells held.
    pub fn load(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        self.check_range(offset_bytes, data.len() as u64)?;
        let loaded = self.storage.load(offset_bytes, data);
        self.tell(offset_bytes, data.len() as u64);
        loaded
    }

    /// Test control: looks at the pristine cells, uncounted, past any fault.
    pub fn peek(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), Errno> {
        self.check_range(offset_bytes, buf.len() as u64)?;
        self.storage.read(offset_bytes, buf)
    }

    /// Test control: the pristine cells of a range as [`Chip::peek`] shows
    /// them, handed on in pieces of at most one erase block.
    ///
    /// Answers EINVAL past the end of the chip before anything is handed on.
    pub fn peek_range<E: From<Errno>>(
        &self,
        offset_bytes: u64,
        length_bytes: u64,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.check_range(offset_bytes, length_bytes)?;
        let block_bytes = u64::from(self.geometry.erase_block_bytes);
        let mut buf = vec![0; block_bytes.min(length_bytes) as usize];
        let end = offset_bytes + length_bytes;
        let mut at = offset_bytes;
        while at < end {
            let length = (block_bytes - at % block_bytes).min(end - at) as usize;
            self.storage.read(at, &mut buf[..length])?;
            each(at, &buf[..length])?;
            at += length as u64;
        }
        Ok(())
    }

    /// Test control: writes the whole chip's pristine cells to `out`, uncounted.
    pub fn write_image(&self, out: &mut impl Write) -> io::Result<()> {
        self.peek_range(0, self.geometry.size_bytes, |_, cells| out.write_all(cells))
    }

    /// Test control: saves the whole chip as one new file; an existing file is
    /// refused with `AlreadyExists`, because it may be the image that the chip
    /// reads from.
    pub fn save_to(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut file = File::create_new(path)?;
        self.write_image(&mut file)?;
        file.sync_all()
    }

    /// Puts a fault overlay in front of the cells, or takes it away.
    pub fn set_faults(&mut self, faults: Option<FaultPlan>) {
        self.faults = faults;
    }

    /// The fault overlay, with what it has done so far.
    pub fn faults(&self) -> Option<&FaultPlan> {
        self.faults.as_ref()
    }

    /// The size changes that the fault overlay asks for and that are due; for
    /// whoever owns the MTD devices.
    pub fn take_size_changes(&mut self) -> Vec<SizeChange> {
        match &mut self.faults {
            Some(faults) => faults.take_size_changes(),
            None => Vec::new(),
        }
    }

    /// What the chip has done since it was made or the counters were reset.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Sets the counters and the virtual clock to zero.
    pub fn reset_counters(&mut self) {
        self.counters.clear();
        self.elapsed = Duration::ZERO;
    }

    /// The virtual clock: how long the chip was busy since the counters were
    /// reset, by its [`Timing`]. Not a measurement of anything.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// The per-operation times of the virtual clock.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Describes another chip to the virtual clock.
    pub fn set_timing(&mut self, timing: Timing) {
        self.timing = timing;
    }

    fn check_range(&self, offset_bytes: u64, length_bytes: u64) -> Result<(), Errno> {
        match offset_bytes.checked_add(length_bytes) {
            Some(end) if end <= self.geometry.size_bytes => Ok(()),
            _ => Err(Errno::INVAL),
        }
    }

    fn check_block(&self, block: EraseBlock) -> Result<(), Errno> {
        match block.0 < self.geometry.erase_blocks() {
            true => Ok(()),
            false => Err(Errno::INVAL),
        }
    }
}

// The example of README.md runs as a doc test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
