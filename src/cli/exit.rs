//! Exit codes.

use libc::SIGINT;
use std::sync::atomic::{AtomicU8, Ordering};

/// The signal that asked to stop; 0: none did.
pub(super) static ASKED_BY: AtomicU8 = AtomicU8::new(0);

/// How the program ends; the numbers stand in `--help` and in the README.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is done.
    Done,
    /// Something differs.
    Differs,
    /// Wrong usage.
    Usage,
    /// Something is missing that was wanted, and is named.
    Partial,
    /// An I/O error.
    Io,
    /// Refused; nothing was changed.
    Refused,
    /// The flash was changed, and is not finished.
    Unfinished,
    /// Interrupted by the user.
    Interrupted,
    /// The exit status of the program that was run.
    #[cfg(feature = "full")]
    Program(u8),
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Differs => 1,
            Self::Usage => 2,
            Self::Partial => 3,
            Self::Io => 4,
            Self::Refused => 5,
            Self::Unfinished => 6,
            Self::Interrupted => exit_code(),
            #[cfg(feature = "full")]
            Self::Program(code) => code,
        }
    }
}

/// The exit code of a program that stopped because it was asked to: what a shell
/// makes of the signal.
fn exit_code() -> u8 {
    match ASKED_BY.load(Ordering::Relaxed) {
        0 => 128 + SIGINT as u8,
        signal => 128 + signal,
    }
}
