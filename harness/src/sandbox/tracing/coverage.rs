//! Which calls of a traced process stop: those on the numbers under which it ever
//! had flash, so that its work on other files costs nothing.
//!
//! A filter cannot be taken away, and sees numbers alone. So each process has a set
//! of numbers that only grows; a number that flash gets for the first time is
//! covered before the program learns of it. Calls that may give a description a
//! further number (dup and its relatives, on covered numbers; receiving from a
//! socket) stop, too, and are looked at when they end.

use crate::sandbox::call::{Level, StopOn, Stops};
use crate::sandbox::calls::passing::{RECEIVES, has_control};
use crate::sandbox::kernel::arch::{self, Registers};
use crate::sandbox::kernel::process::Process;
use crate::sandbox::kernel::read_write::READ_WRITE;
use crate::sandbox::state::State;
use std::collections::BTreeSet;

/// Calls that give the description of their first argument a further number.
const DUPLICATES: &[i64] = &[
    libc::SYS_dup,
    libc::SYS_dup3,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    libc::SYS_fcntl,
];

/// The calls that stop in a process traced at this level.
pub(in crate::sandbox) fn stops(level: Level) -> Stops {
    let read_write = READ_WRITE.iter().filter(|call| call.level() <= level);
    let mut stops: Stops = read_write
        .map(|call| (call.number, StopOn::First))
        .collect();
    if stops.is_empty() {
        return stops;
    }
    if level == Level::ReadsAndWrites {
        // It may be the last one of a block node.
        stops.push((libc::SYS_close, StopOn::First));
    }
    for call in DUPLICATES {
        let on = match *call {
            libc::SYS_fcntl => StopOn::Duplicating,
            libc::SYS_dup => StopOn::First,
            // Its second number is closed by it.
            _ if level == Level::ReadsAndWrites => StopOn::FirstOrSecond,
            _ => StopOn::First,
        };
        stops.push((*call, on));
    }
    stops.extend(RECEIVES.iter().map(|call| (*call, StopOn::Any)));
    stops
}

/// Whether a call has to be looked at when it ends.
pub(in crate::sandbox) fn may_renumber(number: i64) -> bool {
    DUPLICATES.contains(&number) || RECEIVES.contains(&number)
}

/// The number that the next open gives, if no other thread is faster.
pub(in crate::sandbox) fn lowest_free(process: Process) -> i32 {
    let taken = numbers_of(process);
    (0..).find(|number| !taken.contains(number)).unwrap_or(0)
}

fn numbers_of(process: Process) -> BTreeSet<i32> {
    let folder = std::fs::read_dir(format!("/proc/{}/fd", process.tid));
    let entries = folder.into_iter().flatten().flatten();
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    entries.filter_map(number).collect()
}

/// The numbers that flash got by the call that just ended.
pub(in crate::sandbox) fn new_numbers(
    state: &mut State,
    process: Process,
    registers: &Registers,
) -> Vec<i32> {
    let (call, args) = arch::call(registers);
    let answer = arch::answer(registers);
    let candidates: Vec<i32> = if answer < 0 {
        Vec::new()
    } else if DUPLICATES.contains(&call) || call == libc::SYS_pidfd_getfd {
        vec![answer as i32]
    } else if call == libc::SYS_recvmsg && !has_control(process, args[1]) {
        Vec::new()
    } else if RECEIVES.contains(&call) {
        numbers_of(process).into_iter().collect()
    } else {
        Vec::new()
    };
    let tgid = process.tgid();
    let covered = state.covered.get(&tgid).cloned().unwrap_or_default();
    let new = candidates
        .into_iter()
        .filter(|number| !covered.has(*number));
    new.filter(|number| state.flash(process, *number).is_some())
        .collect()
}
