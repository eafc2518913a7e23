//! What an exploration found.

use super::id::{CutId, Step};
use super::mark::Marks;
use crate::power::Model;
use std::collections::BTreeMap;
use std::time::Duration;

/// A state in which the promise does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// What replays it.
    pub id: CutId,
    /// What was being done when the first cut came, where the subject says so
    /// ([`Track::say`](super::Track::say)): `in ask 17: set 3 (12 bytes)`.
    pub during: Option<String>,
    /// What did not hold.
    pub why: String,
}

impl Failure {
    /// What the last cut left.
    pub(super) fn model(&self) -> Option<Model> {
        self.id.steps().last().map(|step| step.tear.model)
    }
}

/// What was done at one depth: with so many cuts, each in what followed the one before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Level {
    /// How many states there were to try.
    pub candidates: u64,
    /// How many of them were chosen: all, or a sample within the budget.
    pub tried: u64,
    /// How many of those were another state than any before, so that they were explored.
    pub distinct: u64,
    /// In how many of those the promise did not hold.
    pub failed: u64,
}

/// What an exploration found. [`Display`](std::fmt::Display) tells it in a few lines.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// How many operations the whole work has.
    pub operations: u64,
    /// By the number of cuts, from one on.
    pub levels: Vec<Level>,
    /// How many distinct states ended in a cut of each model, and in how many of them the
    /// promise did not hold.
    pub models: BTreeMap<Model, (u64, u64)>,
    /// The first failures, in the order in which they were met: fewest cuts first. Of each
    /// model there is at least one, if any failed.
    pub failures: Vec<Failure>,
    /// How often the code under test passed each [`mark`](super::mark()).
    pub marks: Marks,
    /// Whether the time was over before all was tried.
    pub is_cut_short: bool,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    /// How many failures are kept one by one, the first of further models aside.
    pub const FAILURES: usize = 100;

    /// How many distinct states were explored.
    pub fn states(&self) -> u64 {
        self.levels.iter().map(|level| level.distinct).sum()
    }

    /// How many of them failed.
    pub fn failed(&self) -> u64 {
        self.levels.iter().map(|level| level.failed).sum()
    }

    /// Distinct states explored in a second.
    pub fn states_per_second(&self) -> f64 {
        self.states() as f64 / self.took.as_secs_f64().max(1e-9)
    }

    /// Whether every state was tried, at each depth, not a sample of them.
    pub fn is_complete(&self) -> bool {
        !self.is_cut_short
            && self
                .levels
                .iter()
                .all(|level| level.tried == level.candidates)
    }

    /// Panics unless the promise held in every state.
    ///
    /// # Panics
    /// With this report, ids included; or where there was no state to explore.
    #[track_caller]
    pub fn assert_held(&self) {
        assert!(self.states() > 0, "no state was explored:\n{self}");
        assert!(self.failed() == 0, "{self}");
    }

    /// Panics unless the code under test passed a mark.
    ///
    /// # Panics
    /// If it did not; with those that it passed.
    #[track_caller]
    pub fn assert_reached(&self, mark: &str) {
        assert!(
            self.marks.contains_key(mark),
            "no state reached `{mark}`; reached were {:?}",
            self.marks
        );
    }

    pub(super) fn new(operations: u64) -> Self {
        Self {
            operations,
            levels: Vec::new(),
            models: BTreeMap::new(),
            failures: Vec::new(),
            marks: Marks::new(),
            is_cut_short: false,
            took: Duration::ZERO,
        }
    }

    /// Notes a distinct state that was explored.
    pub(super) fn note(&mut self, last: Step, failure: Option<Failure>) {
        let failed = u64::from(failure.is_some());
        let (states, failures) = self.models.entry(last.tear.model).or_default();
        *states += 1;
        *failures += failed;
        if let Some(level) = self.levels.last_mut() {
            level.distinct += 1;
            level.failed += failed;
        }
        let is_first = || *failures == 1;
        if self.failures.len() < Self::FAILURES || is_first() {
            self.failures.extend(failure);
        }
    }
}
