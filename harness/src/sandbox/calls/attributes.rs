//! Calls that change what a path or a descriptor is said to be: its mode, its
//! owner, its times.

use crate::Errno;
use crate::sandbox::call::{Answer, Decision, PathArgument, Reply, Trapped};
use crate::sandbox::kernel::hosts;
use crate::sandbox::kernel::process::c_string;
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{State, Target};
use crate::sandbox::view::namespace::{Bytes, Kind, Moment, is_private_place, now};

/// What is changed.
#[derive(Debug, Clone, Copy)]
pub(in crate::sandbox) enum Change {
    Mode(u32),
    /// User and group; u32::MAX leaves one as it is.
    Owner(u32, u32),
    /// Access and modification, as seconds and nanoseconds each (`struct
    /// timespec`, whose UTIME_NOW and UTIME_OMIT hold); none is now.
    Times(Option<[i64; 4]>),
}

impl Change {
    /// A mode among the arguments.
    pub fn mode(trapped: &Trapped, index: usize) -> Self {
        Self::Mode(trapped.word(index))
    }
    /// User and group among the arguments.
    pub fn owner(trapped: &Trapped, index: usize) -> Self {
        Self::Owner(trapped.word(index), trapped.word(index + 1))
    }
}

/// The structure in which a call passes two times.
#[derive(Debug, Clone, Copy)]
pub(in crate::sandbox) enum Times {
    /// `struct utimbuf`.
    #[cfg(target_arch = "x86_64")]
    Seconds,
    /// Two `struct timeval`.
    #[cfg(target_arch = "x86_64")]
    Microseconds,
    /// Two `struct timespec`.
    Nanoseconds,
}

/// Answers utimensat and its relatives; without a path they are about a
/// descriptor.
pub(in crate::sandbox) fn utimes(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    flags: i32,
    times: u64,
    form: Times,
) -> Decision {
    let word = |index: u64| {
        let word = trapped.process().read_u64(times + 8 * index)?;
        Ok::<i64, Errno>(word as i64)
    };
    let times = match (times, form) {
        (0, _) => None,
        #[cfg(target_arch = "x86_64")]
        (_, Times::Seconds) => Some([word(0)?, 0, word(1)?, 0]),
        #[cfg(target_arch = "x86_64")]
        (_, Times::Microseconds) => Some([word(0)?, word(1)? * 1000, word(2)?, word(3)? * 1000]),
        (_, Times::Nanoseconds) => Some([word(0)?, word(1)?, word(2)?, word(3)?]),
    };
    if let Some([_, libc::UTIME_OMIT, _, libc::UTIME_OMIT]) = times {
        // Nothing is to be done, wherever.
        return Answer::value(0);
    }
    let change_times = Change::Times(times);
    if path.address == 0 && flags & !libc::AT_EMPTY_PATH == 0 {
        return of_descriptor(state, trapped, path.folder, change_times);
    }
    change(state, trapped, path, flags, change_times)
}

/// Answers fchmod and fchown.
pub(in crate::sandbox) fn of_descriptor(
    state: &mut State,
    trapped: &Trapped,
    fd: i32,
    change: Change,
) -> Decision {
    if state.is_path_only(trapped.process(), fd) {
        return Err(Errno::BADF);
    }
    behind_descriptor(state, trapped, fd, change)
}

fn behind_descriptor(state: &mut State, trapped: &Trapped, fd: i32, change: Change) -> Decision {
    match state.node_behind(trapped.process(), fd) {
        Some(node) => change_node(state, trapped, node.inode, change),
        None => match trapped.process().fd_path(fd) {
            Ok(path) if is_private_place(&path) => change_hosts(state, &path),
            _ => Ok(Answer::THROUGH),
        },
    }
}

/// Answers chmod, chown and their relatives.
pub(in crate::sandbox) fn change(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    flags: i32,
    change: Change,
) -> Decision {
    let known = match change {
        Change::Owner(..) => KNOWN_FLAGS | libc::AT_NO_AUTOMOUNT,
        _ => KNOWN_FLAGS,
    };
    if flags & !known != 0 {
        return Err(Errno::INVAL);
    }
    let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    match state.target(trapped, path, follow)? {
        Target::Host(path) if is_private_place(&path) => change_hosts(state, &path),
        Target::Host(_) | Target::Foreign | Target::Unknown => Ok(Answer::THROUGH),
        Target::Node(_, node) => change_node(state, trapped, node.inode, change),
        Target::Elsewhere {
            kind: Kind::Pseudo, ..
        } => Err(Errno::PERM),
        Target::Elsewhere {
            seen,
            kind: Kind::Host,
            ..
        } if is_private_place(&seen) => change_hosts(state, &seen),
        Target::Elsewhere { seen, real, kind } => {
            change_elsewhere(state, &seen, (real, kind), follow, change)
        }
        Target::Hidden(_) => Err(Errno::NOENT),
        Target::Descriptor(fd) if flags & libc::AT_EMPTY_PATH != 0 => {
            behind_descriptor(state, trapped, fd, change)
        }
        Target::Descriptor(_) => Ok(Answer::THROUGH),
    }
}

const KNOWN_FLAGS: i32 = libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;

/// A change to an entry of the host's /dev: an ordinary user is refused by the
/// kernel, and root by us.
fn change_hosts(state: &mut State, path: &[u8]) -> Decision {
    // SAFETY: no arguments.
    match unsafe { libc::geteuid() } {
        0 => Err(state.refuse_on_hosts_device(path)),
        _ => Ok(Answer::THROUGH),
    }
}

fn change_node(state: &mut State, trapped: &Trapped, inode: u64, change: Change) -> Decision {
    let default_owner = trapped.process().owner();
    let Some(node) = state.namespace.node_mut(inode) else {
        return Answer::value(0);
    };
    match change {
        Change::Mode(mode) => node.mode = mode & 0o7777,
        Change::Owner(user, group) => {
            let old = node.owner.unwrap_or(default_owner);
            let pick = |new: u32, old: u32| if new == u32::MAX { old } else { new };
            node.owner = Some((pick(user, old.0), pick(group, old.1)));
            // Whoever the new owner is, nobody runs it as him (fs/open.c,
            // chown_common); without the group's x, S_ISGID means nothing of it.
            node.mode &= !libc::S_ISUID;
            if node.mode & libc::S_IXGRP != 0 {
                node.mode &= !libc::S_ISGID;
            }
        }
        Change::Times(times) => {
            let [seconds, part, later, later_part] = times.unwrap_or([0, NOW, 0, NOW]);
            let accessed = moment(seconds, part, node.accessed)?;
            let modified = moment(later, later_part, node.modified)?;
            (node.accessed, node.modified) = (accessed, modified);
        }
    }
    node.changed = now();
    Answer::value(0)
}

const NOW: i64 = libc::UTIME_NOW;

/// What a time becomes.
fn moment(seconds: i64, nanoseconds: i64, before: Moment) -> Result<Moment, Errno> {
    match nanoseconds {
        libc::UTIME_NOW => Ok(now()),
        libc::UTIME_OMIT => Ok(before),
        0..1_000_000_000 => Ok((seconds, nanoseconds)),
        _ => Err(Errno::INVAL),
    }
}

fn change_elsewhere(
    state: &mut State,
    seen: &[u8],
    (real, kind): (Bytes, Kind),
    follow: bool,
    change: Change,
) -> Decision {
    let flags = match follow {
        true => 0,
        false => libc::AT_SYMLINK_NOFOLLOW,
    };
    state.perform(seen, kind, move || {
        let path = c_string(&real);
        let answer = match change {
            // A link has no mode that could be changed.
            Change::Mode(_) if flags != 0 && is_link(&real) => Err(Errno::OPNOTSUPP),
            Change::Mode(mode) => hosts::chmod(&path, mode),
            Change::Owner(user, group) => hosts::chown(&path, (user, group), flags),
            Change::Times(times) => hosts::utimens(&path, times.as_ref(), flags),
        };
        answer.map(Reply::Value)
    })
}

fn is_link(path: &[u8]) -> bool {
    let about = sys::stat(&c_string(path), false);
    about.is_ok_and(|about| about.st_mode & libc::S_IFMT == libc::S_IFLNK)
}
