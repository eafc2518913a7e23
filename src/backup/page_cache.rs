//! What the system keeps of files in memory. A file that was just written is read
//! from there, and not from the medium: a wrong bit on the medium would show only
//! when the memory is needed for something else.

use rustix::fd::AsFd;
use rustix::fs::Advice;

/// Asks the system to forget what it keeps of a file, so that the next reading asks
/// the medium. Only that: where the system does not comply (a file system in memory,
/// one that other programs have mapped the file of), nothing tells.
pub(crate) fn forget(file: impl AsFd) {
    // What is not on the medium yet cannot be forgotten. An error here is no
    // obstacle: the file is read all the same, and what is wrong then is told.
    let _ = rustix::fs::fsync(&file);
    let _ = rustix::fs::fadvise(&file, 0, None, Advice::DontNeed);
}
