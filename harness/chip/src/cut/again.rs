//! Runs that were explored before, once more: to cut them.

use super::cursor::Cursor;
use super::id::Step;
use super::run::{Job, Run, run};
use super::subject::Subject;
use crate::Errno;

/// The recoveries that paths of cuts lead to. A path shares what it has in common with the
/// one asked for before it: in their order, most of a path is there already.
pub(super) struct Again<'w, S: Subject> {
    subject: &'w S,
    accesses_max: u64,
    work: &'w Run<S::Promise>,
    /// Where in the work the last path's first cut was.
    cursor: Cursor,
    /// The last path.
    path: Vec<Recovered<S::Promise>>,
}

struct Recovered<P> {
    step: Step,
    run: Run<P>,
    cursor: Cursor,
}

impl<'w, S: Subject> Again<'w, S> {
    pub(super) fn new(subject: &'w S, work: &'w Run<S::Promise>, accesses_max: u64) -> Self {
        let cursor = Cursor::new(&work.start);
        Self::from(cursor, subject, work, accesses_max)
    }

    /// With a place in the work that the first path starts at, or behind.
    pub(super) fn from(
        cursor: Cursor,
        subject: &'w S,
        work: &'w Run<S::Promise>,
        accesses_max: u64,
    ) -> Self {
        Self {
            subject,
            accesses_max,
            work,
            cursor,
            path: Vec::new(),
        }
    }

    /// What followed the last cut of a path that starts in the work. A subject that is not
    /// deterministic may not have all of these cuts now: then what followed the last one
    /// that it has.
    pub(super) fn run_after(&mut self, steps: &[Step]) -> Result<&Run<S::Promise>, Errno> {
        let both = self.path.iter().zip(steps);
        let shared = both.take_while(|(known, step)| known.step == **step);
        self.path.truncate(shared.count());
        for step in &steps[self.path.len()..] {
            let (last, cursor) = match self.path.last_mut() {
                Some(known) => (&known.run, &mut known.cursor),
                None => (self.work, &mut self.cursor),
            };
            let Ok(chip) = cursor.reach(&last.journal, *step)? else {
                break;
            };
            let promise = last.track.during(step.operation).clone();
            let run = run(
                self.subject,
                Job::Recover,
                &chip,
                promise,
                self.accesses_max,
            );
            let cursor = Cursor::new(&chip);
            let step = *step;
            self.path.push(Recovered { step, run, cursor });
        }
        Ok(self.path.last().map_or(self.work, |last| &last.run))
    }
}
