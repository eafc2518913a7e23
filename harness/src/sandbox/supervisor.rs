//! How a stopped call is answered.
//!
//! Invariant: every call whose caller is to go on gets exactly one answer (`waiting`).
//! None gets one without power, or once its caller died: that process is being killed.
//! Tolerates: callers that die while they wait.

use crate::Errno;
use crate::sandbox::call::{Answer, Before, Deed, Job, Level, Performed, Reply, Trapped};
use crate::sandbox::calls::passing;
use crate::sandbox::calls::table::{self, Entry};
use crate::sandbox::kernel::caller;
use crate::sandbox::kernel::listener::{Listener, Notification};
use crate::sandbox::kernel::sys;
use crate::sandbox::shared::Shared;
use crate::sandbox::state::State;
use crate::sandbox::trace::{About, CallResult};
use crate::sandbox::tracing::tracer;
use crate::sandbox::waiting::Waiting;
use std::os::fd::OwnedFd;
use std::sync::{Arc, MutexGuard};

/// A call that is still to be done on the host's files.
pub(super) struct Pending<'a> {
    waiting: Waiting<'a>,
    entry: &'static Entry,
    trapped: Trapped,
    about: About,
    deed: Deed,
}

impl Pending<'_> {
    /// Performs and replies.
    pub fn finish(self, shared: &Arc<Shared>) {
        let result = match caller::act(self.trapped.process(), self.deed) {
            Ok(Performed::InThread(job)) => {
                return run_in_thread(shared, self.waiting, self.trapped, job);
            }
            Ok(Performed::Reply(reply)) => Ok(reply),
            Err(errno) => Err(errno),
        };
        let told = self.waiting.reply(result);
        let mut state = shared.lock();
        state.log_call(self.entry, &self.trapped, self.about, Some(told));
    }
}

const FOREIGN: &str = "a 32-bit program ran: its system calls are not emulated and answer \
                       ENOSYS (run it through qemu-user, or build it for this machine)";

/// One notification: name, decide, and reply, unless it may take its time.
pub(super) fn handle<'a>(
    shared: &Arc<Shared>,
    listener: &'a Listener,
    notification: &Notification,
) -> Option<Pending<'a>> {
    let waiting = Waiting::new(notification.id, listener);
    let Some((entry, trapped)) = name(notification) else {
        shared.lock().warn(FOREIGN);
        let _ = waiting.reply(Err(Errno::NOSYS));
        return None;
    };
    let mut state = about_to_decide(shared, &trapped);
    state.about = state.log.about(entry.name, &trapped);
    let decision = (entry.decide)(&mut state, &trapped);
    let continues = matches!(decision, Ok(Answer::Continue(_)));
    // What was read belongs to the caller only if it still waits; and without power
    // nobody learns how a call ended.
    if !continues && (!waiting.is_there() || state.power.is_gone()) {
        waiting.leave();
        return None;
    }
    let about = std::mem::take(&mut state.about);
    let result = match decision {
        Ok(Answer::Continue(before)) => {
            drop(state);
            get_ready(shared, before);
            waiting.let_through();
            return None;
        }
        Ok(Answer::InThread(job)) => {
            state.log_call(entry, &trapped, about, None);
            drop(state);
            run_in_thread(shared, waiting, trapped, job);
            return None;
        }
        Ok(Answer::Perform(deed)) => {
            return Some(Pending {
                waiting,
                entry,
                trapped,
                about,
                deed,
            });
        }
        Ok(Answer::Flash { fd, cloexec }) => {
            // Calls on its number stop before the program learns it.
            let given = waiting.give(&fd, cloexec);
            drop(fd);
            let tgid = trapped.process().tgid();
            if let Some(number) = given.ok().filter(|it| !state.is_covered(tgid, *it)) {
                drop(state);
                run_in_thread(shared, waiting, trapped, Job::Cover(number));
                return None;
            }
            given.map(|number| Reply::Value(i64::from(number)))
        }
        Ok(Answer::Reply(reply)) => Ok(reply),
        Err(errno) => Err(errno),
    };
    // Under the lock: a descriptor of ours is closed before anybody looks
    // whether a description is still open.
    let told = waiting.reply(result);
    state.log_call(entry, &trapped, about, Some(told));
    None
}

/// Sees to what has to be so before the kernel executes a call.
fn get_ready(shared: &Arc<Shared>, before: Before) {
    match before {
        Before::Nothing => {}
        Before::Watch(tgids) => tgids.into_iter().for_each(|tgid| watch(shared, tgid)),
        Before::Unwatch(tgid) => unwatch(shared, tgid),
        Before::Wake(threads) => passing::wake(threads),
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

impl State {
    /// Whether calls of this process on this number stop for its tracer.
    fn is_covered(&self, tgid: u32, number: i32) -> bool {
        let covered = self.covered.get(&tgid);
        covered.is_some_and(|covered| covered.has(number))
    }

    /// Puts a call into the trace.
    fn log_call(&mut self, entry: &Entry, trapped: &Trapped, about: About, told: CallResult) {
        let call = (trapped.tid, entry.name);
        self.log.call(call, &trapped.args, about, told);
    }
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
        if !shared.lock().traced.contains_key(&tgid) && !tracer::is_any_thread_traced(tgid) {
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
fn run_in_thread(shared: &Arc<Shared>, waiting: Waiting, trapped: Trapped, job: Job) {
    if is_as_it_was(&job, &trapped) {
        waiting.let_through();
        return;
    }
    let (tid, tgid) = (trapped.tid, trapped.process().tgid());
    let job = match job.hand_over(|folder: OwnedFd| waiting.give(&folder, true)) {
        Ok(job) => job,
        Err(errno) => {
            let _ = waiting.reply(Err(errno));
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
    if let Err(errno) = result {
        shared.lock().warn(&format!(
            "process {tgid} cannot be traced ({errno}), which writing to flash, block nodes \
             and mapped working directories need; is a debugger or strace attached to it?"
        ));
        let _ = waiting.reply(Err(Errno::PERM));
        return;
    }
    waiting.restart();
}
