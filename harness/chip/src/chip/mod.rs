//! Cells, locks, counters, clock, faults and power, put together.

mod blocks;
mod changes;
mod inspect;
mod journal;
mod supply;
#[cfg(test)]
mod tests;
mod value;

pub use journal::Journal;

use crate::counters::Counters;
use crate::fault::{FaultPlan, SizeChange};
use crate::file::{FileStorage, ImageError};
use crate::locks::Locks;
use crate::memory::MemoryStorage;
use crate::power::{Power, Unstable};
use crate::regions::Regions;
use crate::storage::check_geometry;
use crate::timing::Timing;
use crate::watch::{Watcher, Watchers};
use crate::{EraseBlock, Errno, Geometry, Programming, Storage, UnlockScope};
use std::fmt;
use std::path::Path;
use std::sync::Weak;
use std::time::Duration;

/// A chip: storage, erase-block locks, counters, virtual clock, fault overlay.
///
/// ```
/// use mtd_chip::{Chip, EraseBlock, Errno, Geometry};
///
/// let mut chip = Chip::new(Geometry { size_bytes: 65536, erase_block_bytes: 4096 });
/// chip.program(0x1000, b"new")?;
/// // A clone is a fork: what neither changes is shared.
/// let before = chip.clone();
/// chip.erase(EraseBlock(1))?;
/// assert_eq!(chip.differences(&before)?.bytes, 3);
/// chip.restore(&before);
/// assert!(chip.differences(&before)?.is_empty());
/// assert_eq!(chip.counters().erases(), 0);
/// # Ok::<(), Errno>(())
/// ```
pub struct Chip {
    geometry: Geometry,
    regions: Regions,
    storage: Box<dyn Storage>,
    locks: Locks,
    counters: Counters,
    timing: Timing,
    elapsed: Duration,
    faults: Option<FaultPlan>,
    watchers: Watchers,
    programming: Programming,
    power: Power,
    unstable: Option<Unstable>,
    journal: Option<Box<Journal>>,
}

impl fmt::Debug for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chip")
            .field("geometry", &self.geometry)
            .field("counters", &self.counters)
            .field("elapsed", &self.elapsed)
            .field("faults", &self.faults)
            .field("power", &self.power)
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
    ///
    /// # Errors
    /// A file that cannot be opened, or that is not as long as the chip.
    ///
    /// # Panics
    /// As [`Chip::new`].
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
            regions: Regions::uniform(geometry),
            storage,
            locks: Locks::default(),
            counters: Counters::default(),
            timing: Timing::INTEL_28F128J3A,
            elapsed: Duration::ZERO,
            faults: None,
            watchers: Watchers::default(),
            programming: Programming::INTEL_28F128J3A,
            power: Power::default(),
            unstable: None,
            journal: None,
        }
    }

    /// Puts the cells somewhere else; `storage` holds the contents already.
    /// Locks, counters, clock and faults stay. Answers the old storage, whose contents
    /// may be all that there is of them.
    ///
    /// # Panics
    /// If the storage is of another geometry.
    #[must_use = "the old storage has the cells that the chip had"]
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

    /// Size and erase-block size; the largest where there are several
    /// ([`Chip::set_erase_regions`]).
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Reads from an offset, in bytes from the chip's start, and gives how many bytes of
    /// `buf` are filled: all, unless a fault shortens it. Counted and timed.
    ///
    /// # Errors
    /// EINVAL past the end of the chip, ENODEV without power, and what a fault asks for.
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
        self.power.check()?;
        self.storage.read(offset_bytes, buf)?;
        if let Some(unstable) = &mut self.unstable {
            let block_bytes = self.geometry.erase_block_bytes as usize;
            unstable.on_read(block_bytes, offset_bytes, buf);
        }
        match &mut self.faults {
            Some(faults) => Ok(faults.on_read(offset_bytes, buf)?.min(buf.len())),
            None => Ok(buf.len()),
        }
    }

    /// Programs (old AND new) from an offset on, in bytes from the chip's start; counted
    /// and timed.
    ///
    /// # Errors
    /// EROFS on a locked erase block, EINVAL past the end of the chip, ENODEV without
    /// power, what a fault asks for, and what [`Programming`] refuses: EINVAL off its
    /// units, EIO for one that is not erased. What lies in earlier erase blocks stays
    /// programmed when a later one refuses.
    pub fn program(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        let result = self.program_pieces(offset_bytes, data);
        self.counters.failures += u64::from(result.is_err());
        result
    }

    fn program_pieces(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        self.check_range(offset_bytes, data.len() as u64)?;
        self.power.check()?;
        let mut done = 0;
        while done < data.len() {
            let at = offset_bytes + done as u64;
            let block = self.regions.block_of(at);
            let left = (self.regions.range_of(block).end - at) as usize;
            let data = &data[done..(done + left).min(data.len())];
            let length = data.len() as u64;
            if self.locks.is_locked(block.0) {
                return Err(Errno::ROFS);
            }
            self.check_programming(at, data)?;
            let happens = match &mut self.faults {
                Some(faults) => faults.on_program(at, length)?,
                None => true,
            };
            if happens {
                self.program_cells(at, data)?;
            }
            self.counters.programs += 1;
            self.counters.bytes_programmed += length;
            self.elapsed += self.timing.program(at, length);
            done += data.len();
        }
        Ok(())
    }

    /// Erases one erase block to 0xFF; counted and timed.
    ///
    /// # Errors
    /// EROFS if it is locked, EINVAL past the end of the chip, ENODEV without power, and
    /// what a fault asks for.
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
        self.power.check()?;
        if self.locks.is_locked(block.0) {
            return Err(Errno::ROFS);
        }
        let range = self.regions.range_of(block);
        let (start, length) = (range.start, range.end - range.start);
        let happens = match &mut self.faults {
            Some(faults) => faults.on_erase(start, length)?,
            None => true,
        };
        match happens {
            true => self.erase_storage(block),
            false => Ok(()),
        }
    }

    /// Locks or unlocks one erase block, or all of them where
    /// [`Chip::set_unlock_scope`] says so; counted and timed.
    ///
    /// # Errors
    /// EINVAL past the end of the chip, ENODEV without power.
    pub fn set_locked(&mut self, block: EraseBlock, locked: bool) -> Result<(), Errno> {
        self.check_block(block)?;
        self.power.check()?;
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
        self.power_on();
        self.locks.set_all(locked);
    }

    /// Chooses what clearing a lock reaches; one erase block by default.
    pub fn set_unlock_scope(&mut self, scope: UnlockScope) {
        self.locks.scope = scope;
    }

    /// Puts a fault overlay in front of the cells, or takes it away.
    ///
    /// # Panics
    /// If there is one already and another is put: a test whose faults are gone tests
    /// nothing. Take the first away before, or join the two in one plan.
    pub fn set_faults(&mut self, faults: Option<FaultPlan>) {
        if let (Some(old), Some(new)) = (&self.faults, &faults) {
            panic!(
                "the chip has the faults `{old}`; take them away before you put `{new}`, or put \
                 both as one plan"
            );
        }
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
        match block.0 < self.regions.count() {
            true => Ok(()),
            false => Err(Errno::INVAL),
        }
    }
}
