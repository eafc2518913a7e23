//! Threads that trace the few processes which opened flash for writing.
//!
//! A filter cannot tell one descriptor from another, so it cannot stop writes
//! to flash alone. When a process first opens a node for writing, a tracer
//! thread attaches to it (PTRACE_SEIZE), and makes it install a second filter:
//! from then on its writes to the numbers that flash ever had ([`coverage`]), and
//! those of everything it starts, stop for the tracer, which looks at the
//! descriptor and emulates or lets pass. Nobody else pays for it.
//!
//! The same way a thread is made to do what the supervisor cannot do for it:
//! change its working directory, or execute a program that is really elsewhere.
//!
//! Invariants: one tracer thread per process tree; a traced tree dies with its
//! tracer (PTRACE_O_EXITKILL); a thread that is not traced cannot write to
//! flash, because the stand-in's memory is sealed against writes.
//! Tolerates: threads that die at any moment, signals that arrive in between.

use crate::Errno;
use crate::sandbox::call::{Job, Level, Trapped};
use crate::sandbox::calls::passing;
use crate::sandbox::kernel::arch;
use crate::sandbox::kernel::process::Process;
use crate::sandbox::kernel::ptrace::{self, Attachment, Event};
use crate::sandbox::kernel::sys;
use crate::sandbox::shared::Shared;
use crate::sandbox::tracing::tracee::{MARKED, Tracee};
use crate::sandbox::tracing::{coverage, emulate, interrupted};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, mpsc};

/// Attaches to a process that nobody traces, and has `work` done in the thread
/// that waits for its answer. Answers as soon as the thread is sure to stop.
pub(in crate::sandbox) fn attach(
    shared: &Arc<Shared>,
    tgid: u32,
    work: Job<i32>,
    trapped: Trapped,
) -> Result<(), Errno> {
    start(shared, tgid, Some((work, trapped)))
}

/// Watches the signals of a process that nobody traces.
pub(in crate::sandbox) fn watch(shared: &Arc<Shared>, tgid: u32) -> Result<(), Errno> {
    start(shared, tgid, None)
}

fn start(shared: &Arc<Shared>, tgid: u32, work: Option<(Job<i32>, Trapped)>) -> Result<(), Errno> {
    let (tell, told) = mpsc::channel();
    let theirs = Arc::clone(shared);
    let thread = std::thread::Builder::new()
        .name("sandbox-tracer".into())
        .spawn(move || run(&theirs, tgid, work, &tell))
        .map_err(|_| Errno::AGAIN)?;
    let mut state = shared.lock();
    state.tracers.retain(|tracer| !tracer.is_finished());
    state.tracers.push(thread);
    drop(state);
    told.recv().unwrap_or(Err(Errno::AGAIN))
}

/// One thread that traces: a process tree that opened flash for writing, or one
/// thread for as long as something is done in it.
struct Tracer<'a> {
    shared: &'a Shared,
    /// It traces on, and follows what the process makes.
    stays: bool,
    /// Threads that were seized, or whose maker told of them.
    known: HashSet<u32>,
    /// New threads that stopped before their maker's own stop told of them: they
    /// wait, because it is not known yet which of their calls stop.
    early: HashSet<u32>,
    /// New processes that are let go of at their first stop.
    leaving: HashSet<u32>,
    /// What the mark of a call took the place of, by thread.
    marked: HashMap<u32, u64>,
}

fn run(
    shared: &Arc<Shared>,
    tgid: u32,
    work: Option<(Job<i32>, Trapped)>,
    tell: &mpsc::Sender<Result<(), Errno>>,
) {
    let (stays, level) = match &work {
        None => (true, Level::Signals),
        Some((Job::Filter(_), _)) => (true, Level::Nothing),
        Some(_) => (false, Level::Nothing),
    };
    let seized = match &work {
        Some((_, trapped)) if !stays => {
            ptrace::seize(trapped.tid, Attachment::Alone).map(|()| HashSet::from([trapped.tid]))
        }
        Some(_) => seize_all(tgid, Attachment::Followed),
        None => seize_all(tgid, Attachment::Watched),
    };
    let seized = seized.and_then(|known| {
        if let Some((_, trapped)) = &work {
            ptrace::interrupt(trapped.tid)?;
        }
        Ok(known)
    });
    let known = match seized {
        Ok(known) => known,
        Err(errno) => {
            // Without a tracer there is nothing to detach: this thread's end does it.
            let _ = tell.send(Err(errno));
            return;
        }
    };
    let mut state = shared.lock();
    if let Some((work, trapped)) = work {
        state.jobs.insert(trapped.tid, (work, trapped));
    }
    if stays {
        // From here on other threads of the process find that it is traced, and
        // have their work done by this tracer.
        state.traced.insert(tgid, level);
    }
    drop(state);
    if tell.send(Ok(())).is_err() {
        return;
    }
    let mut tracer = Tracer {
        shared,
        stays,
        known,
        early: HashSet::new(),
        leaving: HashSet::new(),
        marked: HashMap::new(),
    };
    while let Ok((tid, event)) = ptrace::wait(0) {
        if event == Event::Signal(libc::SIGSTOP) && tracer.leaves(tgid) {
            // With the end of this thread the others are let go, too.
            ptrace::detach(tid);
            shared.lock().traced.remove(&tgid);
            return;
        }
        tracer.step(tid, event);
    }
}

/// Attaches to every thread of a process, also those that start meanwhile;
/// answers which they are.
fn seize_all(tgid: u32, how: Attachment) -> Result<HashSet<u32>, Errno> {
    let mut seized = HashSet::new();
    loop {
        let before = seized.len();
        let threads = std::fs::read_dir(format!("/proc/{tgid}/task")).map_err(|_| Errno::SRCH)?;
        for thread in threads.flatten() {
            let Some(tid) = thread.file_name().to_str().and_then(|id| id.parse().ok()) else {
                continue;
            };
            if !seized.contains(&tid) {
                seize_one(tid, how)?;
                seized.insert(tid);
            }
        }
        if seized.len() == before {
            return Ok(seized);
        }
    }
}

fn seize_one(tid: u32, how: Attachment) -> Result<(), Errno> {
    /// How long another thread of ours may take for what it does in there.
    const PATIENCE: u32 = 5000;
    for _ in 0..PATIENCE {
        match ptrace::seize(tid, how) {
            Ok(()) => return Ok(()),
            // It ended.
            Err(Errno::SRCH) => return Ok(()),
            Err(Errno::PERM) => match tracer_of(tid) {
                // Its maker was seized in time to bring it along.
                Some(tracer) if tracer == sys::gettid() => return Ok(()),
                // Something is just being done in it, or was until now.
                Some(tracer) if is_ours(tracer) => {}
                None => {}
                Some(_) => return Err(Errno::PERM),
            },
            Err(errno) => return Err(errno),
        }
        std::thread::sleep(std::time::Duration::from_micros(200));
    }
    Err(Errno::PERM)
}

/// The thread that traces this one.
fn tracer_of(tid: u32) -> Option<u32> {
    let tracer = Process { tid }.status("TracerPid");
    tracer.and_then(|id| id.parse().ok()).filter(|id| *id != 0)
}

/// Whether the kernel has any thread of a process traced by a thread of ours; what we
/// know ourselves is `State::traced`.
pub(in crate::sandbox) fn is_any_thread_traced(tgid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{tgid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let mut ids = threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok());
    ids.any(|tid| tracer_of(tid).is_some_and(is_ours))
}

/// Whether this is a thread of our own process.
fn is_ours(tid: u32) -> bool {
    std::path::Path::new(&format!("/proc/self/task/{tid}")).exists()
}

impl Tracer<'_> {
    fn step(&mut self, tid: u32, event: Event) {
        match event {
            Event::Gone => self.gone(tid),
            _ if !self.known.contains(&tid) => {
                self.early.insert(tid);
            }
            Event::Call => emulate::call(self.shared, Process { tid }),
            Event::Stop if self.leaving.remove(&tid) => self.let_go(tid),
            Event::Stop => self.stopped(tid),
            Event::Signal(libc::SIGSTOP) if self.shared.lock().jobs.contains_key(&tid) => {
                self.work_in(tid);
            }
            Event::Signal(signal) => {
                interrupted::restart(tid);
                ptrace::go_on(tid, signal);
            }
            Event::GroupStop => ptrace::listen(tid),
            Event::New(new) => {
                self.announced(new, Process { tid }.tgid());
                ptrace::go_on(tid, 0);
            }
            Event::Syscall => self.call_ended(tid),
            Event::Other => ptrace::go_on(tid, 0),
        }
    }

    /// Whether the process is to be watched no longer.
    fn leaves(&self, tgid: u32) -> bool {
        let mut state = self.shared.lock();
        let asked = state.left_alone.remove(&tgid);
        asked && state.traced.get(&tgid) == Some(&Level::Signals)
    }

    fn stopped(&mut self, tid: u32) {
        if !self.work_in(tid) {
            ptrace::go_on(tid, 0);
        }
    }

    /// A thread of process `parent` made this one: the same calls stop in it.
    fn announced(&mut self, new: u32, parent: u32) {
        self.known.insert(new);
        let mut state = self.shared.lock();
        let level = state.traced.get(&parent).copied();
        if level == Some(Level::Signals) && (Process { tid: new }).tgid() == new {
            // What is watched in its parent does not come over it.
            drop(state);
            if self.early.remove(&new) {
                self.let_go(new);
            } else {
                self.leaving.insert(new);
            }
            return;
        }
        if let Some(covered) = state.covered.get(&parent).cloned() {
            state.covered.insert(new, covered);
        }
        if let Some(level) = level {
            let known = state.traced.entry(new).or_insert(level);
            *known = level.max(*known);
        }
        drop(state);
        if self.early.remove(&new) {
            self.stopped(new);
        }
    }

    /// The end of a call at whose start `emulate` let the thread go on to it: a
    /// close, or one that may have given flash a further number.
    fn call_ended(&mut self, tid: u32) {
        let process = Process { tid };
        if let Some(argument) = self.marked.remove(&tid) {
            // The program may have had something else there.
            if let Ok(mut registers) = ptrace::registers(tid) {
                arch::set_argument(&mut registers, MARKED, argument);
                let _ = ptrace::set_registers(tid, &registers);
            }
        }
        let mut state = self.shared.lock();
        state.handles.sweep();
        let new = ptrace::registers(tid).map_or_else(
            |_| Vec::new(),
            |registers| coverage::new_numbers(&mut state, process, &registers),
        );
        drop(state);
        if new.is_empty() {
            return ptrace::go_on(tid, 0);
        }
        let covered = ptrace::registers(tid).and_then(|before| {
            let mut tracee = Tracee::new(tid, arch::behind(&before));
            for number in new {
                tracee.cover(self.shared, process.tgid(), number)?;
            }
            ptrace::set_registers(tid, &before)?;
            tracee.give_signals_back(process.tgid());
            Ok(())
        });
        match covered {
            Err(Errno::SRCH) => self.gone(tid),
            _ => ptrace::go_on(tid, 0),
        }
    }

    /// Has the other threads that wait for a message make their call again: what they are
    /// handed may be flash, and calls on it stop from now on.
    fn wake_receivers(&self, tid: u32) {
        let receiving = self.shared.lock().receiving.clone();
        let others = receiving
            .iter()
            .filter(|it| **it != tid && self.known.contains(it));
        for other in others.filter(|it| passing::waits_for_messages(**it)) {
            let _ = ptrace::interrupt(*other);
        }
    }

    fn let_go(&mut self, tid: u32) {
        self.known.remove(&tid);
        ptrace::detach(tid);
    }

    fn gone(&mut self, tid: u32) {
        let mut state = self.shared.lock();
        // Its descriptors are closed, and nobody knows yet that it ended.
        if state.handles.has_cached_writes() {
            state.handles.sweep();
        }
        ptrace::reap(tid);
        state.traced.remove(&tid);
        state.covered.remove(&tid);
        state.jobs.remove(&tid);
        drop(state);
        self.known.remove(&tid);
        self.early.remove(&tid);
        self.leaving.remove(&tid);
        self.marked.remove(&tid);
        // Perhaps it was killed before it could tell of a child. Whether that
        // child has a filter is then not known: another one does no harm.
        for new in std::mem::take(&mut self.early) {
            self.known.insert(new);
            let tgid = Process { tid: new }.tgid();
            let mut state = self.shared.lock();
            state.traced.entry(tgid).or_insert(Level::Nothing);
            drop(state);
            self.stopped(new);
        }
    }

    /// Does what is to be done in this stopped thread; false if there is nothing.
    fn work_in(&mut self, tid: u32) -> bool {
        let Some((work, trapped)) = self.shared.lock().jobs.remove(&tid) else {
            return false;
        };
        if let Job::Marked = work {
            self.marked.insert(tid, trapped.args[MARKED]);
        }
        let covers = matches!(work, Job::Filter(_));
        let mut tracee = Tracee::new(tid, trapped.behind);
        match tracee.perform(self.shared, work, &trapped) {
            Ok(()) => {
                if covers {
                    self.wake_receivers(tid);
                }
                tracee.give_signals_back(trapped.process().tgid());
                if self.stays {
                    ptrace::go_on(tid, 0);
                } else {
                    ptrace::detach(tid);
                }
            }
            // It ended on the way: see `Tracee::run_to_syscall`.
            Err(Errno::SRCH) => self.gone(tid),
            Err(errno) => {
                if let Ok(mut registers) = ptrace::registers(tid) {
                    let answer = i64::from(-errno.raw_os_error());
                    arch::set_answer(&mut registers, trapped.behind, answer);
                    let _ = ptrace::set_registers(tid, &registers);
                }
                match self.stays {
                    true => ptrace::go_on(tid, 0),
                    false => ptrace::detach(tid),
                }
            }
        }
        true
    }
}
