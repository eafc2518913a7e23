//! One state again, and the shortest path to a failure.

use super::again::Again;
use super::cursor::{Cursor, Missing};
use super::error::ExploreError;
use super::explore::{Explorer, accesses_max};
use super::id::{CutId, IdError, Step};
use super::run::{Job, Run, run};
use super::subject::Subject;
use crate::power::{Operation, Tear};
use crate::{Chip, Errno};

/// Why an id was not replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The id does not fit.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The subject does not work even without a cut.
    #[error(transparent)]
    Subject(#[from] ExploreError),
}

impl From<Errno> for ReplayError {
    fn from(errno: Errno) -> Self {
        Self::Subject(errno.into())
    }
}

/// What an id led to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Replay {
    /// The chip as the last cut left it, with power.
    pub left: Chip,
    /// The chip after the recovery.
    pub recovered: Chip,
    /// What did not hold, if anything.
    pub verdict: Result<(), String>,
    /// Each cut, in words: the operation, what was left of it, and what was being done
    /// where the subject says so ([`Track::say`](super::Track::say)).
    pub cuts: Vec<String>,
    /// The operation that the last cut struck; none behind the last one.
    pub(super) struck: Option<Operation>,
}

/// Steps that are tried in another's place, at most.
const PLAINER_MAX: usize = 1000;

impl<S: Subject> Explorer<'_, S> {
    /// Leads to the state that an id names, and recovers from it once more.
    ///
    /// # Errors
    /// An id of another chip or program, or that asks for what is not there.
    pub fn replay(&self, id: &CutId) -> Result<Replay, ReplayError> {
        let work = self.work()?;
        id.check(self.start, &work.journal)?;
        let accesses_max = accesses_max(&work);
        self.follow(&work, id.steps(), accesses_max)
    }

    /// Follows a path from a run on.
    fn follow(
        &self,
        work: &Run<S::Promise>,
        steps: &[Step],
        accesses_max: u64,
    ) -> Result<Replay, ReplayError> {
        let mut recovery = None;
        let (mut cuts, mut struck) = (Vec::new(), None);
        for (index, step) in steps.iter().enumerate() {
            let last = recovery.as_ref().unwrap_or(work);
            let chip = match Cursor::new(&last.start).reach(&last.journal, *step)? {
                Ok(chip) => chip,
                Err(Missing::Operation) => {
                    return Err(ReplayError::Id(IdError::NoSuchOperation {
                        cut: index + 1,
                        found: last.journal.len(),
                        asked: step.operation,
                    }));
                }
                Err(Missing::Tear(operation)) => {
                    return Err(ReplayError::Id(IdError::NoSuchTear {
                        step: *step,
                        operation: operation.to_string(),
                    }));
                }
            };
            struck = last.journal.operation(step.operation);
            let what = struck.map_or("the end".to_owned(), |operation| operation.to_string());
            let Step { operation, tear } = step;
            let said = last.track.said(*operation);
            let said = said.map_or(String::new(), |said| format!(", {said}"));
            cuts.push(format!(
                "operation {operation}, {what}: {} ({tear}){said}",
                tear.model
            ));
            let promise = last.track.during(step.operation).clone();
            let next = run(self.subject, Job::RecoverTold, &chip, promise, accesses_max);
            recovery = Some(next);
        }
        let last = recovery.as_ref().unwrap_or(work);
        Ok(Replay {
            left: last.start.clone(),
            recovered: last.end.clone(),
            verdict: last.verdict.clone(),
            cuts,
            struck,
        })
    }

    /// The shortest path found that fails as well: fewer cuts, then earlier operations and
    /// plainer tears. An id that does not fail comes back as it is.
    ///
    /// # Errors
    /// As [`Explorer::replay`].
    pub fn shrink(&self, id: &CutId) -> Result<CutId, ReplayError> {
        let work = self.work()?;
        id.check(self.start, &work.journal)?;
        let accesses_max = accesses_max(&work);
        let fails = |steps: &[Step]| -> Result<bool, ReplayError> {
            match self.follow(&work, steps, accesses_max) {
                Ok(replay) => Ok(replay.verdict.is_err()),
                Err(ReplayError::Id(_)) => Ok(false),
                Err(error) => Err(error),
            }
        };
        let mut steps = id.steps().to_vec();
        if self.follow(&work, &steps, accesses_max)?.verdict.is_ok() {
            return Ok(id.clone());
        }
        // Fewer cuts.
        let mut index = 0;
        while index < steps.len() && steps.len() > 1 {
            let mut fewer = steps.clone();
            fewer.remove(index);
            match fails(&fewer)? {
                true => steps = fewer,
                false => index += 1,
            }
        }
        // Plainer ones.
        for index in 0..steps.len() {
            let plainer = self.plainer(&work, &steps, index, accesses_max)?;
            // Each costs a recovery: those next to the step, where there are too many.
            let first = plainer.len().saturating_sub(PLAINER_MAX);
            for plainer in plainer.into_iter().skip(first) {
                let mut other = steps.clone();
                other[index] = plainer;
                if fails(&other)? {
                    steps = other;
                    break;
                }
            }
        }
        Ok(id.with_steps(&steps))
    }

    /// What could stand in a step's place, the plainest first: the tears before its own on
    /// its operation, and whole operations before it.
    fn plainer(
        &self,
        work: &Run<S::Promise>,
        steps: &[Step],
        index: usize,
        accesses_max: u64,
    ) -> Result<Vec<Step>, Errno> {
        let mut again = Again::new(self.subject, work, accesses_max);
        let run = again.run_after(&steps[..index])?;
        let own = steps[index];
        let word_bytes = self.start.programming().word_bytes;
        let mut plainer: Vec<Step> = Vec::new();
        for operation in 1..=own.operation {
            for tear in [Tear::BEFORE, Tear::AFTER] {
                plainer.push(Step { operation, tear });
            }
        }
        let operation = run.journal.operation(own.operation);
        if let Some((operation, data)) = operation.zip(run.journal.data(own.operation)) {
            let tears = self.tears.of(operation, data, word_bytes);
            plainer.extend(tears.map(|tear| Step { tear, ..own }));
        }
        let end = plainer.iter().position(|step| *step == own);
        plainer.truncate(end.unwrap_or(plainer.len()));
        Ok(plainer)
    }
}
