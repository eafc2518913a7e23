//! Calls that change what stands at a path: mknod, mkdir, unlink, rename and
//! the rest, on simulated nodes and in mapped folders.

use crate::Errno;
use crate::mtd::NodeId;
use crate::sandbox::calls::table::Call;
use crate::sandbox::kernel::process::c_string;
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{Answer, State, Target, Trapped};
use crate::sandbox::view::namespace::{Bytes, Kind, split};

/// Runs a system call here, on behalf of the program.
pub(in crate::sandbox) fn run(number: i64, args: [u64; 6]) -> Answer {
    // SAFETY: every caller passes numbers and pointers to locals that outlive
    // the call.
    match unsafe { sys::raw(number, args) } {
        Ok(value) => Answer::Value(value),
        Err(errno) => Answer::Error(errno),
    }
}

/// Runs a call that takes an old and a new path.
fn run_on_two(number: i64, old: &[u8], new: &[u8], flags: u64) -> Answer {
    let (old, new) = (c_string(old), c_string(new));
    let (old, new) = (old.as_ptr() as u64, new.as_ptr() as u64);
    run(number, [HERE, old, HERE, new, flags, 0])
}

/// The folder that a path without a descriptor is relative to.
pub(in crate::sandbox) const HERE: u64 = libc::AT_FDCWD as i64 as u64;

/// The path arguments of a call: (descriptor of a folder, address).
pub(in crate::sandbox) fn place_of(trapped: &Trapped) -> (i32, u64) {
    match trapped.call {
        Call::Mknodat
        | Call::Mkdirat
        | Call::Unlinkat
        | Call::Fchmodat
        | Call::Fchmodat2
        | Call::Fchownat
        | Call::Utimensat => (trapped.int(0), trapped.args[1]),
        #[cfg(target_arch = "x86_64")]
        Call::Futimesat => (trapped.int(0), trapped.args[1]),
        _ => (libc::AT_FDCWD, trapped.args[0]),
    }
}

/// Answers mknod and mknodat.
pub(in crate::sandbox) fn mknod(state: &mut State, trapped: &Trapped) -> Answer {
    let (dirfd, address) = place_of(trapped);
    let shift = usize::from(trapped.call == Call::Mknodat);
    let (mode, device) = (trapped.args[1 + shift] as u32, trapped.args[2 + shift]);
    let (major, minor) = (libc::major(device), libc::minor(device));
    let id = match mode & libc::S_IFMT {
        libc::S_IFCHR if major == crate::sandbox::CHARACTER_MAJOR => {
            NodeId::Character { major, minor }
        }
        libc::S_IFBLK if major == crate::sandbox::BLOCK_MAJOR => NodeId::Block { major, minor },
        // Nothing is behind these, here as on the device: an open is ENXIO.
        libc::S_IFCHR if !host_has_driver("Character", major) => NodeId::Character { major, minor },
        libc::S_IFBLK if !host_has_driver("Block", major) => NodeId::Block { major, minor },
        _ => return mknod_other(state, trapped, dirfd, address, mode, device),
    };
    let (seen, real) = match state.target(trapped, dirfd, address, false) {
        Some(Target::Node(..)) => return Answer::Error(Errno::EXIST),
        Some(Target::Elsewhere {
            kind: Kind::Pseudo, ..
        }) => {
            return Answer::Error(Errno::PERM);
        }
        Some(Target::Elsewhere { seen, real, .. }) => (seen, real),
        Some(Target::Host(path)) => (path.clone(), path),
        // A hidden node of the host is not there: its place is free.
        Some(Target::Hidden(path)) => (path, Bytes::new()),
        _ => return Answer::Through,
    };
    if let Err(errno) = may_create(&seen, &real) {
        return Answer::Error(errno);
    }
    let mode = mode & 0o7777 & !trapped.process.umask();
    state.resolver.forget_near(&seen);
    state.namespace.add_node(&seen, id, mode);
    Answer::Value(0)
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
    dirfd: i32,
    address: u64,
    mode: u32,
    device: u64,
) -> Answer {
    match state.target(trapped, dirfd, address, false) {
        Some(Target::Node(..)) => Answer::Error(Errno::EXIST),
        Some(Target::Elsewhere {
            real,
            kind: Kind::Mapped,
            ..
        }) => {
            sys::umask(trapped.process.umask());
            let path = c_string(&real);
            let args = [HERE, path.as_ptr() as u64, u64::from(mode), device, 0, 0];
            run(libc::SYS_mknodat, args)
        }
        Some(Target::Elsewhere { .. }) => Answer::Error(Errno::PERM),
        _ => Answer::Through,
    }
}

/// Answers mkdir, mkdirat, unlink, unlinkat, rmdir and truncate.
pub(in crate::sandbox) fn change(state: &mut State, trapped: &Trapped) -> Answer {
    let (dirfd, address) = place_of(trapped);
    let removes_folder = match trapped.call {
        Call::Unlinkat => trapped.int(2) & libc::AT_REMOVEDIR != 0,
        #[cfg(target_arch = "x86_64")]
        Call::Rmdir => true,
        _ => false,
    };
    let makes_folder = match trapped.call {
        #[cfg(target_arch = "x86_64")]
        Call::Mkdir => Some(trapped.args[1]),
        Call::Mkdirat => Some(trapped.args[2]),
        _ => None,
    };
    let truncates = trapped.call == Call::Truncate;
    let target = state.target(trapped, dirfd, address, truncates);
    state.links_change(target.as_ref());
    match target {
        Some(Target::Node(path, _)) => {
            if makes_folder.is_some() {
                return Answer::Error(Errno::EXIST);
            }
            if truncates {
                return Answer::Error(Errno::INVAL);
            }
            if removes_folder {
                return Answer::Error(Errno::NOTDIR);
            }
            state.namespace.remove_node(&path);
            Answer::Value(0)
        }
        Some(Target::Elsewhere { seen, real, kind }) => {
            if kind == Kind::Pseudo {
                return Answer::Error(Errno::PERM);
            }
            if removes_folder && state.namespace.has_nodes_in(&seen) {
                return Answer::Error(Errno::NOTEMPTY);
            }
            let path = c_string(&real);
            let pointer = path.as_ptr() as u64;
            if truncates {
                let args = [pointer, trapped.args[1], 0, 0, 0, 0];
                return run(libc::SYS_truncate, args);
            }
            if let Some(mode) = makes_folder {
                sys::umask(trapped.process.umask());
                return run(libc::SYS_mkdirat, [HERE, pointer, mode, 0, 0, 0]);
            }
            let flags = if removes_folder {
                libc::AT_REMOVEDIR as u64
            } else {
                0
            };
            run(libc::SYS_unlinkat, [HERE, pointer, flags, 0, 0, 0])
        }
        Some(Target::Host(path)) if removes_folder && state.namespace.has_nodes_in(&path) => {
            Answer::Error(Errno::NOTEMPTY)
        }
        Some(Target::Hidden(_)) => Answer::Error(Errno::NOENT),
        _ => Answer::Through,
    }
}

/// Answers rename and its relatives.
pub(in crate::sandbox) fn rename(state: &mut State, trapped: &Trapped) -> Answer {
    let args = &trapped.args;
    let (from, to, flags) = match trapped.call {
        #[cfg(target_arch = "x86_64")]
        Call::Rename => ((libc::AT_FDCWD, args[0]), (libc::AT_FDCWD, args[1]), 0),
        Call::Renameat => ((trapped.int(0), args[1]), (trapped.int(2), args[3]), 0),
        _ => (
            (trapped.int(0), args[1]),
            (trapped.int(2), args[3]),
            args[4],
        ),
    };
    let (Some(from), Some(to)) = (
        state.target(trapped, from.0, from.1, false),
        state.target(trapped, to.0, to.1, false),
    ) else {
        return Answer::Through;
    };
    state.links_change(Some(&from));
    state.links_change(Some(&to));
    match (from, to) {
        (Target::Hidden(_), _) => Answer::Error(Errno::NOENT),
        (Target::Node(old, node), to) => {
            let new = match to {
                Target::Node(path, _) => path,
                Target::Host(path) | Target::Elsewhere { seen: path, .. } => {
                    if sys::stat(&c_string(&state.namespace.real(&path)), false).is_ok() {
                        return Answer::Error(Errno::XDEV);
                    }
                    path
                }
                _ => return Answer::Error(Errno::XDEV),
            };
            state.namespace.remove_node(&old);
            state.resolver.forget();
            state.namespace.put_node(&new, node);
            Answer::Value(0)
        }
        (Target::Host(_), Target::Host(_)) => Answer::Through,
        (
            Target::Host(old) | Target::Elsewhere { real: old, .. },
            Target::Host(new) | Target::Elsewhere { real: new, .. },
        ) => run_on_two(libc::SYS_renameat2, &old, &new, flags),
        // A file cannot take a node's place without being one.
        (_, Target::Node(..) | Target::Hidden(_)) => Answer::Error(Errno::XDEV),
        _ => Answer::Through,
    }
}

/// Answers link and linkat.
pub(in crate::sandbox) fn link(state: &mut State, trapped: &Trapped) -> Answer {
    let args = &trapped.args;
    let (from, to, flags) = match trapped.call {
        Call::Linkat => (
            (trapped.int(0), args[1]),
            (trapped.int(2), args[3]),
            trapped.int(4),
        ),
        _ => ((libc::AT_FDCWD, args[0]), (libc::AT_FDCWD, args[1]), 0),
    };
    let follow = flags & libc::AT_SYMLINK_FOLLOW != 0;
    let (Some(from), Some(to)) = (
        state.target(trapped, from.0, from.1, follow),
        state.target(trapped, to.0, to.1, false),
    ) else {
        return Answer::Through;
    };
    match (from, to) {
        (_, Target::Node(..)) => Answer::Error(Errno::EXIST),
        (Target::Node(_, node), Target::Host(path) | Target::Elsewhere { seen: path, .. }) => {
            let real = state.namespace.real(&path);
            if let Err(errno) = may_create(&path, &real) {
                return Answer::Error(errno);
            }
            state.resolver.forget();
            state.namespace.put_node(&path, node);
            Answer::Value(0)
        }
        (Target::Host(_), Target::Host(_)) => Answer::Through,
        (
            Target::Host(old) | Target::Elsewhere { real: old, .. },
            Target::Host(new) | Target::Elsewhere { real: new, .. },
        ) => {
            let flags = (flags & libc::AT_SYMLINK_FOLLOW) as u64;
            run_on_two(libc::SYS_linkat, &old, &new, flags)
        }
        _ => Answer::Through,
    }
}

/// Answers symlink and symlinkat.
pub(in crate::sandbox) fn symlink(state: &mut State, trapped: &Trapped) -> Answer {
    let (dirfd, address) = match trapped.call {
        Call::Symlinkat => (trapped.int(1), trapped.args[2]),
        _ => (libc::AT_FDCWD, trapped.args[1]),
    };
    let target = state.target(trapped, dirfd, address, false);
    state.links_change(target.as_ref());
    match target {
        Some(Target::Node(..)) => Answer::Error(Errno::EXIST),
        Some(Target::Elsewhere {
            kind: Kind::Pseudo, ..
        }) => Answer::Error(Errno::PERM),
        Some(Target::Elsewhere { real, .. }) => {
            let Ok(text) = trapped.process.path(trapped.args[0]) else {
                return Answer::Error(Errno::FAULT);
            };
            let (text, path) = (c_string(&text), c_string(&real));
            let args = [text.as_ptr() as u64, HERE, path.as_ptr() as u64, 0, 0, 0];
            run(libc::SYS_symlinkat, args)
        }
        _ => Answer::Through,
    }
}
