//! Calls on paths that only the host's files take. On something of ours they
//! are refused by name: the kernel would find the host's file of that name.

use crate::Errno;
use crate::sandbox::call::{Answer, Decision, Job, PathArgument, Placed, Trapped};
use crate::sandbox::state::{State, Target};
use crate::sandbox::view::namespace::Kind;

/// Refuses a call on a path of ours with this error; also on an open node, where no
/// path is given.
pub(in crate::sandbox) fn on_path(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    errno: Errno,
) -> Decision {
    let target = match path.address {
        0 => Target::Descriptor(path.folder),
        _ => state.target(trapped, path, true)?,
    };
    let is_ours = match target {
        Target::Descriptor(fd) => state.node_behind(trapped.process(), fd).is_some(),
        target => is_ours(&target),
    };
    match is_ours {
        true => Err(state.refuse(trapped, errno)),
        false => Ok(Answer::THROUGH),
    }
}

/// The same for calls on two paths.
pub(in crate::sandbox) fn on_paths(
    state: &mut State,
    trapped: &Trapped,
    paths: [PathArgument; 2],
    errno: Errno,
) -> Decision {
    for path in paths {
        on_path(state, trapped, path, errno)?;
    }
    Ok(Answer::THROUGH)
}

/// Answers chroot. The kernel really locks the process up, so that nothing but its own
/// words for things change: into /proc and /sys, which it could not read there, it does
/// not get.
pub(in crate::sandbox) fn chroot(state: &mut State, trapped: &Trapped) -> Decision {
    state.may_list = true;
    match state.target(trapped, trapped.here(0), true)? {
        Target::Node(..) => return Err(Errno::NOTDIR),
        Target::Elsewhere {
            real,
            kind: Kind::Mapped | Kind::Host,
            ..
        } => {
            state.resolver.notice_roots();
            let path = trapped.process().inside(&real).ok_or(Errno::NOENT)?;
            return Ok(Answer::InThread(Job::Again(Placed::path(path, 0))));
        }
        target if is_ours(&target) => return Err(state.refuse(trapped, Errno::PERM)),
        _ => {}
    }
    state.resolver.notice_roots();
    Ok(Answer::THROUGH)
}

/// The same for a call that leads to a descriptor of the path later on.
pub(in crate::sandbox) fn on_path_to_open(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    errno: Errno,
) -> Decision {
    state.may_list = true;
    on_path(state, trapped, path, errno)
}

/// Refuses a call whatever it is about, with a warning that calls it `what`.
pub(in crate::sandbox) fn by_name(state: &mut State, what: &str, errno: Errno) -> Decision {
    state.warn(&format!("{what} is not emulated ({errno})"));
    Err(errno)
}

/// The flags of clone that [`kinds`] has a word for.
pub(in crate::sandbox) const KINDS: u32 =
    (libc::CLONE_FILES | libc::CLONE_UNTRACED | libc::CLONE_NEWNS) as u32;

/// Lets a clone or unshare through that leads to what the sandbox does not follow.
pub(in crate::sandbox) fn kinds(state: &mut State, trapped: &Trapped, flags: u32) -> Decision {
    let name = trapped.name;
    let has = |flag: i32| flags & flag as u32 != 0;
    if has(libc::CLONE_NEWNS) {
        state.warn(&format!(
            "{name} with CLONE_NEWNS: symbolic links on what is mounted there are not followed \
             to nodes and mapped folders"
        ));
    }
    if name == "clone" && has(libc::CLONE_FILES) {
        state.warn(
            "clone with CLONE_FILES alone: what one of the processes opens of flash for writing \
             is not writable (EPERM) for the other",
        );
    }
    if has(libc::CLONE_UNTRACED) {
        state.warn(
            "clone with CLONE_UNTRACED: the child's writes to flash that its parent opened are \
             ENOSYS",
        );
    }
    Ok(Answer::THROUGH)
}

/// The same for setns, of a mount namespace.
pub(in crate::sandbox) fn setns(state: &mut State, trapped: &Trapped) -> Decision {
    let namespace = trapped.process().fd_path(trapped.int(0));
    let is_of_mounts = namespace.is_ok_and(|path| path.starts_with(b"mnt:"));
    let flags = trapped.word(1)
        | if is_of_mounts {
            libc::CLONE_NEWNS as u32
        } else {
            0
        };
    kinds(state, trapped, flags & libc::CLONE_NEWNS as u32)
}

/// Answers mount: neither from flash nor into a mapped folder.
pub(in crate::sandbox) fn mount(state: &mut State, trapped: &Trapped) -> Decision {
    let (source, folder) = (trapped.here(0), trapped.here(1));
    if source.address != 0 {
        // What is mounted may be no path at all.
        match state.target(trapped, source, true) {
            Ok(Target::Node(path, node)) => return Err(state.refuse_mount(&path, &node.id)),
            Ok(target) if is_ours(&target) => {
                return Err(state.refuse(trapped, Errno::OPNOTSUPP));
            }
            _ => {}
        }
    }
    on_path(state, trapped, folder, Errno::OPNOTSUPP)
}

/// Answers fsconfig, which names what is to be mounted by `source`.
pub(in crate::sandbox) fn fsconfig(state: &mut State, trapped: &Trapped) -> Decision {
    const SET_STRING: u32 = 1;
    let key = trapped.process().path(trapped.args[2]).unwrap_or_default();
    if trapped.word(1) == SET_STRING && key == b"source" {
        if let Ok(Target::Node(path, node)) = state.target(trapped, trapped.here(3), true) {
            return Err(state.refuse_mount(&path, &node.id));
        }
    }
    Ok(Answer::THROUGH)
}

fn is_ours(target: &Target) -> bool {
    match target {
        Target::Node(..) | Target::Hidden(_) => true,
        Target::Elsewhere { kind, .. } => *kind != Kind::Host,
        _ => false,
    }
}

impl State {
    /// Refuses a call, with a warning that names it.
    pub fn refuse(&mut self, trapped: &Trapped, errno: Errno) -> Errno {
        let name = trapped.name;
        self.warn(&format!(
            "{name} is not emulated on simulated nodes and in mapped folders"
        ));
        errno
    }

    fn refuse_mount(&mut self, path: &[u8], id: &crate::mtd::NodeId) -> Errno {
        use crate::mtd::NodeId;
        if let NodeId::Character { .. } = id {
            // As Linux: only what is a block device can be mounted.
            return Errno::NOTBLK;
        }
        let path = String::from_utf8_lossy(path).into_owned();
        self.warn(&format!(
            "{path} was not mounted: the kernel cannot mount simulated flash \
             (the virtual iSpot can)"
        ));
        Errno::OPNOTSUPP
    }
}
