//! open, openat, openat2 and creat.

use crate::Errno;
use crate::mtd::NodeId;
use crate::sandbox::calls::table::Call;
use crate::sandbox::flash::handles::access;
use crate::sandbox::kernel::process::c_string;
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{Answer, Job, Level, State, Target, Trapped};
use crate::sandbox::view::namespace::{Bytes, Kind, Node};

/// Answers a call that opens a path.
pub(in crate::sandbox) fn open(state: &mut State, trapped: &Trapped) -> Answer {
    let args = &trapped.args;
    let (dirfd, path, flags, mode) = match trapped.call {
        #[cfg(target_arch = "x86_64")]
        Call::Open => (libc::AT_FDCWD, args[0], trapped.int(1), args[2] as u32),
        #[cfg(target_arch = "x86_64")]
        Call::Creat => {
            let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
            (libc::AT_FDCWD, args[0], flags, args[1] as u32)
        }
        Call::Openat2 => {
            let Ok(flags) = trapped.process.read_u64(args[2]) else {
                return Answer::Through;
            };
            let mode = trapped.process.read_u64(args[2] + 8).unwrap_or(0);
            (trapped.int(0), args[1], flags as i32, mode as u32)
        }
        _ => (trapped.int(0), args[1], trapped.int(2), args[3] as u32),
    };
    let exclusive = flags & (libc::O_CREAT | libc::O_EXCL) == libc::O_CREAT | libc::O_EXCL;
    let follow = flags & libc::O_NOFOLLOW == 0 && !exclusive;
    match state.target(trapped, dirfd, path, follow) {
        Some(Target::Node(path, node)) => open_node(state, trapped, &path, &node, flags),
        Some(Target::Elsewhere { real, kind, .. }) => {
            let umask =
                (flags & (libc::O_CREAT | libc::O_TMPFILE) != 0).then(|| trapped.process.umask());
            open_elsewhere(&real, kind, flags, mode, umask)
        }
        Some(Target::Hidden(_)) if flags & libc::O_CREAT != 0 => Answer::Error(Errno::ACCESS),
        Some(Target::Hidden(_)) => Answer::Error(Errno::NOENT),
        Some(Target::Host(path)) if state.hides_real_flash(&path) => {
            state.warn("a node of a real flash was hidden from the program");
            Answer::Error(Errno::NODEV)
        }
        _ => Answer::Through,
    }
}

fn descriptor(result: Result<std::os::fd::OwnedFd, Errno>, flags: i32) -> Answer {
    match result {
        Ok(fd) => Answer::Descriptor {
            fd,
            cloexec: flags & libc::O_CLOEXEC != 0,
        },
        Err(errno) => Answer::Error(errno),
    }
}

fn open_elsewhere(real: &Bytes, kind: Kind, flags: i32, mode: u32, umask: Option<u32>) -> Answer {
    let writes = flags & libc::O_ACCMODE != libc::O_RDONLY || flags & libc::O_CREAT != 0;
    if kind == Kind::Pseudo && writes && flags & libc::O_PATH == 0 {
        return Answer::Error(Errno::ACCESS);
    }
    if let Some(umask) = umask {
        sys::umask(umask);
    }
    if flags & libc::O_PATH != 0 {
        return match sys::stat(&c_string(real), flags & libc::O_NOFOLLOW == 0) {
            Ok(_) => Answer::Stop(Job::OpenPath {
                path: real.clone(),
                flags,
            }),
            Err(errno) => Answer::Error(errno),
        };
    }
    descriptor(sys::open(&c_string(real), flags, mode), flags)
}

fn open_node(
    state: &mut State,
    trapped: &Trapped,
    path: &Bytes,
    node: &Node,
    flags: i32,
) -> Answer {
    let is_character = matches!(node.id, NodeId::Character { .. });
    if flags & libc::O_PATH != 0 {
        if flags & libc::O_DIRECTORY != 0 {
            return Answer::Error(Errno::NOTDIR);
        }
        return match state.placeholder(node.id) {
            Ok(path) => Answer::Stop(Job::OpenPath { path, flags }),
            Err(errno) => Answer::Error(errno),
        };
    }
    if flags & (libc::O_CREAT | libc::O_EXCL) == libc::O_CREAT | libc::O_EXCL {
        return Answer::Error(Errno::EXIST);
    }
    if flags & libc::O_DIRECTORY != 0 {
        return Answer::Error(Errno::NOTDIR);
    }
    let writes = access(flags).write;
    if writes && state.read_only {
        let path = String::from_utf8_lossy(path).into_owned();
        state.warn(&format!(
            "{path} was not opened for writing: the sandbox is read-only"
        ));
        return Answer::Error(Errno::ACCESS);
    }
    let want = access(flags);
    let needed = match state.handles.level_for(node.id, want) {
        Ok(needed) => needed,
        Err(errno) => return Answer::Error(errno),
    };
    if is_character && flags & libc::O_DIRECT != 0 {
        // No driver of a character device does that (fs/open.c, do_dentry_open).
        return Answer::Error(Errno::INVAL);
    }
    if let Some(level) = needed {
        if !state.is_traced(trapped.process, level) {
            return Answer::Stop(Job::Filter(level));
        }
    }
    match state.handles.open(node.id, flags) {
        Ok(fd) => descriptor(Ok(fd), flags),
        Err(errno) => Answer::Error(errno),
    }
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
