//! What all ways in share: the chips behind their locks, and the registered devices with
//! what changes of them.

use super::device::{EccStats, MtdDevice};
use crate::Errno;
use crate::chip::{Chip, Geometry};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

/// An MTD device as registered, with what changes afterwards.
pub(super) struct Registered {
    pub(super) device: MtdDevice,
    /// The size that it reports and serves now; see [`MtdSystem::set_size`].
    /// Not an atomic: ARMv5TE has none of 64 bits.
    pub(super) size_now: Mutex<u64>,
    pub(super) ecc: Mutex<EccStats>,
}

pub(super) struct State {
    pub(super) chips: Vec<ChipCell>,
    pub(super) devices: Vec<Registered>,
    pub(super) log: Mutex<Vec<String>>,
}

/// A chip behind a lock that refuses, loudly, to be taken twice by a thread.
pub(super) struct ChipCell {
    chip: Mutex<Chip>,
    /// Known without the lock.
    pub(super) geometry: Geometry,
    /// The thread that holds the lock, 0 for none.
    owner: AtomicUsize,
}

impl ChipCell {
    pub(super) fn new(chip: Chip) -> Self {
        Self {
            geometry: chip.geometry(),
            chip: Mutex::new(chip),
            owner: AtomicUsize::new(0),
        }
    }

    /// Locks the chip.
    ///
    /// # Panics
    /// If this thread holds it already, which would wait for ever.
    pub(super) fn lock(&self) -> ChipGuard<'_> {
        let me = thread_number();
        assert!(
            self.owner.load(Ordering::Relaxed) != me,
            "the work given to MtdSystem::with_chip used the same chip's MTD layer; \
             use the chip it was given"
        );
        // A panic in a test's closure must not make every later call panic.
        let chip = self.chip.lock().unwrap_or_else(|e| e.into_inner());
        self.owner.store(me, Ordering::Relaxed);
        ChipGuard {
            chip,
            owner: &self.owner,
        }
    }
}

/// The locked chip.
pub(super) struct ChipGuard<'a> {
    chip: MutexGuard<'a, Chip>,
    owner: &'a AtomicUsize,
}

impl Deref for ChipGuard<'_> {
    type Target = Chip;
    fn deref(&self) -> &Chip {
        &self.chip
    }
}

impl DerefMut for ChipGuard<'_> {
    fn deref_mut(&mut self) -> &mut Chip {
        &mut self.chip
    }
}

impl Drop for ChipGuard<'_> {
    fn drop(&mut self) {
        self.owner.store(0, Ordering::Relaxed);
    }
}

/// A number that this thread alone has; never 0.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    thread_local!(static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed));
    MINE.with(|mine| *mine)
}

impl State {
    /// Where the device of that number stands; they are in the order of their numbers.
    pub(super) fn position(&self, index: u32) -> Option<usize> {
        let devices = &self.devices;
        let at = devices.binary_search_by_key(&index, |registered| registered.device.index);
        at.ok()
    }

    /// The device of that number.
    pub(super) fn registered(&self, index: u32) -> Option<&Registered> {
        Some(&self.devices[self.position(index)?])
    }

    /// Counts a read whose ECC said something, for the device and those that it is a
    /// part of (Linux 6.1, drivers/mtd/mtdcore.c, mtd_update_ecc_stats).
    pub(super) fn count_ecc(&self, index: u32, answer: Errno) {
        let mut next = Some(index);
        while let Some(registered) = next.and_then(|index| self.registered(index)) {
            let mut ecc = lock(&registered.ecc);
            match answer {
                Errno::BADMSG => ecc.failed = ecc.failed.wrapping_add(1),
                _ => ecc.corrected = ecc.corrected.wrapping_add(1),
            }
            next = registered.device.parent;
        }
    }

    /// Works on a chip, then makes the size changes that its faults ask for.
    pub(super) fn with_chip<R>(&self, chip: usize, work: impl FnOnce(&mut Chip) -> R) -> R {
        let mut chip = self.chips[chip].lock();
        let result = work(&mut chip);
        for change in chip.take_size_changes() {
            if let Some(registered) = self.registered(change.index) {
                let size = change.size_bytes;
                *lock(&registered.size_now) = size;
            }
        }
        result
    }
}

impl Registered {
    /// As it is at first.
    pub(super) fn new(device: MtdDevice) -> Self {
        Self {
            size_now: Mutex::new(device.size_bytes),
            ecc: Mutex::default(),
            device,
        }
    }

    pub(super) fn now(&self) -> MtdDevice {
        MtdDevice {
            size_bytes: *lock(&self.size_now),
            ecc: *lock(&self.ecc),
            ..self.device.clone()
        }
    }
}

/// Locks; a panic elsewhere in a test does not spread.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
