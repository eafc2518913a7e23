//! Calls that change what a path or a descriptor is said to be: its mode, its
//! owner, its times.

use crate::Errno;
use crate::sandbox::call::{Answer, Decision, PathArgument, Trapped};
use crate::sandbox::calls::changes::{HERE, run};
use crate::sandbox::kernel::process::c_string;
use crate::sandbox::state::{State, Target};
use crate::sandbox::view::namespace::{Bytes, Kind};

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
    let change_times = Change::Times(times);
    if path.address == 0 {
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
    let Some(id) = state.node_behind(trapped.process(), fd) else {
        return Ok(Answer::Through);
    };
    let path = state.namespace.node_of(id).map(|(path, _)| path.clone());
    if let Some(path) = path {
        change_node(state, trapped, &path, change);
    }
    Answer::value(0)
}

/// Answers chmod, chown and their relatives.
pub(in crate::sandbox) fn change(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    flags: i32,
    change: Change,
) -> Decision {
    let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    match state.target(trapped, path, follow)? {
        Target::Node(path, _) => {
            change_node(state, trapped, &path, change);
            Answer::value(0)
        }
        Target::Elsewhere {
            kind: Kind::Pseudo, ..
        } => Err(Errno::PERM),
        Target::Elsewhere { real, .. } => change_elsewhere(real, follow, change),
        Target::Hidden(_) => Err(Errno::NOENT),
        _ => Ok(Answer::Through),
    }
}

fn change_node(state: &mut State, trapped: &Trapped, path: &[u8], change: Change) {
    let default_owner = trapped.process().owner();
    let Some(node) = state.namespace.node_mut(path) else {
        return;
    };
    match change {
        Change::Mode(mode) => node.mode = mode & 0o7777,
        Change::Owner(user, group) => {
            let old = node.owner.unwrap_or(default_owner);
            let pick = |new: u32, old: u32| if new == u32::MAX { old } else { new };
            node.owner = Some((pick(user, old.0), pick(group, old.1)));
        }
        Change::Times(_) => {}
    }
}

fn change_elsewhere(real: Bytes, follow: bool, change: Change) -> Decision {
    let flags = match follow {
        true => 0,
        false => libc::AT_SYMLINK_NOFOLLOW as u64,
    };
    Answer::perform(move || {
        let path = c_string(&real);
        let path = path.as_ptr() as u64;
        match change {
            Change::Mode(mode) => run(libc::SYS_fchmodat, [HERE, path, u64::from(mode), 0, 0, 0]),
            Change::Owner(user, group) => {
                let args = [HERE, path, u64::from(user), u64::from(group), flags, 0];
                run(libc::SYS_fchownat, args)
            }
            Change::Times(times) => {
                let address = times.as_ref().map_or(0, |times| times.as_ptr() as u64);
                run(libc::SYS_utimensat, [HERE, path, address, flags, 0, 0])
            }
        }
    })
}
