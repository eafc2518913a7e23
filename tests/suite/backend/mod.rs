//! The backends and the traits in front of them.

#[cfg(feature = "full")]
pub mod both_backends;
pub mod contract;
#[cfg(feature = "full")]
pub mod linux_tree;
pub mod nesting;
pub mod oddities;
mod offsets;
pub mod proc_mtd;
pub mod select;
#[cfg(feature = "full")]
pub mod simulated;
pub mod told;
pub mod tree;
