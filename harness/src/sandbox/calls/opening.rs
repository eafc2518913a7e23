//! open, openat, openat2 and creat.

use crate::Errno;
use crate::mtd::NodeId;
use crate::sandbox::call::{Answer, Decision, Done, Job, Level, PathArgument, Trapped};
use crate::sandbox::flash::handles::access;
use crate::sandbox::kernel::process::c_string;
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{State, Target};
use crate::sandbox::view::namespace::{Bytes, Kind, Node};

/// Answers openat2, whose flags and mode are in a structure (`struct open_how`).
pub(in crate::sandbox) fn openat2(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    how: u64,
    _size: u64,
) -> Decision {
    let Ok(flags) = trapped.process().read_u64(how) else {
        return Ok(Answer::Through);
    };
    let mode = trapped.process().read_u64(how + 8).unwrap_or(0);
    open(state, trapped, path, flags as i32, mode as u32)
}

/// Answers a call that opens a path.
pub(in crate::sandbox) fn open(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    flags: i32,
    mode: u32,
) -> Decision {
    let exclusive = flags & (libc::O_CREAT | libc::O_EXCL) == libc::O_CREAT | libc::O_EXCL;
    let follow = flags & libc::O_NOFOLLOW == 0 && !exclusive;
    match state.target(trapped, path, follow)? {
        Target::Node(path, node) => open_node(state, trapped, &path, &node, flags),
        Target::Elsewhere { real, kind, .. } => {
            let umask =
                (flags & (libc::O_CREAT | libc::O_TMPFILE) != 0).then(|| trapped.process().umask());
            open_elsewhere(real, kind, flags, mode, umask)
        }
        Target::Hidden(_) if flags & libc::O_CREAT != 0 => Err(Errno::ACCESS),
        Target::Hidden(_) => Err(Errno::NOENT),
        Target::Host(path) if state.hides_real_flash(&path) => {
            state.warn("a node of a real flash was hidden from the program");
            Err(Errno::NODEV)
        }
        _ => Ok(Answer::Through),
    }
}

fn descriptor(fd: std::os::fd::OwnedFd, flags: i32) -> Done {
    Done::Descriptor {
        fd,
        cloexec: flags & libc::O_CLOEXEC != 0,
    }
}

fn open_elsewhere(real: Bytes, kind: Kind, flags: i32, mode: u32, umask: Option<u32>) -> Decision {
    let writes = flags & libc::O_ACCMODE != libc::O_RDONLY || flags & libc::O_CREAT != 0;
    if kind == Kind::Pseudo && writes && flags & libc::O_PATH == 0 {
        return Err(Errno::ACCESS);
    }
    if flags & libc::O_PATH != 0 {
        sys::stat(&c_string(&real), flags & libc::O_NOFOLLOW == 0)?;
        return Ok(Answer::Stop(Job::OpenPath { path: real, flags }));
    }
    Answer::perform(move || {
        if let Some(umask) = umask {
            sys::umask(umask);
        }
        let fd = sys::open(&c_string(&real), flags, mode)?;
        Ok(descriptor(fd, flags))
    })
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
        let path = state.placeholder(node.id)?;
        return Ok(Answer::Stop(Job::OpenPath { path, flags }));
    }
    if flags & (libc::O_CREAT | libc::O_EXCL) == libc::O_CREAT | libc::O_EXCL {
        return Err(Errno::EXIST);
    }
    if flags & libc::O_DIRECTORY != 0 {
        return Err(Errno::NOTDIR);
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
    let needed = state.handles.level_for(node.id, want)?;
    if is_character && flags & libc::O_DIRECT != 0 {
        // No driver of a character device does that (fs/open.c, do_dentry_open).
        return Err(Errno::INVAL);
    }
    if let Some(level) = needed {
        if !state.is_traced(trapped.process(), level) {
            return Ok(Answer::Stop(Job::Filter(level)));
        }
    }
    let fd = state.handles.open(node.id, flags)?;
    Ok(Answer::Done(descriptor(fd, flags)))
}

impl State {
    /// Whether reads (or only writes) of this process stop for its tracer.
    fn is_traced(&self, process: crate::sandbox::kernel::process::Process, level: Level) -> bool {
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
