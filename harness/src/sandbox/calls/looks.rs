//! stat and its relatives, access, readlink, statfs, extended attributes: what
//! a program asks of a path before it opens it.

use crate::Errno;
use crate::mtd::NodeId;
use crate::sandbox::call::{Answer, Decision, Done, PathArgument, Trapped};
use crate::sandbox::kernel::process::{Process, c_string};
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{State, Target};
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

/// Which structure a call wants its answer in.
#[derive(Clone, Copy)]
pub(in crate::sandbox) enum Form {
    Stat,
    Statx { mask: u32 },
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
    let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    let by_descriptor = flags & libc::AT_EMPTY_PATH != 0;
    let target = if path.address == 0 && by_descriptor {
        Target::Descriptor(path.folder)
    } else {
        state.target(trapped, path, follow)?
    };
    match target {
        Target::Node(_, node) => node_stat(trapped.process(), &node, buffer, form),
        Target::Elsewhere { real, .. } => {
            elsewhere_stat(state, trapped.process(), &real, buffer, form, flags)
        }
        Target::Hidden(_) => Err(Errno::NOENT),
        Target::Descriptor(fd) if by_descriptor => fstat(state, trapped, fd, buffer, form),
        _ => Ok(Answer::Through),
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
        return Ok(Answer::Through);
    }
    let Ok(real) = process.fd_path(fd) else {
        return Ok(Answer::Through);
    };
    if state.shadow.pretended(&real).is_none() {
        return Ok(Answer::Through);
    }
    elsewhere_stat(state, process, &real, buffer, form, 0)
}

fn put<T: Copy>(process: Process, buffer: u64, value: &T) -> Decision {
    process.write(buffer, bytes_of(value))?;
    Answer::value(0)
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

fn node_stat(process: Process, node: &Node, buffer: u64, form: Form) -> Decision {
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
    flags: i32,
) -> Decision {
    let pretended = state.shadow.pretended(real);
    let path = c_string(real);
    let Form::Statx { mask } = form else {
        let mut about = sys::stat(&path, flags & libc::AT_SYMLINK_NOFOLLOW == 0)?;
        pretend(&mut about, pretended);
        return put(process, buffer, &about);
    };
    // SAFETY: all-zero is a valid value of this plain structure.
    let mut wide: libc::statx = unsafe { zeroed() };
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

/// Answers access, faccessat and faccessat2.
pub(in crate::sandbox) fn access(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    mode: i32,
    flags: i32,
) -> Decision {
    let follow = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
    match state.target(trapped, path, follow)? {
        // On the device everybody is root, who may do all but execute.
        Target::Node(..) if mode & libc::X_OK != 0 => Err(Errno::ACCESS),
        Target::Node(..) => Answer::value(0),
        Target::Elsewhere { real, .. } => Answer::perform(move || {
            let path = c_string(&real);
            // SAFETY: the path is a C string.
            match unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), mode, flags) } {
                0 => Ok(Done::Value(0)),
                _ => Err(sys::last_errno()),
            }
        }),
        Target::Hidden(_) => Err(Errno::NOENT),
        _ => Ok(Answer::Through),
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
    let text = match state.target(trapped, path, false)? {
        Target::Node(..) => return Err(Errno::INVAL),
        Target::Elsewhere { real, .. } => sys::readlink(&c_string(&real))?,
        Target::Hidden(_) => return Err(Errno::NOENT),
        Target::Host(path) if path.starts_with(b"/proc/") => match seen_behind(state, &path) {
            Some(text) => text,
            None => return Ok(Answer::Through),
        },
        _ => return Ok(Answer::Through),
    };
    if size as i32 <= 0 {
        return Err(Errno::INVAL);
    }
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
    let id = state.node_behind(Process { tid: pid }, fd)?;
    let (path, _) = state.namespace.node_of(id)?;
    Some(path.clone())
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
            real,
            kind: Kind::Mapped,
            ..
        } => real,
        Target::Elsewhere { seen, .. } if seen.starts_with(b"/proc") => b"/proc".to_vec(),
        Target::Elsewhere { .. } => b"/sys".to_vec(),
        Target::Hidden(_) => return Err(Errno::NOENT),
        _ => return Ok(Answer::Through),
    };
    // SAFETY: all-zero is a valid value of this plain structure.
    let mut about: libc::statfs = unsafe { zeroed() };
    // SAFETY: the path is a C string, the structure is ours.
    if unsafe { libc::statfs(c_string(&real).as_ptr(), &mut about) } != 0 {
        return Err(sys::last_errno());
    }
    put(trapped.process(), buffer, &about)
}

/// Answers uname with the version that is played.
pub(in crate::sandbox) fn uname(state: &mut State, trapped: &Trapped) -> Decision {
    let Some(version) = state.kernel else {
        return Ok(Answer::Through);
    };
    // SAFETY: all-zero is a valid value of this plain structure.
    let mut about: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is ours.
    unsafe { libc::uname(&mut about) };
    let release = format!("{}.{}.{}\0", version.major, version.minor, version.patch);
    for (to, from) in about.release.iter_mut().zip(release.bytes()) {
        *to = from as libc::c_char;
    }
    // SAFETY: a plain structure of bytes without padding.
    let bytes = unsafe {
        std::slice::from_raw_parts(
            std::ptr::from_ref(&about).cast::<u8>(),
            std::mem::size_of_val(&about),
        )
    };
    trapped.process().write(trapped.args[0], bytes)?;
    Answer::value(0)
}
