//! Lets calls fail, or something happen just before one; in tests only, and only
//! for the thread that asks for it.

use super::{Call, Errno};
use std::cell::RefCell;

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// It does nothing.
    Once,
    /// It does nothing, and so do all of its kind from then on.
    KindFromThenOn,
    /// It does nothing, and so do all that follow.
    AllFromThenOn,
    /// It does what it should, and says that it failed.
    Done,
}

/// Which call fails.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// Counted from 0.
    pub(crate) at: usize,
    pub(crate) errno: Errno,
    pub(crate) how: How,
}

/// What a subject does wrong on purpose, for a check to catch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crippled {
    /// It does not look whose the files under its names are.
    ComparesNothing,
    /// Nor whether a write failed.
    SwallowsErrorsOfWrites,
}

type Action = (usize, Box<dyn FnOnce()>);

/// What is to happen to calls.
#[derive(Default)]
pub(crate) struct Plan {
    /// A call that fails.
    pub(crate) fault: Option<Fault>,
    /// What happens just before the call of a number, counted from 0; its own
    /// calls are made as they are.
    pub(crate) before: Option<Action>,
    /// Calls that the file system does not have, with its answer.
    pub(crate) cannot: Vec<(Call, Errno)>,
    /// What the code under test leaves out.
    pub(crate) crippled: Option<Crippled>,
}

#[derive(Default)]
struct State {
    plan: Plan,
    looked_at: u64,
    made: Vec<Call>,
    struck: Option<Call>,
}

thread_local! {
    static STATE: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// Runs something on this thread by a plan; gives the calls that were made.
/// Nothing is really synced: that would only take time.
pub(crate) fn with<R>(plan: Plan, run: impl FnOnce() -> R) -> (R, Vec<Call>) {
    let state = State {
        plan,
        ..State::default()
    };
    STATE.with_borrow_mut(|current| *current = Some(state));
    let result = run();
    let state = STATE.take().expect("it was put there");
    (result, state.made)
}

pub(super) fn around<T>(
    kind: Call,
    make: &mut impl FnMut() -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    let number = STATE.with_borrow(|state| state.as_ref().map_or(0, |state| state.made.len()));
    act(number);
    let fault = STATE.with_borrow_mut(|state| state.as_mut()?.fault(number, kind));
    match fault {
        Some(fault) if fault.how == How::Done => make().and(Err(fault.errno)),
        Some(fault) => Err(fault.errno),
        None => make(),
    }
}

fn act(number: usize) {
    let Some(mut state) = STATE.take() else {
        return;
    };
    if let Some((_, action)) = state.plan.before.take_if(|(at, _)| *at == number) {
        action();
    }
    STATE.set(Some(state));
}

impl State {
    fn fault(&mut self, number: usize, kind: Call) -> Option<Fault> {
        self.made.push(kind);
        if let Some((_, errno)) = self.plan.cannot.iter().find(|(call, _)| *call == kind) {
            return Some(Fault {
                at: number,
                errno: *errno,
                how: How::Once,
            });
        }
        let fault = self.plan.fault?;
        let strikes = match fault.how {
            How::Once | How::Done => number == fault.at,
            How::AllFromThenOn => number >= fault.at,
            How::KindFromThenOn => number == fault.at || self.struck == Some(kind),
        };
        if strikes {
            self.struck = Some(kind);
        }
        strikes.then_some(fault)
    }
}

/// A name of a list was compared with one that is looked for.
pub(in crate::backup) fn looked_at() {
    STATE.with_borrow_mut(|state| {
        if let Some(state) = state {
            state.looked_at += 1;
        }
    });
}

/// How many names were compared so far, while a plan is at work.
pub(in crate::backup) fn names_looked_at() -> u64 {
    STATE.with_borrow(|state| state.as_ref().map_or(0, |state| state.looked_at))
}

/// Whether a plan is at work, so that nothing needs to reach the medium.
pub(super) fn is_active() -> bool {
    STATE.with_borrow(Option::is_some)
}

/// What the plan cripples.
pub(in crate::backup) fn crippled() -> Option<Crippled> {
    STATE.with_borrow(|state| state.as_ref()?.plan.crippled)
}
