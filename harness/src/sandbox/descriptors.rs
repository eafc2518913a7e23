//! Calls on open descriptors that a stand-in file would answer otherwise than
//! a node.

use super::calls::Call;
use super::state::{Answer, State, Trapped};
use crate::Errno;
use crate::mtd::{NodeId, Seek};
use std::os::fd::AsFd;

/// Answers a call whose flash descriptor is argument `index`.
pub(super) fn on_flash(state: &mut State, trapped: &Trapped, index: usize) -> Answer {
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
    match answer.and_then(|answer| answer) {
        Ok(value) => Answer::Value(value),
        Err(errno) => Answer::Error(errno),
    }
}

/// Answers mmap: no character node can be mapped. A block node's page cache
/// can; ours only as long as nobody could write to the device, because only then
/// the stand-in holds what the cache would.
pub(super) fn mmap(state: &mut State, trapped: &Trapped) -> Answer {
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
    if matches!(open.node, NodeId::Block { .. }) {
        if !open.reads_through && protection & libc::PROT_WRITE == 0 {
            return Answer::Through;
        }
        state.warn("mmap of a block node that could be written to is not emulated");
    }
    Answer::Error(Errno::NODEV)
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
/// does them, and who uses them falls back to read and write.
pub(super) fn copies(state: &mut State, trapped: &Trapped) -> Answer {
    let second = match trapped.call {
        Call::Sendfile => 1,
        _ => 2,
    };
    for index in [0, second] {
        if state.flash(trapped.process, trapped.int(index)).is_some() {
            return Answer::Error(Errno::INVAL);
        }
    }
    Answer::Through
}
