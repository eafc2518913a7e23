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
use crate::sandbox::call::{Job, Level, Trapped};
use crate::sandbox::kernel::arch;
use crate::sandbox::kernel::process::Process;
use crate::sandbox::kernel::sys;
use crate::sandbox::supervisor::Shared;
use crate::sandbox::tracing::emulate;
use crate::sandbox::tracing::ptrace::{self, Event};
use std::sync::{Arc, mpsc};

/// Attaches to a process that nobody traces, and has `work` done in the thread
/// that waits for its answer. Answers as soon as the thread is sure to stop.
pub(in crate::sandbox) fn attach(
    shared: &Arc<Shared>,
    tgid: u32,
    work: Job<i32>,
    trapped: Trapped,
) -> Result<(), Errno> {
    let (tell, told) = mpsc::channel();
    let theirs = Arc::clone(shared);
    let thread = std::thread::Builder::new()
        .name("sandbox-tracer".into())
        .spawn(move || run(&theirs, tgid, work, trapped, &tell))
        .map_err(|_| Errno::AGAIN)?;
    let mut state = shared.lock();
    state.tracers.retain(|tracer| !tracer.is_finished());
    state.tracers.push(thread);
    drop(state);
    told.recv().unwrap_or(Err(Errno::AGAIN))
}

fn run(
    shared: &Arc<Shared>,
    tgid: u32,
    work: Job<i32>,
    trapped: Trapped,
    tell: &mpsc::Sender<Result<(), Errno>>,
) {
    let tid = trapped.tid;
    let stays = matches!(work, Job::Filter(_));
    let seized = if stays {
        seize_all(tgid)
    } else {
        ptrace::seize(tid, false)
    };
    let seized = seized.and_then(|()| ptrace::interrupt(tid));
    let failed = seized.is_err();
    if !failed {
        shared.lock().jobs.insert(tid, (work, trapped));
    }
    if tell.send(seized).is_err() || failed {
        // Without a tracer there is nothing to detach: the thread's end does it.
        return;
    }
    while let Ok((tid, event)) = ptrace::wait(0) {
        step(shared, tid, event, stays);
    }
}

/// Attaches to every thread of a process, also those that start meanwhile.
fn seize_all(tgid: u32) -> Result<(), Errno> {
    let mut seized = std::collections::HashSet::new();
    loop {
        let before = seized.len();
        let threads = std::fs::read_dir(format!("/proc/{tgid}/task")).map_err(|_| Errno::SRCH)?;
        for thread in threads.flatten() {
            let Some(tid) = thread.file_name().to_str().and_then(|id| id.parse().ok()) else {
                continue;
            };
            if seized.contains(&tid) {
                continue;
            }
            match ptrace::seize(tid, true) {
                Ok(()) => {}
                // It ended, or its maker was seized in time to bring it along.
                Err(Errno::SRCH) => {}
                Err(Errno::PERM) if is_ours(tid) => {}
                Err(errno) => return Err(errno),
            }
            seized.insert(tid);
        }
        if seized.len() == before {
            return Ok(());
        }
    }
}

fn is_ours(tid: u32) -> bool {
    let tracer = Process { tid }.status("TracerPid");
    tracer.and_then(|id| id.parse().ok()) == Some(sys::gettid())
}

fn step(shared: &Arc<Shared>, tid: u32, event: Event, stays: bool) {
    match event {
        Event::Call => emulate::call(shared, Process { tid }),
        Event::Stop => {
            if !work_in(shared, tid, stays) {
                ptrace::go_on(tid, 0);
            }
        }
        Event::Signal(libc::SIGSTOP) if shared.lock().jobs.contains_key(&tid) => {
            work_in(shared, tid, stays);
        }
        Event::Signal(signal) => ptrace::go_on(tid, signal),
        Event::GroupStop => ptrace::listen(tid),
        Event::New(new) => {
            let mut state = shared.lock();
            let parent = Process { tid }.tgid();
            if let Some(level) = state.traced.get(&parent).copied() {
                state.traced.insert(new, level);
            }
            drop(state);
            ptrace::go_on(tid, 0);
        }
        Event::Syscall => {
            // The end of a close: see `emulate`.
            shared.lock().handles.sweep();
            ptrace::go_on(tid, 0);
        }
        Event::Other => ptrace::go_on(tid, 0),
        Event::Gone => {
            let mut state = shared.lock();
            // Its descriptors are closed, and nobody knows yet that it ended.
            if state.handles.has_cached_writes() {
                state.handles.sweep();
            }
            ptrace::reap(tid);
            state.traced.remove(&tid);
            state.jobs.remove(&tid);
        }
    }
}

/// Does what is to be done in this stopped thread; false if there is nothing.
fn work_in(shared: &Arc<Shared>, tid: u32, stays: bool) -> bool {
    let Some((work, trapped)) = shared.lock().jobs.remove(&tid) else {
        return false;
    };
    let mut puppet = Puppet {
        tid,
        behind: trapped.behind,
        signals: Vec::new(),
    };
    let done = puppet.perform(shared, work, &trapped);
    if done.is_ok() {
        for signal in puppet.signals {
            let _ = sys::tgkill(trapped.process().tgid(), tid, signal);
        }
        if stays {
            ptrace::go_on(tid, 0);
        } else {
            ptrace::detach(tid);
        }
    }
    true
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
                match self.install(level)? {
                    Ok(()) => {
                        let tgid = trapped.process().tgid();
                        shared.lock().traced.insert(tgid, level);
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
            Job::Exec(path) => {
                let page = self.text(&path)?;
                let mut args = trapped.args;
                args[0] = page;
                arch::make_call(&mut after, self.behind, trapped.number, args);
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

    /// Memory of two pages, for arguments.
    fn page(&mut self) -> Result<u64, Errno> {
        let protection = (libc::PROT_READ | libc::PROT_WRITE) as u64;
        let flags = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as u64;
        let answer = self.call(
            libc::SYS_mmap,
            [0, PAGE_BYTES, protection, flags, u64::MAX, 0],
        )?;
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
