//! Calls on open descriptors that a stand-in file would answer otherwise than
//! a node.

use crate::Errno;
use crate::mtd::{NodeId, Seek};
use crate::sandbox::calls::table::Call;
use crate::sandbox::state::{Answer, State, Trapped};
use std::os::fd::AsFd;

/// Answers a call whose flash descriptor is argument `index`.
pub(in crate::sandbox) fn on_flash(state: &mut State, trapped: &Trapped, index: usize) -> Answer {
    let Some((fd, which)) = state.flash(trapped.process, trapped.int(index)) else {
        return Answer::Through;
    };
    if state.handles.has_cached_writes() {
        state.handles.sweep();
    }
    let args = trapped.args;
    let mut memory = trapped.process;
    let answer = state
        .handles
        .at_position(fd.as_fd(), which, |open| match trapped.call {
            Call::Ioctl => open
                .handle
                .ioctl(args[1] as u32, args[2], &mut memory)
                .map(i64::from),
            Call::Lseek => open
                .handle
                .lseek(seek(args[1] as i64, args[2]))
                .map(|to| to as i64),
            Call::Fsync | Call::Fdatasync => open.handle.fsync().map(|()| 0),
            Call::SyncFileRange => match open.node {
                NodeId::Character { .. } => Err(Errno::SPIPE),
                NodeId::Block { .. } => open.handle.fsync().map(|()| 0),
            },
            Call::Ftruncate => open.handle.ftruncate(args[1] as i64).map(|()| 0),
            Call::Fallocate => {
                let (mode, at, length) = (args[1] as u32, args[2] as i64, args[3] as i64);
                open.handle.fallocate(mode, at, length).map(|()| 0)
            }
            // preadv2 and pwritev2 with flags (fs/read_write.c, no read_iter).
            _ => Err(Errno::OPNOTSUPP),
        });
    let changes = matches!(trapped.call, Call::Fallocate | Call::Ioctl);
    if changes && state.handles.refresh_block(which).is_err() {
        state.warn("a mapping of a block node is out of date");
    }
    match answer.and_then(|answer| answer) {
        Ok(value) => Answer::Value(value),
        Err(errno) => Answer::Error(errno),
    }
}

/// Answers mmap: no character node can be mapped. A block node's page cache
/// can; here it is the stand-in, which is filled for it. Nothing would notice a
/// write to a shared mapping, so there is none.
pub(in crate::sandbox) fn mmap(state: &mut State, trapped: &Trapped) -> Answer {
    let Some((_, which)) = state.flash(trapped.process, trapped.int(4)) else {
        return Answer::Through;
    };
    let open = match state.handles.get(which) {
        Ok(open) => open,
        Err(errno) => return Answer::Error(errno),
    };
    let (length, protection, flags) = (trapped.args[1], trapped.int(2), trapped.int(3));
    // In the order of mm/mmap.c, do_mmap.
    let shared = flags & libc::MAP_TYPE != libc::MAP_PRIVATE;
    if length == 0 {
        return Answer::Error(Errno::INVAL);
    }
    let access = open.handle.flags();
    if shared && protection & libc::PROT_WRITE != 0 && !access.write || !access.read {
        return Answer::Error(Errno::ACCESS);
    }
    if matches!(open.node, NodeId::Character { .. }) {
        return Answer::Error(Errno::NODEV);
    }
    if shared && protection & libc::PROT_WRITE != 0 {
        state.warn("mmap of a block node, shared and for writing, is not emulated");
        return Answer::Error(Errno::NODEV);
    }
    match state.handles.show_block(which) {
        Ok(()) => Answer::Through,
        Err(errno) => Answer::Error(errno),
    }
}

fn seek(offset: i64, whence: u64) -> Seek {
    match whence as i32 {
        libc::SEEK_SET => Seek::Set(offset),
        libc::SEEK_CUR => Seek::Current(offset),
        libc::SEEK_END => Seek::End(offset),
        _ => Seek::Other(offset),
    }
}

/// Answers sendfile, splice and copy_file_range: no driver of a character node
/// does them, and who uses them falls back to read and write. Out of a block
/// node the first two work, as they do out of its stand-in once it is filled.
pub(in crate::sandbox) fn copies(state: &mut State, trapped: &Trapped) -> Answer {
    let (from, to) = match trapped.call {
        Call::Sendfile => (1, 0),
        _ => (0, 2),
    };
    if let Some((_, which)) = state.flash(trapped.process, trapped.int(to)) {
        if matches!(state.handles.get(which), Ok(open) if is_block(open.node)) {
            state.warn("sendfile and splice into a block node are not emulated");
        }
        return Answer::Error(Errno::INVAL);
    }
    let Some((_, which)) = state.flash(trapped.process, trapped.int(from)) else {
        return Answer::Through;
    };
    let open = match state.handles.get(which) {
        Ok(open) => open,
        Err(errno) => return Answer::Error(errno),
    };
    if trapped.call == Call::CopyFileRange || !is_block(open.node) {
        return Answer::Error(Errno::INVAL);
    }
    if !open.handle.flags().read {
        return Answer::Error(Errno::BADF);
    }
    match state.handles.show_block(which) {
        Ok(()) => Answer::Through,
        Err(errno) => Answer::Error(errno),
    }
}

fn is_block(node: NodeId) -> bool {
    matches!(node, NodeId::Block { .. })
}
