//! The search: every cut, every tear, cuts in what follows.
//!
//! Level by level, so that what is found first has the fewest cuts. A level's states come
//! from the recorded runs of the level before, without running anything again; a state
//! that is equal to one before (the chip's hash and the promise's) is not explored again.
//! The search is deterministic whatever the number of threads: states are made and compared
//! in order by one of them, and explored by all.

use super::error::{ExploreError, same};
use super::id::{CutId, Step};
use super::mark;
use super::report::{Failure, Level, Report};
use super::run::{Job, Run, run};
use super::search::{Sample, Search};
use super::states::States;
use super::subject::Subject;
use super::tears::Tears;
use crate::{Chip, Errno};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
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

type Watch<'a> = Box<dyn FnMut(Progress) + 'a>;

/// A search over every power cut in a subject's work. See the [module](super).
pub struct Explorer<'a, S: Subject> {
    pub(super) start: &'a Chip,
    pub(super) subject: &'a S,
    pub(super) tears: Tears,
    cuts: u32,
    states: Option<u64>,
    time: Option<Duration>,
    threads: usize,
    seed: u64,
    progress: Option<Watch<'a>>,
}

/// Accesses that a recovery may take: so many times those of the whole work.
const ACCESSES_FACTOR: u64 = 20;
/// But no fewer than this.
const ACCESSES_MIN: u64 = 10_000;
/// Cells of states that wait to be explored, at most.
const BATCH_BYTES: usize = 32 << 20;

/// A distinct state to start from: how it was reached, and what there is to try in what
/// followed.
struct Parent {
    steps: Vec<Step>,
    operations: u64,
    candidates: u64,
}

/// A state that was made and waits to be explored.
struct Waiting<P> {
    steps: Vec<Step>,
    chip: Chip,
    promise: P,
}

/// What became of it.
struct Outcome {
    verdict: Result<(), String>,
    operations: u64,
    candidates: u64,
    marks: mark::Marks,
}

impl<'a, S: Subject> Explorer<'a, S> {
    /// A search that starts on this chip: one cut, every tear, as many threads as the
    /// machine has cores.
    pub fn new(start: &'a Chip, subject: &'a S) -> Self {
        Self {
            start,
            subject,
            tears: Tears::all(),
            cuts: 1,
            states: None,
            time: None,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            seed: 0,
            progress: None,
        }
    }

    /// Up to so many cuts: the second in the recovery from the first, and so on.
    #[must_use]
    pub fn cuts(self, cuts: u32) -> Self {
        Self { cuts, ..self }
    }

    /// Which tears are tried.
    #[must_use]
    pub fn tears(self, tears: Tears) -> Self {
        Self { tears, ..self }
    }

    /// At most so many states are tried. Where there are more at some depth, a sample of
    /// them is, by the seed; the report says so.
    #[must_use]
    pub fn states(self, most: u64) -> Self {
        Self {
            states: Some(most),
            ..self
        }
    }

    /// Stops after this time; the report says so. How far it comes depends on the
    /// machine, unlike with [`Explorer::states`].
    #[must_use]
    pub fn time(self, most: Duration) -> Self {
        Self {
            time: Some(most),
            ..self
        }
    }

    /// With so many threads.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        Self {
            threads: threads.max(1),
            ..self
        }
    }

    /// Another sample, where there is one.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Is told from time to time how far the search is.
    #[must_use]
    pub fn progress(self, watch: impl FnMut(Progress) + 'a) -> Self {
        Self {
            progress: Some(Box::new(watch)),
            ..self
        }
    }

    /// Searches.
    ///
    /// # Errors
    /// A subject that fails without a cut, or is not deterministic; see
    /// [`ExploreError`].
    pub fn run(mut self) -> Result<Report, ExploreError> {
        let began = Instant::now();
        let work = self.work()?;
        let accesses_max = accesses_max(&work);
        let mut report = Report::new(work.journal.len());
        mark::add(&mut report.marks, &work.marks);
        let id = CutId::new(self.start, work.journal.len(), [])?;
        let mut search = Search {
            seen: HashSet::new(),
            report: &mut report,
            id,
            accesses_max,
            began,
        };
        let mut parents = vec![Parent {
            steps: Vec::new(),
            operations: work.journal.len(),
            candidates: self.candidates(&work),
        }];
        for cuts in 1..=self.cuts {
            if parents.is_empty() || search.report.is_cut_short {
                break;
            }
            parents = self.level(cuts, &work, &parents, &mut search)?;
        }
        report.took = began.elapsed();
        Ok(report)
    }

    /// The work without a cut, twice, and the recovery after it.
    pub(super) fn work(&self) -> Result<Run<S::Promise>, ExploreError> {
        let promise = S::Promise::default;
        let once = || run(self.subject, Job::Work, self.start, promise(), u64::MAX);
        let (first, second) = (once(), once());
        let broken = |what| move |why| ExploreError::Broken { what, why };
        same(&first, &second)?;
        second.verdict.map_err(broken("the work"))?;
        let after = run(
            self.subject,
            Job::Recover,
            &first.end,
            first.track.get().clone(),
            accesses_max(&first),
        );
        after
            .verdict
            .map_err(broken("the recovery after the work"))?;
        Ok(first)
    }

    fn candidates(&self, run: &Run<S::Promise>) -> u64 {
        let word_bytes = self.start.programming().word_bytes;
        States::count_of(&run.journal, &self.tears, word_bytes)
    }

    /// The recovery after the last cut of a path that starts in the work; None: the path
    /// has no cut. `states` are the work's.
    pub(super) fn rerun(
        &self,
        work: &Run<S::Promise>,
        states: &mut States<'_>,
        steps: &[Step],
        accesses_max: u64,
    ) -> Result<Option<Run<S::Promise>>, Errno> {
        let mut recovery = None;
        for step in steps {
            let last = recovery.as_ref().unwrap_or(work);
            let left = match recovery {
                Some(_) => States::at(&last.start, &last.journal, *step)?,
                None => states.reach(*step)?,
            };
            let Ok(chip) = left else {
                break; // the caller compares the number of operations
            };
            let promise = last.track.during(step.operation).clone();
            let next = run(self.subject, Job::Recover, &chip, promise, accesses_max);
            recovery = Some(next);
        }
        Ok(recovery)
    }

    /// Explores the states that one more cut leads to; answers those from which a further
    /// one can start.
    fn level(
        &mut self,
        cuts: u32,
        work: &Run<S::Promise>,
        parents: &[Parent],
        search: &mut Search<'_>,
    ) -> Result<Vec<Parent>, ExploreError> {
        let all: u64 = parents.iter().map(|parent| parent.candidates).sum();
        let tried_before: u64 = search.report.levels.iter().map(|level| level.tried).sum();
        let left = self.states.map(|most| most.saturating_sub(tried_before));
        let sample = Sample::new(self.seed, all, left);
        search.report.levels.push(Level {
            candidates: all,
            ..Level::default()
        });
        let batch =
            (BATCH_BYTES / self.start.geometry().erase_block_bytes.max(1) as usize).clamp(16, 4096);
        let (mut waiting, mut next) = (Vec::new(), Vec::new());
        let mut first = 0;
        let mut reached = States::new(&work.start, &work.journal, &self.tears);
        for parent in parents {
            let range = first..first + parent.candidates;
            first = range.end;
            if !range.clone().any(|index| sample.takes(index)) {
                continue;
            }
            let again = self.rerun(work, &mut reached, &parent.steps, search.accesses_max)?;
            let run = again.as_ref().unwrap_or(work);
            if run.journal.len() != parent.operations {
                return Err(ExploreError::OtherCount {
                    first: parent.operations,
                    second: run.journal.len(),
                });
            }
            let chosen = |index| sample.takes(range.start + index);
            for state in States::chosen(&run.start, &run.journal, &self.tears, chosen) {
                let (step, chip) = state?;
                search.count_tried();
                let promise = run.track.during(step.operation);
                if search.is_new(&chip, promise)? {
                    let steps = parent.steps.iter().copied().chain([step]).collect();
                    let promise = promise.clone();
                    waiting.push(Waiting {
                        steps,
                        chip,
                        promise,
                    });
                }
                if waiting.len() >= batch {
                    self.explore(cuts, &mut waiting, search, &mut next);
                    if search.is_over(self.time) {
                        return Ok(next);
                    }
                }
            }
        }
        self.explore(cuts, &mut waiting, search, &mut next);
        if let (Some(level), None) = (search.report.levels.last_mut(), sample.share) {
            level.tried = level.candidates; // some of them did not exist after all
        }
        Ok(next)
    }

    /// Recovers from each of the states that wait, and notes what became of it.
    fn explore(
        &mut self,
        cuts: u32,
        waiting: &mut Vec<Waiting<S::Promise>>,
        search: &mut Search<'_>,
        next: &mut Vec<Parent>,
    ) {
        let outcomes = self.recover_all(waiting, search.accesses_max);
        for (state, outcome) in waiting.drain(..).zip(outcomes) {
            mark::add(&mut search.report.marks, &outcome.marks);
            let Some(last) = state.steps.last().copied() else {
                continue;
            };
            let failure = outcome.verdict.err().map(|why| Failure {
                id: search.id.with_steps(&state.steps),
                why,
            });
            // What follows a broken promise is not worth another cut.
            if failure.is_none() && cuts < self.cuts {
                next.push(Parent {
                    steps: state.steps,
                    operations: outcome.operations,
                    candidates: outcome.candidates,
                });
            }
            search.report.note(last, failure);
        }
        if let (Some(watch), Some(level)) = (&mut self.progress, search.report.levels.last()) {
            watch(Progress {
                cuts,
                tried: level.tried,
                of: level.candidates,
                states: search.report.states(),
                failed: search.report.failed(),
            });
        }
    }

    fn recover_all(&self, waiting: &[Waiting<S::Promise>], accesses_max: u64) -> Vec<Outcome> {
        let (subject, tears) = (self.subject, &self.tears);
        let word_bytes = self.start.programming().word_bytes;
        let explore = |state: &Waiting<S::Promise>| {
            let promise = state.promise.clone();
            let run = run(subject, Job::Recover, &state.chip, promise, accesses_max);
            Outcome {
                verdict: run.verdict,
                operations: run.journal.len(),
                candidates: States::count_of(&run.journal, tears, word_bytes),
                marks: run.marks,
            }
        };
        let threads = self.threads.min(waiting.len().div_ceil(8));
        if threads <= 1 {
            return waiting.iter().map(explore).collect();
        }
        let next = AtomicUsize::new(0);
        let worker = || {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                match waiting.get(index) {
                    Some(state) => done.push((index, explore(state))),
                    None => return done,
                }
            }
        };
        let mut outcomes: Vec<_> = std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(worker)).collect();
            let mut all = worker();
            for other in others {
                match other.join() {
                    Ok(done) => all.extend(done),
                    Err(payload) => std::panic::resume_unwind(payload),
                }
            }
            all
        });
        outcomes.sort_by_key(|(index, _)| *index);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }
}

pub(super) fn accesses_max<P>(work: &Run<P>) -> u64 {
    (work.accesses * ACCESSES_FACTOR).max(ACCESSES_MIN)
}
