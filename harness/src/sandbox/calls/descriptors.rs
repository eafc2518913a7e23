//! Calls on open descriptors that a stand-in file would answer otherwise than
//! a node.

use crate::Errno;
use crate::mtd::{NodeId, Seek};
use crate::sandbox::call::{Answer, Decision, Trapped};
use crate::sandbox::flash::handles::{Open, Which};
use crate::sandbox::state::State;
use std::os::fd::AsFd;

/// Answers a call whose first argument is a descriptor by what `work` does with
/// the flash behind it.
fn on_flash(
    state: &mut State,
    trapped: &Trapped,
    work: impl FnOnce(&mut Open) -> Result<i64, Errno>,
) -> Decision {
    let Some((answer, _)) = with_flash(state, trapped, work) else {
        return Ok(Answer::Through);
    };
    Answer::value(answer?)
}

/// The same for calls that change the flash: a mapping of a block node shows it.
fn changing_flash(
    state: &mut State,
    trapped: &Trapped,
    work: impl FnOnce(&mut Open) -> Result<i64, Errno>,
) -> Decision {
    let Some((answer, which)) = with_flash(state, trapped, work) else {
        return Ok(Answer::Through);
    };
    if state.handles.refresh_block(which).is_err() {
        state.warn("a mapping of a block node is out of date");
    }
    Answer::value(answer?)
}

fn with_flash(
    state: &mut State,
    trapped: &Trapped,
    work: impl FnOnce(&mut Open) -> Result<i64, Errno>,
) -> Option<(Result<i64, Errno>, Which)> {
    let (fd, which) = state.flash(trapped.process(), trapped.int(0))?;
    if state.handles.has_cached_writes() {
        state.handles.sweep();
    }
    let answer = state.handles.at_position(fd.as_fd(), which, work);
    Some((answer.and_then(|answer| answer), which))
}

/// Answers ioctl.
pub(in crate::sandbox) fn ioctl(state: &mut State, trapped: &Trapped) -> Decision {
    let mut memory = trapped.process();
    let (command, argument) = (trapped.word(1), trapped.args[2]);
    changing_flash(state, trapped, |open| {
        let answer = open.handle.ioctl(command, argument, &mut memory);
        answer.map(i64::from)
    })
}

/// Answers lseek.
pub(in crate::sandbox) fn lseek(state: &mut State, trapped: &Trapped) -> Decision {
    let offset = trapped.args[1] as i64;
    let to = match trapped.int(2) {
        libc::SEEK_SET => Seek::Set(offset),
        libc::SEEK_CUR => Seek::Current(offset),
        libc::SEEK_END => Seek::End(offset),
        _ => Seek::Other(offset),
    };
    on_flash(state, trapped, |open| {
        open.handle.lseek(to).map(|at| at as i64)
    })
}

/// Answers fsync and fdatasync.
pub(in crate::sandbox) fn fsync(state: &mut State, trapped: &Trapped) -> Decision {
    on_flash(state, trapped, |open| open.handle.fsync().map(|()| 0))
}

/// Answers sync_file_range.
pub(in crate::sandbox) fn sync_file_range(state: &mut State, trapped: &Trapped) -> Decision {
    on_flash(state, trapped, |open| match open.node {
        NodeId::Character { .. } => Err(Errno::SPIPE),
        NodeId::Block { .. } => open.handle.fsync().map(|()| 0),
    })
}

/// Answers ftruncate.
pub(in crate::sandbox) fn ftruncate(state: &mut State, trapped: &Trapped) -> Decision {
    let length = trapped.args[1] as i64;
    on_flash(state, trapped, |open| {
        open.handle.ftruncate(length).map(|()| 0)
    })
}

/// Answers fallocate.
pub(in crate::sandbox) fn fallocate(state: &mut State, trapped: &Trapped) -> Decision {
    let (mode, at) = (trapped.word(1), trapped.args[2] as i64);
    let length = trapped.args[3] as i64;
    changing_flash(state, trapped, |open| {
        open.handle.fallocate(mode, at, length).map(|()| 0)
    })
}

/// Answers preadv2 and pwritev2 with flags (fs/read_write.c, no read_iter).
pub(in crate::sandbox) fn with_flags(state: &mut State, trapped: &Trapped) -> Decision {
    on_flash(state, trapped, |_| Err(Errno::OPNOTSUPP))
}

/// sync: what the caches of block nodes hold goes to flash, too.
pub(in crate::sandbox) fn sync(state: &mut State, _: &Trapped) -> Decision {
    state.handles.sync();
    Ok(Answer::Through)
}

/// Answers mmap: no character node can be mapped. A block node's page cache
/// can; here it is the stand-in, which is filled for it. Nothing would notice a
/// write to a shared mapping, so there is none.
pub(in crate::sandbox) fn mmap(state: &mut State, trapped: &Trapped) -> Decision {
    let Some((_, which)) = state.flash(trapped.process(), trapped.int(4)) else {
        return Ok(Answer::Through);
    };
    let open = state.handles.get(which)?;
    let (length, protection, flags) = (trapped.args[1], trapped.int(2), trapped.int(3));
    // In the order of mm/mmap.c, do_mmap.
    let shared = flags & libc::MAP_TYPE != libc::MAP_PRIVATE;
    if length == 0 {
        return Err(Errno::INVAL);
    }
    let access = open.handle.flags();
    if shared && protection & libc::PROT_WRITE != 0 && !access.write || !access.read {
        return Err(Errno::ACCESS);
    }
    if matches!(open.node, NodeId::Character { .. }) {
        return Err(Errno::NODEV);
    }
    if shared && protection & libc::PROT_WRITE != 0 {
        state.warn("mmap of a block node, shared and for writing, is not emulated");
        return Err(Errno::NODEV);
    }
    state.handles.show_block(which)?;
    Ok(Answer::Through)
}

/// Answers sendfile, splice and copy_file_range: no driver of a character node
/// does them, and who uses them falls back to read and write. Out of a block
/// node the first two (`reads_block`) work, as they do out of its stand-in once
/// it is filled.
pub(in crate::sandbox) fn copy(
    state: &mut State,
    trapped: &Trapped,
    from: i32,
    to: i32,
    reads_block: bool,
) -> Decision {
    if let Some((_, which)) = state.flash(trapped.process(), to) {
        if matches!(state.handles.get(which), Ok(open) if is_block(open.node)) {
            state.warn("sendfile and splice into a block node are not emulated");
        }
        return Err(Errno::INVAL);
    }
    let Some((_, which)) = state.flash(trapped.process(), from) else {
        return Ok(Answer::Through);
    };
    let open = state.handles.get(which)?;
    if !reads_block || !is_block(open.node) {
        return Err(Errno::INVAL);
    }
    if !open.handle.flags().read {
        return Err(Errno::BADF);
    }
    state.handles.show_block(which)?;
    Ok(Answer::Through)
}

fn is_block(node: NodeId) -> bool {
    matches!(node, NodeId::Block { .. })
}
