//! Calls on open descriptors that a stand-in file would answer otherwise than
//! a node.

use crate::Errno;
use crate::mtd::{NodeId, Seek};
use crate::sandbox::call::{Answer, Decision, Trapped};
use crate::sandbox::calls::{folders, signals, transfers};
use crate::sandbox::flash::handles::Open;
use crate::sandbox::kernel::sys;
use crate::sandbox::state::State;
use std::os::fd::AsFd;

/// Answers a call whose first argument is a descriptor by what `work` does with
/// the flash behind it.
fn on_flash(
    state: &mut State,
    trapped: &Trapped,
    work: impl FnOnce(&mut Open) -> Result<i64, Errno>,
) -> Decision {
    let Some(answer) = with_flash(state, trapped, work) else {
        return Ok(Answer::THROUGH);
    };
    Answer::value(answer?)
}

/// The same for calls that change the flash: a block node's stand-in shows it.
fn changing_flash(
    state: &mut State,
    trapped: &Trapped,
    work: impl FnOnce(&mut Open) -> Result<i64, Errno>,
) -> Decision {
    let Some(answer) = with_flash(state, trapped, work) else {
        return Ok(Answer::THROUGH);
    };
    state.show_changes();
    Answer::value(answer?)
}

fn with_flash(
    state: &mut State,
    trapped: &Trapped,
    work: impl FnOnce(&mut Open) -> Result<i64, Errno>,
) -> Option<Result<i64, Errno>> {
    let (fd, which) = state.flash(trapped.process(), trapped.int(0))?;
    if state.handles.has_cached_writes() {
        state.handles.sweep();
    }
    let answer = state.handles.at_position(fd.as_fd(), which, work);
    Some(answer.and_then(|answer| answer))
}

/// Answers ioctl.
pub(in crate::sandbox) fn ioctl(state: &mut State, trapped: &Trapped) -> Decision {
    let mut memory = trapped.process();
    let (command, argument) = (trapped.word(1), trapped.args[2]);
    if let LOOP_SET_FD | LOOP_CHANGE_FD | LOOP_CONFIGURE = command {
        return loop_over(state, trapped, command, argument);
    }
    if let FICLONE | FICLONERANGE = command {
        return clone(state, trapped, command, argument);
    }
    changing_flash(state, trapped, |open| match command {
        // Of the file system that the node stands in (fs/ioctl.c, do_vfs_ioctl).
        FIGETBSZ => {
            memory.write(argument, &DEVTMPFS_BLOCK_BYTES.to_ne_bytes())?;
            Ok(0)
        }
        FIEMAP => Err(Errno::OPNOTSUPP),
        // fs/remap_range.c, vfs_dedupe_file_range
        FIDEDUPERANGE => Err(Errno::INVAL),
        _ => {
            let answer = open.handle.ioctl(command, argument, &mut memory);
            answer.map(i64::from)
        }
    })
}

// include/uapi/linux/fs.h and fiemap.h
const FIGETBSZ: u32 = 2;
const FIEMAP: u32 = 0xc020_660b;
const FIDEDUPERANGE: u32 = 0xc018_9436;
const FICLONE: u32 = 0x4004_9409;
const FICLONERANGE: u32 = 0x4020_940d;
const DEVTMPFS_BLOCK_BYTES: i32 = 4096;

/// Answers the ioctls that put a file's contents into another one, if that is a node:
/// it is in another file system than any file, and takes none of another node's
/// (fs/remap_range.c, vfs_clone_file_range).
fn clone(state: &mut State, trapped: &Trapped, command: u32, argument: u64) -> Decision {
    let process = trapped.process();
    if state.flash(process, trapped.int(0)).is_none() {
        return Ok(Answer::THROUGH);
    }
    let from = match command {
        FICLONE => argument as i32,
        _ => process.read_u64(argument)? as i32,
    };
    process.fd_stat(from).map_err(|_| Errno::BADF)?;
    Err(match state.flash(process, from) {
        Some(_) => Errno::INVAL,
        None => Errno::XDEV,
    })
}

// include/uapi/linux/loop.h
const LOOP_SET_FD: u32 = 0x4c00;
const LOOP_CHANGE_FD: u32 = 0x4c06;
const LOOP_CONFIGURE: u32 = 0x4c0a;

/// Answers the ioctls that put a file under a loop device. From then on the kernel
/// reads and writes it by itself: its reads find in a block node's stand-in what
/// the node holds, its writes would be lost.
fn loop_over(state: &mut State, trapped: &Trapped, command: u32, argument: u64) -> Decision {
    let fd = match command {
        // The first field of `struct loop_config`.
        LOOP_CONFIGURE => match trapped.process().read_u64(argument) {
            Ok(word) => word as u32 as i32,
            Err(_) => return Ok(Answer::THROUGH),
        },
        _ => argument as i32,
    };
    let Some((_, which)) = state.flash(trapped.process(), fd) else {
        return Ok(Answer::THROUGH);
    };
    let open = state.handles.get(which)?;
    if !is_block(open.node) {
        return Err(Errno::INVAL);
    }
    if open.handle.flags().write {
        state.warn(
            "a loop device that writes to a block node is not emulated: EINVAL \
             (losetup -r and mount -o ro,loop read it)",
        );
        return Err(Errno::INVAL);
    }
    state.handles.refresh()?;
    Ok(Answer::THROUGH)
}

/// Answers what fcntl would tell of a stand-in that is no node's business. No
/// driver of MTD sends signals; the kernel keeps the number all the same.
pub(in crate::sandbox) fn fcntl(state: &mut State, trapped: &Trapped) -> Decision {
    const SIGNAL_MAX: u64 = 64;
    const F_SETOWN_EX: i32 = 15;
    let (command, argument) = (trapped.int(1), trapped.args[2]);
    if let libc::F_SETOWN | F_SETOWN_EX | libc::F_NOTIFY = command {
        return signals::timer(state, trapped);
    }
    if command == libc::F_SETFL {
        return set_direct(state, trapped);
    }
    on_flash(state, trapped, |open| match command {
        sys::F_GETSIG => Ok(i64::from(open.signal)),
        sys::F_SETSIG if argument > SIGNAL_MAX => Err(Errno::INVAL),
        sys::F_SETSIG => {
            open.signal = argument as i32;
            Ok(0)
        }
        libc::F_GETLEASE => Ok(i64::from(libc::F_UNLCK)),
        // Leases and seals are for files (fs/locks.c, mm/memfd.c).
        _ => Err(Errno::INVAL),
    })
}

/// O_DIRECT is nothing that a character device has (fs/fcntl.c, setfl).
fn set_direct(state: &mut State, trapped: &Trapped) -> Decision {
    let flash = state.flash(trapped.process(), trapped.int(0));
    match flash.map(|(_, which)| state.handles.get(which).map(|open| open.node)) {
        Some(Ok(NodeId::Character { .. })) => Err(Errno::INVAL),
        _ => Ok(Answer::THROUGH),
    }
}

/// Answers readahead, which only files and block devices take (mm/readahead.c).
pub(in crate::sandbox) fn readahead(state: &mut State, trapped: &Trapped) -> Decision {
    on_flash(state, trapped, |open| match is_block(open.node) {
        _ if !open.handle.flags().read => Err(Errno::BADF),
        true => Ok(0),
        false => Err(Errno::INVAL),
    })
}

/// Answers lseek.
pub(in crate::sandbox) fn lseek(state: &mut State, trapped: &Trapped) -> Decision {
    if let Some(sought) = folders::seek(state, trapped) {
        return sought;
    }
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
    changing_flash(state, trapped, |open| open.handle.fsync().map(|()| 0))
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

/// Answers preadv2 and pwritev2 with flags. A character device's driver, which knows no
/// iterators, takes one that means nothing to it (fs/read_write.c,
/// do_loop_readv_writev); a block device's takes more, and may always tell who will not
/// wait to come again.
pub(in crate::sandbox) fn with_flags(state: &mut State, trapped: &Trapped) -> Decision {
    const SYNCHRONOUS: i32 = libc::RWF_DSYNC | libc::RWF_SYNC;
    let (process, flags) = (trapped.process(), trapped.int(5));
    let Some((_, which)) = state.flash(process, trapped.int(0)) else {
        return Ok(Answer::THROUGH);
    };
    let known = match is_block(state.handles.get(which)?.node) {
        true => libc::RWF_HIPRI | SYNCHRONOUS | libc::RWF_NOWAIT,
        false => libc::RWF_HIPRI,
    };
    if flags & !known != 0 {
        return Err(Errno::OPNOTSUPP);
    }
    if flags & libc::RWF_NOWAIT != 0 {
        return Err(Errno::AGAIN);
    }
    let Some(moved) = transfers::transfer(state, process, trapped.number, &trapped.args) else {
        return Ok(Answer::THROUGH);
    };
    let moved = moved?;
    if trapped.number == libc::SYS_pwritev2 && flags & SYNCHRONOUS != 0 {
        fsync(state, trapped)?;
    }
    Answer::value(moved as i64)
}

/// sync: what the caches of block nodes hold goes to flash, too.
pub(in crate::sandbox) fn sync(state: &mut State, _: &Trapped) -> Decision {
    state.handles.sync();
    state.show_changes();
    Ok(Answer::THROUGH)
}

/// Answers mmap: no character node can be mapped. A block node's page cache
/// can; here it is the stand-in, which is filled for it. Nothing would notice a
/// write to a shared mapping, so there is none.
pub(in crate::sandbox) fn mmap(state: &mut State, trapped: &Trapped) -> Decision {
    let Some((_, which)) = state.flash(trapped.process(), trapped.int(4)) else {
        return Ok(Answer::THROUGH);
    };
    let open = state.handles.get(which)?;
    let (length, protection, flags) = (trapped.args[1], trapped.int(2), trapped.int(3));
    // In the order of mm/mmap.c, do_mmap.
    let kind = flags & libc::MAP_TYPE;
    let shared = kind != libc::MAP_PRIVATE;
    let is_known = matches!(
        kind,
        libc::MAP_SHARED | libc::MAP_PRIVATE | libc::MAP_SHARED_VALIDATE
    );
    if length == 0 || !is_known {
        return Err(Errno::INVAL);
    }
    if kind == libc::MAP_SHARED_VALIDATE && flags & libc::MAP_SYNC != 0 {
        // Only memory that keeps its contents takes it.
        return Err(Errno::OPNOTSUPP);
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
    state.handles.refresh()?;
    Ok(Answer::THROUGH)
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
        let open = state.handles.get(which)?;
        if !open.handle.flags().write {
            return Err(Errno::BADF);
        }
        if is_block(open.node) {
            state.warn("sendfile and splice into a block node are not emulated");
        }
        return Err(Errno::INVAL);
    }
    let Some((_, which)) = state.flash(trapped.process(), from) else {
        return Ok(Answer::THROUGH);
    };
    let open = state.handles.get(which)?;
    if !reads_block || !is_block(open.node) {
        return Err(Errno::INVAL);
    }
    if !open.handle.flags().read {
        return Err(Errno::BADF);
    }
    state.handles.refresh()?;
    Ok(Answer::THROUGH)
}

fn is_block(node: NodeId) -> bool {
    matches!(node, NodeId::Block { .. })
}
