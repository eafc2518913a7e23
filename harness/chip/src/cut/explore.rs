//! The search: every cut, every tear, cuts in what follows.
//!
//! Level by level, so that what is found first has the fewest cuts. A level's states come
//! from the recorded runs of the level before, without running anything again; a state
//! that is equal to one before (the chip's hash and the promise's) is not explored again.
//! The search is deterministic whatever the number of threads: states are compared and
//! noted in their order by one of them, while the others make and explore them.

use super::error::{ExploreError, same};
use super::feed::{Depth, Feed, Parent};
use super::id::CutId;
use super::mark;
use super::pool::Pool;
use super::recovery::{Outcome, Recovery, candidates};
use super::report::{Level, Report};
use super::run::{Job, Run, run};
use super::search::{Progress, Sample, Search};
use super::subject::Subject;
use super::tears::Tears;
use crate::Chip;
use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

type Watch<'a> = Box<dyn FnMut(Progress) + 'a>;

/// A search over every power cut in a subject's work. See the [module](super).
///
/// ```
/// use mtd_chip::cut::{Ask, Explorer, Script, Scripted, Tears, Work};
/// use mtd_chip::{Chip, Errno, Geometry};
///
/// // Values of a byte, one behind the other; the last one counts.
/// let store = |chip: &mut Chip, script: &mut Script| -> Result<(), Errno> {
///     while let Some(ask) = script.next() {
///         let mut cells = [0; 64];
///         chip.read(0, &mut cells)?;
///         let end = cells.iter().take_while(|cell| **cell != 0xff).count();
///         match ask {
///             Ask::Set(_, value) => chip.program(end as u64, &value)?,
///             _ => script.found(end.checked_sub(1).map(|last| [cells[last]])),
///         }
///     }
///     Ok(())
/// };
/// let chip = Chip::new(Geometry { size_bytes: 1024, erase_block_bytes: 1024 });
/// let work = Work::of([Ask::Set(0, vec![0x10]), Ask::Set(0, vec![0x32]), Ask::Get(0)]);
/// let subject = Scripted::new(work, store);
///
/// // Two cuts, a budget, nothing but whole operations: it survives.
/// let search = || Explorer::new(&chip, &subject).tears(Tears::atomic());
/// search().cuts(2).states(1000).run()?.assert_held();
/// // Some of the bits: it does not. The id leads there again.
/// let report = Explorer::new(&chip, &subject).run()?;
/// let id = &report.failures[0].id;
/// assert!(Explorer::new(&chip, &subject).replay(id)?.verdict.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

    /// At most so many states are tried, shared out evenly among the depths, as far as each
    /// has so many. Where there are more at some depth, a sample of them is tried, by the
    /// seed; the report says so.
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
        let id = CutId::new(self.start, &work.journal, [])?;
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
            candidates: candidates(&work, &self.tears),
        }];
        for cuts in 1..=self.cuts {
            if parents.is_empty() || search.report.is_cut_short {
                break;
            }
            parents = self.level(cuts, &work, &parents, &mut search)?;
        }
        for failure in &mut report.failures {
            let first = failure.id.steps().first();
            let said = first.and_then(|step| work.track.said(step.operation));
            failure.during = said.map(str::to_owned);
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
        // What the levels before left is shared with those that follow.
        let levels = u64::from(self.cuts - cuts) + 1;
        let left = self
            .states
            .map(|most| most.saturating_sub(tried_before) / levels);
        let sample = Sample::new(self.seed, all, left);
        search.report.levels.push(Level {
            candidates: all,
            ..Level::default()
        });
        let mut watch = self.progress.take();
        let mut next = Vec::new();
        let note = |outcome: Outcome, search: &mut Search<'_>| {
            // What follows a broken promise is not worth another cut.
            let parent = (outcome.verdict.is_ok() && cuts < self.cuts).then(|| Parent {
                steps: outcome.steps.clone(),
                operations: outcome.operations,
                candidates: outcome.candidates,
            });
            search.note(&outcome.steps, outcome.verdict, &outcome.marks);
            next.extend(parent);
            if let Some(watch) = &mut watch {
                watch(search.progress(cuts));
            }
        };
        let depth = Depth {
            work,
            parents,
            sample: &sample,
            tears: &self.tears,
            recovery: Recovery {
                subject: self.subject,
                accesses_max: search.accesses_max,
                tears: (cuts < self.cuts).then_some(&self.tears),
            },
        };
        self.try_all(&depth, search, note)?;
        self.progress = watch;
        if let (Some(level), None, false) = (
            search.report.levels.last_mut(),
            sample.share,
            search.report.is_cut_short,
        ) {
            level.tried = level.candidates; // some of them did not exist after all
        }
        Ok(next)
    }

    /// Has the threads explore what one depth leads to.
    fn try_all(
        &self,
        depth: &Depth<'_, S>,
        search: &mut Search<'_>,
        note: impl FnMut(Outcome, &mut Search<'_>),
    ) -> Result<(), ExploreError> {
        let block_bytes = self.start.geometry().erase_block_bytes.max(1) as usize;
        let batch = (BATCH_BYTES / block_bytes).clamp(16, 4096);
        let room = if self.threads == 1 { 0 } else { batch };
        let pool = Pool::new(room, |task| depth.answer(task));
        let ahead = self.threads + 1;
        std::thread::scope(|scope| {
            let _closing = pool.closing();
            (1..self.threads).for_each(|_| drop(scope.spawn(|| pool.serve())));
            let feed = Feed {
                depth,
                pool: &pool,
                search,
                note,
                time: self.time,
                ahead,
                piece_states: (batch / ahead).clamp(8, 512),
                answers: VecDeque::new(),
            };
            feed.run()
        })
    }
}

pub(super) fn accesses_max<P>(work: &Run<P>) -> u64 {
    (work.accesses * ACCESSES_FACTOR).max(ACCESSES_MIN)
}
