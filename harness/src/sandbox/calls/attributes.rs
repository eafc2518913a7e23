//! Calls that change what a path or a descriptor is said to be: its mode, its
//! owner, its times.

use crate::Errno;
use crate::sandbox::calls::changes::{HERE, place_of, run};
use crate::sandbox::calls::table::Call;
use crate::sandbox::kernel::process::c_string;
use crate::sandbox::state::{Answer, State, Target, Trapped};
use crate::sandbox::view::namespace::{Bytes, Kind};

/// Answers chmod, chown, utimensat and their relatives.
pub(in crate::sandbox) fn change(state: &mut State, trapped: &Trapped) -> Answer {
    let (dirfd, address) = place_of(trapped);
    let by_descriptor = matches!(trapped.call, Call::Fchmod | Call::Fchown)
        || trapped.call == Call::Utimensat && address == 0;
    if by_descriptor {
        let Some(id) = state.node_behind(trapped.process, trapped.int(0)) else {
            return Answer::Through;
        };
        let path = state.namespace.node_of(id).map(|(path, _)| path.clone());
        if let Some(path) = path {
            change_node(state, trapped, &path);
        }
        return Answer::Value(0);
    }
    let follow = match trapped.call {
        #[cfg(target_arch = "x86_64")]
        Call::Lchown => false,
        Call::Fchownat => trapped.int(4) & libc::AT_SYMLINK_NOFOLLOW == 0,
        Call::Fchmodat2 | Call::Utimensat => trapped.int(3) & libc::AT_SYMLINK_NOFOLLOW == 0,
        _ => true,
    };
    match state.target(trapped, dirfd, address, follow) {
        Some(Target::Node(path, _)) => {
            change_node(state, trapped, &path);
            Answer::Value(0)
        }
        Some(Target::Elsewhere {
            kind: Kind::Pseudo, ..
        }) => Answer::Error(Errno::PERM),
        Some(Target::Elsewhere { real, .. }) => change_elsewhere(trapped, &real, follow),
        Some(Target::Hidden(_)) => Answer::Error(Errno::NOENT),
        _ => Answer::Through,
    }
}

/// The index of the first argument behind the path.
fn behind_path(call: Call) -> usize {
    match call {
        Call::Fchmodat | Call::Fchmodat2 | Call::Fchownat | Call::Utimensat => 2,
        #[cfg(target_arch = "x86_64")]
        Call::Futimesat => 2,
        _ => 1,
    }
}

fn is_chmod(call: Call) -> bool {
    match call {
        Call::Fchmod | Call::Fchmodat | Call::Fchmodat2 => true,
        #[cfg(target_arch = "x86_64")]
        Call::Chmod => true,
        _ => false,
    }
}

fn is_chown(call: Call) -> bool {
    match call {
        Call::Fchown | Call::Fchownat => true,
        #[cfg(target_arch = "x86_64")]
        Call::Chown | Call::Lchown => true,
        _ => false,
    }
}

fn change_node(state: &mut State, trapped: &Trapped, path: &[u8]) {
    let first = behind_path(trapped.call);
    let default_owner = trapped.process.owner();
    let Some(node) = state.namespace.node_mut(path) else {
        return;
    };
    if is_chmod(trapped.call) {
        node.mode = trapped.args[first] as u32 & 0o7777;
    } else if is_chown(trapped.call) {
        let old = node.owner.unwrap_or(default_owner);
        let pick = |new: u32, old: u32| if new == u32::MAX { old } else { new };
        node.owner = Some((
            pick(trapped.args[first] as u32, old.0),
            pick(trapped.args[first + 1] as u32, old.1),
        ));
    }
}

fn change_elsewhere(trapped: &Trapped, real: &Bytes, follow: bool) -> Answer {
    let path = c_string(real);
    let pointer = path.as_ptr() as u64;
    let first = behind_path(trapped.call);
    let nofollow = if follow {
        0
    } else {
        libc::AT_SYMLINK_NOFOLLOW as u64
    };
    if is_chmod(trapped.call) {
        let args = [HERE, pointer, trapped.args[first], 0, 0, 0];
        return run(libc::SYS_fchmodat, args);
    }
    if is_chown(trapped.call) {
        let (user, group) = (trapped.args[first], trapped.args[first + 1]);
        let args = [HERE, pointer, user, group, nofollow, 0];
        return run(libc::SYS_fchownat, args);
    }
    let times = match times(trapped, trapped.args[first]) {
        Ok(times) => times,
        Err(errno) => return Answer::Error(errno),
    };
    let address = times.as_ref().map_or(0, |times| times.as_ptr() as u64);
    let args = [HERE, pointer, address, nofollow, 0, 0];
    run(libc::SYS_utimensat, args)
}

/// The two times that the program passes, as seconds and nanoseconds each.
fn times(trapped: &Trapped, address: u64) -> Result<Option<[i64; 4]>, Errno> {
    if address == 0 {
        return Ok(None);
    }
    let word = |index: u64| {
        let word = trapped.process.read_u64(address + 8 * index)?;
        Ok::<i64, Errno>(word as i64)
    };
    match trapped.call {
        #[cfg(target_arch = "x86_64")]
        Call::Utime => Ok(Some([word(0)?, 0, word(1)?, 0])),
        Call::Utimensat => Ok(Some([word(0)?, word(1)?, word(2)?, word(3)?])),
        _ => Ok(Some([word(0)?, word(1)? * 1000, word(2)?, word(3)? * 1000])),
    }
}
