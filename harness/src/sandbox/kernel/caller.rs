//! Acting as the caller: its user, groups and umask, for one step.
//!
//! A sandbox of root's may hold programs that gave up their privileges. What is
//! done for them on the host's files is done with what they have left.

use crate::sandbox::kernel::process::Process;
use crate::sandbox::kernel::sys;
use std::ffi::CStr;

/// What decides what a thread may do to files.
struct Rights {
    user: u32,
    group: u32,
    groups: Vec<u32>,
    /// The real user and group, which access(2) asks about.
    real: (u32, u32),
}

impl Rights {
    /// Those of a thread, from its `status` file.
    fn of(status: &str) -> Option<Self> {
        let numbers = |key: &str| -> Option<Vec<u32>> {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            let numbers = line.split_whitespace().map(|number| number.parse().ok());
            numbers.collect()
        };
        let (users, groups) = (numbers("Uid:")?, numbers("Gid:")?);
        Some(Self {
            user: *users.get(3)?,
            group: *groups.get(3)?,
            groups: numbers("Groups:")?,
            real: (*users.first()?, *groups.first()?),
        })
    }
}

/// Does `work` with the rights of this process on files. An ordinary user's
/// programs can never have others than the supervisor.
pub(in crate::sandbox) fn act<R>(process: Process, work: impl FnOnce() -> R) -> R {
    act_as(process, false, work)
}

/// The same with its real user and group.
pub(in crate::sandbox) fn act_as_real<R>(process: Process, work: impl FnOnce() -> R) -> R {
    act_as(process, true, work)
}

fn act_as<R>(process: Process, as_real: bool, work: impl FnOnce() -> R) -> R {
    let status = |path: &CStr| sys::text(path).unwrap_or_default();
    // SAFETY: no arguments.
    if unsafe { libc::geteuid() } != 0 {
        return work();
    }
    let theirs = Rights::of(&status(&process.proc("status")));
    let Some(mut theirs) = theirs else {
        return work();
    };
    if as_real {
        (theirs.user, theirs.group) = theirs.real;
    }
    if theirs.user == 0 && theirs.group == 0 {
        return work();
    }
    let Some(ours) = Rights::of(&status(c"/proc/thread-self/status")) else {
        return work();
    };
    // Groups first, while we may change them; they come back last.
    sys::set_groups(&theirs.groups);
    sys::set_file_ids(theirs.user, theirs.group);
    let answer = work();
    sys::set_file_ids(ours.user, ours.group);
    sys::set_groups(&ours.groups);
    answer
}
