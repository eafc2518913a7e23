//! The lock bits of a chip's erase blocks.
//!
//! Kept as the state most erase blocks share and the exceptions from it, so
//! that a chip of gigabytes with few locks costs next to nothing.

use std::collections::BTreeSet;

/// What the command that clears lock bits reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[non_exhaustive]
pub enum UnlockScope {
    /// The erase block that was addressed, as on later chips.
    #[default]
    EraseBlock,
    /// Every erase block of the chip, as on the 28F128J3A.
    WholeChip,
}

#[derive(Debug, Clone, Default, Hash)]
pub(super) struct Locks {
    pub(super) scope: UnlockScope,
    most: bool,
    exceptions: BTreeSet<u64>,
}

impl Locks {
    pub(super) fn is_locked(&self, block: u64) -> bool {
        self.most != (!self.exceptions.is_empty() && self.exceptions.contains(&block))
    }

    /// As a chip comes: nothing locked, nothing chosen.
    pub(super) fn is_clear(&self) -> bool {
        !self.most && self.exceptions.is_empty() && self.scope == UnlockScope::default()
    }

    pub(super) fn set(&mut self, block: u64, locked: bool) {
        if !locked && self.scope == UnlockScope::WholeChip {
            self.set_all(false);
        } else if locked == self.most {
            self.exceptions.remove(&block);
        } else {
            self.exceptions.insert(block);
        }
    }

    pub(super) fn set_all(&mut self, locked: bool) {
        self.most = locked;
        self.exceptions.clear();
    }
}
