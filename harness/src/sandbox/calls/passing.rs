//! Calls by which a process may get another one's descriptor of flash.
//!
//! Who opens flash for writing is traced before it has the descriptor; who is handed
//! one has to be traced as well, before it makes the call that brings it. A filter knows
//! calls by their numbers and arguments alone, so the call is then made once more with a
//! mark in an argument that it does not have, which the first filter lets pass and the
//! second one stops.

use crate::sandbox::call::{Answer, Before, Decision, Job, Level, Trapped};
use crate::sandbox::kernel::process::Process;
use crate::sandbox::kernel::ptrace::{self, Attachment};
use crate::sandbox::state::State;

/// Calls that may bring descriptions from elsewhere.
pub(in crate::sandbox) const RECEIVES: &[i64] =
    &[libc::SYS_recvmsg, libc::SYS_recvmmsg, libc::SYS_pidfd_getfd];

/// Answers recvmsg, recvmmsg and pidfd_getfd.
pub(in crate::sandbox) fn receive(state: &mut State, trapped: &Trapped) -> Decision {
    let process = trapped.process();
    if trapped.number == libc::SYS_recvmsg && !has_control(process, trapped.args[1]) {
        return Ok(Answer::THROUGH);
    }
    // Perhaps a folder's.
    state.may_list = true;
    // A traced process is just opening some, or had some open.
    let is_traced = state.is_traced_at(process, Level::Writes);
    let level = state.handles.level_of_open();
    let Some(level) = level.or(is_traced.then_some(Level::Writes)) else {
        // It may wait for long, and flash be opened meanwhile: see `send`.
        state.receiving.insert(trapped.tid);
        return Ok(Answer::THROUGH);
    };
    Ok(Answer::InThread(match state.is_traced_at(process, level) {
        true => Job::Marked,
        false => Job::Filter(level),
    }))
}

/// Whether a message (`struct msghdr`) has room for, or comes with, anything beside its
/// data.
pub(in crate::sandbox) fn has_control(process: Process, message: u64) -> bool {
    const CONTROL_LENGTH_AT: u64 = 40;
    process
        .read_u64(message + CONTROL_LENGTH_AT)
        .is_ok_and(|length| length > 0)
}

/// Answers sendmsg and sendmmsg of what may be a descriptor of flash: who has waited for a message
/// since there was none is to make its call again.
pub(in crate::sandbox) fn send(state: &mut State) -> Decision {
    if state.receiving.is_empty() || state.handles.level_of_open().is_none() {
        return Ok(Answer::THROUGH);
    }
    let waiting = std::mem::take(&mut state.receiving);
    Ok(Answer::Continue(Before::Wake(
        waiting.into_iter().collect(),
    )))
}

/// Has threads that wait for a message make their call again; they are traced then. Not
/// under the lock: one that waits for an answer of ours stops no sooner than it has that.
pub(in crate::sandbox) fn wake(threads: Vec<u32>) {
    for tid in threads {
        if waits_for_messages(tid) && ptrace::seize(tid, Attachment::Alone).is_ok() {
            if ptrace::interrupt(tid).is_ok() {
                let _ = ptrace::wait(tid);
            }
            ptrace::detach(tid);
        }
    }
}

/// Whether a thread waits for a message.
pub(in crate::sandbox) fn waits_for_messages(tid: u32) -> bool {
    let call = std::fs::read_to_string(format!("/proc/{tid}/syscall")).unwrap_or_default();
    let number = call
        .split(' ')
        .next()
        .and_then(|number| number.parse().ok());
    number.is_some_and(|number| RECEIVES.contains(&number))
}
