//! A sandbox's state, and whose turn it is.

use crate::sandbox::state::State;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What supervisor and tracers share.
pub(super) struct Shared {
    state: Mutex<State>,
    /// Held while a process comes to be traced, so that whoever needs the same
    /// process next finds it traced.
    attaching: Mutex<()>,
}

impl Shared {
    /// Shares a sandbox's state.
    pub fn new(state: State) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(state),
            attaching: Mutex::new(()),
        })
    }

    /// The turn to attach to a process.
    pub fn attaching(&self) -> MutexGuard<'_, ()> {
        self.attaching
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, for one step.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
