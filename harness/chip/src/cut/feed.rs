//! What the threads of a search do at one depth, and how it comes to them.
//!
//! States of first cuts come from the work's record, one after the other. Those of further
//! cuts take a recovery to be run again, which costs as much as to explore one: they are
//! made by the threads as well, in pieces of parents that follow each other, a few pieces
//! ahead. Answers come in the order of the tasks, so that what is met first does not depend
//! on the threads.

use super::again::Again;
use super::cursor::Cursor;
use super::error::ExploreError;
use super::id::Step;
use super::pool::Pool;
use super::recovery::{Outcome, Recovery, Waiting};
use super::run::Run;
use super::search::{Sample, Search, key_of};
use super::states::States;
use super::subject::Subject;
use super::tears::Tears;
use crate::Errno;
use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

/// A distinct state to start from: how it was reached, and what there is to try in what
/// followed.
pub(super) struct Parent {
    pub(super) steps: Vec<Step>,
    pub(super) operations: u64,
    pub(super) candidates: u64,
}

/// Candidates of parents that follow each other.
pub(super) struct Piece {
    /// In the work, where the first parent's first cut was.
    reached: Cursor,
    parents: Range<usize>,
    /// Which number the first parent's first candidate has.
    first: u64,
    numbers: Range<u64>,
}

pub(super) enum Task<P> {
    Make(Box<Piece>),
    Explore(Box<Waiting<P>>),
}

pub(super) enum Answer<P> {
    Made(Result<Vec<Made<P>>, ExploreError>),
    Explored(Outcome),
}

/// A state, and what equal ones have in common.
pub(super) struct Made<P> {
    pub(super) key: u128,
    pub(super) state: Box<Waiting<P>>,
}

/// One depth of a search: what there is to try.
pub(super) struct Depth<'d, S: Subject> {
    pub(super) work: &'d Run<S::Promise>,
    pub(super) parents: &'d [Parent],
    pub(super) sample: &'d Sample,
    pub(super) tears: &'d Tears,
    pub(super) recovery: Recovery<'d, S>,
}

impl<S: Subject> Depth<'_, S> {
    /// What a thread does.
    pub(super) fn answer(&self, task: Task<S::Promise>) -> Answer<S::Promise> {
        match task {
            Task::Make(piece) => Answer::Made(self.make(&piece)),
            Task::Explore(state) => Answer::Explored(self.recovery.explore(*state)),
        }
    }

    /// The states of a piece, in their order.
    pub(super) fn make(&self, piece: &Piece) -> Result<Vec<Made<S::Promise>>, ExploreError> {
        let (subject, most) = (self.recovery.subject, self.recovery.accesses_max);
        let mut again = Again::from(piece.reached.clone(), subject, self.work, most);
        let mut made = Vec::new();
        let mut first = piece.first;
        for parent in &self.parents[piece.parents.clone()] {
            let own = first..first + parent.candidates;
            first = own.end;
            let takes = |number: u64| piece.numbers.contains(&number) && self.sample.takes(number);
            if !own.clone().any(takes) {
                continue;
            }
            let run = again.run_after(&parent.steps)?;
            if run.journal.len() != parent.operations {
                return Err(ExploreError::OtherCount {
                    first: parent.operations,
                    second: run.journal.len(),
                });
            }
            let chosen = |index| takes(own.start + index);
            for state in States::chosen(&run.start, &run.journal, self.tears, chosen) {
                let (step, chip) = state?;
                let promise = run.track.during(step.operation);
                made.push(Made {
                    key: key_of(&chip, promise)?,
                    state: Box::new(Waiting {
                        steps: parent.steps.iter().copied().chain([step]).collect(),
                        chip,
                        promise: promise.clone(),
                    }),
                });
            }
        }
        Ok(made)
    }

    /// Whether nothing was cut before.
    fn is_first(&self) -> bool {
        matches!(self.parents, [work] if work.steps.is_empty())
    }

    /// The next piece behind `from` with so many candidates, or what is left.
    pub(super) fn piece(
        &self,
        from: &mut Place,
        states_max: usize,
    ) -> Result<Option<Piece>, Errno> {
        let mut chosen = 0;
        let mut start = None;
        while chosen < states_max {
            let Some(parent) = self.parents.get(from.parent) else {
                break;
            };
            let end = from.first + parent.candidates;
            while from.number < end && chosen < states_max {
                if self.sample.takes(from.number) {
                    chosen += 1;
                    start.get_or_insert((from.parent, from.first, from.number));
                }
                from.number += 1;
            }
            if from.number == end {
                from.first = end;
                from.parent += 1;
            }
        }
        let Some((parent, first, number)) = start else {
            return Ok(None);
        };
        if let Some(cut) = self.parents[parent].steps.first() {
            from.cursor.go_to(&self.work.journal, cut.operation)?;
        }
        let is_within = from.number > from.first;
        Ok(Some(Piece {
            reached: from.cursor.clone(),
            parents: parent..from.parent + usize::from(is_within),
            first,
            numbers: number..from.number,
        }))
    }
}

/// How far the pieces of a depth have come.
pub(super) struct Place {
    cursor: Cursor,
    parent: usize,
    /// Which number this parent's first candidate has, and the next one to look at.
    first: u64,
    number: u64,
}

impl Place {
    /// At the first candidate of what follows this work.
    pub(super) fn start<P>(work: &Run<P>) -> Self {
        Self {
            cursor: Cursor::new(&work.start),
            parent: 0,
            first: 0,
            number: 0,
        }
    }
}

/// Gives the threads what one depth has to try, and notes what becomes of it.
pub(super) struct Feed<'f, 's, S: Subject, W, N> {
    pub(super) depth: &'f Depth<'f, S>,
    pub(super) pool: &'f Pool<Task<S::Promise>, Answer<S::Promise>, W>,
    pub(super) search: &'f mut Search<'s>,
    pub(super) note: N,
    pub(super) time: Option<Duration>,
    /// Pieces that are made before they are needed, and how many states each has.
    pub(super) ahead: usize,
    pub(super) piece_states: usize,
    pub(super) answers: VecDeque<Answer<S::Promise>>,
}

impl<S, W, N> Feed<'_, '_, S, W, N>
where
    S: Subject,
    W: Fn(Task<S::Promise>) -> Answer<S::Promise> + Sync,
    N: FnMut(Outcome, &mut Search<'_>),
{
    pub(super) fn run(mut self) -> Result<(), ExploreError> {
        let mut place = Place::start(self.depth.work);
        if self.depth.is_first() {
            self.first_cuts()?;
            place.parent = self.depth.parents.len();
        }
        let mut under_way = 0;
        loop {
            while under_way < self.ahead && !self.search.report.is_cut_short {
                let Some(piece) = self.depth.piece(&mut place, self.piece_states)? else {
                    break;
                };
                under_way += 1;
                self.push(Task::Make(Box::new(piece)));
            }
            let Some(answer) = self.next_answer() else {
                return Ok(());
            };
            match answer {
                Answer::Explored(outcome) => (self.note)(outcome, self.search),
                Answer::Made(made) => {
                    under_way -= 1;
                    for made in made? {
                        if !self.take(made.key, made.state) {
                            break;
                        }
                    }
                }
            }
            under_way -= self.drop_what_is_late();
        }
    }

    fn first_cuts(&mut self) -> Result<(), ExploreError> {
        let Depth {
            work,
            sample,
            tears,
            ..
        } = self.depth;
        let chosen = |index| sample.takes(index);
        for state in States::chosen(&work.start, &work.journal, tears, chosen) {
            let (step, chip) = state?;
            let promise = work.track.during(step.operation);
            let key = key_of(&chip, promise)?;
            let state = Waiting {
                steps: vec![step],
                chip,
                promise: promise.clone(),
            };
            if !self.take(key, Box::new(state)) {
                break;
            }
        }
        Ok(())
    }

    fn push(&mut self, task: Task<S::Promise>) {
        let ready = self.pool.push(task);
        self.answers.extend(ready);
    }

    /// Has a state explored, if it is new; false: the time is over.
    fn take(&mut self, key: u128, state: Box<Waiting<S::Promise>>) -> bool {
        if self.search.report.is_cut_short {
            return false;
        }
        self.search.count_tried();
        if self.search.seen.insert(key) {
            self.push(Task::Explore(state));
        }
        // What is ready is told now: a piece of slow programs takes a while.
        while let Some(Answer::Explored(_)) = self.answers.front() {
            if let Some(Answer::Explored(outcome)) = self.answers.pop_front() {
                (self.note)(outcome, self.search);
            }
        }
        if self.search.is_over(self.time) {
            self.search.stop(0);
        }
        true
    }

    /// Answers None when all is done.
    fn next_answer(&mut self) -> Option<Answer<S::Promise>> {
        if self.answers.is_empty() {
            let ready = self.pool.rest();
            self.answers.extend(ready);
        }
        self.answers.pop_front()
    }

    /// Drops what waits once the time is over; answers how many pieces that were.
    fn drop_what_is_late(&mut self) -> usize {
        if !self.search.is_over(self.time) {
            return 0;
        }
        let dropped = self.pool.drop_waiting();
        let is_piece = |task: &&Task<S::Promise>| matches!(task, Task::Make(_));
        let pieces = dropped.iter().filter(is_piece).count();
        if !dropped.is_empty() {
            self.search.stop((dropped.len() - pieces) as u64);
        }
        pieces
    }
}
