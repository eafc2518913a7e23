//! What there is of faults.

use super::trigger::Trigger;
use super::wear::WornOut;
use crate::Errno;
use crate::power::Tear;
use std::ops::Range;

/// One fault: what, where, when.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
    /// Programming does nothing and says that it went well.
    ProgramNothing,
    /// Erasing does nothing and says that it went well.
    EraseNothing,
    /// Each erase block takes so many erases.
    Wear {
        /// How many go well.
        erases: u64,
        /// What the next ones do.
        end: WornOut,
    },
    /// One more bit reads inverted after so many reads of the place.
    ReadDisturb {
        /// Reads for each bit.
        reads: u64,
    },
    /// One more bit reads inverted after so many operations of the chip.
    BitRot {
        /// Operations for each bit.
        every: u64,
    },
    /// Power goes in the middle of an operation.
    PowerCut(Tear),
    /// An MTD device changes its size.
    SizeChange(SizeChange),
}

/// An MTD device that is not as long as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SizeChange {
    /// N of mtdN.
    pub index: u32,
    /// Its new size.
    pub size_bytes: u64,
}

impl SizeChange {
    /// mtdN, N being `index`, has this size.
    pub fn new(index: u32, size_bytes: u64) -> Self {
        Self { index, size_bytes }
    }
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
