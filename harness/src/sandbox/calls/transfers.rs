//! read and write on flash: what they move between a node and the program's memory.
//!
//! They stop in the processes that are traced alone: see [`crate::sandbox::tracing`].

use crate::Errno;
use crate::mtd::Seek;
use crate::sandbox::kernel::process::Process;
use crate::sandbox::kernel::read_write::{self, Form, ReadWrite};
use crate::sandbox::kernel::sys;
use crate::sandbox::state::State;
use std::os::fd::AsFd;

/// A stretch of the program's memory.
type Stretch = (u64, usize);

/// One read or write.
struct Transfer {
    writes: bool,
    /// Where, for the calls that leave the position alone.
    at: Option<i64>,
    memory: Vec<Stretch>,
}

/// None: not on flash, or better served by the kernel.
pub(in crate::sandbox) fn transfer(
    state: &mut State,
    process: Process,
    number: i64,
    args: &[u64; 6],
) -> Option<Result<usize, Errno>> {
    let fd = args[0] as i32;
    let (duplicate, which) = state.flash(process, fd)?;
    if state.handles.has_cached_writes() {
        state.handles.sweep();
    }
    let call = read_write::by_number(number)?;
    let reads_through = match state.handles.get(which) {
        Ok(open) => open.reads_through,
        Err(errno) => return Some(Err(errno)),
    };
    if !call.writes && !reads_through {
        return None;
    }
    let transfer = match describe(process, call, args) {
        Ok(transfer) => transfer,
        Err(errno) => return Some(Err(errno)),
    };
    let about = &mut state.about;
    let answer = state.handles.at_position(duplicate.as_fd(), which, |open| {
        let position = open.handle.lseek(Seek::Current(0)).ok();
        about.offset_bytes = transfer.at.map(|at| at as u64).or(position);
        let length = transfer.memory.iter().map(|(_, length)| *length as u64);
        about.length_bytes = Some(length.sum());
        run(&mut open.handle, process, &transfer)
    });
    if call.writes {
        state.show_changes();
    }
    Some(answer.and_then(|answer| answer))
}

/// Reads the arguments.
fn describe(process: Process, call: &ReadWrite, args: &[u64; 6]) -> Result<Transfer, Errno> {
    let offset = args[3] as i64;
    let at = match call.form {
        Form::Plain | Form::List => None,
        Form::At | Form::ListAt => Some(offset),
        Form::ListAtOrHere => Some(offset).filter(|offset| *offset != -1),
    };
    let memory = match call.form {
        Form::Plain | Form::At => vec![(args[1], args[2] as usize)],
        Form::List | Form::ListAt | Form::ListAtOrHere => list(process, args)?,
    };
    Ok(Transfer {
        writes: call.writes,
        at,
        memory,
    })
}

/// A `struct iovec` array (at most UIO_MAXIOV elements).
fn list(process: Process, args: &[u64; 6]) -> Result<Vec<Stretch>, Errno> {
    const ELEMENTS_MAX: u64 = 1024;
    if args[2] > ELEMENTS_MAX {
        return Err(Errno::INVAL);
    }
    let mut bytes = vec![0u8; args[2] as usize * 16];
    process.read(args[1], &mut bytes)?;
    let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("eight bytes"));
    let pairs = bytes.chunks_exact(16);
    Ok(pairs
        .map(|pair| (word(&pair[..8]), word(&pair[8..]) as usize))
        .collect())
}

/// The most that is moved at once; longer transfers go in pieces, as in the
/// kernel's driver, which copies through a buffer of its own.
const PIECE_BYTES: usize = 4 << 20;

fn run(
    handle: &mut crate::mtd::Handle,
    process: Process,
    transfer: &Transfer,
) -> Result<usize, Errno> {
    let before = handle.lseek(Seek::Current(0))?;
    if let Some(at) = transfer.at {
        if at < 0 {
            return Err(Errno::INVAL);
        }
    }
    let flags = handle.flags();
    if !(if transfer.writes {
        flags.write
    } else {
        flags.read
    }) {
        return Err(Errno::BADF);
    }
    // Before anything is moved (access_ok): no program has memory up there.
    let beyond = |&(address, length): &Stretch| {
        let end = address.checked_add(length as u64);
        end.is_none_or(|end| end > i64::MAX as u64)
    };
    if transfer.memory.iter().any(beyond) {
        return Err(Errno::FAULT);
    }
    let mut done = 0usize;
    let mut answer = Ok(());
    'all: for &(address, length) in &transfer.memory {
        let mut moved = 0;
        loop {
            let piece = (length - moved).min(PIECE_BYTES);
            let at = transfer.at.map(|at| at.saturating_add(done as i64));
            let result = piece_of(
                handle,
                process,
                transfer.writes,
                at,
                address + moved as u64,
                piece,
            );
            match result {
                Ok(count) => {
                    done += count;
                    moved += count;
                    if count < piece {
                        break 'all;
                    }
                }
                Err(errno) => {
                    answer = Err(errno);
                    break 'all;
                }
            }
            if moved >= length {
                break;
            }
        }
    }
    if transfer.at.is_some() {
        let _ = handle.lseek(Seek::Set(before as i64));
    }
    match answer {
        Err(errno) if done == 0 => Err(errno),
        _ => Ok(done),
    }
}

fn piece_of(
    handle: &mut crate::mtd::Handle,
    process: Process,
    writes: bool,
    at: Option<i64>,
    address: u64,
    length: usize,
) -> Result<usize, Errno> {
    let mut buf = vec![0u8; length];
    let before = handle.lseek(Seek::Current(0))? as i64;
    if writes {
        // Who may not write is told so before its memory is looked at.
        if handle.flags().write && process.read(address, &mut buf).is_err() {
            return Err(bad_memory(handle, at.unwrap_or(before)));
        }
        return match at {
            Some(at) => handle.pwrite(at, &buf),
            None => handle.write(&buf),
        };
    }
    let count = match at {
        Some(at) => handle.pread(at, &mut buf)?,
        None => handle.read(&mut buf)?,
    };
    if let Err(errno) = sys::memory_write(process.tid, address, &buf[..count]) {
        handle.lseek(Seek::Set(before))?;
        return Err(errno);
    }
    Ok(count)
}

/// What a write from memory that is not there answers: the end of the device
/// is looked at first (mtdchar_write, blkdev_write_iter).
fn bad_memory(handle: &mut crate::mtd::Handle, at: i64) -> Errno {
    let before = handle.lseek(Seek::Current(0)).unwrap_or(0);
    let end = handle.lseek(Seek::End(0)).unwrap_or(u64::MAX);
    let _ = handle.lseek(Seek::Set(before as i64));
    if at as u64 >= end {
        Errno::NOSPC
    } else {
        Errno::FAULT
    }
}
