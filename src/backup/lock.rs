//! Keeps a second mtdkeep out of a folder that one is working in.
//!
//! The lock is flock(2) on the folder itself: it leaves no file behind, it ends
//! with the process however that ends, and it is of Linux 2.0.
//!
//! Faults tolerated: a file system without locks (the work goes on, and whoever
//! opened the folder is told); a folder that its last user removed, or put
//! another in its place, between opening and locking.

use super::calls::{Call, call};
use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::path::Path;

/// What a folder is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Changing what lies in it, alone: no other process may have it open.
    Change,
    /// Looking at it, beside others who do the same.
    Look,
}

/// A folder that is open and, where its file system can do that, locked.
#[derive(Debug)]
pub(super) struct LockedFolder {
    pub(super) handle: OwnedFd,
    /// The system's answer where there is no lock.
    pub(super) unlocked: Option<io::Error>,
}

impl Drop for LockedFolder {
    /// Unlocks it. Closing alone would leave the lock to a child process that another
    /// thread has just forked, until that runs its program.
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.handle, FlockOperation::Unlock);
    }
}

/// How often a folder may vanish between opening and locking.
const ATTEMPTS: u32 = 10;

/// Opens and locks a folder, without waiting: where somebody else has it, the
/// error is [`io::ErrorKind::WouldBlock`]. The lock is held as long as the handle.
/// `prepare` comes before each attempt.
pub(super) fn open(
    path: &Path,
    access: Access,
    mut prepare: impl FnMut() -> io::Result<()>,
) -> io::Result<LockedFolder> {
    for _ in 0..ATTEMPTS {
        prepare()?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = call(Call::OpenFolder, || {
            rustix::fs::open(path, flags, Mode::empty())
        })?;
        let unlocked = lock(&handle, access)?;
        if is_at(&handle, path)? {
            return Ok(LockedFolder { handle, unlocked });
        }
    }
    Err(Errno::WOULDBLOCK.into())
}

/// Locks an open file or folder; gives the system's answer where that is not
/// possible at all.
pub(crate) fn lock(handle: &OwnedFd, access: Access) -> io::Result<Option<io::Error>> {
    let operation = match access {
        Access::Change => FlockOperation::NonBlockingLockExclusive,
        Access::Look => FlockOperation::NonBlockingLockShared,
    };
    match call(Call::Lock, || rustix::fs::flock(handle, operation)) {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
        Err(error) => Ok(Some(error)),
    }
}

/// Whether a path leads to what is open.
pub(crate) fn is_at(handle: &OwnedFd, path: &Path) -> io::Result<bool> {
    let open = call(Call::Look, || rustix::fs::fstat(handle))?;
    match call(Call::Look, || rustix::fs::stat(path)) {
        Ok(there) => Ok((open.st_dev, open.st_ino) == (there.st_dev, there.st_ino)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A child that another thread has just forked has the handle as well, until it
    /// runs its program.
    #[test]
    fn a_folder_is_unlocked_although_somebody_else_has_its_handle() {
        let outer = tempfile::tempdir().unwrap();
        let open = |access| super::open(outer.path(), access, || Ok(()));
        let locked = open(Access::Change).unwrap();
        let inherited = locked.handle.try_clone().unwrap();
        assert_eq!(
            open(Access::Look).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        drop(locked);
        open(Access::Change).unwrap();
        drop(inherited);
    }
}
