//! The silicon: a NOR flash chip of the 28F128J3 kind.
//!
//! Programming clears bits (old AND new) at any byte; erasing sets a whole
//! erase block to 0xFF; each erase block has a lock. The chip counts what it is
//! asked to do and adds up how long that takes by a [`Timing`]; nothing sleeps.
//!
//! Invariants:
//! - Cells change through [`Chip::program`], [`Chip::erase`] and test controls
//!   ([`Chip::load`], [`Chip::restore`], …) alone, never past a lock in the first two.
//! - Faults ([`fault`]) distort what a read returns or refuse an
//!   operation; they never change the pristine cells, which [`Chip::peek`]
//!   shows at any time. A power cut ([`cut`]) is the exception: it leaves the cells of
//!   one operation half changed.
//! - A range that runs past the end of the chip is EINVAL and does nothing.
//! - A chip is a value: a clone is independent, and shares what neither changes.

mod chip;
mod contract;
mod counters;
pub mod cut;
mod difference;
mod errno;
pub mod fault;
mod file;
mod geometry;
mod locks;
mod memory;
mod power;
mod programming;
mod regions;
mod storage;
mod table;
#[cfg(test)]
mod tests;
mod timing;
mod watch;

pub use chip::Chip;
pub use contract::check_storage;
pub use counters::Counters;
pub use difference::{Difference, Differences};
pub use errno::Errno;
pub use file::{FileStorage, ImageError};
pub use geometry::{EraseBlock, Geometry};
pub use locks::UnlockScope;
pub use memory::MemoryStorage;
pub use programming::Programming;
pub use regions::EraseRegion;
pub use storage::{ERASED, Storage, hash_of};
pub use timing::Timing;
pub use watch::Watcher;

// The example of README.md runs as a doc test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
