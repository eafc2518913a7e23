//! Killing a program with everything that it started.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Weak};

/// Kills the program of a [`Running`](crate::sandbox::Running) and everything that it started.
#[derive(Clone)]
pub struct Killer(Arc<OwnedFd>);

impl Killer {
    /// One that sends its orders through this pipe.
    pub(super) fn new(orders: OwnedFd) -> Self {
        Self(Arc::new(orders))
    }

    /// One that lasts no longer than its program.
    pub(super) fn weak(&self) -> Weak<OwnedFd> {
        Arc::downgrade(&self.0)
    }

    /// What such a one still kills.
    pub(super) fn of_weak(weak: &Weak<OwnedFd>) -> Option<Self> {
        weak.upgrade().map(Self)
    }

    /// Kills, at once; a second time does nothing.
    pub fn kill(&self) {
        // The keeper waits for a byte here.
        // SAFETY: one byte of a constant.
        unsafe { libc::write(self.0.as_raw_fd(), b"k".as_ptr().cast(), 1) };
    }
}
