//! How work on a backup is done, whatever the work is.

use super::events::{Observer, Silent};
use super::reader::Stop;
use std::sync::atomic::AtomicBool;

/// Set by nobody.
static NEVER: AtomicBool = AtomicBool::new(false);

/// How a backup, a check, a repair or an import is done.
///
/// [`Work::default`] reads 128 KiB at once, on the caller's thread, to the end, and
/// tells nobody.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// How much is read at once, in bytes; at least one erase block of up to 512 KiB
    /// is read of flash, whatever stands here.
    pub buffer_bytes: usize,
    /// How many partitions or images are read side by side; 1 in the device's own
    /// build, whatever stands here.
    pub workers: usize,
    /// Set when the user asks to stop, from any thread or a signal handler: the work
    /// ends with [`BackupError::Interrupted`](super::BackupError::Interrupted).
    pub interrupt: &'a AtomicBool,
    /// Is told what goes on.
    pub observer: &'a dyn Observer,
}

impl Default for Work<'_> {
    fn default() -> Self {
        Self {
            buffer_bytes: 128 << 10,
            workers: 1,
            interrupt: &NEVER,
            observer: &Silent,
        }
    }
}

impl<'a> Work<'a> {
    /// Who may end it before its end.
    pub(crate) fn stop(&self) -> Stop<'a> {
        Stop {
            interrupt: self.interrupt,
            failed: None,
        }
    }
}
