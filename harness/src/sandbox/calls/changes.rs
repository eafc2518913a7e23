//! Calls that change what stands at a path: mknod, mkdir, unlink, unlink and
//! truncate, on simulated nodes and in mapped folders.

use crate::Errno;
use crate::mtd::NodeId;
use crate::sandbox::call::{Answer, Decision, PathArgument, Reply, Trapped};
use crate::sandbox::calls::private::File;
use crate::sandbox::kernel::caller;
use crate::sandbox::kernel::hosts;
use crate::sandbox::kernel::process::{Process, c_string};
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{State, Target};
use crate::sandbox::view::namespace::{Bytes, Kind, now, split};
use std::ffi::CStr;

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
        libc::S_IFCHR if major == crate::mtd::MTD_CHAR_MAJOR => NodeId::Character { major, minor },
        libc::S_IFBLK if major == crate::mtd::MTD_BLOCK_MAJOR => NodeId::Block { major, minor },
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
        _ => return Ok(Answer::THROUGH),
    };
    caller::act(trapped.process(), || may_create(&seen, &real))?;
    if state.ends_in_slash(trapped, path) {
        return Err(Errno::NOENT);
    }
    let mode = mode & 0o7777 & !trapped.process().umask();
    state.resolver.forget_near(&seen);
    state.namespace.add_node(&seen, id, mode, now());
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
pub(in crate::sandbox) fn may_create(seen: &[u8], real: &[u8]) -> Result<(), Errno> {
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
    hosts::access(&folder, libc::W_OK | libc::X_OK, libc::AT_EACCESS).map(drop)
}

/// A FIFO, a socket, a plain file, or the node of another driver.
fn mknod_other(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    mode: u32,
    device: u64,
) -> Decision {
    make(state, trapped, path, move |path| {
        hosts::mknod(path, mode, device)
    })
}

/// Answers mkdir and mkdirat.
pub(in crate::sandbox) fn mkdir(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    mode: u32,
) -> Decision {
    make(state, trapped, path, move |path| hosts::mkdir(path, mode))
}

/// Answers symlink and symlinkat.
pub(in crate::sandbox) fn symlink(
    state: &mut State,
    trapped: &Trapped,
    text: u64,
    path: PathArgument,
) -> Decision {
    let Ok(text) = trapped.process().path(text) else {
        return Ok(Answer::THROUGH);
    };
    make(state, trapped, path, move |path| {
        hosts::symlink(&c_string(&text), path)
    })
}

/// Makes something at a path that is ours, by a call that takes the real one.
fn make(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    call: impl FnOnce(&CStr) -> Result<i64, Errno> + Send + 'static,
) -> Decision {
    let target = match state.target_to_make(trapped, path, false) {
        Err(Errno::NOTDIR) if state.is_slashed_node(trapped, path) => return Err(Errno::EXIST),
        target => target?,
    };
    state.links_change(&target);
    match target {
        Target::Node(..) => Err(Errno::EXIST),
        Target::Elsewhere {
            kind: Kind::Pseudo, ..
        } => Err(Errno::PERM),
        Target::Elsewhere { seen, real, kind } => {
            let umask = trapped.process().umask();
            state.perform(&seen, kind, move || {
                sys::umask(umask);
                call(&c_string(&real)).map(Reply::Value)
            })
        }
        Target::Hidden(_) => Err(Errno::NOENT),
        _ => Ok(Answer::THROUGH),
    }
}

/// Answers unlink, rmdir and unlinkat.
pub(in crate::sandbox) fn unlink(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    flags: i32,
) -> Decision {
    if flags & !libc::AT_REMOVEDIR != 0 {
        return Err(Errno::INVAL);
    }
    let removes_folder = flags & libc::AT_REMOVEDIR != 0;
    let target = state.target(trapped, path, false)?;
    state.links_change(&target);
    let file = match state.file(target) {
        Err(Target::Node(..)) if removes_folder => return Err(Errno::NOTDIR),
        Err(Target::Node(path, _)) => {
            state.namespace.remove_node(&path);
            return Answer::value(0);
        }
        Err(Target::Hidden(_)) => return Err(Errno::NOENT),
        Err(_) => return Ok(Answer::THROUGH),
        Ok(file) => file,
    };
    // A folder cannot be taken away by what it is called inside (fs/namei.c, do_rmdir).
    let climbs = removes_folder && !file.is_plain && state.climbs_in_the_end(trapped, path);
    if climbs && file.exists() {
        return Err(Errno::NOTEMPTY);
    }
    state.may_move(&file)?;
    if removes_folder && state.namespace.has_entries_in(&file.seen) {
        return Err(Errno::NOTEMPTY);
    }
    if file.is_hosts_device() && file.exists() {
        return hide(state, &file, removes_folder);
    }
    if file.is_plain {
        return Ok(Answer::THROUGH);
    }
    let real = file.real;
    state.perform(&file.seen, file.kind, move || {
        hosts::unlink(&c_string(&real), flags).map(Reply::Value)
    })
}

/// Takes an entry of the host's /dev away from the program alone.
fn hide(state: &mut State, file: &File, removes_folder: bool) -> Decision {
    let about = sys::stat(&c_string(&file.real), false)?;
    let is_folder = about.st_mode & libc::S_IFMT == libc::S_IFDIR;
    match (is_folder, removes_folder) {
        (true, false) => Err(Errno::ISDIR),
        (false, true) => Err(Errno::NOTDIR),
        // Whatever is in it is the host's.
        (true, true) => Err(Errno::NOTEMPTY),
        (false, false) => {
            state.namespace.hide(&file.seen);
            Answer::value(0)
        }
    }
}

/// Answers truncate.
pub(in crate::sandbox) fn truncate(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    length: u64,
) -> Decision {
    if (length as i64) < 0 {
        return Err(Errno::INVAL);
    }
    match state.target(trapped, path, true)? {
        Target::Node(..) => Err(Errno::INVAL),
        Target::Elsewhere {
            kind: Kind::Pseudo, ..
        } => Err(Errno::PERM),
        Target::Elsewhere { real, .. } => {
            let process = trapped.process();
            Answer::perform(move || {
                let path = c_string(&real);
                keep_limit(process, &path, length)?;
                hosts::truncate(&path, length).map(Reply::Value)
            })
        }
        Target::Hidden(_) => Err(Errno::NOENT),
        _ => Ok(Answer::THROUGH),
    }
}

/// Refuses to make a file longer than the caller may, with the signal that tells it so
/// (fs/attr.c, inode_newsize_ok).
fn keep_limit(process: Process, path: &CStr, length: u64) -> Result<(), Errno> {
    let about = sys::stat(path, true)?;
    let grows = u64::try_from(about.st_size).is_ok_and(|size| size < length);
    if !grows || length <= process.file_size_limit() {
        return Ok(());
    }
    hosts::access(path, libc::W_OK, libc::AT_EACCESS)?;
    sys::tgkill(process.tgid(), process.tid, libc::SIGXFSZ)?;
    Err(Errno::FBIG)
}

impl State {
    /// Whether a file may be removed or renamed: what a folder is mapped to is
    /// a mount point, and the kernel's texts stay.
    pub fn may_move(&self, file: &File) -> Result<(), Errno> {
        match self.namespace.redirect_at(&file.seen) {
            Some(Kind::Mapped | Kind::Pseudo) => Err(Errno::BUSY),
            _ if file.kind == Kind::Pseudo => Err(Errno::PERM),
            _ => Ok(()),
        }
    }
}
