//! Calls that put a path into something else that is open: Unix sockets and
//! watches.
//!
//! A socket's path is put in by the process itself wherever it can be, with what is
//! really there in the place of what it wrote, so that whoever is at the other end
//! sees it and not the supervisor.

use crate::Errno;
use crate::sandbox::call::{Answer, Decision, Job, PathArgument, Placed, Reply, Trapped};
use crate::sandbox::calls::passing;
use crate::sandbox::kernel::caller;
use crate::sandbox::kernel::hosts;
use crate::sandbox::kernel::process::{Process, c_string};
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{State, Target};
use crate::sandbox::view::namespace::{Bytes, Kind, split};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Where the path starts in a `struct sockaddr_un`.
const PATH_AT: usize = 2;
/// How long a path in an address may be, with the zero byte behind it.
const PATH_BYTES_MAX: usize = 108;

/// Answers bind.
pub(in crate::sandbox) fn bind(state: &mut State, trapped: &Trapped) -> Decision {
    let process = trapped.process();
    let Some(path) = unix_path(process, trapped.args[1], trapped.args[2]) else {
        return Ok(Answer::THROUGH);
    };
    let place = PathArgument {
        folder: libc::AT_FDCWD,
        address: trapped.args[1] + PATH_AT as u64,
    };
    let is_name = path.is_name();
    let target = match path.is_terminated {
        true => state.target_to_make(trapped, place, false)?,
        false => state.target_at(trapped, libc::AT_FDCWD, path.text, false)?,
    };
    match target {
        Target::Node(..) => Err(Errno::from_raw_os_error(libc::EADDRINUSE)),
        Target::Elsewhere {
            kind: Kind::Pseudo, ..
        } => Err(Errno::ACCESS),
        // It stands in the folder, and remembers what it wrote.
        Target::Elsewhere {
            kind: Kind::Mapped, ..
        } if is_name => Ok(Answer::THROUGH),
        Target::Elsewhere { seen, real, kind } => {
            state.has_socket_paths = true;
            if let (Kind::Mapped, Some(address)) = (kind, address_of(process, &real)) {
                return Ok(Answer::InThread(Job::Again(in_call(address, 1, 2))));
            }
            let socket = state.duplicate(process, trapped.int(0))?;
            let umask = process.umask();
            state.perform(&seen, kind, move || {
                sys::umask(umask);
                let (address, _folder) = by_folder(&real)?;
                hosts::bind(socket.as_fd(), &address).map(Reply::Value)
            })
        }
        Target::Hidden(_) => Err(Errno::NOENT),
        _ => Ok(Answer::THROUGH),
    }
}

/// Answers connect.
pub(in crate::sandbox) fn connect(state: &mut State, trapped: &Trapped) -> Decision {
    let (process, address) = (trapped.process(), trapped.args[1]);
    match other_end(state, trapped, address, trapped.args[2])? {
        Some(End::Address(address)) => Ok(Answer::InThread(Job::Again(in_call(address, 1, 2)))),
        // Who listens sees the supervisor as its peer.
        Some(End::Far(real)) => {
            let socket = state.duplicate(process, trapped.int(0))?;
            Answer::perform(move || {
                let (address, _folder) = by_folder(&real)?;
                hosts::connect(socket.as_fd(), &address).map(Reply::Value)
            })
        }
        None => Ok(Answer::THROUGH),
    }
}

/// Answers sendto.
pub(in crate::sandbox) fn send_to(state: &mut State, trapped: &Trapped) -> Decision {
    match other_end(state, trapped, trapped.args[4], trapped.args[5])? {
        Some(End::Address(address)) => Ok(Answer::InThread(Job::Again(in_call(address, 4, 5)))),
        Some(End::Far(_)) => Err(state.refuse(trapped, Errno::NAMETOOLONG)),
        None => Ok(Answer::THROUGH),
    }
}

/// Answers sendmsg, whose address is in a structure (`struct msghdr`).
pub(in crate::sandbox) fn send_message(state: &mut State, trapped: &Trapped) -> Decision {
    const HEADER_BYTES: usize = 56;
    let mut header = [0u8; HEADER_BYTES];
    if trapped
        .process()
        .read(trapped.args[1], &mut header)
        .is_err()
    {
        return Ok(Answer::THROUGH);
    }
    let word = |at: usize| u64::from_ne_bytes(header[at..at + 8].try_into().expect("eight bytes"));
    let (name, length) = (word(0), word(8) & 0xffff_ffff);
    let end = match name {
        0 => None,
        _ => other_end(state, trapped, name, length)?,
    };
    match end {
        Some(End::Address(address)) => {
            let mut bytes = header.to_vec();
            bytes[8..12].copy_from_slice(&(address.len() as u32).to_ne_bytes());
            bytes.extend_from_slice(&address);
            Ok(Answer::InThread(Job::Again(Placed {
                bytes,
                argument: 1,
                inner: Some(HEADER_BYTES),
                length: None,
            })))
        }
        Some(End::Far(_)) => Err(state.refuse(trapped, Errno::NAMETOOLONG)),
        None if word(40) > 0 => passing::send(state),
        None => Ok(Answer::THROUGH),
    }
}

/// Answers sendmmsg. To a socket that the kernel does not find by itself it sends nothing:
/// the lengths that it tells go where the addresses are, and another copy of these would
/// keep them.
pub(in crate::sandbox) fn send_messages(state: &mut State, trapped: &Trapped) -> Decision {
    /// `struct mmsghdr`, and as many of them as Linux looks at (UIO_MAXIOV).
    const MESSAGE_BYTES: u64 = 64;
    const COUNT_MAX: u64 = 1024;
    let process = trapped.process();
    let mut has_control = false;
    for index in 0..u64::from(trapped.word(2)).min(COUNT_MAX) {
        let message = trapped.args[1] + index * MESSAGE_BYTES;
        let (name, length) = (process.read_u64(message), process.read_u64(message + 8));
        let (Ok(name), Ok(length)) = (name, length) else {
            break;
        };
        if name != 0 && other_end(state, trapped, name, length & 0xffff_ffff)?.is_some() {
            return Err(state.refuse(trapped, Errno::OPNOTSUPP));
        }
        has_control |= passing::has_control(process, message);
    }
    match has_control {
        true => passing::send(state),
        false => Ok(Answer::THROUGH),
    }
}

/// Answers getsockname and getpeername: a path of ours as the program calls it.
pub(in crate::sandbox) fn name(state: &mut State, trapped: &Trapped, is_own: bool) -> Decision {
    if !state.has_socket_paths {
        return Ok(Answer::THROUGH);
    }
    let process = trapped.process();
    let Ok(socket) = state.duplicate(process, trapped.int(0)) else {
        return Ok(Answer::THROUGH);
    };
    let Ok(address) = hosts::socket_name(socket.as_fd(), is_own) else {
        return Ok(Answer::THROUGH);
    };
    let path = path_in(&address).and_then(|path| state.namespace.seen(&path.text));
    let Some(path) = path else {
        return Ok(Answer::THROUGH);
    };
    let address = with_path(&path);
    let mut room = [0u8; 4];
    process.read(trapped.args[2], &mut room)?;
    let Ok(room) = usize::try_from(i32::from_ne_bytes(room)) else {
        return Err(Errno::INVAL);
    };
    process.write(trapped.args[1], &address[..address.len().min(room)])?;
    process.write(trapped.args[2], &(address.len() as u32).to_ne_bytes())?;
    Answer::value(0)
}

/// Where a socket is that an address names.
enum End {
    /// The address by which the process reaches it.
    Address(Vec<u8>),
    /// Its real path, for which an address has no room.
    Far(Bytes),
}

/// What an address in the program's memory leads to, if that is ours and the kernel
/// does not find it by itself.
fn other_end(
    state: &mut State,
    trapped: &Trapped,
    address: u64,
    length: u64,
) -> Result<Option<End>, Errno> {
    let process = trapped.process();
    let Some(path) = unix_path(process, address, length) else {
        return Ok(None);
    };
    let is_name = path.is_name();
    match state.target_at(trapped, libc::AT_FDCWD, path.text, true)? {
        Target::Node(..) => Err(Errno::from_raw_os_error(libc::ECONNREFUSED)),
        Target::Elsewhere { real, kind, .. } => {
            state.has_socket_paths = true;
            let link = || sys::readlink(&c_string(&real)).is_ok();
            if kind == Kind::Mapped && is_name && !link() {
                return Ok(None);
            }
            Ok(Some(match address_of(process, &real) {
                Some(address) => End::Address(address),
                None => End::Far(real),
            }))
        }
        Target::Hidden(_) => Err(Errno::NOENT),
        _ => Ok(None),
    }
}

struct UnixPath {
    text: Bytes,
    /// A zero byte follows it in the program's memory.
    is_terminated: bool,
}

impl UnixPath {
    /// Whether it is a single name, in the folder where the process stands.
    fn is_name(&self) -> bool {
        !self.text.contains(&b'/') && !matches!(self.text.as_slice(), b"." | b"..")
    }
}

/// The path in a Unix socket's address in the program's memory; none in any other
/// address.
fn unix_path(process: Process, address: u64, length: u64) -> Option<UnixPath> {
    let room = PATH_AT as u64 + 1..=(PATH_AT + PATH_BYTES_MAX) as u64;
    if address == 0 || !room.contains(&length) {
        return None;
    }
    let mut bytes = vec![0u8; length as usize];
    process.read(address, &mut bytes).ok()?;
    path_in(&bytes)
}

fn path_in(address: &[u8]) -> Option<UnixPath> {
    let family = u16::from_ne_bytes([*address.first()?, *address.get(1)?]);
    let path = &address[PATH_AT..];
    // A zero byte first is an abstract name.
    if family != libc::AF_UNIX as u16 || *path.first()? == 0 {
        return None;
    }
    let end = path.iter().position(|&byte| byte == 0);
    Some(UnixPath {
        text: path[..end.unwrap_or(path.len())].to_vec(),
        is_terminated: end.is_some(),
    })
}

fn with_path(path: &[u8]) -> Vec<u8> {
    let family = (libc::AF_UNIX as u16).to_ne_bytes();
    [&family, path, b"\0"].concat()
}

/// An address in the place of that of a call: its address and length are these two
/// arguments.
fn in_call(address: Vec<u8>, argument: usize, length: usize) -> Placed {
    Placed {
        length: Some((length, address.len() as u64)),
        bytes: address,
        argument,
        inner: None,
    }
}

/// The address of a real path, as the process says it; none: there is no room for it.
fn address_of(process: Process, real: &[u8]) -> Option<Vec<u8>> {
    let path = process.inside(real)?;
    (path.len() < PATH_BYTES_MAX).then(|| with_path(&path))
}

/// The address of a path of any length, by way of its folder. It holds while the folder
/// is open.
fn by_folder(real: &[u8]) -> Result<(Vec<u8>, OwnedFd), Errno> {
    let (folder, name) = split(real);
    let folder = sys::open(&c_string(folder), libc::O_PATH | libc::O_DIRECTORY, 0)?;
    let start = format!("/proc/self/fd/{}/", folder.as_raw_fd());
    let address = match real.len() < PATH_BYTES_MAX {
        true => with_path(real),
        false => with_path(&[start.as_bytes(), name].concat()),
    };
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
            caller::act(trapped.process(), watch).map(|value| Answer::Reply(Reply::Value(value)))
        }
        Target::Hidden(_) => Err(Errno::NOENT),
        _ => Ok(Answer::THROUGH),
    }
}
