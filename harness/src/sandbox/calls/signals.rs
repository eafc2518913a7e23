//! Calls that may bring a process a signal soon.
//!
//! A call that waits for the supervisor to receive it is interrupted by a signal
//! whose handler lacks SA_RESTART (kernel/seccomp.c): it answers EINTR, where a
//! file-system call never does. A process that sets a timer, or is sent a signal
//! that it handles, is therefore watched; see
//! [`crate::sandbox::tracing::interrupted`].

use crate::Errno;
use crate::sandbox::call::{Answer, Before, Decision, Level, Trapped};
use crate::sandbox::kernel::process::Process;
use crate::sandbox::kernel::sys;
use crate::sandbox::state::State;
use std::io::Read;

/// Answers setitimer and its relatives.
pub(in crate::sandbox) fn timer(_: &mut State, trapped: &Trapped) -> Decision {
    Ok(Answer::Continue(Before::Watch(vec![
        trapped.process().tgid(),
    ])))
}

/// Answers kill, which may mean a group, or everybody.
pub(in crate::sandbox) fn kill(state: &mut State, trapped: &Trapped) -> Decision {
    let (to, signal) = (trapped.int(0), trapped.int(1));
    if to > 0 {
        return send(state, trapped, to, signal);
    }
    let group = match to {
        0 => group_of(trapped.tid),
        -1 => None,
        group => Some(group.unsigned_abs()),
    };
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let meant = ids.filter(|id| to == -1 || group.is_some() && group_of(*id) == group);
    let watched = meant.filter(|id| is_to_be_watched(state, *id, *id, signal));
    Ok(match watched.collect::<Vec<u32>>() {
        watched if watched.is_empty() => Answer::THROUGH,
        watched => Answer::Continue(Before::Watch(watched)),
    })
}

/// The process group of a process (the fifth word of its `stat` file; the second one,
/// its name, may hold spaces and brackets).
fn group_of(pid: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let behind_name = &text[text.rfind(')')? + 1..];
    behind_name.split_whitespace().nth(2)?.parse().ok()
}

/// Answers tkill and its relatives.
pub(in crate::sandbox) fn send(
    state: &mut State,
    trapped: &Trapped,
    to: i32,
    signal: i32,
) -> Decision {
    let Ok(to @ 1..) = u32::try_from(to) else {
        return Ok(Answer::THROUGH);
    };
    let tgid = match to {
        _ if to == trapped.tid => trapped.process().tgid(),
        _ => Process { tid: to }.tgid(),
    };
    Ok(match is_to_be_watched(state, to, tgid, signal) {
        true => Answer::Continue(Before::Watch(vec![tgid])),
        false => Answer::THROUGH,
    })
}

/// Answers pidfd_send_signal.
pub(in crate::sandbox) fn send_by_descriptor(state: &mut State, trapped: &Trapped) -> Decision {
    let path = format!("/proc/{}/fdinfo/{}", trapped.tid, trapped.int(0));
    let about = std::fs::read_to_string(path).unwrap_or_default();
    let id = about.lines().find_map(|line| line.strip_prefix("Pid:"));
    let id = id.and_then(|id| id.trim().parse().ok()).unwrap_or(0);
    send(state, trapped, id, trapped.int(1))
}

fn is_to_be_watched(state: &State, id: u32, tgid: u32, signal: i32) -> bool {
    let target = Process { tid: id };
    !state.traced.contains_key(&tgid) && handles(target, signal) && is_ours(target)
}

/// Answers rt_sigaction of SIGCHLD. A handler without SA_RESTART may interrupt calls
/// whenever a child ends: dash has one all its life.
pub(in crate::sandbox) fn handler(state: &mut State, trapped: &Trapped) -> Decision {
    const FLAGS_AT: usize = 8;
    let mut action = [0; 16];
    if trapped
        .process()
        .read(trapped.args[1], &mut action)
        .is_err()
    {
        return Ok(Answer::THROUGH);
    }
    let word = |at: usize| u64::from_ne_bytes(action[at..][..8].try_into().expect("eight bytes"));
    let (handler, flags) = (word(0), word(FLAGS_AT));
    // SIG_DFL and SIG_IGN are 0 and 1.
    let interrupts = handler > 1 && flags & libc::SA_RESTART as u64 == 0;
    if interrupts || state.of_children.get(trapped.tid).is_some() {
        state.of_children.note(trapped.tid, interrupts);
    }
    Ok(Answer::THROUGH)
}

impl State {
    /// Whether this call is the first of a process which the end of a child that it has
    /// would interrupt, and which is not watched yet.
    pub fn is_interrupted_by_children(&mut self, trapped: &Trapped) -> bool {
        if self.of_children.is_empty() {
            return false;
        }
        let tid = trapped.tid;
        if let libc::SYS_execve | libc::SYS_execveat = trapped.number {
            // No handler outlives it.
            self.of_children.note(tid, false);
            return false;
        }
        let interrupts = match self.of_children.get(tid) {
            Some(known) => known,
            None => {
                let interrupts = self.inherits_handler(tid);
                self.of_children.note(tid, interrupts);
                interrupts
            }
        };
        interrupts && !self.traced.contains_key(&tid) && has_children(tid)
    }

    /// Whether a new process, or thread, has the handler of its maker.
    fn inherits_handler(&self, tid: u32) -> bool {
        let status = sys::text(&Process { tid }.proc("status")).unwrap_or_default();
        let word = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.map(str::trim).unwrap_or_default()
        };
        let is_known = |id: &str| {
            let id = id.parse().ok();
            id.is_some_and(|id: u32| self.of_children.get(id) == Some(true))
        };
        let caught = u64::from_str_radix(word("SigCgt:"), 16).unwrap_or(0);
        caught >> (libc::SIGCHLD - 1) & 1 != 0
            && (is_known(word("PPid:")) || is_known(word("Tgid:")))
    }
}

/// Whether a thread has children; where the kernel does not tell, it has.
fn has_children(tid: u32) -> bool {
    let mut first = [0];
    let path = format!("/proc/{tid}/task/{tid}/children");
    let children = std::fs::File::open(path).and_then(|mut file| file.read(&mut first));
    children.map_or(true, |count| count > 0)
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
        _ => return Ok(Answer::THROUGH),
    };
    let tgid = Process { tid }.tgid();
    match state.traced.get(&tgid) {
        Some(Level::Signals) => Ok(Answer::Continue(Before::Unwatch(tgid))),
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
        _ => Ok(Answer::THROUGH),
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
