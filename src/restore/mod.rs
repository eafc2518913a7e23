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

mod block_write;
mod blocks;
mod crippled;
mod error;
mod execute;
mod flash;
mod journal;
mod overlap;
mod plan;
mod preconditions;
mod prepare;
mod roles;
#[cfg(feature = "full")]
mod script;
mod survey;
#[cfg(all(test, feature = "full"))]
mod tests;

pub(crate) use error::{RestoreError, Stopped};
pub(crate) use execute::{Restored, restore};
pub(crate) use journal::has_old;
pub(crate) use plan::{Plan, PlannedPartition};
pub(crate) use prepare::{Request, plan};
#[cfg(feature = "full")]
pub(crate) use script::{Script, ScriptRequest, Tool, script};
