//! Who is told when cells change.

use super::Storage;
use std::sync::Weak;

/// Somebody who keeps in step with a chip's cells; see
/// [`Chip::watch`](super::Chip::watch).
pub trait Watcher: Send + Sync {
    /// These cells changed; `cells` holds them as they are now. The chip is held
    /// meanwhile: whoever is told must not use it.
    fn changed(&self, cells: &dyn Storage, offset_bytes: u64, length_bytes: u64);

    /// The chip lost its power: nobody learns how the operation under way ended. The
    /// chip is held, as with a change, and its cells are as the cut left them.
    fn power_gone(&self) {}
}

/// The watchers of one chip, as long as they live.
#[derive(Default)]
pub(super) struct Watchers(Vec<Weak<dyn Watcher>>);

impl Watchers {
    pub(super) fn add(&mut self, watcher: Weak<dyn Watcher>) {
        self.0.retain(|known| known.strong_count() > 0);
        self.0.push(watcher);
    }

    pub(super) fn tell(&self, cells: &dyn Storage, offset_bytes: u64, length_bytes: u64) {
        for watcher in self.0.iter().filter_map(Weak::upgrade) {
            watcher.changed(cells, offset_bytes, length_bytes);
        }
    }

    pub(super) fn tell_power_gone(&self) {
        let watchers = self.0.iter().filter_map(Weak::upgrade);
        watchers.for_each(|watcher| watcher.power_gone());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
