//! How a stopped call is answered.
//!
//! Invariant: every received call gets exactly one answer.
//! Tolerates: callers that die while they wait.

use crate::Errno;
use crate::sandbox::call::{Answer, Decision, Deed, Done, Job, Level, Trapped};
use crate::sandbox::calls::passing;
use crate::sandbox::calls::table::{self, Entry};
use crate::sandbox::kernel::caller;
use crate::sandbox::kernel::listener::{Listener, Notification};
use crate::sandbox::kernel::sys;
use crate::sandbox::shared::Shared;
use crate::sandbox::state::State;
use crate::sandbox::trace::{About, Told};
use crate::sandbox::tracing::tracer;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, MutexGuard};

/// The error with which the kernel makes a call again after a stop
/// (include/linux/errno.h, ERESTARTSYS); no program ever sees it.
const RESTART: i32 = 512;

/// A call that is still to be done on the host's files.
pub(super) struct Pending {
    id: u64,
    entry: &'static Entry,
    trapped: Trapped,
    about: About,
    deed: Deed,
}

impl Pending {
    /// Performs and replies.
    pub fn finish(self, shared: &Arc<Shared>, listener: &Listener) {
        match caller::act(self.trapped.process(), self.deed) {
            Ok(Done::Inside(job)) => stop(shared, listener, self.id, self.trapped, job),
            result => {
                let told = reply(listener, self.id, result);
                let mut state = shared.lock();
                state.log_call(self.entry, &self.trapped, self.about, Some(told));
            }
        }
    }
}

const FOREIGN: &str = "a 32-bit program ran: its system calls are not emulated and answer \
                       ENOSYS (run it through qemu-user, or build it for this machine)";

/// One notification: name, decide, and reply, unless it may take its time.
pub(super) fn handle(
    shared: &Arc<Shared>,
    listener: &Listener,
    notification: &Notification,
) -> Option<Pending> {
    let id = notification.id;
    let Some((entry, trapped)) = name(notification) else {
        shared.lock().warn(FOREIGN);
        let _ = listener.fail(id, libc::ENOSYS);
        return None;
    };
    let mut state = about_to_decide(shared, &trapped);
    state.about = state.log.about(entry.name, &trapped);
    let decision = (entry.decide)(&mut state, &trapped);
    if decision.as_ref().is_ok_and(Answer::passes) {
        drop(state);
        get_ready(shared, decision);
        let _ = listener.let_through(id);
        return None;
    }
    // The number of a process that died may be another's by now: what was
    // read belongs to the caller only if it still waits.
    // Without power nobody learns how a call ended: its process is being killed.
    if !listener.is_valid(id) || state.power.is_gone() {
        return None;
    }
    let about = std::mem::take(&mut state.about);
    let result = match decision {
        Ok(Answer::Stop(job) | Answer::Done(Done::Inside(job))) => {
            state.log_call(entry, &trapped, about, None);
            drop(state);
            stop(shared, listener, id, trapped, job);
            return None;
        }
        Ok(Answer::Perform(deed)) => {
            return Some(Pending {
                id,
                entry,
                trapped,
                about,
                deed,
            });
        }
        Ok(Answer::Done(Done::Flash { fd, cloexec })) => {
            // Calls on its number stop before the program learns it.
            let given = listener.add_fd(id, fd.as_raw_fd(), cloexec, false);
            drop(fd);
            let tgid = trapped.process().tgid();
            if let Some(number) = given.ok().filter(|it| !state.is_covered(tgid, *it)) {
                drop(state);
                stop(shared, listener, id, trapped, Job::Cover(number));
                return None;
            }
            given.map(|number| Done::Value(i64::from(number)))
        }
        Ok(Answer::Done(done)) => Ok(done),
        Ok(_) => return None,
        Err(errno) => Err(errno),
    };
    // Under the lock: a descriptor of ours is closed before anybody looks
    // whether a description is still open.
    let told = reply(listener, id, result);
    state.log_call(entry, &trapped, about, Some(told));
    None
}

/// Sees to what has to be so before the kernel executes a call.
fn get_ready(shared: &Arc<Shared>, decision: Decision) {
    match decision {
        Ok(Answer::Watch(tgids)) => tgids.into_iter().for_each(|tgid| watch(shared, tgid)),
        Ok(Answer::Unwatch(tgid)) => unwatch(shared, tgid),
        Ok(Answer::Wake(threads)) => passing::wake(threads),
        _ => {}
    }
}

/// The state, once the caller is watched if it has to be.
fn about_to_decide<'a>(shared: &'a Arc<Shared>, trapped: &Trapped) -> MutexGuard<'a, State> {
    let mut state = shared.lock();
    if !state.is_interrupted_by_children(trapped) {
        return state;
    }
    drop(state);
    watch(shared, trapped.process().tgid());
    shared.lock()
}

/// The call of a notification; none: it is no call of this architecture.
fn name(notification: &Notification) -> Option<(&'static Entry, Trapped)> {
    if notification.arch != crate::sandbox::kernel::arch::AUDIT_ARCH {
        return None;
    }
    let number = i64::from(notification.nr);
    let entry = table::by_number(number)?;
    let trapped = Trapped {
        tid: notification.tid,
        name: entry.name,
        number,
        args: notification.args,
        behind: notification.instruction_pointer,
    };
    Some((entry, trapped))
}

/// Answers the call; says how, for the trace.
fn reply(listener: &Listener, id: u64, result: Result<Done, Errno>) -> Result<i64, Errno> {
    match result {
        Ok(Done::Value(value)) => {
            let _ = listener.answer(id, value);
            Ok(value)
        }
        // Only the process itself does that: see `stop`.
        Ok(Done::Inside(_) | Done::Flash { .. }) => Ok(0),
        Ok(Done::Descriptor { fd, cloexec }) => hand_over(listener, id, &fd, cloexec),
        Err(errno) => {
            let _ = listener.fail(id, errno.raw_os_error());
            Err(errno)
        }
    }
}

impl State {
    /// Whether calls of this process on this number stop for its tracer.
    fn is_covered(&self, tgid: u32, number: i32) -> bool {
        let covered = self.covered.get(&tgid);
        covered.is_some_and(|covered| covered.has(number))
    }

    /// Puts a call into the trace.
    fn log_call(&mut self, entry: &Entry, trapped: &Trapped, about: About, told: Told) {
        let call = (trapped.tid, entry.name);
        self.log.call(call, &trapped.args, about, told);
    }
}

fn hand_over(listener: &Listener, id: u64, fd: &OwnedFd, cloexec: bool) -> Result<i64, Errno> {
    let number = match listener.add_fd(id, fd.as_raw_fd(), cloexec, true) {
        // Before Linux 5.14 adding and answering are two steps.
        Err(Errno::INVAL) => {
            let number = listener.add_fd(id, fd.as_raw_fd(), cloexec, false);
            match number {
                Ok(number) => drop(listener.answer(id, i64::from(number))),
                Err(errno) => drop(listener.fail(id, errno.raw_os_error())),
            }
            number
        }
        Err(errno) => {
            let _ = listener.fail(id, errno.raw_os_error());
            Err(errno)
        }
        number => number,
    };
    number.map(i64::from)
}

/// Watches the signals of a process. One that somebody else traces goes without.
fn watch(shared: &Arc<Shared>, tgid: u32) {
    let _attaching = shared.attaching();
    let mut state = shared.lock();
    if let Some(known) = state.traced.get_mut(&tgid) {
        *known = Level::Signals.max(*known);
        return;
    }
    drop(state);
    let _ = tracer::watch(shared, tgid);
}

/// Has the signals of a process watched no longer, and waits until that is so.
fn unwatch(shared: &Arc<Shared>, tgid: u32) {
    const ROUNDS: u32 = 2000;
    let _attaching = shared.attaching();
    shared.lock().left_alone.insert(tgid);
    // Its tracer takes the signal away, and goes.
    let _ = sys::tgkill(tgid, tgid, libc::SIGSTOP);
    for _ in 0..ROUNDS {
        if !shared.lock().traced.contains_key(&tgid) && !tracer::is_traced(tgid) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
}

/// Whether a call that is to be made again is that already: a process that is locked up
/// in a folder of ours finds by itself what is there.
fn is_as_it_was(job: &Job, trapped: &Trapped) -> bool {
    let process = trapped.process();
    match job {
        Job::Again(placed) => {
            let at = trapped.args[placed.argument];
            match placed.inner {
                None => process.has(at, &placed.bytes),
                Some(inner) => process
                    .read_u64(at)
                    .is_ok_and(|at| process.has(at, &placed.bytes[inner..])),
            }
        }
        Job::Exec(program) if program.interpreter.is_empty() => {
            let path = [program.path.as_slice(), b"\0"].concat();
            trapped.number == libc::SYS_execve && process.has(trapped.args[0], &path)
        }
        _ => false,
    }
}

/// Has something done inside the calling thread; the call is then over, or is
/// made again.
fn stop(shared: &Arc<Shared>, listener: &Listener, id: u64, trapped: Trapped, job: Job) {
    if is_as_it_was(&job, &trapped) {
        let _ = listener.let_through(id);
        return;
    }
    let (tid, tgid) = (trapped.tid, trapped.process().tgid());
    let give = |folder: OwnedFd| listener.add_fd(id, folder.as_raw_fd(), true, false);
    let job = match job.hand_over(give) {
        Ok(job) => job,
        Err(errno) => {
            let _ = listener.fail(id, errno.raw_os_error());
            return;
        }
    };
    let attaching = shared.attaching();
    let traced = shared.lock().traced.contains_key(&tgid);
    let result = if traced {
        shared.lock().jobs.insert(tid, (job, trapped));
        // Its tracer takes the signal away and does the work in its place.
        sys::tgkill(tgid, tid, libc::SIGSTOP)
    } else {
        tracer::attach(shared, tgid, job, trapped)
    };
    drop(attaching);
    let _ = match result {
        Ok(()) => listener.fail(id, RESTART),
        Err(errno) => {
            shared.lock().warn(&format!(
                "process {tgid} cannot be traced ({errno}), which writing to flash, block nodes \
                 and mapped working directories need; is a debugger or strace attached to it?"
            ));
            listener.fail(id, libc::EPERM)
        }
    };
}
