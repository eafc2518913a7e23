//! A fault that waits, strikes, and does what it does to bits.

use super::kind::{Fault, FaultKind};
use super::trigger::Gate;
use super::wear::{Age, WornOut};
use crate::Errno;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use std::ops::Range;

/// A fault with its state.
#[derive(Debug, Clone)]
pub(super) struct Armed {
    pub(super) fault: Fault,
    pub(super) gate: Gate,
    pub(super) rng: Xoshiro256PlusPlus,
    pub(super) age: Age,
    /// A bit flip whose erase block was erased, a size change that is made.
    pub(super) over: bool,
}

impl Armed {
    pub(super) fn new(fault: Fault) -> Self {
        Self {
            rng: Xoshiro256PlusPlus::seed_from_u64(fault.seed),
            gate: Gate::default(),
            age: Age::default(),
            over: false,
            fault,
        }
    }

    /// The part of `range` that the fault lies on, if it strikes there now.
    pub(super) fn strike(&mut self, range: &Range<u64>) -> Option<Range<u64>> {
        if self.over {
            return None;
        }
        let touched = match &self.fault.place {
            None => range.clone(),
            Some(place) => place.start.max(range.start)..place.end.min(range.end),
        };
        (!touched.is_empty() && self.gate.strikes(self.fault.trigger)).then_some(touched)
    }

    /// An operation of the chip, and the read of it, if it is one: what that does to bits.
    pub(super) fn disturb(&mut self, touched: &Range<u64>, operations: u64) {
        let place = match self.fault.kind {
            FaultKind::ReadDisturb { reads } => {
                let before = self.gate.touched;
                let Some(part) = self.strike(touched) else {
                    return;
                };
                if before % reads != reads - 1 {
                    return;
                }
                self.fault.place.clone().unwrap_or(part)
            }
            FaultKind::BitRot { every } if operations % every == 0 => {
                self.gate.struck += 1;
                self.fault.place.clone().unwrap_or_else(|| touched.clone())
            }
            _ => return,
        };
        if !place.is_empty() {
            self.age.flip(&place, &mut self.rng);
        }
    }

    /// An erase of an erase block, as far as it is worn: whether it happens.
    pub(super) fn wear(&mut self, erased: &Range<u64>) -> Result<bool, Errno> {
        let FaultKind::Wear { erases, end } = self.fault.kind else {
            return Ok(true);
        };
        if self.strike(erased).is_none() || self.age.erase(erased.start) < erases {
            return Ok(true);
        }
        match end {
            WornOut::Error => Err(Errno::IO),
            WornOut::Silent => Ok(false),
            WornOut::Stuck => {
                self.age.stick(erased, &mut self.rng);
                Ok(true)
            }
        }
    }
}
