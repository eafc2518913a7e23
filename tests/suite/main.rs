//! The one integration-test binary.

#[cfg(feature = "full")]
mod cli_backup;
mod cli_support;
mod contract;
#[cfg(feature = "full")]
mod ioctl_numbers;
mod linux_tree;
mod oddities;
mod offsets;
mod proc_mtd;
mod select;
#[cfg(feature = "full")]
mod simulated;
mod tree;
