//! open, openat, openat2 and creat.

use crate::Errno;
use crate::mtd::NodeId;
use crate::sandbox::call::{
    Answer, Decision, Job, Level, PathArgument, Performed, Placed, Reply, Trapped,
};
use crate::sandbox::flash::handles::access;
use crate::sandbox::kernel::caller;
use crate::sandbox::kernel::hosts;
use crate::sandbox::kernel::process::{Process, c_string};
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{State, Target};
use crate::sandbox::view::namespace::{Bytes, Kind, Node};
use std::os::fd::AsFd;
use std::sync::OnceLock;

/// Answers openat2, whose flags and mode are in a structure (`struct open_how`).
pub(in crate::sandbox) fn openat2(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    how: u64,
    size: u64,
) -> Decision {
    const SIZE_MAX: u64 = 4096;
    let mut bytes = vec![0u8; size.min(SIZE_MAX) as usize];
    if !(24..=SIZE_MAX).contains(&size) || trapped.process().read(how, &mut bytes).is_err() {
        return Ok(Answer::THROUGH);
    }
    // The kernel judges the structure before the path, which here is none.
    if !matches!(hosts::openat2_nothing(&bytes), Err(Errno::NOENT)) {
        return Ok(Answer::THROUGH);
    }
    let word = |index: usize| {
        let bytes = bytes[8 * index..][..8].try_into();
        u64::from_ne_bytes(bytes.expect("eight bytes"))
    };
    let (flags, mode, resolve) = (word(0) as i32, word(1) as u32, word(2));
    if resolve == 0 {
        return open(state, trapped, path, flags, mode);
    }
    match state.target(trapped, path, flags & libc::O_NOFOLLOW == 0)? {
        Target::Node(..) | Target::Elsewhere { .. } | Target::Hidden(_) => {
            resolved_in_bounds(state, trapped, path, resolve, (flags, mode))
        }
        target => {
            state.notice_folder(&target);
            Ok(Answer::THROUGH)
        }
    }
}

/// openat2 with bounds on how something of ours is found.
fn resolved_in_bounds(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    resolve: u64,
    (flags, mode): (i32, u32),
) -> Decision {
    if resolve & libc::RESOLVE_CACHED != 0 {
        // What is not at hand may always be told to need a second try.
        return Err(Errno::AGAIN);
    }
    let written = trapped.process().path(path.address).unwrap_or_default();
    let is_name = !written.contains(&b'/') && written != b"..";
    if is_name {
        let links = resolve & (libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_BENEATH);
        let nofollow = if links != 0 { libc::O_NOFOLLOW } else { 0 };
        return open(state, trapped, path, flags | nofollow, mode);
    }
    let links = libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS;
    if resolve & !links == 0 {
        if resolve & libc::RESOLVE_NO_SYMLINKS == 0 {
            return open(state, trapped, path, flags, mode);
        }
        return match state.follows_links(trapped, path) {
            false => open(state, trapped, path, flags | libc::O_NOFOLLOW, mode),
            true => Err(Errno::LOOP),
        };
    }
    let below = resolve & (libc::RESOLVE_BENEATH | libc::RESOLVE_IN_ROOT) != 0;
    if below && written[0] != b'/' && state.is_in_mapped_folder(trapped, path.folder) {
        // The kernel stands in the real folder, and does not leave it.
        return Ok(Answer::THROUGH);
    }
    state.warn("openat2 with resolve flags is not emulated on this path: EXDEV");
    Err(Errno::XDEV)
}

/// Answers a call that opens a path.
pub(in crate::sandbox) fn open(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    flags: i32,
    mode: u32,
) -> Decision {
    check(flags)?;
    let creates = flags & libc::O_CREAT != 0 && flags & libc::O_PATH == 0;
    let exclusive = creates && flags & libc::O_EXCL != 0;
    let follow = flags & libc::O_NOFOLLOW == 0 && !exclusive;
    let target = if creates {
        match state.target_to_make(trapped, path, follow) {
            Err(Errno::NOTDIR) if state.is_slashed_node(trapped, path) => {
                return Err(Errno::ISDIR);
            }
            target => target?,
        }
    } else {
        state.target_to_look_at(trapped, path, follow)?
    };
    state.notice_folder(&target);
    match target {
        Target::Node(path, node) => open_node(state, trapped, &path, &node, flags),
        Target::Elsewhere { seen, real, kind } => {
            let file = (seen, real, kind);
            let argument = trapped.args.iter().position(|arg| *arg == path.address);
            open_elsewhere(state, trapped, file, flags, mode, argument.unwrap_or(0))
        }
        Target::Hidden(_) => Err(Errno::NOENT),
        Target::Host(path) if state.hides_real_flash(&path) => {
            state.warn("a node of a real flash was hidden from the program");
            Err(Errno::NODEV)
        }
        _ => Ok(Answer::THROUGH),
    }
}

/// Refuses flags that the kernel refuses whatever the path is (fs/open.c,
/// build_open_flags).
fn check(flags: i32) -> Result<(), Errno> {
    static REFUSES_NEW_FOLDERS: OnceLock<bool> = OnceLock::new();
    const NEW_FOLDER: i32 = libc::O_CREAT | libc::O_DIRECTORY;
    if flags & libc::O_PATH != 0 {
        return Ok(());
    }
    // Linux 6.4 and later; before, that was a file.
    let refuses = || {
        let root = sys::open(c"/", NEW_FOLDER, 0);
        matches!(root, Err(Errno::INVAL))
    };
    let is_unnamed = flags & libc::O_TMPFILE == libc::O_TMPFILE;
    let writes = flags & libc::O_ACCMODE != libc::O_RDONLY;
    if flags & NEW_FOLDER == NEW_FOLDER && *REFUSES_NEW_FOLDERS.get_or_init(refuses)
        || is_unnamed && !writes
    {
        return Err(Errno::INVAL);
    }
    Ok(())
}

fn descriptor(fd: std::os::fd::OwnedFd, flags: i32) -> Reply {
    Reply::Descriptor {
        fd,
        cloexec: flags & libc::O_CLOEXEC != 0,
    }
}

/// Opens a file that is really at `real`; `argument` is where the call's path is.
fn open_elsewhere(
    state: &mut State,
    trapped: &Trapped,
    (seen, real, kind): (Bytes, Bytes, Kind),
    flags: i32,
    mode: u32,
    argument: usize,
) -> Decision {
    let process = trapped.process();
    if flags & libc::O_PATH != 0 {
        let follow = flags & libc::O_NOFOLLOW == 0;
        caller::act(process, || sys::stat(&c_string(&real), follow))?;
        let path = process.inside(&real).ok_or(Errno::NOENT)?;
        let written = process.path(trapped.args[argument]);
        return Ok(match written.is_ok_and(|written| written == path) {
            // Locked up in a folder of ours, it finds that by itself.
            true => Answer::THROUGH,
            false => Answer::InThread(Job::OpenPath { path, flags }),
        });
    }
    let writes = flags & libc::O_ACCMODE != libc::O_RDONLY || flags & libc::O_CREAT != 0;
    if kind == Kind::Pseudo && writes {
        return Err(state.refuse_text(&seen));
    }
    let makes = flags & (libc::O_CREAT | libc::O_TMPFILE) != 0;
    // Not that it is there: opening a FIFO waits, and not under the lock.
    let is_new = kind == Kind::Private && sys::stat(&c_string(&real), false).is_err();
    let umask = makes.then(|| process.umask());
    let deed = move || {
        if let Some(umask) = umask {
            sys::umask(umask);
        }
        let path = c_string(&real);
        let inside = || {
            let path = process.inside(&real).ok_or(Errno::NOENT)?;
            Ok(Performed::InThread(Job::Again(Placed::path(
                path, argument,
            ))))
        };
        // A FIFO waits for its other end, a terminal for its line: the program
        // does that itself, so that it can be interrupted and holds up nobody.
        let waits = flags & libc::O_NONBLOCK == 0;
        if waits && may_wait(&path) {
            return inside();
        }
        let fd = match sys::open(&path, flags | libc::O_NONBLOCK, mode) {
            Err(Errno::AGAIN | Errno::NXIO) if waits => return inside(),
            fd => fd?,
        };
        if waits {
            let set = sys::fcntl(fd.as_fd(), libc::F_GETFL, 0)? & !libc::O_NONBLOCK;
            sys::fcntl(fd.as_fd(), libc::F_SETFL, set)?;
        }
        Ok(descriptor(fd, flags).into())
    };
    if is_new {
        return state.perform(&seen, kind, deed);
    }
    Answer::perform(deed)
}

/// Whether an open of this may wait for somebody.
fn may_wait(path: &std::ffi::CStr) -> bool {
    let kind = sys::stat(path, true).map(|about| about.st_mode & libc::S_IFMT);
    matches!(kind, Ok(libc::S_IFIFO | libc::S_IFCHR | libc::S_IFBLK))
}

fn open_node(
    state: &mut State,
    trapped: &Trapped,
    path: &Bytes,
    node: &Node,
    flags: i32,
) -> Decision {
    let is_character = matches!(node.id, NodeId::Character { .. });
    if flags & libc::O_PATH != 0 {
        if flags & libc::O_DIRECTORY != 0 {
            return Err(Errno::NOTDIR);
        }
        let path = state.placeholder(node)?;
        let path = trapped.process().inside(&path).ok_or(Errno::NOENT)?;
        return Ok(Answer::InThread(Job::OpenPath { path, flags }));
    }
    if flags & (libc::O_CREAT | libc::O_EXCL) == libc::O_CREAT | libc::O_EXCL {
        return Err(Errno::EXIST);
    }
    if flags & libc::O_DIRECTORY != 0 {
        return Err(Errno::NOTDIR);
    }
    if !is_character && flags & libc::O_EXCL != 0 && state.handles.is_claimed(node.id) {
        return Err(Errno::BUSY);
    }
    let writes = access(flags).write;
    if writes && state.read_only {
        let path = String::from_utf8_lossy(path).into_owned();
        state.warn(&format!(
            "{path} was not opened for writing: the sandbox is read-only"
        ));
        return Err(Errno::ACCESS);
    }
    let want = access(flags);
    let needed = state.handles.try_open(node.id, want)?;
    if is_character && flags & libc::O_DIRECT != 0 {
        // No driver of a character device does that (fs/open.c, do_dentry_open).
        return Err(Errno::INVAL);
    }
    if let Some(level) = needed {
        if !state.is_traced_at(trapped.process(), level) {
            return Ok(Answer::InThread(Job::Filter(level)));
        }
    }
    let fd = state.open_flash(node, flags)?;
    let cloexec = flags & libc::O_CLOEXEC != 0;
    Ok(match needed {
        Some(_) => Answer::Flash { fd, cloexec },
        None => Answer::Reply(Reply::Descriptor { fd, cloexec }),
    })
}

impl State {
    /// Notices that a folder may be opened, or stood in, whose listing is not the host's.
    pub fn notice_folder(&mut self, target: &Target) {
        self.may_list = self.may_list
            || match target {
                Target::Host(path) | Target::Elsewhere { seen: path, .. } => self.lists_ours(path),
                Target::Foreign | Target::Node(..) | Target::Hidden(_) => false,
                Target::Descriptor(_) | Target::Unknown => true,
            };
    }

    /// Whether this is a folder whose listing is not the host's.
    pub fn lists_ours(&self, path: &[u8]) -> bool {
        if !self.namespace.is_listing_changed(path) {
            return false;
        }
        let mut real = self.namespace.real(path);
        if real.is_empty() {
            real.push(b'/');
        }
        match sys::stat(&c_string(&real), true) {
            Ok(about) => about.st_mode & libc::S_IFMT == libc::S_IFDIR,
            Err(errno) => errno != Errno::NOENT,
        }
    }

    /// A write to a text that only the kernel writes. A file that root may
    /// write to on Linux is named.
    fn refuse_text(&mut self, seen: &[u8]) -> Errno {
        if crate::sandbox::view::shadow::is_setting(seen) {
            let path = String::from_utf8_lossy(seen).into_owned();
            self.warn(&format!("{path} cannot be changed in a sandbox"));
        }
        Errno::ACCESS
    }

    /// Whether a folder's descriptor (or AT_FDCWD) is really elsewhere.
    fn is_in_mapped_folder(&self, trapped: &Trapped, folder: i32) -> bool {
        let process = trapped.process();
        let real = match folder {
            libc::AT_FDCWD => process.cwd(),
            fd => process.fd_path(fd),
        };
        real.is_ok_and(|real| self.namespace.seen(&real).is_some())
    }

    /// Whether reads (or only writes) of this process stop for its tracer, as far as we
    /// know: a thread that the kernel still has traced is the tracer's business.
    pub fn is_traced_at(&self, process: Process, level: Level) -> bool {
        if self.traced.is_empty() {
            return false;
        }
        let known = self.traced.get(&process.tgid());
        known.is_some_and(|known| *known >= level)
    }

    /// Whether the host has real flash, and this is a node of it.
    fn hides_real_flash(&self, path: &[u8]) -> bool {
        self.host_has_flash
            && crate::sandbox::view::shadow::flash_node(std::path::Path::new(
                <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path),
            ))
            .is_some()
    }
}
