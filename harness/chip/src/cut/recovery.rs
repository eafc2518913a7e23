//! What is done with each state: a recovery from it, and what became of that.

use super::id::Step;
use super::mark;
use super::run::{Job, Run, run};
use super::states::States;
use super::subject::Subject;
use super::tears::Tears;
use crate::Chip;

/// A state that was made and waits to be explored.
pub(super) struct Waiting<P> {
    pub(super) steps: Vec<Step>,
    pub(super) chip: Chip,
    pub(super) promise: P,
}

/// What became of it.
pub(super) struct Outcome {
    pub(super) steps: Vec<Step>,
    pub(super) verdict: Result<(), String>,
    pub(super) operations: u64,
    /// What there is to try in what followed, if that is to be tried.
    pub(super) candidates: u64,
    pub(super) marks: mark::Marks,
}

/// What is done with a state.
pub(super) struct Recovery<'a, S> {
    pub(super) subject: &'a S,
    pub(super) accesses_max: u64,
    /// Those that are tried on what followed, if that is cut as well.
    pub(super) tears: Option<&'a Tears>,
}

impl<S: Subject> Recovery<'_, S> {
    pub(super) fn explore(&self, state: Waiting<S::Promise>) -> Outcome {
        let (chip, promise) = (&state.chip, state.promise);
        let job = match self.tears {
            Some(_) => Job::Recover,
            None => Job::RecoverLast,
        };
        let run = run(self.subject, job, chip, promise, self.accesses_max);
        let candidates = self.tears.map(|tears| candidates(&run, tears));
        Outcome {
            steps: state.steps,
            verdict: run.verdict,
            operations: run.journal.len(),
            candidates: candidates.unwrap_or_default(),
            marks: run.marks,
        }
    }
}

pub(super) fn candidates<P>(run: &Run<P>, tears: &Tears) -> u64 {
    let word_bytes = run.start.programming().word_bytes;
    States::count_of(&run.journal, tears, word_bytes)
}
