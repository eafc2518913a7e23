//! A device without power runs no programs.

use crate::chip::{Storage, Watcher};
use crate::mtd::MtdSystem;
use crate::sandbox::killer::Killer;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Sees a chip lose its power, and kills what runs.
pub(super) struct Power {
    system: MtdSystem,
    /// Some chip lost it; it may be back.
    was_lost: AtomicBool,
    running: Mutex<Vec<Weak<OwnedFd>>>,
}

impl Power {
    /// Looks at all chips of a device from now on.
    pub fn watch(system: &MtdSystem) -> Arc<Self> {
        let power = Arc::new(Self {
            system: system.clone(),
            was_lost: AtomicBool::new(false),
            running: Mutex::default(),
        });
        let watcher: Arc<dyn Watcher> = Arc::clone(&power) as _;
        for chip in 0..system.chip_count() {
            system.with_chip(chip, |chip| chip.watch(Arc::downgrade(&watcher)));
        }
        power
    }

    /// Kills this program, too, when power goes; at once, if it has gone.
    pub fn kills(&self, program: &Killer) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|weak| weak.strong_count() > 0);
        running.push(program.weak());
        // A chip that loses its power is held, and then waits for this.
        drop(running);
        if self.is_gone() {
            program.kill();
        }
    }

    /// Whether a chip has no power now, after it had.
    pub fn is_gone(&self) -> bool {
        let is_off = |chip| self.system.with_chip(chip, |chip| !chip.is_powered());
        self.was_lost.load(Ordering::Relaxed) && (0..self.system.chip_count()).any(is_off)
    }
}

impl Watcher for Power {
    fn changed(&self, _: &dyn Storage, _: u64, _: u64) {}

    fn power_gone(&self) {
        self.was_lost.store(true, Ordering::Relaxed);
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let killers = running.iter().filter_map(Killer::of_weak);
        killers.for_each(|killer| killer.kill());
    }
}
