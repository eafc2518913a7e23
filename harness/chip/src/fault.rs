//! Faults, seeded and switchable, apart from the pristine contents.
//!
//! A [`FaultPlan`] lies over a chip: the chip hands it what the cells hold, and
//! the plan lets it pass, changes it, shortens it or refuses it. The cells
//! themselves are never touched, so that taking the plan away brings the true
//! contents back, and a test can always compare with them.
//! [`DestinationFaults`] does the same for the place where a backup goes.
//!
//! # The SPEC of a plan
//!
//! ```text
//! SPEC   = FAULT ("," FAULT)*
//! FAULT  = NAME ["@" PLACE] (":" OPTION)*
//! PLACE  = OFFSET                one byte of the chip, decimal or 0x…
//!        | OFFSET "+" LENGTH     that many bytes from there
//!        | OFFSET "." BIT        one bit, 0 to 7 (bit-flip only)
//! ```
//!
//! | fault | what happens | default |
//! | --- | --- | --- |
//! | `read-error@PLACE` | a read that touches the place fails | EIO, always |
//! | `short-read@PLACE` | a read that touches it returns fewer bytes, at least one, by `seed` | always |
//! | `bit-flip@OFFSET.BIT` | that bit reads inverted, until its erase block is erased | always |
//! | `bit-flip@PLACE` | one bit of the place, by `seed`, another one in each read, reads inverted | always |
//! | `program-error@PLACE` | programming it fails | EIO, always |
//! | `erase-error@PLACE` | erasing it fails | EIO, always |
//! | `program-nothing@PLACE` | programming it does nothing and says that it went well | always |
//! | `erase-nothing@PLACE` | erasing it does nothing and says that it went well | always |
//! | `wear@PLACE:erases=N` | each erase block of it takes N erases; then `end=error` (EIO), `end=stuck` (one more bit reads as 0 after each) or `end=silent` (nothing happens) | `end=error` |
//! | `read-disturb@PLACE:reads=N` | after each N reads that touch it, one more bit of it, by `seed`, reads inverted until its erase block is erased | |
//! | `bit-rot@PLACE:every=N` | the same after each N operations of the chip, reads included | |
//! | `power-cut@PLACE` | power goes in the middle of an operation on it, until it is switched on ([`cut`](crate::cut)) | `tear=b`, always |
//! | `size@mtdN=BYTES` | the MTD device changes its size | at once |
//!
//! Without a place a fault lies everywhere. The options:
//!
//! | option | meaning |
//! | --- | --- |
//! | `once` (or `transient`), `times=N`, `always` (or `persistent`) | how often it strikes |
//! | `after=N` | the first N operations that touch the place go well (`size`: the first N operations on the chip) |
//! | `seed=N` | for what is left to chance |
//! | `errno=NAME` | another error, such as `ETIME` |
//! | `tear=TEAR` | what a power cut leaves of the operation ([`Tear`]); `after=N` counts operations of the chip, so program commands, one by one |
//!
//! [`Display`](std::fmt::Display) writes the same grammar, so that a failing test's
//! message replays it:
//!
//! ```
//! use mtd_chip::fault::FaultPlan;
//!
//! let spec = "read-error@0x1a0000:once,bit-flip@0x42000.3,short-read:seed=7";
//! let mut plan: FaultPlan = spec.parse()?;
//! assert_eq!(plan.to_string(), spec);
//!
//! let mut buf = [0xff; 16];
//! assert_eq!(plan.on_read(0x1a0000, &mut buf), Err(mtd_chip::Errno::IO));
//! assert!(plan.on_read(0x1a0000, &mut buf)? < 16); // the error struck once
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Order
//! In one read, errors come before short reads, and those before bit flips;
//! otherwise the order of the SPEC counts. What an error or a short read keeps
//! away from a later fault does not count as touched.

mod armed;
mod destination;
mod kind;
mod random;
mod spec;
#[cfg(test)]
mod tests;
mod trigger;
mod wear;

pub use destination::{DestinationFaults, FaultyWriter};
pub use kind::{Fault, FaultKind, SizeChange};
pub use random::{RandomPlan, random_destination};
pub use spec::SpecError;
pub use trigger::Trigger;
pub use wear::WornOut;

use crate::Errno;
use crate::power::Tear;
use armed::Armed;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use trigger::below;

/// What goes wrong on the flash side. See the [module](self) for its text form.
///
/// Two plans are equal if they ask for the same faults, however often each
/// has struck.
///
/// ```
/// use mtd_chip::fault::{Fault, FaultKind, FaultPlan, Trigger};
/// use mtd_chip::{Chip, Errno, Geometry};
///
/// // The second read of these 16 bytes fails, and a bit beside them reads inverted.
/// let read = Fault::at(0x100..0x110, FaultKind::ReadError(Errno::IO)).when(Trigger::new(1, Some(1)));
/// let plan = FaultPlan::new([read, Fault::at(0x200..0x201, FaultKind::BitFlip(3))]);
/// assert_eq!(plan, plan.to_string().parse()?);
///
/// let mut chip = Chip::new(Geometry { size_bytes: 4096, erase_block_bytes: 1024 });
/// chip.set_faults(Some(plan));
/// let mut cells = [0; 4];
/// assert_eq!(chip.read(0x100, &mut cells), Ok(4));
/// assert_eq!(chip.read(0x100, &mut cells), Err(Errno::IO));
/// assert_eq!(chip.read(0x200, &mut cells), Ok(4));
/// assert_eq!(cells, [0xf7, 0xff, 0xff, 0xff]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    faults: Vec<Armed>,
    operations: u64,
    bytes_changed: u64,
}

impl FaultPlan {
    /// A plan of these faults.
    pub fn new(faults: impl IntoIterator<Item = Fault>) -> Self {
        Self {
            faults: faults.into_iter().map(Armed::new).collect(),
            operations: 0,
            bytes_changed: 0,
        }
    }

    /// What it asks for.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().map(|armed| &armed.fault)
    }

    /// How often any of its faults has struck so far.
    pub fn struck(&self) -> u64 {
        self.faults.iter().map(|armed| armed.gate.struck).sum()
    }

    /// How many bytes were delivered changed, without an error, so far. A
    /// reader has no way to see them, but for reading again.
    pub fn bytes_changed(&self) -> u64 {
        self.bytes_changed
    }

    /// A read of the chip. `buf` holds the pristine bytes from `offset_bytes`
    /// on; what the caller may keep of it afterwards is the answer, at least
    /// one byte of a buffer that has any.
    ///
    /// # Errors
    /// The errno of the plan; `buf` is as it was.
    pub fn on_read(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        self.operations += 1;
        self.fail(offset_bytes, buf.len() as u64, |kind| match kind {
            FaultKind::ReadError(errno) => Some(*errno),
            _ => None,
        })?;
        let mut count = buf.len();
        for armed in &mut self.faults {
            if armed.fault.kind == FaultKind::ShortRead
                && count > 1
                && armed.strike(&range(offset_bytes, count as u64)).is_some()
            {
                count = 1 + below(&mut armed.rng, count as u64 - 1) as usize;
            }
        }
        let read = range(offset_bytes, count as u64);
        let operations = self.operations;
        for armed in &mut self.faults {
            armed.disturb(&read, operations);
            self.bytes_changed += armed.age.show(offset_bytes, &mut buf[..count]);
        }
        for armed in &mut self.faults {
            let (byte, bit) = match armed.fault.kind {
                FaultKind::BitFlip(bit) => match armed.strike(&read) {
                    Some(place) => (place.start, bit),
                    None => continue,
                },
                FaultKind::RandomBitFlip => match armed.strike(&read) {
                    Some(place) => {
                        let bit = below(&mut armed.rng, (place.end - place.start) * 8);
                        (place.start + bit / 8, (bit % 8) as u8)
                    }
                    None => continue,
                },
                _ => continue,
            };
            buf[(byte - offset_bytes) as usize] ^= 1 << bit;
            self.bytes_changed += 1;
        }
        Ok(count)
    }

    /// The chip is about to be programmed. Answers whether anything is to happen; where
    /// not, the caller is told that it went well all the same.
    ///
    /// # Errors
    /// The errno of the plan; no cell may change then.
    pub fn on_program(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<bool, Errno> {
        self.operations += 1;
        self.fail(offset_bytes, length_bytes, |kind| match kind {
            FaultKind::ProgramError(errno) => Some(*errno),
            _ => None,
        })?;
        let touched = range(offset_bytes, length_bytes);
        self.rot(&touched);
        Ok(!self.silences(&FaultKind::ProgramNothing, &touched))
    }

    /// An erase block is about to be erased. Bit flips in it are over, as with silicon
    /// that lost a charge and gets it back. Answers as [`FaultPlan::on_program`]; where
    /// nothing is to happen, bit flips stay.
    ///
    /// # Errors
    /// The errno of the plan; no cell may change then, and bit flips stay.
    pub fn on_erase(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<bool, Errno> {
        self.operations += 1;
        self.fail(offset_bytes, length_bytes, |kind| match kind {
            FaultKind::EraseError(errno) => Some(*errno),
            _ => None,
        })?;
        let erased = range(offset_bytes, length_bytes);
        self.rot(&erased);
        let mut happens = !self.silences(&FaultKind::EraseNothing, &erased);
        for armed in &mut self.faults {
            happens &= armed.wear(&erased)?;
        }
        if happens {
            for armed in &mut self.faults {
                armed.age.erased(&erased);
                if let (FaultKind::BitFlip(_), Some(place)) =
                    (&armed.fault.kind, &armed.fault.place)
                {
                    armed.over |= erased.contains(&place.start);
                }
            }
        }
        Ok(happens)
    }

    /// Whether a fault of this kind makes an operation do nothing.
    fn silences(&mut self, kind: &FaultKind, touched: &Range<u64>) -> bool {
        let mut of_kind = self
            .faults
            .iter_mut()
            .filter(|armed| armed.fault.kind == *kind);
        of_kind.any(|armed| armed.strike(touched).is_some())
    }

    fn rot(&mut self, touched: &Range<u64>) {
        let operations = self.operations;
        for armed in &mut self.faults {
            if matches!(armed.fault.kind, FaultKind::BitRot { .. }) {
                armed.disturb(touched, operations);
            }
        }
    }

    /// Whether it has power cuts.
    pub(crate) fn cuts_power(&self) -> bool {
        self.faults()
            .any(|fault| matches!(fault.kind, FaultKind::PowerCut(_)))
    }

    /// The chip is about to do one operation, which errors have let pass: whether power
    /// goes in it, and what that leaves.
    pub(crate) fn on_operation(&mut self, offset_bytes: u64, length_bytes: u64) -> Option<Tear> {
        let touched = range(offset_bytes, length_bytes);
        self.faults
            .iter_mut()
            .find_map(|armed| match armed.fault.kind {
                FaultKind::PowerCut(tear) => armed.strike(&touched).map(|_| tear),
                _ => None,
            })
    }

    /// All that decides what it will do. What the generators hold follows from it.
    pub(crate) fn hash_into(&self, hasher: &mut impl Hasher) {
        for armed in &self.faults {
            (&armed.fault, armed.gate, &armed.age, armed.over).hash(hasher);
        }
        self.operations.hash(hasher);
    }

    /// The size changes that are due by now, each one once. Whoever owns the
    /// MTD devices asks for them around an operation, and makes them.
    pub fn take_size_changes(&mut self) -> Vec<SizeChange> {
        let operations = self.operations;
        self.faults
            .iter_mut()
            .filter_map(|armed| match armed.fault.kind {
                FaultKind::SizeChange(change)
                    if !armed.over && operations >= armed.fault.trigger.after =>
                {
                    armed.over = true;
                    armed.gate.struck += 1;
                    Some(change)
                }
                _ => None,
            })
            .collect()
    }

    /// The first fault of a kind that strikes here gives its errno.
    fn fail(
        &mut self,
        offset_bytes: u64,
        length_bytes: u64,
        errno_of: impl Fn(&FaultKind) -> Option<Errno>,
    ) -> Result<(), Errno> {
        let touched = range(offset_bytes, length_bytes);
        for armed in &mut self.faults {
            if let Some(errno) = errno_of(&armed.fault.kind) {
                if armed.strike(&touched).is_some() {
                    return Err(errno);
                }
            }
        }
        Ok(())
    }
}

impl PartialEq for FaultPlan {
    fn eq(&self, other: &Self) -> bool {
        self.faults().eq(other.faults())
    }
}

impl Eq for FaultPlan {}

fn range(offset_bytes: u64, length_bytes: u64) -> Range<u64> {
    offset_bytes..offset_bytes.saturating_add(length_bytes)
}
