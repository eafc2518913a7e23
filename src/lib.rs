//! Backs up the flash of a small Linux device over MTD and proves that the
//! backup is good.
//!
//! Most people want the program, `mtdkeep`. This library is what it is made of:
//! [`mtd`] has the traits, [`backend`] the devices behind them (Linux's, and a
//! simulation) and [`backup`] the pipeline; the command line is the program's alone.
//!
//! A backup of the simulated iSpot, proven against its flash:
//!
#![cfg_attr(feature = "full", doc = "```")]
#![cfg_attr(not(feature = "full"), doc = "```ignore")]
//! use mtdkeep::backend::SimulatedBackend;
//! use mtdkeep::backup::{self, DeviceCheck, DigestChoice, Folder, Request, Silent};
//! use std::sync::atomic::AtomicBool;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let device = SimulatedBackend::new(mtd_harness::profile::ispot(1));
//! let temporary = tempfile::tempdir()?;
//! let folder = Folder::open_or_create(&temporary.path().join("ispot-backup"))?;
//! let interrupt = AtomicBool::new(false);
//!
//! let request = Request {
//!     partitions: &[],
//!     read_again: false,
//!     digests: DigestChoice::Both,
//!     now: std::time::SystemTime::now(),
//!     buffer_bytes: 128 << 10,
//!     workers: 1,
//!     folder_created: folder.was_created(),
//!     interrupt: &interrupt,
//! };
//! let summary = backup::backup(&device, &folder, &request, &Silent)?;
//! assert_eq!(summary.manifest.images.len(), 11);
//! assert!(!summary.manifest.is_partial());
//!
//! let check = DeviceCheck {
//!     backend: Some(&device),
//!     buffer_bytes: 128 << 10,
//!     workers: 1,
//!     interrupt: &interrupt,
//! };
//! let report = backup::verify(&folder, &check, &Silent)?;
//! assert_eq!(report.images_right, 11);
//!
//! let cleaned = backup::clean(&folder)?;
//! assert_eq!(cleaned.files.len(), 14);
//! # Ok(())
//! # }
//! ```
//!
//! Without the simulation, `LinuxBackend::new(None)` is the running kernel, and
//! `LinuxBackend::new(Some(root))` a copied tree.

pub mod backend;
pub mod backup;
pub mod capture;
#[cfg(feature = "full")]
pub mod layout;
pub mod mtd;
#[doc(hidden)] // for the program of this package
pub mod printable;
