//! stat and its relatives, access, readlink, statfs, extended attributes: what
//! a program asks of a path before it opens it.

use crate::Errno;
use crate::mtd::NodeId;
use crate::sandbox::calls::table::Call;
use crate::sandbox::kernel::process::{Process, c_string};
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{Answer, State, Target, Trapped};
use crate::sandbox::view::namespace::{Bytes, Kind, Node};
use crate::sandbox::view::shadow::Pretended;
use std::mem::{size_of, zeroed};
use std::sync::OnceLock;

/// The bytes of a plain kernel structure.
fn bytes_of<T: Copy>(value: &T) -> &[u8] {
    // SAFETY: only used with C structures of numbers that were zeroed first,
    // so that their padding is initialised.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// Which form a call wants its answer in.
#[derive(Clone, Copy)]
enum Form {
    Stat,
    Statx { flags: i32, mask: u32 },
}

/// Answers stat, lstat, newfstatat and statx.
pub(in crate::sandbox) fn stat(state: &mut State, trapped: &Trapped) -> Answer {
    let args = &trapped.args;
    let (dirfd, path, flags, buffer, form) = match trapped.call {
        #[cfg(target_arch = "x86_64")]
        Call::Stat => (libc::AT_FDCWD, args[0], 0, args[1], Form::Stat),
        #[cfg(target_arch = "x86_64")]
        Call::Lstat => {
            let flags = libc::AT_SYMLINK_NOFOLLOW;
            (libc::AT_FDCWD, args[0], flags, args[1], Form::Stat)
        }
        Call::Statx => {
            let (flags, mask) = (trapped.int(2), args[3] as u32);
            let form = Form::Statx { flags, mask };
            (trapped.int(0), args[1], flags, args[4], form)
        }
        _ => (trapped.int(0), args[1], trapped.int(3), args[2], Form::Stat),
    };
    let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    let target = if path == 0 && flags & libc::AT_EMPTY_PATH != 0 {
        Some(Target::Descriptor(dirfd))
    } else {
        state.target(trapped, dirfd, path, follow)
    };
    match target {
        Some(Target::Node(_, node)) => node_stat(trapped.process, &node, buffer, form),
        Some(Target::Elsewhere { real, .. }) => {
            elsewhere_stat(state, trapped.process, &real, buffer, form, follow)
        }
        Some(Target::Hidden(_)) => Answer::Error(Errno::NOENT),
        Some(Target::Descriptor(fd)) if flags & libc::AT_EMPTY_PATH != 0 => {
            descriptor_stat(state, trapped.process, fd, buffer, form)
        }
        _ => Answer::Through,
    }
}

/// Answers fstat.
pub(in crate::sandbox) fn fstat(state: &mut State, trapped: &Trapped) -> Answer {
    let (fd, buffer) = (trapped.int(0), trapped.args[1]);
    descriptor_stat(state, trapped.process, fd, buffer, Form::Stat)
}

fn descriptor_stat(
    state: &mut State,
    process: Process,
    fd: i32,
    buffer: u64,
    form: Form,
) -> Answer {
    if let Some(id) = state.node_behind(process, fd) {
        let node = match state.namespace.node_of(id) {
            Some((_, node)) => node.clone(),
            // Its node was removed; the open description lives on.
            None => Node {
                id,
                inode: 1,
                mode: 0o600,
                owner: None,
                changed_s: 0,
            },
        };
        return node_stat(process, &node, buffer, form);
    }
    if !state.shadow.is_filled() {
        return Answer::Through;
    }
    let Ok(real) = process.fd_path(fd) else {
        return Answer::Through;
    };
    if state.shadow.pretended(&real).is_none() {
        return Answer::Through;
    }
    elsewhere_stat(state, process, &real, buffer, form, true)
}

fn put<T: Copy>(process: Process, buffer: u64, value: &T) -> Answer {
    process.write(buffer, bytes_of(value)).into()
}

/// The device number of the file system at /dev.
static DEV: OnceLock<u64> = OnceLock::new();

/// What stat tells of a simulated node.
fn describe(process: Process, node: &Node) -> libc::stat {
    // SAFETY: all-zero is a valid value of this plain structure.
    let mut about: libc::stat = unsafe { zeroed() };
    let (kind, major, minor) = match node.id {
        NodeId::Character { major, minor } => (libc::S_IFCHR, major, minor),
        NodeId::Block { major, minor } => (libc::S_IFBLK, major, minor),
    };
    let (user, group) = node.owner.unwrap_or_else(|| process.owner());
    about.st_dev = *DEV.get_or_init(|| sys::stat(c"/dev", true).map_or(5, |dev| dev.st_dev));
    about.st_ino = node.inode;
    about.st_nlink = 1;
    about.st_mode = kind | node.mode;
    about.st_uid = user;
    about.st_gid = group;
    about.st_rdev = libc::makedev(major, minor);
    about.st_blksize = 4096;
    about.st_atime = node.changed_s;
    about.st_mtime = node.changed_s;
    about.st_ctime = node.changed_s;
    about
}

fn node_stat(process: Process, node: &Node, buffer: u64, form: Form) -> Answer {
    let about = describe(process, node);
    if matches!(form, Form::Stat) {
        return put(process, buffer, &about);
    }
    // SAFETY: all-zero is a valid value of this plain structure.
    let mut wide: libc::statx = unsafe { zeroed() };
    let time = |seconds| {
        let mut time = wide.stx_ctime;
        time.tv_sec = seconds;
        time
    };
    let (atime, mtime, ctime) = (
        time(about.st_atime),
        time(about.st_mtime),
        time(about.st_ctime),
    );
    wide.stx_mask = libc::STATX_BASIC_STATS;
    wide.stx_blksize = 4096;
    wide.stx_nlink = 1;
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
    state: &State,
    process: Process,
    real: &Bytes,
    buffer: u64,
    form: Form,
    follow: bool,
) -> Answer {
    let pretended = state.shadow.pretended(real);
    let path = c_string(real);
    match form {
        Form::Stat => match sys::stat(&path, follow) {
            Ok(mut about) => {
                pretend(&mut about, pretended);
                put(process, buffer, &about)
            }
            Err(errno) => Answer::Error(errno),
        },
        Form::Statx { flags, mask } => {
            // SAFETY: all-zero is a valid value of this plain structure.
            let mut wide: libc::statx = unsafe { zeroed() };
            let mut flags = flags & !libc::AT_EMPTY_PATH;
            if !follow {
                flags |= libc::AT_SYMLINK_NOFOLLOW;
            }
            // SAFETY: the path is a C string, the structure is ours.
            let failed =
                unsafe { libc::statx(libc::AT_FDCWD, path.as_ptr(), flags, mask, &mut wide) } != 0;
            if failed {
                return Answer::Error(sys::last_errno());
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
    }
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

/// Answers access, faccessat and faccessat2.
pub(in crate::sandbox) fn access(state: &mut State, trapped: &Trapped) -> Answer {
    let args = &trapped.args;
    let (dirfd, path, mode, flags) = match trapped.call {
        #[cfg(target_arch = "x86_64")]
        Call::Access => (libc::AT_FDCWD, args[0], trapped.int(1), 0),
        // The fourth argument of faccessat is the C library's, not the kernel's.
        Call::Faccessat => (trapped.int(0), args[1], trapped.int(2), 0),
        _ => (trapped.int(0), args[1], trapped.int(2), trapped.int(3)),
    };
    let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    match state.target(trapped, dirfd, path, follow) {
        // On the device everybody is root, who may do all but execute.
        Some(Target::Node(..)) if mode & libc::X_OK != 0 => Answer::Error(Errno::ACCESS),
        Some(Target::Node(..)) => Answer::Value(0),
        Some(Target::Elsewhere { real, .. }) => {
            let path = c_string(&real);
            // SAFETY: the path is a C string.
            let failed =
                unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), mode, flags) } != 0;
            match failed {
                true => Answer::Error(sys::last_errno()),
                false => Answer::Value(0),
            }
        }
        Some(Target::Hidden(_)) => Answer::Error(Errno::NOENT),
        _ => Answer::Through,
    }
}

/// Answers readlink and readlinkat.
pub(in crate::sandbox) fn readlink(state: &mut State, trapped: &Trapped) -> Answer {
    let args = &trapped.args;
    let (dirfd, path, buffer, size) = match trapped.call {
        #[cfg(target_arch = "x86_64")]
        Call::Readlink => (libc::AT_FDCWD, args[0], args[1], args[2]),
        _ => (trapped.int(0), args[1], args[2], args[3]),
    };
    let process = trapped.process;
    let text = match state.target(trapped, dirfd, path, false) {
        Some(Target::Node(..)) => return Answer::Error(Errno::INVAL),
        Some(Target::Elsewhere { real, .. }) => match sys::readlink(&c_string(&real)) {
            Ok(text) => text,
            Err(errno) => return Answer::Error(errno),
        },
        Some(Target::Hidden(_)) => return Answer::Error(Errno::NOENT),
        Some(Target::Host(path)) if path.starts_with(b"/proc/") => {
            match seen_behind(state, &path) {
                Some(text) => text,
                None => return Answer::Through,
            }
        }
        _ => return Answer::Through,
    };
    if size as i32 <= 0 {
        return Answer::Error(Errno::INVAL);
    }
    let text = &text[..text.len().min(size as usize)];
    match process.write(buffer, text) {
        Ok(()) => Answer::Value(text.len() as i64),
        Err(errno) => Answer::Error(errno),
    }
}

/// What the program calls the file behind a link of /proc, where the kernel
/// calls it something else.
fn seen_behind(state: &mut State, path: &Bytes) -> Option<Bytes> {
    let real = sys::readlink(&c_string(path)).ok()?;
    if let Some(seen) = state.namespace.seen(&real) {
        return Some(seen);
    }
    let (pid, fd) = crate::sandbox::view::resolve::descriptor(path)?;
    let id = state.node_behind(Process { tid: pid }, fd)?;
    let (path, _) = state.namespace.node_of(id)?;
    Some(path.clone())
}

/// Answers statfs.
pub(in crate::sandbox) fn statfs(state: &mut State, trapped: &Trapped) -> Answer {
    let real = match state.target(trapped, libc::AT_FDCWD, trapped.args[0], true) {
        Some(Target::Node(..)) => b"/dev".to_vec(),
        Some(Target::Elsewhere {
            real,
            kind: Kind::Mapped,
            ..
        }) => real,
        Some(Target::Elsewhere { seen, .. }) if seen.starts_with(b"/proc") => b"/proc".to_vec(),
        Some(Target::Elsewhere { .. }) => b"/sys".to_vec(),
        Some(Target::Hidden(_)) => return Answer::Error(Errno::NOENT),
        _ => return Answer::Through,
    };
    // SAFETY: all-zero is a valid value of this plain structure.
    let mut about: libc::statfs = unsafe { zeroed() };
    // SAFETY: the path is a C string, the structure is ours.
    if unsafe { libc::statfs(c_string(&real).as_ptr(), &mut about) } != 0 {
        return Answer::Error(sys::last_errno());
    }
    put(trapped.process, trapped.args[1], &about)
}

/// Answers the calls about extended attributes: nodes have none.
pub(in crate::sandbox) fn attributes(state: &mut State, trapped: &Trapped) -> Answer {
    let answer = match trapped.call {
        Call::Getxattr | Call::Lgetxattr | Call::Fgetxattr => Answer::Error(Errno::NODATA),
        Call::Listxattr | Call::Llistxattr | Call::Flistxattr => Answer::Value(0),
        _ => Answer::Error(Errno::OPNOTSUPP),
    };
    let is_ours = match trapped.call {
        Call::Fgetxattr | Call::Flistxattr => {
            state.node_behind(trapped.process, trapped.int(0)).is_some()
        }
        _ => {
            let target = state.target(trapped, libc::AT_FDCWD, trapped.args[0], true);
            match target {
                // Whether it exists is what matters: attributes are not mapped.
                Some(Target::Elsewhere { real, .. }) => match sys::stat(&c_string(&real), false) {
                    Ok(_) => true,
                    Err(errno) => return Answer::Error(errno),
                },
                Some(Target::Node(..)) => true,
                Some(Target::Hidden(_)) => return Answer::Error(Errno::NOENT),
                _ => false,
            }
        }
    };
    if is_ours { answer } else { Answer::Through }
}
