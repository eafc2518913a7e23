//! What a stand-in shows, kept in step with the flash.
//!
//! A character node shows the cells of its MTD device: each change of the chip
//! is copied as it happens, while the chip is held. A block node shows its page
//! cache over them: where that may have changed is noted as it happens, and
//! copied after the call that did it, when nothing is held any more.
//!
//! Several sandboxes over one device have mirrors of their own, and all of them
//! are told.

use crate::Errno;
use crate::chip::{Storage, Watcher};
use crate::mtd::{BlockWatcher, MtdDevice, MtdSystem};
use crate::sandbox::flash::memory;
use crate::sandbox::flash::stand_in::StandIn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// How much of a block node is looked at at once.
const PIECE_BYTES: u64 = 256 << 10;
/// Beyond so many stretches all between the first and the last is copied.
const STRETCHES_MAX: usize = 64;

/// Why a node cannot be opened.
pub(in crate::sandbox) enum Refusal {
    Errno(Errno),
    /// There is not enough memory for its contents: needed, left.
    Memory(u64, u64),
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn check_memory(bytes: u64) -> Result<(), Refusal> {
    match memory::available_bytes() {
        Some(left) if left < bytes => Err(Refusal::Memory(bytes, left)),
        _ => Ok(()),
    }
}

/// The stand-in of an MTD device's character nodes.
pub(in crate::sandbox) struct Cells {
    pub stand_in: StandIn,
    device: MtdDevice,
    system: MtdSystem,
    /// Set while the chip is held; cleared where the cells could not be read.
    is_filled: AtomicBool,
}

impl Cells {
    /// A stand-in that holds nothing yet.
    pub fn new(system: &MtdSystem, device: MtdDevice) -> Result<Arc<Self>, Errno> {
        Ok(Arc::new(Self {
            stand_in: StandIn::new(&format!("mtd{}", device.index), device.size_bytes)?,
            system: system.clone(),
            device,
            is_filled: AtomicBool::new(false),
        }))
    }

    /// Fills it, if that was not done yet.
    pub fn fill(self: &Arc<Self>) -> Result<(), Refusal> {
        if self.is_filled.load(Ordering::Relaxed) {
            return Ok(());
        }
        let size = self.device.size_bytes;
        check_memory(size)?;
        self.stand_in.populate();
        let as_watcher: Arc<dyn Watcher> = Arc::clone(self) as _;
        let filled = self.system.with_chip(self.device.chip, |chip| {
            let start = self.device.offset_bytes;
            let on_chip = size.min(chip.geometry().size_bytes.saturating_sub(start));
            chip.peek_range(start, on_chip, |at, cells| {
                let at = at - start;
                if !self.stand_in.put(at, cells)? {
                    let length = cells.len() as u64;
                    // SAFETY: the chip is held: nobody else writes.
                    unsafe {
                        self.stand_in
                            .write(at, length, |to| to.copy_from_slice(cells));
                    }
                }
                Ok::<(), Errno>(())
            })?;
            chip.watch(Arc::downgrade(&as_watcher));
            self.is_filled.store(true, Ordering::Relaxed);
            Ok::<(), Errno>(())
        });
        Ok(filled?)
    }
}

impl Watcher for Cells {
    fn changed(&self, cells: &dyn Storage, offset_bytes: u64, length_bytes: u64) {
        let Some((at, length)) = overlap(&self.device, offset_bytes, length_bytes) else {
            return;
        };
        // SAFETY: the chip is held: nobody else writes.
        let read = unsafe {
            let start = self.device.offset_bytes;
            self.stand_in
                .write(at, length, |to| cells.read(start + at, to))
        };
        if read.is_err() {
            // Whoever opens it next is told so, when it is filled again.
            self.is_filled.store(false, Ordering::Relaxed);
        }
    }
}

/// The part of a range of the chip that lies on this device, from its start.
fn overlap(device: &MtdDevice, offset_bytes: u64, length_bytes: u64) -> Option<(u64, u64)> {
    let start = offset_bytes.max(device.offset_bytes);
    let end = (offset_bytes + length_bytes).min(device.offset_bytes + device.size_bytes);
    (start < end).then(|| (start - device.offset_bytes, end - start))
}

/// The stand-in of a block node once somebody could write.
pub(in crate::sandbox) struct BlockView {
    pub stand_in: StandIn,
    device: MtdDevice,
    system: MtdSystem,
    /// Where it may be out of date: start and end, apart from each other.
    stale: Mutex<Vec<(u64, u64)>>,
    /// Held while something is copied.
    copying: Mutex<()>,
}

impl BlockView {
    /// A stand-in that is out of date as a whole.
    pub fn new(system: &MtdSystem, device: MtdDevice) -> Result<Arc<Self>, Refusal> {
        let index = device.index;
        let size = system.block_bytes(index).unwrap_or(0);
        check_memory(size)?;
        let chip = device.chip;
        let view = Arc::new(Self {
            stand_in: StandIn::new(&format!("mtdblock{index}"), size)?,
            device,
            system: system.clone(),
            stale: Mutex::new(vec![(0, size)]),
            copying: Mutex::new(()),
        });
        let below: Arc<dyn Watcher> = Arc::clone(&view) as _;
        system.with_chip(chip, |chip| chip.watch(Arc::downgrade(&below)));
        let above: Arc<dyn BlockWatcher> = Arc::clone(&view) as _;
        let above: Weak<dyn BlockWatcher> = Arc::downgrade(&above);
        system.watch_block(index, above);
        Ok(view)
    }

    /// Copies what may have changed.
    pub fn refresh(&self) -> Result<(), Errno> {
        let _copying = lock(&self.copying);
        let stale = std::mem::take(&mut *lock(&self.stale));
        for (start, end) in stale {
            let mut at = start;
            while at < end {
                let length = PIECE_BYTES.min(end - at);
                // SAFETY: `copying` is held: nobody else writes.
                let seen = unsafe {
                    self.stand_in.write(at, length, |to| {
                        self.system.peek_block(self.device.index, at, to)
                    })
                };
                if let Err(errno) = seen {
                    self.note(start, end - start);
                    return Err(errno);
                }
                at += length;
            }
        }
        Ok(())
    }

    fn note(&self, at: u64, length: u64) {
        let end = (at + length).min(self.stand_in.size_bytes);
        let mut stale = lock(&self.stale);
        match stale.last_mut() {
            // Writes mostly go on where the last one ended.
            Some(last) if last.0 <= end && at <= last.1 => {
                *last = (last.0.min(at), last.1.max(end));
            }
            _ if at < end => stale.push((at, end)),
            _ => {}
        }
        if stale.len() > STRETCHES_MAX {
            let first = stale.iter().map(|range| range.0).min().unwrap_or(0);
            let last = stale.iter().map(|range| range.1).max().unwrap_or(0);
            *stale = vec![(first, last)];
        }
    }
}

impl Watcher for BlockView {
    fn changed(&self, _: &dyn Storage, offset_bytes: u64, length_bytes: u64) {
        if let Some((at, length)) = overlap(&self.device, offset_bytes, length_bytes) {
            self.note(at, length);
        }
    }
}

impl BlockWatcher for BlockView {
    fn changed(&self, offset_bytes: u64, length_bytes: u64) {
        self.note(offset_bytes, length_bytes);
    }
}
