//! Backs up the flash of a small Linux device over MTD and proves that the
//! backup is good.
//!
//! Most people want the program, `mtdkeep`. This library is what it is made of:
//! [`mtd`] has the traits, [`backend`] the devices behind them (Linux's, and a
//! simulation) and [`backup`] the pipeline. The command line, and what only it needs, are
//! inside: nothing of them is promised.
//!
//! A backup of the simulated iSpot, proven against its flash:
//!
#![cfg_attr(feature = "full", doc = "```")]
#![cfg_attr(not(feature = "full"), doc = "```ignore")]
//! use mtdkeep::backend::SimulatedBackend;
//! use mtdkeep::backup::{self, Folder, Request, Work};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let device = SimulatedBackend::new(mtd_harness::profile::ispot(1));
//! # let temporary = tempfile::tempdir()?;
//! # let folder = temporary.path().join("ispot-backup");
//! let folder = Folder::open_or_create(&folder)?;
//!
//! let work = Work::default();
//! let summary = backup::backup(&device, &folder, &Request::default(), &work)?;
//! assert_eq!(summary.manifest.images().len(), 11);
//! assert!(!summary.manifest.is_partial());
//!
//! let report = backup::verify(&folder, Some(&device), &work)?;
//! assert_eq!(report.images_right, 11);
//!
//! assert_eq!(backup::clean(&folder)?, 14);
//! # Ok(())
//! # }
//! ```
//!
//! Without the simulation, `LinuxBackend::new(None)` is the running kernel, and
//! `LinuxBackend::new(Some(root))` a copied tree.

pub mod backend;
pub mod backup;
mod capture;
mod cli;
#[cfg(feature = "full")]
mod fetch;
#[cfg(feature = "full")]
#[doc(hidden)] // for the fuzzers of this package
pub mod fuzz;
#[cfg(feature = "full")]
mod layout;
pub mod mtd;
mod printable;
#[cfg(feature = "full")]
mod receive;
mod restore;
mod serve;
#[cfg(all(target_arch = "arm", target_env = "musl", not(feature = "full")))]
mod thumb;

/// The program: does what its arguments ask (without the program's own name), and gives
/// the exit code.
#[doc(hidden)] // for main.rs
pub fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> u8 {
    cli::main(arguments.into_iter().collect()).code()
}
