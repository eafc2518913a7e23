//! One run of a subject: recorded, watched, its panics caught.

use super::mark::{self, Marks};
use super::subject::{Subject, Track};
use crate::Chip;
use crate::chip::Journal;
use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

/// Which of its two jobs a subject does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    Work,
    Recover,
    /// A recovery whose cuts will be told in words.
    RecoverTold,
    /// A recovery that nobody will cut: no notes are taken of it.
    RecoverLast,
}

/// A run that came to its end.
pub(crate) struct Run<P> {
    /// The chip as it was at the start.
    pub(crate) start: Chip,
    /// The chip at the end.
    pub(crate) end: Chip,
    pub(crate) journal: Journal,
    pub(crate) track: Track<P>,
    pub(crate) verdict: Result<(), String>,
    pub(crate) marks: Marks,
    /// Reads, programs and erases, refused ones included.
    pub(crate) accesses: u64,
}

/// Runs a subject on a copy of a chip.
pub(crate) fn run<S: Subject>(
    subject: &S,
    job: Job,
    start: &Chip,
    promise: S::Promise,
    accesses_max: u64,
) -> Run<S::Promise> {
    let mut chip = start.clone();
    chip.reset_counters();
    if job != Job::RecoverLast {
        chip.record();
    }
    chip.limit_accesses(Some(accesses_max));
    let operations = chip.journal().map(Journal::count).unwrap_or_default();
    let track = Track::new(promise, operations);
    let mut track = match job {
        Job::Work | Job::RecoverTold => track.listening(),
        Job::Recover | Job::RecoverLast => track,
    };
    let (ended, marks) = mark::counting(|| {
        quietly(|| match job {
            Job::Work => subject.work(&mut chip, &mut track),
            _ => subject.recover(&mut chip, &mut track),
        })
    });
    let verdict = ended.unwrap_or_else(|payload| Err(told(&*payload, accesses_max)));
    let counters = chip.counters();
    let accesses = counters.reads() + counters.programs() + counters.erases() + counters.failures();
    let journal = chip.take_journal();
    chip.limit_accesses(None);
    Run {
        start: start.clone(),
        end: chip,
        journal,
        track,
        verdict,
        marks,
        accesses,
    }
}

fn told(payload: &(dyn Any + Send), accesses_max: u64) -> String {
    if Chip::is_endless(payload) {
        return format!("it did not end within {accesses_max} accesses of the chip");
    }
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied());
    format!("it panicked: {}", text.unwrap_or("(no text)"))
}

thread_local!(static QUIET: Cell<bool> = const { Cell::new(false) });

/// Catches a panic and keeps its text from the terminal: a search meets thousands, and
/// tells of them in its report.
fn quietly<R>(work: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |about| {
            if !QUIET.get() {
                before(about);
            }
        }));
    });
    let outer = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(outer);
    result
}
