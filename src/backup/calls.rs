//! The system calls on a backup's folder and on an image file, each made in one
//! place.
//!
//! Invariants: a call that a signal interrupted is made again, but not for ever;
//! every call passes [`call`], so that a test can let the n-th one fail.

use rustix::io::Errno;
use std::io;

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    MakeFolder,
    RemoveFolder,
    OpenFolder,
    Lock,
    Look,
    List,
    FreeSpace,
    Create,
    Open,
    Read,
    Write,
    Sync,
    SyncFolder,
    #[cfg(feature = "full")]
    Link,
    /// In place of nothing.
    #[cfg(feature = "full")]
    RenameNew,
    Rename,
    Remove,
}

/// A file system that says EINTR so many times in a row is broken.
const INTERRUPTED_MAX: u32 = 1000;

/// Makes a call.
#[inline]
pub(crate) fn call<T>(
    kind: Call,
    mut make: impl FnMut() -> rustix::io::Result<T>,
) -> io::Result<T> {
    let _ = kind;
    for _ in 0..INTERRUPTED_MAX {
        #[cfg(test)]
        let answer = faults::around(kind, &mut make);
        #[cfg(not(test))]
        let answer = make();
        match answer {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
    // Not EINTR: whoever gets that tries again, for ever.
    Err(Errno::IO.into())
}

/// Lets calls fail, or something happen just before one, in tests.
#[cfg(test)]
#[cfg_attr(
    not(feature = "full"),
    allow(
        dead_code,
        reason = "half of the tests that use it need the simulation"
    )
)]
pub(crate) mod faults;

/// Returns when a file or a folder is on the medium.
pub(crate) fn sync(kind: Call, file: impl rustix::fd::AsFd) -> io::Result<()> {
    call(kind, || {
        #[cfg(test)]
        if faults::is_active() {
            return Ok(());
        }
        rustix::fs::fsync(&file)
    })
}
