//! Calls that change what stands at a path: mknod, mkdir, unlink, rename and
//! the rest, on simulated nodes and in mapped folders.

use crate::Errno;
use crate::mtd::NodeId;
use crate::sandbox::call::{Answer, Decision, Done, PathArgument, Trapped};
use crate::sandbox::kernel::process::c_string;
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{State, Target};
use crate::sandbox::view::namespace::{Bytes, Kind, split};

/// Runs a system call here, on behalf of the program.
pub(in crate::sandbox) fn run(number: i64, args: [u64; 6]) -> Result<Done, Errno> {
    // SAFETY: every caller passes numbers and pointers to locals that outlive
    // the call.
    unsafe { sys::raw(number, args) }.map(Done::Value)
}

/// Runs a call that takes an old and a new path.
fn run_on_two(number: i64, old: &[u8], new: &[u8], flags: u64) -> Result<Done, Errno> {
    let (old, new) = (c_string(old), c_string(new));
    let (old, new) = (old.as_ptr() as u64, new.as_ptr() as u64);
    run(number, [HERE, old, HERE, new, flags, 0])
}

/// The folder that a path without a descriptor is relative to.
pub(in crate::sandbox) const HERE: u64 = libc::AT_FDCWD as i64 as u64;

/// Answers mknod and mknodat.
pub(in crate::sandbox) fn mknod(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    mode: u32,
    device: u64,
) -> Decision {
    let (major, minor) = (libc::major(device), libc::minor(device));
    let id = match mode & libc::S_IFMT {
        libc::S_IFCHR if major == crate::sandbox::CHARACTER_MAJOR => {
            NodeId::Character { major, minor }
        }
        libc::S_IFBLK if major == crate::sandbox::BLOCK_MAJOR => NodeId::Block { major, minor },
        // Nothing is behind these, here as on the device: an open is ENXIO.
        libc::S_IFCHR if !host_has_driver("Character", major) => NodeId::Character { major, minor },
        libc::S_IFBLK if !host_has_driver("Block", major) => NodeId::Block { major, minor },
        _ => return mknod_other(state, trapped, path, mode, device),
    };
    let (seen, real) = match state.target(trapped, path, false)? {
        Target::Node(..) => return Err(Errno::EXIST),
        Target::Elsewhere {
            kind: Kind::Pseudo, ..
        } => return Err(Errno::PERM),
        Target::Elsewhere { seen, real, .. } => (seen, real),
        Target::Host(path) => (path.clone(), path),
        // A hidden node of the host is not there: its place is free.
        Target::Hidden(path) => (path, Bytes::new()),
        _ => return Ok(Answer::Through),
    };
    may_create(&seen, &real)?;
    let mode = mode & 0o7777 & !trapped.process().umask();
    state.resolver.forget_near(&seen);
    state.namespace.add_node(&seen, id, mode);
    Answer::value(0)
}

/// Whether the host has a driver of this kind (`Character`, `Block`) and major
/// number; if that cannot be found out, yes.
fn host_has_driver(kind: &str, major: u32) -> bool {
    let Ok(devices) = std::fs::read_to_string("/proc/devices") else {
        return true;
    };
    let heading = format!("{kind} devices:");
    let drivers = devices
        .lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.is_empty());
    let mut majors = drivers.filter_map(|line| line.split_whitespace().next()?.parse().ok());
    majors.any(|known: u32| known == major)
}

/// Whether something may be made at a path. In /dev everybody may: on the
/// device everybody is root.
fn may_create(seen: &[u8], real: &[u8]) -> Result<(), Errno> {
    if real.is_empty() {
        return Ok(());
    }
    if sys::stat(&c_string(real), false).is_ok() {
        return Err(Errno::EXIST);
    }
    let folder = split(real).0;
    let folder = c_string(if folder.is_empty() { b"/" } else { folder });
    let about = sys::stat(&folder, true)?;
    if about.st_mode & libc::S_IFMT != libc::S_IFDIR {
        return Err(Errno::NOTDIR);
    }
    if seen.starts_with(b"/dev/") {
        return Ok(());
    }
    // SAFETY: the path is a C string.
    match unsafe { libc::access(folder.as_ptr(), libc::W_OK) } {
        0 => Ok(()),
        _ => Err(sys::last_errno()),
    }
}

/// A FIFO, a socket, a plain file, or the node of another driver.
fn mknod_other(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    mode: u32,
    device: u64,
) -> Decision {
    match state.target(trapped, path, false)? {
        Target::Node(..) => Err(Errno::EXIST),
        Target::Elsewhere {
            real,
            kind: Kind::Mapped,
            ..
        } => {
            let umask = trapped.process().umask();
            Answer::perform(move || {
                sys::umask(umask);
                let path = c_string(&real);
                let path = path.as_ptr() as u64;
                run(
                    libc::SYS_mknodat,
                    [HERE, path, u64::from(mode), device, 0, 0],
                )
            })
        }
        Target::Elsewhere { .. } => Err(Errno::PERM),
        _ => Ok(Answer::Through),
    }
}

/// Answers mkdir and mkdirat.
pub(in crate::sandbox) fn mkdir(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    mode: u32,
) -> Decision {
    let target = state.target(trapped, path, false)?;
    state.links_change(&target);
    match target {
        Target::Node(..) => Err(Errno::EXIST),
        Target::Elsewhere {
            kind: Kind::Pseudo, ..
        } => Err(Errno::PERM),
        Target::Elsewhere { real, .. } => {
            let umask = trapped.process().umask();
            Answer::perform(move || {
                sys::umask(umask);
                let path = c_string(&real);
                let path = path.as_ptr() as u64;
                run(libc::SYS_mkdirat, [HERE, path, u64::from(mode), 0, 0, 0])
            })
        }
        Target::Hidden(_) => Err(Errno::NOENT),
        _ => Ok(Answer::Through),
    }
}

/// Answers unlink, rmdir and unlinkat.
pub(in crate::sandbox) fn unlink(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    flags: i32,
) -> Decision {
    let removes_folder = flags & libc::AT_REMOVEDIR != 0;
    let target = state.target(trapped, path, false)?;
    state.links_change(&target);
    match target {
        Target::Node(..) if removes_folder => Err(Errno::NOTDIR),
        Target::Node(path, _) => {
            state.namespace.remove_node(&path);
            Answer::value(0)
        }
        Target::Elsewhere {
            kind: Kind::Pseudo, ..
        } => Err(Errno::PERM),
        Target::Elsewhere { seen: path, .. } | Target::Host(path)
            if removes_folder && state.namespace.has_nodes_in(&path) =>
        {
            Err(Errno::NOTEMPTY)
        }
        Target::Elsewhere { real, .. } => Answer::perform(move || {
            let path = c_string(&real);
            let path = path.as_ptr() as u64;
            run(libc::SYS_unlinkat, [HERE, path, flags as u64, 0, 0, 0])
        }),
        Target::Hidden(_) => Err(Errno::NOENT),
        _ => Ok(Answer::Through),
    }
}

/// Answers truncate.
pub(in crate::sandbox) fn truncate(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    length: u64,
) -> Decision {
    match state.target(trapped, path, true)? {
        Target::Node(..) => Err(Errno::INVAL),
        Target::Elsewhere {
            kind: Kind::Pseudo, ..
        } => Err(Errno::PERM),
        Target::Elsewhere { real, .. } => Answer::perform(move || {
            let path = c_string(&real);
            run(
                libc::SYS_truncate,
                [path.as_ptr() as u64, length, 0, 0, 0, 0],
            )
        }),
        Target::Hidden(_) => Err(Errno::NOENT),
        _ => Ok(Answer::Through),
    }
}

/// Answers rename and its relatives.
pub(in crate::sandbox) fn rename(
    state: &mut State,
    trapped: &Trapped,
    from: PathArgument,
    to: PathArgument,
    flags: u32,
) -> Decision {
    let from = state.target(trapped, from, false)?;
    let to = state.target(trapped, to, false)?;
    state.links_change(&from);
    state.links_change(&to);
    match (from, to) {
        (Target::Unknown, _) | (_, Target::Unknown) => Ok(Answer::Through),
        (Target::Hidden(_), _) => Err(Errno::NOENT),
        (Target::Node(old, node), to) => {
            let new = match to {
                Target::Node(path, _) => path,
                Target::Host(path) | Target::Elsewhere { seen: path, .. } => {
                    if sys::stat(&c_string(&state.namespace.real(&path)), false).is_ok() {
                        return Err(Errno::XDEV);
                    }
                    path
                }
                _ => return Err(Errno::XDEV),
            };
            state.namespace.remove_node(&old);
            state.resolver.forget();
            state.namespace.put_node(&new, node);
            Answer::value(0)
        }
        (Target::Host(_), Target::Host(_)) => Ok(Answer::Through),
        (
            Target::Host(old) | Target::Elsewhere { real: old, .. },
            Target::Host(new) | Target::Elsewhere { real: new, .. },
        ) => Answer::perform(move || run_on_two(libc::SYS_renameat2, &old, &new, u64::from(flags))),
        // A file cannot take a node's place without being one.
        (_, Target::Node(..) | Target::Hidden(_)) => Err(Errno::XDEV),
        _ => Ok(Answer::Through),
    }
}

/// Answers link and linkat.
pub(in crate::sandbox) fn link(
    state: &mut State,
    trapped: &Trapped,
    from: PathArgument,
    to: PathArgument,
    flags: i32,
) -> Decision {
    let follow = flags & libc::AT_SYMLINK_FOLLOW != 0;
    let from = state.target(trapped, from, follow)?;
    match (from, state.target(trapped, to, false)?) {
        (Target::Unknown, _) | (_, Target::Unknown) => Ok(Answer::Through),
        (_, Target::Node(..)) => Err(Errno::EXIST),
        (Target::Node(_, node), Target::Host(path) | Target::Elsewhere { seen: path, .. }) => {
            let real = state.namespace.real(&path);
            may_create(&path, &real)?;
            state.resolver.forget();
            state.namespace.put_node(&path, node);
            Answer::value(0)
        }
        (Target::Host(_), Target::Host(_)) => Ok(Answer::Through),
        (
            Target::Host(old) | Target::Elsewhere { real: old, .. },
            Target::Host(new) | Target::Elsewhere { real: new, .. },
        ) => {
            let flags = (flags & libc::AT_SYMLINK_FOLLOW) as u64;
            Answer::perform(move || run_on_two(libc::SYS_linkat, &old, &new, flags))
        }
        _ => Ok(Answer::Through),
    }
}

/// Answers symlink and symlinkat.
pub(in crate::sandbox) fn symlink(
    state: &mut State,
    trapped: &Trapped,
    text: u64,
    path: PathArgument,
) -> Decision {
    let target = state.target(trapped, path, false)?;
    state.links_change(&target);
    match target {
        Target::Node(..) => Err(Errno::EXIST),
        Target::Elsewhere {
            kind: Kind::Pseudo, ..
        } => Err(Errno::PERM),
        Target::Elsewhere { real, .. } => {
            let text = trapped.process().path(text).map_err(|_| Errno::FAULT)?;
            Answer::perform(move || {
                let (text, path) = (c_string(&text), c_string(&real));
                let args = [text.as_ptr() as u64, HERE, path.as_ptr() as u64, 0, 0, 0];
                run(libc::SYS_symlinkat, args)
            })
        }
        _ => Ok(Answer::Through),
    }
}
