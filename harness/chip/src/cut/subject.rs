//! What is put through power cuts, and what it promised.

use crate::Chip;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A program that works on a chip, and what must hold if power goes.
///
/// `work` is run once, from its beginning to its end; each moment of it is a cut. After a
/// cut `recover` is run on what is left: it starts the program anew as after a reboot,
/// and checks that what was promised before the cut holds. It may do more work and promise
/// more; each moment of that can be a second cut.
///
/// Both must be deterministic: the same chip and promise lead to the same operations.
pub trait Subject: Sync {
    /// What has been promised so far. It starts as its default.
    type Promise: Clone + Default + Hash + Send + Sync;

    /// The work that is to be interrupted.
    ///
    /// # Errors
    /// Why it cannot be done even without a cut.
    fn work(&self, chip: &mut Chip, promise: &mut Track<Self::Promise>) -> Result<(), String>;

    /// Starts anew after a cut and checks the promise.
    ///
    /// # Errors
    /// What did not hold.
    fn recover(&self, chip: &mut Chip, promise: &mut Track<Self::Promise>) -> Result<(), String>;
}

/// A promise, with its changes over a run: between which operations each was made.
///
/// A promise is in force for the operations that come after the change. So what is about
/// to be done is announced before it begins ("old or new"), and made firm when it is
/// acknowledged ("new").
#[derive(Debug)]
pub struct Track<P> {
    now: P,
    history: Vec<(u64, P)>,
    /// What was being done, from which operation on; None: nobody will ask.
    said: Option<Vec<(u64, String)>>,
    operations: Arc<AtomicUsize>,
}

impl<P: Clone> Track<P> {
    pub(crate) fn new(start: P, operations: Arc<AtomicUsize>) -> Self {
        Self {
            history: vec![(0, start.clone())],
            now: start,
            said: None,
            operations,
        }
    }

    /// Keeps what [`Track::say`] tells.
    pub(crate) fn listening(self) -> Self {
        let said = Some(Vec::new());
        Self { said, ..self }
    }

    /// Says what is being done from now on, for the words of a cut in it
    /// ([`Replay::cuts`](super::Replay)); where nobody will read them, they are not made.
    pub fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(said) = &mut self.said {
            let done = self.operations.load(Ordering::Relaxed) as u64;
            said.push((done, what()));
        }
    }

    /// What was being done while an operation ran, the first being 1.
    pub(crate) fn said(&self, operation: u64) -> Option<&str> {
        let said = self.said.as_ref()?;
        let later = said.partition_point(|(done, _)| *done < operation);
        Some(&said.get(later.checked_sub(1)?)?.1)
    }

    /// What is promised now.
    pub fn get(&self) -> &P {
        &self.now
    }

    /// Changes the promise, from the next operation on.
    pub fn update(&mut self, change: impl FnOnce(&mut P)) {
        change(&mut self.now);
        let done = self.operations.load(Ordering::Relaxed) as u64;
        match self.history.last_mut() {
            Some((when, last)) if *when == done => last.clone_from(&self.now),
            _ => self.history.push((done, self.now.clone())),
        }
    }

    /// Changes the promise as of when so many operations were done: for a subject that
    /// learns only afterwards when that was. Changes come in their order.
    pub fn update_at(&mut self, done: u64, change: impl FnOnce(&mut P)) {
        change(&mut self.now);
        match self.history.last_mut() {
            Some((when, last)) if *when >= done => last.clone_from(&self.now),
            _ => self.history.push((done, self.now.clone())),
        }
    }

    /// What is in force while an operation runs, the first being 1.
    pub(crate) fn during(&self, operation: u64) -> &P {
        let later = self.history.partition_point(|(done, _)| *done < operation);
        &self.history[later.max(1) - 1].1
    }
}
