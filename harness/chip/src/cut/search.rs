//! What a search has found so far, and which states it tries.

use super::id::{CutId, Step};
use super::mark::{self, Marks};
use super::report::{Failure, Report};
use crate::{Chip, Errno};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

/// How far an exploration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// With how many cuts.
    pub cuts: u32,
    /// States of that depth to try, and tried.
    pub tried: u64,
    /// Of how many.
    pub of: u64,
    /// Distinct states explored so far, at all depths.
    pub states: u64,
    /// How many of them failed.
    pub failed: u64,
}

/// What a search has found so far.
pub(super) struct Search<'a> {
    /// The keys of all states met so far.
    pub(super) seen: HashSet<u128>,
    pub(super) report: &'a mut Report,
    pub(super) id: CutId,
    pub(super) accesses_max: u64,
    pub(super) began: Instant,
}

impl Search<'_> {
    pub(super) fn count_tried(&mut self) {
        if let Some(level) = self.report.levels.last_mut() {
            level.tried += 1;
        }
    }

    /// The time is over; so many states that were counted are not explored after all.
    pub(super) fn stop(&mut self, dropped: u64) {
        self.report.is_cut_short = true;
        if let Some(level) = self.report.levels.last_mut() {
            level.tried -= dropped;
        }
    }

    /// Notes what became of a state that was explored.
    pub(super) fn note(&mut self, steps: &[Step], verdict: Result<(), String>, marks: &Marks) {
        mark::add(&mut self.report.marks, marks);
        let failure = verdict.err().map(|why| Failure {
            id: self.id.with_steps(steps),
            during: None,
            why,
        });
        if let Some(last) = steps.last() {
            self.report.note(*last, failure);
        }
    }

    /// How far it is, at this number of cuts.
    pub(super) fn progress(&self, cuts: u32) -> Progress {
        let level = self.report.levels.last().cloned().unwrap_or_default();
        Progress {
            cuts,
            tried: level.tried,
            of: level.candidates,
            states: self.report.states(),
            failed: self.report.failed(),
        }
    }

    pub(super) fn is_over(&self, time: Option<Duration>) -> bool {
        time.is_some_and(|most| self.began.elapsed() >= most)
    }
}

/// What equal states have in common, and others have not.
pub(super) fn key_of(chip: &Chip, promise: &impl Hash) -> Result<u128, Errno> {
    let mut hasher = DefaultHasher::new();
    promise.hash(&mut hasher);
    let promise = u128::from(hasher.finish());
    Ok(chip.state_hash()? ^ promise << 37 ^ promise)
}

/// Which states of a level are tried.
pub(super) struct Sample {
    seed: u64,
    /// Of 2^32; None: all.
    pub(super) share: Option<u64>,
}

impl Sample {
    pub(super) fn new(seed: u64, all: u64, most: Option<u64>) -> Self {
        let share = most.filter(|most| *most < all);
        let of = |most: u64| ((u128::from(most) << 32) / u128::from(all.max(1))) as u64;
        Self {
            seed,
            share: share.map(of),
        }
    }

    pub(super) fn takes(&self, index: u64) -> bool {
        let Some(share) = self.share else {
            return true;
        };
        let mut z = (index ^ self.seed << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z >> 32) < share
    }
}
