//! stat and its relatives, access, readlink, statfs, extended attributes: what
//! a program asks of a path before it opens it.

use crate::Errno;
use crate::mtd::NodeId;
use crate::sandbox::call::{Answer, Decision, PathArgument, Reply, Trapped};
use crate::sandbox::kernel::caller;
use crate::sandbox::kernel::hosts;
use crate::sandbox::kernel::plain::Plain;
use crate::sandbox::kernel::process::{Process, c_string};
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{State, Target};
use crate::sandbox::view::namespace::{Bytes, Kind, Moment, Node};
use crate::sandbox::view::shadow::Pretended;
use std::ffi::CStr;
use std::sync::OnceLock;

/// Which structure a call wants its answer in.
#[derive(Clone, Copy)]
pub(in crate::sandbox) enum Form {
    Stat,
    Statx { mask: u32 },
}

impl Form {
    /// Refuses what the kernel refuses (fs/stat.c, vfs_statx and do_statx).
    fn check(self, flags: i32) -> Result<(), Errno> {
        const SYNC_TYPE: i32 = libc::AT_STATX_FORCE_SYNC | libc::AT_STATX_DONT_SYNC;
        const RESERVED: u32 = 0x8000_0000;
        let known = libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT | libc::AT_EMPTY_PATH;
        let is_known = flags & !(known | SYNC_TYPE) == 0;
        let is_valid = match self {
            Form::Stat => true,
            Form::Statx { mask } => flags & SYNC_TYPE != SYNC_TYPE && mask & RESERVED == 0,
        };
        if is_known && is_valid {
            Ok(())
        } else {
            Err(Errno::INVAL)
        }
    }
}

/// Answers stat, lstat, newfstatat and statx.
pub(in crate::sandbox) fn stat(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    flags: i32,
    buffer: u64,
    form: Form,
) -> Decision {
    form.check(flags)?;
    let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    let by_descriptor = flags & libc::AT_EMPTY_PATH != 0;
    let target = if path.address == 0 && by_descriptor {
        Target::Descriptor(path.folder)
    } else {
        state.target_to_look_at(trapped, path, follow)?
    };
    match target {
        Target::Node(_, node) => node_stat(trapped.process(), &node, buffer, form),
        Target::Elsewhere { real, .. } => {
            let (process, path) = (trapped.process(), c_string(&real));
            let pretended = state.shadow.pretended(&real);
            caller::act(process, || {
                elsewhere_stat(process, &path, pretended, buffer, (form, flags))
            })
        }
        Target::Hidden(_) => Err(Errno::NOENT),
        Target::Descriptor(fd) if by_descriptor => fstat(state, trapped, fd, buffer, form),
        _ => Ok(Answer::THROUGH),
    }
}

/// Answers fstat, and what asks the same of a descriptor.
pub(in crate::sandbox) fn fstat(
    state: &mut State,
    trapped: &Trapped,
    fd: i32,
    buffer: u64,
    form: Form,
) -> Decision {
    let process = trapped.process();
    if let Some(node) = state.node_behind(process, fd) {
        return node_stat(process, &node, buffer, form);
    }
    if !state.shadow.is_filled() {
        return Ok(Answer::THROUGH);
    }
    let Ok(real) = process.fd_path(fd) else {
        return Ok(Answer::THROUGH);
    };
    let Some(pretended) = state.shadow.pretended(&real) else {
        return Ok(Answer::THROUGH);
    };
    // What the descriptor is, be it a link itself.
    let path = process.proc(&format!("fd/{fd}"));
    elsewhere_stat(process, &path, Some(pretended), buffer, (form, 0))
}

fn put(process: Process, buffer: u64, value: &impl Plain) -> Decision {
    process.write(buffer, value.bytes())?;
    Answer::value(0)
}

/// The device number of the file system at /dev.
static DEV: OnceLock<u64> = OnceLock::new();

/// What stat tells of a simulated node.
fn describe(process: Process, node: &Node) -> libc::stat {
    let mut about = libc::stat::zero();
    let (kind, major, minor) = match node.id {
        NodeId::Character { major, minor } => (libc::S_IFCHR, major, minor),
        NodeId::Block { major, minor } => (libc::S_IFBLK, major, minor),
    };
    let (user, group) = node.owner.unwrap_or_else(|| process.owner());
    about.st_dev = *DEV.get_or_init(|| sys::stat(c"/dev", true).map_or(5, |dev| dev.st_dev));
    about.st_ino = node.inode;
    about.st_nlink = libc::nlink_t::from(node.links);
    about.st_mode = kind | node.mode;
    about.st_uid = user;
    about.st_gid = group;
    about.st_rdev = libc::makedev(major, minor);
    about.st_blksize = 4096;
    (about.st_atime, about.st_atime_nsec) = node.accessed;
    (about.st_mtime, about.st_mtime_nsec) = node.modified;
    (about.st_ctime, about.st_ctime_nsec) = node.changed;
    about
}

fn node_stat(process: Process, node: &Node, buffer: u64, form: Form) -> Decision {
    let about = describe(process, node);
    if matches!(form, Form::Stat) {
        return put(process, buffer, &about);
    }
    let mut wide = libc::statx::zero();
    let time = |(seconds, nanoseconds): Moment| {
        let mut time = wide.stx_ctime;
        (time.tv_sec, time.tv_nsec) = (seconds, nanoseconds as u32);
        time
    };
    let (atime, mtime, ctime) = (time(node.accessed), time(node.modified), time(node.changed));
    wide.stx_mask = libc::STATX_BASIC_STATS;
    wide.stx_blksize = 4096;
    wide.stx_nlink = node.links;
    wide.stx_uid = about.st_uid;
    wide.stx_gid = about.st_gid;
    wide.stx_mode = about.st_mode as u16;
    wide.stx_ino = about.st_ino;
    wide.stx_atime = atime;
    wide.stx_mtime = mtime;
    wide.stx_ctime = ctime;
    wide.stx_rdev_major = libc::major(about.st_rdev);
    wide.stx_rdev_minor = libc::minor(about.st_rdev);
    wide.stx_dev_major = libc::major(about.st_dev);
    wide.stx_dev_minor = libc::minor(about.st_dev);
    put(process, buffer, &wide)
}

fn elsewhere_stat(
    process: Process,
    path: &CStr,
    pretended: Option<Pretended>,
    buffer: u64,
    (form, flags): (Form, i32),
) -> Decision {
    let Form::Statx { mask } = form else {
        let mut about = sys::stat(path, flags & libc::AT_SYMLINK_NOFOLLOW == 0)?;
        pretend(&mut about, pretended);
        return put(process, buffer, &about);
    };
    let mut wide = libc::statx::zero();
    let flags = flags & !libc::AT_EMPTY_PATH;
    // SAFETY: the path is a C string, the structure is ours.
    if unsafe { libc::statx(libc::AT_FDCWD, path.as_ptr(), flags, mask, &mut wide) } != 0 {
        return Err(sys::last_errno());
    }
    if pretended.is_some() {
        (wide.stx_uid, wide.stx_gid) = (0, 0);
        if u32::from(wide.stx_mode) & libc::S_IFMT == libc::S_IFREG {
            wide.stx_size = size_of_pretended(pretended);
            wide.stx_blocks = 0;
        }
    }
    put(process, buffer, &wide)
}

fn size_of_pretended(pretended: Option<Pretended>) -> u64 {
    match pretended {
        Some(Pretended::Page) => 4096,
        _ => 0,
    }
}

/// Makes a file of ours look as the kernel's own texts look.
fn pretend(about: &mut libc::stat, pretended: Option<Pretended>) {
    if pretended.is_none() {
        return;
    }
    (about.st_uid, about.st_gid) = (0, 0);
    if about.st_mode & libc::S_IFMT == libc::S_IFREG {
        about.st_size = size_of_pretended(pretended) as i64;
        about.st_blocks = 0;
    }
}

const ACCESS_FLAGS: i32 = libc::AT_EACCESS | libc::AT_SYMLINK_NOFOLLOW | libc::AT_EMPTY_PATH;

/// Answers access, faccessat and faccessat2.
pub(in crate::sandbox) fn access(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    mode: i32,
    flags: i32,
) -> Decision {
    // R_OK, W_OK, X_OK, and the flags that faccessat2 knows.
    if mode & !7 != 0 || flags & !ACCESS_FLAGS != 0 {
        return Err(Errno::INVAL);
    }
    let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    let mut target = state.target_to_look_at(trapped, path, follow)?;
    if let Target::Descriptor(fd) = target {
        if let Some(node) = state.node_behind(trapped.process(), fd) {
            if flags & libc::AT_EMPTY_PATH != 0 {
                target = Target::Node(Bytes::new(), node);
            }
        }
    }
    match target {
        // On the device everybody is root, who may do all but execute.
        Target::Node(..) if mode & libc::X_OK != 0 => Err(Errno::ACCESS),
        Target::Node(..) => Answer::value(0),
        Target::Elsewhere { real, .. } => {
            let path = c_string(&real);
            let ask = |flags: i32| {
                let answer = hosts::access(&path, mode, flags);
                answer.map(|value| Answer::Reply(Reply::Value(value)))
            };
            // It is about the real user, which `act_as_real` makes the one that
            // counts.
            match flags & libc::AT_EACCESS {
                0 => caller::act_as_real(trapped.process(), || ask(flags | libc::AT_EACCESS)),
                _ => caller::act(trapped.process(), || ask(flags)),
            }
        }
        Target::Hidden(_) => Err(Errno::NOENT),
        _ => Ok(Answer::THROUGH),
    }
}

/// Answers readlink and readlinkat.
pub(in crate::sandbox) fn readlink(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    buffer: u64,
    size: u64,
) -> Decision {
    if size as i32 <= 0 {
        return Err(Errno::INVAL);
    }
    let text = match state.target(trapped, path, false)? {
        Target::Node(..) => return Err(Errno::INVAL),
        Target::Elsewhere { real, .. } => {
            caller::act(trapped.process(), || sys::readlink(&c_string(&real)))?
        }
        Target::Hidden(_) => return Err(Errno::NOENT),
        Target::Host(path) if path.starts_with(b"/proc/") => match seen_behind(state, &path) {
            Some(text) => text,
            None => return Ok(Answer::THROUGH),
        },
        _ => return Ok(Answer::THROUGH),
    };
    let text = &text[..text.len().min(size as usize)];
    trapped.process().write(buffer, text)?;
    Answer::value(text.len() as i64)
}

/// What the program calls the file behind a link of /proc, where the kernel
/// calls it something else.
fn seen_behind(state: &mut State, path: &Bytes) -> Option<Bytes> {
    let real = sys::readlink(&c_string(path)).ok()?;
    if let Some(seen) = state.namespace.seen(&real) {
        return Some(seen);
    }
    let (pid, fd) = crate::sandbox::view::resolve::descriptor(path)?;
    let node = state.node_behind(Process { tid: pid }, fd)?;
    state.namespace.path_of(node.inode).cloned()
}

/// Answers statfs.
pub(in crate::sandbox) fn statfs(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    buffer: u64,
) -> Decision {
    let real = match state.target(trapped, path, true)? {
        Target::Node(..) => b"/dev".to_vec(),
        Target::Elsewhere {
            seen,
            kind: Kind::Pseudo,
            ..
        } => file_system_of(&seen),
        Target::Elsewhere { real, .. } => real,
        Target::Hidden(_) => return Err(Errno::NOENT),
        _ => return Ok(Answer::THROUGH),
    };
    put_statfs(trapped, &real, buffer)
}

/// Answers fstatfs.
pub(in crate::sandbox) fn fstatfs(state: &mut State, trapped: &Trapped) -> Decision {
    let (process, fd, buffer) = (trapped.process(), trapped.int(0), trapped.args[1]);
    if state.node_behind(process, fd).is_some() {
        return put_statfs(trapped, b"/dev", buffer);
    }
    let Ok(real) = process.fd_path(fd) else {
        return Ok(Answer::THROUGH);
    };
    match (state.shadow.pretended(&real), state.namespace.seen(&real)) {
        (Some(_), Some(seen)) => put_statfs(trapped, &file_system_of(&seen), buffer),
        _ => Ok(Answer::THROUGH),
    }
}

/// Where the file system is that a text of the kernel's belongs to.
fn file_system_of(seen: &[u8]) -> Bytes {
    match seen.starts_with(b"/proc") {
        true => b"/proc".to_vec(),
        false => b"/sys".to_vec(),
    }
}

fn put_statfs(trapped: &Trapped, real: &[u8], buffer: u64) -> Decision {
    let mut about = libc::statfs::zero();
    // SAFETY: the path is a C string, the structure is ours.
    if unsafe { libc::statfs(c_string(real).as_ptr(), &mut about) } != 0 {
        return Err(sys::last_errno());
    }
    put(trapped.process(), buffer, &about)
}

/// Answers uname with the version that is played.
pub(in crate::sandbox) fn uname(state: &mut State, trapped: &Trapped) -> Decision {
    let Some(version) = state.kernel else {
        return Ok(Answer::THROUGH);
    };
    let mut about = libc::utsname::zero();
    // SAFETY: the structure is ours.
    unsafe { libc::uname(&mut about) };
    let release = format!("{}.{}.{}\0", version.major, version.minor, version.patch);
    for (to, from) in about.release.iter_mut().zip(release.bytes()) {
        *to = from as libc::c_char;
    }
    put(trapped.process(), trapped.args[0], &about)
}
