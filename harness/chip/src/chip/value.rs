//! Chips as values: copied, put back, compared.

use super::Chip;
use super::journal::Ambient;
use crate::difference::{Difference, Differences};
use crate::storage::ERASED;
use crate::watch::Watchers;
use crate::{EraseBlock, Errno, Storage};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A fork: the same cells, locks, counters, clock, settings, faults and power, independent
/// of the first from then on. What neither changes is shared, so that a fork of 16 MiB
/// takes microseconds. Nobody watches a fork, and it takes no notes.
///
/// # Panics
/// If a storage of the caller's own cannot be copied.
impl Clone for Chip {
    fn clone(&self) -> Self {
        let storage = self.storage.fork();
        Self {
            storage: storage.unwrap_or_else(|errno| panic!("the chip's cells: {errno}")),
            regions: self.regions.clone(),
            locks: self.locks.clone(),
            counters: self.counters.clone(),
            faults: self.faults.clone(),
            watchers: Watchers::default(),
            power: self.power.clone(),
            unstable: self.unstable.clone(),
            journal: None,
            ..*self
        }
    }
}

impl Chip {
    /// Makes this chip what `other` is, as a clone would, but for its watchers: they
    /// stay, and are told of the erase blocks that differ. Notes are taken no more.
    ///
    /// # Panics
    /// If `other` is of another geometry, or as a clone.
    pub fn restore(&mut self, other: &Chip) {
        assert!(
            self.geometry == other.geometry,
            "a chip cannot be made one of another geometry"
        );
        let watchers = std::mem::take(&mut self.watchers);
        let old = std::mem::replace(self, other.clone());
        self.watchers = watchers;
        if self.watchers.is_empty() {
            return;
        }
        for block in (0..self.geometry.erase_blocks()).map(EraseBlock) {
            let known = old.storage.identity(block);
            if known.is_none() || known != self.storage.identity(block) {
                let start = self.geometry.start_of(block);
                self.tell(start, u64::from(self.geometry.erase_block_bytes));
            }
        }
    }

    /// Gives the cells back; all else is gone.
    pub fn into_storage(self) -> Box<dyn Storage> {
        self.storage
    }

    /// Where the pristine cells of the two differ; what they share is not looked at.
    ///
    /// # Errors
    /// EINVAL for chips of different geometries; cells that cannot be read.
    pub fn differences(&self, other: &Chip) -> Result<Differences, Errno> {
        if self.geometry != other.geometry {
            return Err(Errno::INVAL);
        }
        let mut found = Differences::default();
        let length = self.geometry.erase_block_bytes as usize;
        let (mut ours, mut theirs) = (vec![0; length], vec![0; length]);
        for block in (0..self.geometry.erase_blocks()).map(EraseBlock) {
            let known = self.storage.identity(block);
            if known.is_some() && known == other.storage.identity(block) {
                continue;
            }
            let start = self.geometry.start_of(block);
            self.storage.read(start, &mut ours)?;
            other.storage.read(start, &mut theirs)?;
            if ours == theirs {
                continue;
            }
            found.erase_blocks += 1;
            for (n, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                if ours != theirs {
                    found.bytes += 1;
                    if found.first.len() < Differences::FIRST {
                        found.first.push(Difference {
                            offset_bytes: start + n as u64,
                            ours: *ours,
                            theirs: *theirs,
                        });
                    }
                }
            }
        }
        Ok(found)
    }

    /// A hash of all that decides how the chip will answer: cells, locks, unstable bits,
    /// faults with what they have done, power. Counters and clock are not in it. Within
    /// one run of one program: another may hash otherwise.
    ///
    /// # Errors
    /// Cells that cannot be read.
    pub fn state_hash(&self) -> Result<u128, Errno> {
        let mut sum = self.cells_hash()?;
        let plain = self.locks.is_clear()
            && self.faults.is_none()
            && self.unstable.is_none()
            && !self.power.is_off;
        if !plain {
            let mut hasher = DefaultHasher::new();
            self.locks.hash(&mut hasher);
            self.power.is_off.hash(&mut hasher);
            if let Some(unstable) = &self.unstable {
                unstable.hash_into(&mut hasher);
            }
            if let Some(faults) = &self.faults {
                faults.hash_into(&mut hasher);
            }
            sum = sum.wrapping_add(scatter(u128::from(hasher.finish()), u64::MAX));
        }
        Ok(sum)
    }

    /// A hash of the cells, the same on every machine.
    pub(crate) fn cells_hash(&self) -> Result<u128, Errno> {
        let mut sum = 0u128;
        for block in 0..self.geometry.erase_blocks() {
            let hash = self.storage.hash(EraseBlock(block))?;
            if hash != ERASED {
                sum = sum.wrapping_add(scatter(hash, block));
            }
        }
        Ok(sum)
    }

    /// Makes the chip what it was besides its cells when an operation began that is to
    /// be repeated.
    pub(crate) fn restore_ambient(&mut self, journal: &super::Journal, number: u64) {
        if let Some(ambient) = journal.ambient(number) {
            self.faults.clone_from(&ambient.faults);
            self.unstable.clone_from(&ambient.unstable);
        }
    }

    /// What else than cells and locks decides how the chip will answer.
    pub(super) fn ambient(&self) -> Option<Box<Ambient>> {
        (self.faults.is_some() || self.unstable.is_some()).then(|| {
            Box::new(Ambient {
                faults: self.faults.clone(),
                unstable: self.unstable.clone(),
            })
        })
    }
}

/// Makes the hash of an erase block depend on which one it is.
fn scatter(hash: u128, block: u64) -> u128 {
    const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    let mixed = (hash ^ u128::from(block).wrapping_mul(ODD)).wrapping_mul(ODD);
    mixed ^ (mixed >> 67)
}
