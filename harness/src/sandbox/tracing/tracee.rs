//! A stopped thread that makes system calls for us.

use crate::Errno;
use crate::sandbox::call::{Job, Level, Placed, Program, Trapped};
use crate::sandbox::covered::Covered;
use crate::sandbox::kernel::kernels::SUPERVISOR_COOKIE;
use crate::sandbox::kernel::process::{Process, c_string};
use crate::sandbox::kernel::ptrace::{self, Event};
use crate::sandbox::kernel::{arch, filter, sys};
use crate::sandbox::shared::Shared;
use crate::sandbox::tracing::coverage;

/// A stopped thread that makes system calls for us.
pub(in crate::sandbox) struct Tracee {
    tid: u32,
    /// Behind an instruction that enters the kernel.
    behind: u64,
    /// Signals that came meanwhile.
    signals: Vec<i32>,
}

impl Tracee {
    /// A stopped thread; `behind` is the address behind an instruction that enters
    /// the kernel.
    pub fn new(tid: u32, behind: u64) -> Self {
        Self {
            tid,
            behind,
            signals: Vec::new(),
        }
    }

    /// Sends it the signals that came while it worked for us.
    pub fn give_signals_back(self, tgid: u32) {
        for signal in self.signals {
            let _ = sys::tgkill(tgid, self.tid, signal);
        }
    }

    /// Does a job, and leaves the thread where it goes on with what that gave.
    pub fn perform(
        &mut self,
        shared: &Shared,
        work: Job<i32>,
        trapped: &Trapped,
    ) -> Result<(), Errno> {
        let saved = ptrace::registers(self.tid)?;
        let mut after = saved;
        match work {
            Job::Filter(level) => match self.filter(shared, trapped, level)? {
                Ok(()) => {
                    arch::make_call(&mut after, self.behind, trapped.number, trapped.args);
                }
                Err(errno) => {
                    let text = format!("a second filter could not be installed ({errno})");
                    shared.lock().warn(&text);
                    let answer = i64::from(-errno.raw_os_error());
                    arch::set_answer(&mut after, self.behind, answer);
                }
            },
            Job::Cover(number) => {
                self.cover(shared, trapped.process().tgid(), number)?;
                arch::set_answer(&mut after, self.behind, i64::from(number));
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
                self.call(libc::SYS_munmap, [page, SCRATCH_BYTES, 0, 0, 0, 0])?;
                arch::set_answer(&mut after, self.behind, answer);
            }
            Job::Marked => {
                let mut args = trapped.args;
                args[MARKED] = u64::from(SUPERVISOR_COOKIE);
                arch::make_call(&mut after, self.behind, trapped.number, args);
            }
            Job::Again(placed) => {
                let args = self.place(placed, trapped.args)?;
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
        let path = c_string(path);
        sys::memory_write(self.tid, page, path.as_bytes_with_nul())?;
        Ok(page)
    }

    /// Memory that holds a program's path and its list of arguments; their
    /// addresses.
    fn program(&mut self, program: &Program) -> Result<(u64, u64), Errno> {
        let texts: Vec<_> = [&program.path]
            .into_iter()
            .chain(&program.interpreter)
            .map(|text| c_string(text))
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

    /// The arguments of a call with other memory behind one of them.
    fn place(&mut self, mut placed: Placed, mut args: [u64; 6]) -> Result<[u64; 6], Errno> {
        let at = self.scratch(placed.bytes.len())?;
        if let Some(inner) = placed.inner {
            placed.bytes[..8].copy_from_slice(&(at + inner as u64).to_ne_bytes());
        }
        sys::memory_write(self.tid, at, &placed.bytes)?;
        args[placed.argument] = at;
        if let Some((index, length)) = placed.length {
            args[index] = length;
        }
        Ok(args)
    }

    /// Memory that stays while a call is made again: the thread's own two pages, which
    /// are found again by what is in front of them. Where they cannot be, others, which
    /// nobody takes away.
    fn scratch(&mut self, length: usize) -> Result<u64, Errno> {
        const MARK: &[u8; 16] = b"mtdkeep scratch\0";
        /// Below what a processor with the smallest address space has (39 bits).
        const START: u64 = 0x30_0000_0000;
        /// As many as there are thread ids (include/linux/threads.h).
        const THREADS: u64 = 1 << 22;
        let at = START + u64::from(self.tid) % THREADS * SCRATCH_BYTES;
        let mark_bytes = MARK.len() as u64;
        if length as u64 > SCRATCH_BYTES - mark_bytes {
            return self.memory(length as u64);
        }
        let mut found = [0; 16];
        let is_marked = sys::memory_read(self.tid, at, &mut found) == Ok(16) && found == *MARK;
        if !is_marked {
            let protection = (libc::PROT_READ | libc::PROT_WRITE) as u64;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
            let args = [at, SCRATCH_BYTES, protection, flags as u64, u64::MAX, 0];
            if self.call(libc::SYS_mmap, args)? != at as i64 {
                return self.memory(length as u64);
            }
            sys::memory_write(self.tid, at, MARK)?;
        }
        Ok(at + mark_bytes)
    }

    /// Memory for arguments.
    fn page(&mut self) -> Result<u64, Errno> {
        self.memory(SCRATCH_BYTES)
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

    /// Has the calls of a level stop, on the numbers that are flash now or in a
    /// moment.
    fn filter(
        &mut self,
        shared: &Shared,
        trapped: &Trapped,
        level: Level,
    ) -> Result<Result<(), Errno>, Errno> {
        let tgid = trapped.process().tgid();
        let mut state = shared.lock();
        // Another thread of the process may have seen to it meanwhile.
        if state.traced.get(&tgid).is_some_and(|known| *known >= level) {
            return Ok(Ok(()));
        }
        let mut covered = state.covered.get(&tgid).cloned().unwrap_or_default();
        drop(state);
        covered.add(coverage::lowest_free(Process { tid: self.tid }));
        let installed = self.install(level, &covered)?;
        if installed.is_ok() {
            state = shared.lock();
            let known = state.traced.entry(tgid).or_insert(level);
            *known = level.max(*known);
            state.covered.insert(tgid, covered);
        }
        Ok(installed)
    }

    /// Has the calls of the process's level stop on one more number.
    pub fn cover(&mut self, shared: &Shared, tgid: u32, number: i32) -> Result<(), Errno> {
        let state = shared.lock();
        let level = state.traced.get(&tgid).copied().unwrap_or(Level::Nothing);
        let mut covered = state.covered.get(&tgid).cloned().unwrap_or_default();
        drop(state);
        let before = covered.clone();
        covered.add(number);
        // What was covered before has a filter already.
        let more = covered.beyond(&before);
        if let Some(more) = more {
            if let Err(errno) = self.install(level, &more)? {
                let text = format!("a further filter could not be installed ({errno})");
                shared.lock().warn(&text);
                return Ok(());
            }
        }
        shared.lock().covered.insert(tgid, covered);
        Ok(())
    }

    /// Installs a further filter in all threads of the process.
    fn install(&mut self, level: Level, covered: &Covered) -> Result<Result<(), Errno>, Errno> {
        let program = filter::tracing(&coverage::stops(level), covered.numbers());
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
        let flags = libc::SECCOMP_FILTER_FLAG_TSYNC | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
        let cookie = u64::from(SUPERVISOR_COOKIE);
        let install = [mode, flags, page, 0, 0, cookie];
        let mut answer = self.call(libc::SYS_seccomp, install)?;
        if answer == -i64::from(libc::EACCES) {
            // Root's rights were given up, and are not to come back.
            let no_new = libc::PR_SET_NO_NEW_PRIVS as u64;
            self.call(libc::SYS_prctl, [no_new, 1, 0, 0, 0, 0])?;
            answer = self.call(libc::SYS_seccomp, install)?;
        }
        self.call(libc::SYS_munmap, [page, SCRATCH_BYTES, 0, 0, 0, 0])?;
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

/// Memory that a thread gets for arguments: two pages.
const SCRATCH_BYTES: u64 = 8192;

/// Which argument of a call carries the supervisor's mark.
pub(in crate::sandbox) const MARKED: usize = 5;
