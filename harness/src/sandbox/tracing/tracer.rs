//! Threads that trace the few processes which opened flash for writing.
//!
//! A filter cannot tell one descriptor from another, so it cannot stop writes
//! to flash alone. When a process first opens a node for writing, a tracer
//! thread attaches to it (PTRACE_SEIZE), and makes it install a second filter:
//! from then on its writes, and those of everything it starts, stop for the
//! tracer, which looks at the descriptor and emulates or lets pass. Nobody else
//! pays for it.
//!
//! The same way a thread is made to do what the supervisor cannot do for it:
//! change its working directory, or execute a program that is really elsewhere.
//!
//! Invariants: one tracer thread per process tree; a traced tree dies with its
//! tracer (PTRACE_O_EXITKILL); a thread that is not traced cannot write to
//! flash, because the stand-in's memory is sealed against writes.
//! Tolerates: threads that die at any moment, signals that arrive in between.

use crate::Errno;
use crate::sandbox::call::{Job, Level, Program, Trapped};
use crate::sandbox::kernel::arch;
use crate::sandbox::kernel::process::Process;
use crate::sandbox::kernel::sys;
use crate::sandbox::supervisor::Shared;
use crate::sandbox::tracing::ptrace::{self, Event};
use crate::sandbox::tracing::{emulate, interrupted};
use std::collections::HashSet;
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
            ptrace::seize(trapped.tid, false).map(|()| HashSet::from([trapped.tid]))
        }
        _ => seize_all(tgid),
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
    };
    while let Ok((tid, event)) = ptrace::wait(0) {
        tracer.step(tid, event);
    }
}

/// Attaches to every thread of a process, also those that start meanwhile;
/// answers which they are.
fn seize_all(tgid: u32) -> Result<HashSet<u32>, Errno> {
    let mut seized = HashSet::new();
    loop {
        let before = seized.len();
        let threads = std::fs::read_dir(format!("/proc/{tgid}/task")).map_err(|_| Errno::SRCH)?;
        for thread in threads.flatten() {
            let Some(tid) = thread.file_name().to_str().and_then(|id| id.parse().ok()) else {
                continue;
            };
            if !seized.contains(&tid) {
                seize_one(tid)?;
                seized.insert(tid);
            }
        }
        if seized.len() == before {
            return Ok(seized);
        }
    }
}

fn seize_one(tid: u32) -> Result<(), Errno> {
    /// How long another thread of ours may take for what it does in there.
    const PATIENCE: u32 = 5000;
    for _ in 0..PATIENCE {
        match ptrace::seize(tid, true) {
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
            Event::Syscall => {
                // The end of a close: see `emulate`.
                self.shared.lock().handles.sweep();
                ptrace::go_on(tid, 0);
            }
            Event::Other => ptrace::go_on(tid, 0),
        }
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
        if let Some(level) = level {
            let known = state.traced.entry(new).or_insert(level);
            *known = level.max(*known);
        }
        drop(state);
        if self.early.remove(&new) {
            self.stopped(new);
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
        state.jobs.remove(&tid);
        drop(state);
        self.known.remove(&tid);
        self.early.remove(&tid);
        self.leaving.remove(&tid);
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
        let mut puppet = Puppet {
            tid,
            behind: trapped.behind,
            signals: Vec::new(),
        };
        match puppet.perform(self.shared, work, &trapped) {
            Ok(()) => {
                for signal in puppet.signals {
                    let _ = sys::tgkill(trapped.process().tgid(), tid, signal);
                }
                if self.stays {
                    ptrace::go_on(tid, 0);
                } else {
                    ptrace::detach(tid);
                }
            }
            // It ended on the way: see `Puppet::run_to_syscall`.
            Err(Errno::SRCH) => self.gone(tid),
            Err(errno) => {
                if let Ok(mut registers) = ptrace::registers(tid) {
                    let answer = i64::from(-errno.raw_os_error());
                    arch::set_answer(&mut registers, trapped.behind, answer);
                    let _ = ptrace::set_registers(tid, &registers);
                }
                ptrace::go_on(tid, 0);
            }
        }
        true
    }
}

/// A stopped thread that makes system calls for us.
struct Puppet {
    tid: u32,
    /// Behind an instruction that enters the kernel.
    behind: u64,
    /// Signals that came meanwhile.
    signals: Vec<i32>,
}

impl Puppet {
    fn perform(&mut self, shared: &Shared, work: Job<i32>, trapped: &Trapped) -> Result<(), Errno> {
        let saved = ptrace::registers(self.tid)?;
        let mut after = saved;
        match work {
            Job::Filter(level) => {
                let tgid = trapped.process().tgid();
                // Another thread of the process may have seen to it meanwhile.
                let known = shared.lock().traced.get(&tgid).copied();
                let installed = match known {
                    Some(known) if known >= level => Ok(()),
                    _ => self.install(level)?,
                };
                match installed {
                    Ok(()) => {
                        let mut state = shared.lock();
                        let known = state.traced.entry(tgid).or_insert(level);
                        *known = level.max(*known);
                        drop(state);
                        arch::make_call(&mut after, self.behind, trapped.number, trapped.args);
                    }
                    Err(errno) => {
                        let text = format!("a second filter could not be installed ({errno})");
                        shared.lock().warn(&text);
                        let answer = i64::from(-errno.raw_os_error());
                        arch::set_answer(&mut after, self.behind, answer);
                    }
                };
            }
            Job::Chdir(folder) => {
                let folder = folder as u64;
                let answer = self.call(libc::SYS_fchdir, [folder, 0, 0, 0, 0, 0])?;
                self.call(libc::SYS_close, [folder, 0, 0, 0, 0, 0])?;
                arch::set_answer(&mut after, self.behind, answer);
            }
            Job::OpenPath { path, flags } => {
                let page = self.text(&path)?;
                let here = libc::AT_FDCWD as u64;
                let args = [here, page, flags as u64, 0, 0, 0];
                let answer = self.call(libc::SYS_openat, args)?;
                self.call(libc::SYS_munmap, [page, PAGE_BYTES, 0, 0, 0, 0])?;
                arch::set_answer(&mut after, self.behind, answer);
            }
            Job::Again { path, argument } => {
                let page = self.text(&path)?;
                let mut args = trapped.args;
                args[argument] = page;
                arch::make_call(&mut after, self.behind, trapped.number, args);
            }
            Job::Exec(program) => {
                let (path, arguments) = self.program(&program)?;
                let args = [path, arguments, program.environment, 0, 0, 0];
                arch::make_call(&mut after, self.behind, libc::SYS_execve, args);
            }
        }
        ptrace::set_registers(self.tid, &after)
    }

    /// Memory that holds this path.
    fn text(&mut self, path: &[u8]) -> Result<u64, Errno> {
        let page = self.page()?;
        let path = crate::sandbox::kernel::process::c_string(path);
        sys::memory_write(self.tid, page, path.as_bytes_with_nul())?;
        Ok(page)
    }

    /// Memory that holds a program's path and its list of arguments; their
    /// addresses.
    fn program(&mut self, program: &Program) -> Result<(u64, u64), Errno> {
        let texts: Vec<_> = [&program.path]
            .into_iter()
            .chain(&program.interpreter)
            .map(|text| crate::sandbox::kernel::process::c_string(text))
            .collect();
        let text_bytes: usize = texts
            .iter()
            .map(|text| text.as_bytes_with_nul().len())
            .sum();
        let list_bytes = 8 * (texts.len() + program.rest.len());
        let page = self.memory((text_bytes + list_bytes) as u64)?;
        let (mut list, mut bytes) = (Vec::new(), Vec::new());
        for text in &texts {
            list.push(page + (list_bytes + bytes.len()) as u64);
            bytes.extend_from_slice(text.as_bytes_with_nul());
        }
        let path = list.remove(0);
        list.extend(&program.rest);
        list.push(0);
        let list: Vec<u8> = list.into_iter().flat_map(u64::to_ne_bytes).collect();
        sys::memory_write(self.tid, page, &[list, bytes].concat())?;
        Ok(match program.interpreter.is_empty() {
            true => (path, program.arguments),
            false => (path, page),
        })
    }

    /// Memory of two pages, for arguments.
    fn page(&mut self) -> Result<u64, Errno> {
        self.memory(PAGE_BYTES)
    }

    fn memory(&mut self, length: u64) -> Result<u64, Errno> {
        let protection = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let answer = self.call(libc::SYS_mmap, [0, length, protection, flags, u64::MAX, 0])?;
        // The kernel answers errors as small negative numbers.
        if (-4095..0).contains(&answer) {
            return Err(Errno::NOMEM);
        }
        Ok(answer as u64)
    }

    /// Installs the second filter in all threads of the process.
    fn install(&mut self, level: Level) -> Result<Result<(), Errno>, Errno> {
        let program = crate::sandbox::kernel::filter::tracing(emulate::numbers(level));
        let page = self.page()?;
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&(program.len() as u64).to_ne_bytes());
        bytes.extend_from_slice(&(page + 16).to_ne_bytes());
        for op in &program {
            bytes.extend_from_slice(&op.code.to_ne_bytes());
            bytes.extend_from_slice(&[op.jt, op.jf]);
            bytes.extend_from_slice(&op.k.to_ne_bytes());
        }
        sys::memory_write(self.tid, page, &bytes)?;
        let mode = u64::from(libc::SECCOMP_SET_MODE_FILTER);
        let flags = libc::SECCOMP_FILTER_FLAG_TSYNC;
        let cookie = u64::from(crate::sandbox::kernel::kernels::SUPERVISOR_COOKIE);
        let answer = self.call(libc::SYS_seccomp, [mode, flags, page, 0, 0, cookie])?;
        self.call(libc::SYS_munmap, [page, PAGE_BYTES, 0, 0, 0, 0])?;
        Ok(match answer {
            0 => Ok(()),
            errno if errno < 0 => Err(Errno::from_raw_os_error(-errno as i32)),
            _ => Err(Errno::BUSY),
        })
    }

    /// Makes the thread make one system call; answers as the kernel does.
    fn call(&mut self, number: libc::c_long, args: [u64; 6]) -> Result<i64, Errno> {
        let mut registers = ptrace::registers(self.tid)?;
        arch::make_call(&mut registers, self.behind, number, args);
        ptrace::set_registers(self.tid, &registers)?;
        self.run_to_syscall()?;
        self.run_to_syscall()?;
        Ok(arch::answer(&ptrace::registers(self.tid)?))
    }

    fn run_to_syscall(&mut self) -> Result<(), Errno> {
        loop {
            ptrace::go_to_syscall(self.tid)?;
            match ptrace::wait(self.tid)?.1 {
                Event::Syscall => return Ok(()),
                Event::Gone => {
                    ptrace::reap(self.tid);
                    return Err(Errno::SRCH);
                }
                Event::Signal(signal) => self.signals.push(signal),
                _ => {}
            }
        }
    }
}

const PAGE_BYTES: u64 = 8192;
