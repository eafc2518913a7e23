//! The one integration-test binary.

mod contract;
mod linux_tree;
mod oddities;
mod offsets;
mod proc_mtd;
mod select;
mod tree;
