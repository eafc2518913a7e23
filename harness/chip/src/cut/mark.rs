//! Marks: that a state was reached, told by the code that reached it.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// How often each mark was passed.
pub type Marks = BTreeMap<&'static str, u64>;

thread_local!(static PASSED: RefCell<Option<Marks>> = const { RefCell::new(None) });

/// Says that the code under test is at a point of interest. An exploration counts it
/// ([`Report::marks`](super::Report::marks)); outside of one nothing happens.
///
/// A search that found nothing has shown little unless the branch in question was
/// reached: [`Report::assert_reached`](super::Report::assert_reached).
pub fn mark(name: &'static str) {
    PASSED.with_borrow_mut(|passed| {
        if let Some(marks) = passed {
            *marks.entry(name).or_default() += 1;
        }
    });
}

/// Counts the marks that `work` passes on this thread.
pub(crate) fn counting<R>(work: impl FnOnce() -> R) -> (R, Marks) {
    let outer = PASSED.replace(Some(Marks::new()));
    let result = work();
    (result, PASSED.replace(outer).unwrap_or_default())
}

pub(crate) fn add(all: &mut Marks, more: &Marks) {
    for (name, times) in more {
        *all.entry(name).or_default() += times;
    }
}
