//! Puts a backup back onto the flash, only where it differs.
//!
//! [`plan()`] looks at backup and device and says what will happen; [`restore()`] does it.
//! Data flows one way: from the backup's images, through one erase block at a time, onto
//! the flash. Nothing here prints.
//!
//! Invariants, at every instant, whatever stops the program or the power:
//! (a) every erase block outside the plan holds its old bytes; (b) every erase block of
//! the plan but one is wholly old or wholly new; (c) the old bytes of that one are
//! stored in full elsewhere; (d) the same command again ends in what was wanted, or says
//! why not; (e) what the plan does not name is whole if it was.
//!
//! ```
//! # #[cfg(feature = "full")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use mtdkeep::backend::SimulatedBackend;
//! use mtdkeep::backup::{self, Access, Folder, Request, Work};
//! use mtdkeep::mtd::WritePermit;
//! use mtdkeep::restore;
//!
//! let device = SimulatedBackend::new(mtd_harness::profile::ispot(1));
//! # let temporary = tempfile::tempdir()?;
//! # let (folder, old) = (temporary.path().join("backup"), temporary.path().join("old"));
//! let work = Work::default();
//! backup::backup(&device, &Folder::open_or_create(&folder)?, &Request::default(), &work)?;
//!
//! // A bit of `system` flips.
//! device.device().system.with_chip(0, |chip| chip.program(0x78_1000, &[0]))?;
//!
//! let folder = Folder::open(&folder, Access::Look)?;
//! let journal = Folder::open_or_create(&old)?;
//! let request = restore::Request::default();
//! let plan = restore::plan(&device, &folder, Some(&journal), &request, &work)?;
//! assert_eq!(plan.totals().1, 1);
//! let permit = WritePermit::granted_because("an example");
//! restore::restore(&plan, &device, &folder, &journal, &permit, &work)?;
//! assert!(!restore::plan(&device, &folder, None, &request, &work)?.writes());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "full"))]
//! # fn main() {}
//! ```

mod blocks;
mod crippled;
mod error;
mod execute;
mod flash;
mod journal;
mod plan;
mod preconditions;
mod prepare;
mod roles;
mod survey;
#[cfg(all(test, feature = "full"))]
mod tests;

pub use error::{Obstacle, RestoreError, Stopped};
pub use execute::{Restored, restore};
pub use plan::{Plan, PlannedPartition};
pub use prepare::{Request, plan};
pub use roles::Role;
