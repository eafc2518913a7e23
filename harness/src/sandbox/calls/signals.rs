//! Calls that may bring a process a signal soon.
//!
//! A call that waits for the supervisor to receive it is interrupted by a signal
//! whose handler lacks SA_RESTART (kernel/seccomp.c): it answers EINTR, where a
//! file-system call never does. A process that sets a timer, or is sent a signal
//! that it handles, is therefore watched; see
//! [`crate::sandbox::tracing::interrupted`].

use crate::Errno;
use crate::sandbox::call::{Answer, Decision, Level, Trapped};
use crate::sandbox::kernel::process::Process;
use crate::sandbox::state::State;

/// Answers setitimer and its relatives.
pub(in crate::sandbox) fn timer(_: &mut State, trapped: &Trapped) -> Decision {
    Ok(Answer::Watch(trapped.process().tgid()))
}

/// Answers kill and its relatives. Who signals a group is not looked after.
pub(in crate::sandbox) fn send(
    state: &mut State,
    trapped: &Trapped,
    to: i32,
    signal: i32,
) -> Decision {
    let Ok(to @ 1..) = u32::try_from(to) else {
        return Ok(Answer::Through);
    };
    let target = Process { tid: to };
    let tgid = match to {
        _ if to == trapped.tid => trapped.process().tgid(),
        _ => target.tgid(),
    };
    if state.traced.contains_key(&tgid) || !handles(target, signal) || !is_ours(target) {
        return Ok(Answer::Through);
    }
    Ok(Answer::Watch(tgid))
}

/// Answers ptrace: who is watched only for its signals is left to a debugger. Whose
/// calls stop cannot be: without us its filter answers ENOSYS, and Linux knows one
/// tracer for each thread.
pub(in crate::sandbox) fn ptrace(
    state: &mut State,
    trapped: &Trapped,
    request: u32,
    target: u64,
) -> Decision {
    let tid = match request {
        libc::PTRACE_TRACEME => trapped.tid,
        libc::PTRACE_ATTACH | libc::PTRACE_SEIZE => target as u32,
        _ => return Ok(Answer::Through),
    };
    let tgid = Process { tid }.tgid();
    match state.traced.get(&tgid) {
        Some(Level::Signals) => Ok(Answer::Unwatch(tgid)),
        // A request that the kernel refuses anyway is not ours to explain.
        Some(_) if Process { tid }.status("TracerPid").is_some() => {
            let name = std::fs::read_to_string(format!("/proc/{tid}/comm")).unwrap_or_default();
            state.warn(&format!(
                "{} opened flash for writing, or was started by a program that had: the sandbox \
                 traces it, and strace, gdb and LeakSanitizer get EPERM there (for the last: \
                 ASAN_OPTIONS=detect_leaks=0, or check for leaks outside)",
                name.trim_end()
            ));
            Err(Errno::PERM)
        }
        _ => Ok(Answer::Through),
    }
}

/// Whether the process has a handler for a signal.
fn handles(process: Process, signal: i32) -> bool {
    let caught = process.status("SigCgt");
    let caught = caught.and_then(|text| u64::from_str_radix(&text, 16).ok());
    let bit = u32::try_from(signal - 1).ok();
    matches!((caught, bit), (Some(caught), Some(bit @ 0..64)) if caught >> bit & 1 != 0)
}

/// Whether it descends from this process.
fn is_ours(process: Process) -> bool {
    /// Deeper than anybody nests processes.
    const DEPTH_MAX: usize = 4096;
    let mut tid = process.tid;
    for _ in 0..DEPTH_MAX {
        if tid == std::process::id() {
            return true;
        }
        let parent = Process { tid }.status("PPid");
        match parent.and_then(|text| text.parse().ok()) {
            Some(parent @ 1..) => tid = parent,
            _ => return false,
        }
    }
    false
}
