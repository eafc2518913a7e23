//! Backs up the flash of a small Linux device over MTD and proves that the
//! backup is good.

pub mod backend;
pub mod backup;
pub mod cli;
pub mod mtd;
pub mod nodes;
