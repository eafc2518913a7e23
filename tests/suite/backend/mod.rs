//! The backends and the traits in front of them.

mod contract;
#[cfg(feature = "full")]
mod simulated;
mod tree;
