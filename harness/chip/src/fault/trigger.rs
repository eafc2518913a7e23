//! When faults strike, and what is left to chance.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;

/// When a fault strikes, counted in operations that touch its place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Trigger {
    /// So many operations go well first.
    pub after: u64,
    /// It strikes so often, then no more; None: always.
    pub times: Option<u64>,
}

impl Trigger {
    /// After so many operations that go well, so often; None: from then on always.
    pub fn new(after: u64, times: Option<u64>) -> Self {
        Self { after, times }
    }

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

/// How often a trigger was touched and has struck.
#[derive(Debug, Clone, Copy, Default, Hash)]
pub(super) struct Gate {
    pub(super) touched: u64,
    pub(super) struck: u64,
}

impl Gate {
    /// Counts a touch; whether the fault strikes now.
    pub(super) fn strikes(&mut self, trigger: Trigger) -> bool {
        self.touched += 1;
        let now = self.touched > trigger.after && trigger.times.is_none_or(|n| self.struck < n);
        self.struck += u64::from(now);
        now
    }
}

/// A number below `bound`, or 0 for 0. Our own reduction, because the same
/// seed must mean the same fault in every later version.
pub(super) fn below(rng: &mut Xoshiro256PlusPlus, bound: u64) -> u64 {
    ((u128::from(rng.next_u64()) * u128::from(bound)) >> 64) as u64
}
