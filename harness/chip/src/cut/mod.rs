//! Every power cut: what each leaves on flash, and whether a program gets over it.
//!
//! A store, an updater or a script is as good as what a cut at its worst moment leaves.
//! This module finds that moment:
//!
//! - A chip records a run ([`Chip::record`](crate::Chip::record)); [`States`] are all the
//!   chips that a power cut in it can leave, one for each operation and [`Tear`].
//! - An [`Explorer`] has a [`Subject`] recover from each of them, checks what was promised,
//!   and goes on with second and third cuts in the recoveries. Equal states are explored
//!   once.
//! - What fails has a [`CutId`] (`cut:812.c41e.07d2.17w3.9f3a`), which leads there again on any
//!   machine ([`Explorer::replay`]) and can be made shorter ([`Explorer::shrink`]).
//! - [`every_cut`] puts a store through it that is told what to do by a [`Script`]: the
//!   model, the work and the checks are there already.
//!
//! A single cut, for a test of one moment, is [`Chip::cut_power`](crate::Chip::cut_power),
//! or `power-cut@PLACE` in a [fault plan](crate::fault).
//!
//! ```
//! use mtd_chip::cut::{Explorer, Subject, Tears, Track};
//! use mtd_chip::{Chip, EraseBlock, Geometry};
//!
//! /// A counter in two erase blocks, the newer of which counts: each holds the count and
//! /// its complement.
//! struct Counter;
//!
//! fn read(chip: &mut Chip, block: u64) -> Option<u8> {
//!     let mut cells = [0; 2];
//!     chip.read(block * 1024, &mut cells).ok()?;
//!     (cells[0] == !cells[1]).then_some(cells[0])
//! }
//!
//! impl Subject for Counter {
//!     /// The count, and the one that is being written.
//!     type Promise = (u8, u8);
//!
//!     fn work(&self, chip: &mut Chip, promise: &mut Track<(u8, u8)>) -> Result<(), String> {
//!         for count in 1..=3 {
//!             promise.update(|(_, next)| *next = count);
//!             let block = u64::from(count) % 2;
//!             chip.erase(EraseBlock(block)).map_err(|e| e.to_string())?;
//!             chip.program(block * 1024, &[count, !count]).map_err(|e| e.to_string())?;
//!             promise.update(|(now, _)| *now = count);
//!         }
//!         Ok(())
//!     }
//!
//!     fn recover(&self, chip: &mut Chip, promise: &mut Track<(u8, u8)>) -> Result<(), String> {
//!         let count = read(chip, 0).max(read(chip, 1)).unwrap_or(0);
//!         let (now, next) = *promise.get();
//!         match [now, next].contains(&count) {
//!             true => Ok(()),
//!             false => Err(format!("{now} was promised, {count} is there")),
//!         }
//!     }
//! }
//!
//! let chip = Chip::new(Geometry { size_bytes: 2048, erase_block_bytes: 1024 });
//! let report = Explorer::new(&chip, &Counter).tears(Tears::stable()).run()?;
//! report.assert_held();
//! assert!(report.states() > 50, "{report}");
//! # Ok::<(), mtd_chip::cut::ExploreError>(())
//! ```

mod again;
mod cursor;
mod display;
mod error;
mod explore;
mod feed;
mod id;
mod mark;
mod pool;
mod recovery;
mod replay;
mod report;
mod run;
mod script;
mod search;
mod states;
mod subject;
mod tears;
#[cfg(test)]
mod tests;
mod work;

pub use crate::chip::Journal;
pub use crate::power::{Model, Operation, OperationKind, PowerCut, Strike, Tear, TearError};
pub use error::ExploreError;
pub use explore::Explorer;
pub use id::{CutId, IdError, Step};
pub use mark::{Marks, mark};
pub use replay::{Replay, ReplayError};
pub use report::{Failure, Level, Report};
pub use script::{Possible, Script, Scripted, every_cut};
pub use search::Progress;
pub use states::States;
pub use subject::{Subject, Track};
pub use tears::Tears;
pub use work::{Ask, Work};
