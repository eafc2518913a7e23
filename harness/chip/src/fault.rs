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

mod destination;
mod random;
mod spec;
#[cfg(test)]
mod tests;

pub use destination::{DestinationFaults, FaultyWriter};
pub use random::{RandomPlan, random_destination};
pub use spec::SpecError;

use crate::Errno;
use crate::power::Tear;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::hash::{Hash, Hasher};
use std::ops::Range;

/// What goes wrong on the flash side. See the [module](self) for its text form.
///
/// Two plans are equal if they ask for the same faults, however often each
/// has struck.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {
    faults: Vec<Armed>,
    operations: u64,
    bytes_changed: u64,
}

/// One fault: what, where, when.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// Which bytes of the chip it lies on; None: all of them.
    pub place: Option<Range<u64>>,
    /// When it strikes.
    pub trigger: Trigger,
    /// For what is left to chance.
    pub seed: u64,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// A read fails.
    ReadError(Errno),
    /// A read returns fewer bytes than asked for, at least one.
    ShortRead,
    /// This bit (0 to 7) of the first byte of the place reads inverted.
    BitFlip(u8),
    /// Some bit of the place reads inverted, another one in each read.
    RandomBitFlip,
    /// Programming fails.
    ProgramError(Errno),
    /// Erasing fails.
    EraseError(Errno),
    /// Power goes in the middle of an operation.
    PowerCut(Tear),
    /// An MTD device changes its size.
    SizeChange(SizeChange),
}

/// An MTD device that is not as long as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SizeChange {
    /// N of mtdN.
    pub index: u32,
    /// Its new size.
    pub size_bytes: u64,
}

/// When a fault strikes, counted in operations that touch its place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Trigger {
    /// So many operations go well first.
    pub after: u64,
    /// It strikes so often, then no more; None: always.
    pub times: Option<u64>,
}

impl Trigger {
    /// The next time and never again.
    pub const ONCE: Self = Self {
        after: 0,
        times: Some(1),
    };
    /// Every time.
    pub const ALWAYS: Self = Self {
        after: 0,
        times: None,
    };
}

impl Fault {
    /// A fault on these bytes of the chip, always, with seed 0.
    pub fn at(place: Range<u64>, kind: FaultKind) -> Self {
        Self {
            kind,
            place: Some(place),
            trigger: Trigger::ALWAYS,
            seed: 0,
        }
    }

    /// A fault on the whole chip, always, with seed 0.
    pub fn everywhere(kind: FaultKind) -> Self {
        Self {
            place: None,
            ..Self::at(0..0, kind)
        }
    }

    /// The same fault, striking at other times.
    #[must_use]
    pub fn when(mut self, trigger: Trigger) -> Self {
        self.trigger = trigger;
        self
    }

    /// The same fault with another seed.
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// How often a trigger was touched and has struck.
#[derive(Debug, Clone, Copy, Default, Hash)]
struct Gate {
    touched: u64,
    struck: u64,
}

impl Gate {
    /// Counts a touch; whether the fault strikes now.
    fn strikes(&mut self, trigger: Trigger) -> bool {
        self.touched += 1;
        let now = self.touched > trigger.after && trigger.times.is_none_or(|n| self.struck < n);
        self.struck += u64::from(now);
        now
    }
}

/// A fault with its state.
#[derive(Debug, Clone)]
struct Armed {
    fault: Fault,
    gate: Gate,
    rng: Xoshiro256PlusPlus,
    /// A bit flip whose erase block was erased, a size change that is made.
    over: bool,
}

impl Armed {
    fn new(fault: Fault) -> Self {
        Self {
            rng: Xoshiro256PlusPlus::seed_from_u64(fault.seed),
            gate: Gate::default(),
            over: false,
            fault,
        }
    }

    /// The part of `range` that the fault lies on, if it strikes there now.
    fn strike(&mut self, range: &Range<u64>) -> Option<Range<u64>> {
        if self.over {
            return None;
        }
        let touched = match &self.fault.place {
            None => range.clone(),
            Some(place) => place.start.max(range.start)..place.end.min(range.end),
        };
        (!touched.is_empty() && self.gate.strikes(self.fault.trigger)).then_some(touched)
    }
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

    /// The chip is about to be programmed.
    ///
    /// # Errors
    /// The errno of the plan; no cell may change then.
    pub fn on_program(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<(), Errno> {
        self.operations += 1;
        self.fail(offset_bytes, length_bytes, |kind| match kind {
            FaultKind::ProgramError(errno) => Some(*errno),
            _ => None,
        })
    }

    /// The chip is about to be erased. Bit flips in the range are over, as
    /// with silicon that lost a charge and gets it back.
    ///
    /// # Errors
    /// The errno of the plan; no cell may change then, and bit flips stay.
    pub fn on_erase(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<(), Errno> {
        self.operations += 1;
        self.fail(offset_bytes, length_bytes, |kind| match kind {
            FaultKind::EraseError(errno) => Some(*errno),
            _ => None,
        })?;
        let erased = range(offset_bytes, length_bytes);
        for armed in &mut self.faults {
            if let (FaultKind::BitFlip(_), Some(place)) = (&armed.fault.kind, &armed.fault.place) {
                armed.over |= erased.contains(&place.start);
            }
        }
        Ok(())
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
            (&armed.fault, armed.gate, armed.over).hash(hasher);
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

/// A number below `bound`, or 0 for 0. Our own reduction, because the same
/// seed must mean the same fault in every later version.
fn below(rng: &mut Xoshiro256PlusPlus, bound: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as u64
}
