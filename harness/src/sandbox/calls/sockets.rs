//! Calls that put a path into something else that is open: Unix sockets and
//! watches. They are made on a duplicate of the program's descriptor, which is
//! the same socket or the same list of watches.

use crate::Errno;
use crate::sandbox::call::{Answer, Decision, Done, PathArgument, Trapped};
use crate::sandbox::kernel::caller;
use crate::sandbox::kernel::hosts;
use crate::sandbox::kernel::process::c_string;
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{State, Target};
use crate::sandbox::view::namespace::{Bytes, Kind, split};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Where the path starts in a `struct sockaddr_un`.
const PATH_AT: usize = 2;

/// Answers bind.
pub(in crate::sandbox) fn bind(state: &mut State, trapped: &Trapped) -> Decision {
    let Some(path) = unix_path(trapped) else {
        return Ok(Answer::Through);
    };
    let place = PathArgument {
        folder: libc::AT_FDCWD,
        address: trapped.args[1] + PATH_AT as u64,
    };
    let target = match path.is_terminated {
        true => state.target_to_make(trapped, place, false)?,
        false => state.target_of(trapped, libc::AT_FDCWD, path.text, false)?,
    };
    match target {
        Target::Node(..) => Err(Errno::from_raw_os_error(libc::EADDRINUSE)),
        Target::Elsewhere {
            kind: Kind::Pseudo, ..
        } => Err(Errno::ACCESS),
        Target::Elsewhere { seen, real, kind } => {
            let socket = state.duplicate(trapped.process(), trapped.int(0))?;
            let umask = trapped.process().umask();
            state.perform(&seen, kind, move || {
                sys::umask(umask);
                let (address, _folder) = address_of(&real)?;
                hosts::bind(socket.as_fd(), &address).map(Done::Value)
            })
        }
        Target::Hidden(_) => Err(Errno::NOENT),
        _ => Ok(Answer::Through),
    }
}

/// Answers connect. Who listens sees the supervisor as its peer.
pub(in crate::sandbox) fn connect(state: &mut State, trapped: &Trapped) -> Decision {
    let Some(path) = unix_path(trapped) else {
        return Ok(Answer::Through);
    };
    match state.target_of(trapped, libc::AT_FDCWD, path.text, true)? {
        Target::Node(..) => Err(Errno::from_raw_os_error(libc::ECONNREFUSED)),
        Target::Elsewhere { real, .. } => {
            let socket = state.duplicate(trapped.process(), trapped.int(0))?;
            Answer::perform(move || {
                let (address, _folder) = address_of(&real)?;
                hosts::connect(socket.as_fd(), &address).map(Done::Value)
            })
        }
        Target::Hidden(_) => Err(Errno::NOENT),
        _ => Ok(Answer::Through),
    }
}

struct UnixPath {
    text: Bytes,
    /// A zero byte follows it in the program's memory.
    is_terminated: bool,
}

/// The path in a Unix socket's address; none in any other address.
fn unix_path(trapped: &Trapped) -> Option<UnixPath> {
    const LONGEST: u64 = 110;
    let length = trapped.args[2];
    if !(PATH_AT as u64 + 1..=LONGEST).contains(&length) {
        return None;
    }
    let mut bytes = vec![0u8; length as usize];
    trapped.process().read(trapped.args[1], &mut bytes).ok()?;
    let family = u16::from_ne_bytes([bytes[0], bytes[1]]);
    let path = &bytes[PATH_AT..];
    // A zero byte first is an abstract name.
    if family != libc::AF_UNIX as u16 || path[0] == 0 {
        return None;
    }
    let end = path.iter().position(|&byte| byte == 0);
    Some(UnixPath {
        text: path[..end.unwrap_or(path.len())].to_vec(),
        is_terminated: end.is_some(),
    })
}

/// The address of a path of any length, by way of its folder: an address has room
/// for little. It holds while the folder is open.
fn address_of(real: &[u8]) -> Result<(Vec<u8>, OwnedFd), Errno> {
    let (folder, name) = split(real);
    let folder = sys::open(&c_string(folder), libc::O_PATH | libc::O_DIRECTORY, 0)?;
    let start = format!("/proc/self/fd/{}/", folder.as_raw_fd());
    let mut address = (libc::AF_UNIX as u16).to_ne_bytes().to_vec();
    address.extend_from_slice(start.as_bytes());
    address.extend_from_slice(name);
    address.push(0);
    Ok((address, folder))
}

/// Answers inotify_add_watch.
pub(in crate::sandbox) fn watch(state: &mut State, trapped: &Trapped) -> Decision {
    let mask = trapped.word(2);
    let follow = mask & libc::IN_DONT_FOLLOW == 0;
    match state.target(trapped, trapped.here(1), follow)? {
        Target::Node(..) => Err(state.refuse(trapped, Errno::ACCESS)),
        Target::Elsewhere { real, .. } => {
            let list = state.duplicate(trapped.process(), trapped.int(0))?;
            let path = c_string(&real);
            let watch = || hosts::watch(list.as_fd(), &path, mask);
            caller::act(trapped.process(), watch).map(|value| Answer::Done(Done::Value(value)))
        }
        Target::Hidden(_) => Err(Errno::NOENT),
        _ => Ok(Answer::Through),
    }
}
