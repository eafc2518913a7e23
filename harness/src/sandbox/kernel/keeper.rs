//! The two processes between supervisor and program, and what happens in a new
//! process before the program starts.
//!
//! `Command::spawn` makes a process; in it, before exec, [`enter`] forks twice:
//!
//! ```text
//! supervisor ── keeper ── guard ── program ── …
//! ```
//!
//! The **keeper** is the caller's `Child`: it ends as the program ended. The
//! **guard** collects the program and every orphan it leaves (it is their
//! subreaper), and kills all that is left when the program ended, when the
//! keeper says so, or when keeper or supervisor are gone: it watches both
//! through pidfds, which nobody can keep open. Should the guard itself be
//! killed, the keeper is the next subreaper and does the same. So any of the
//! three, and supervisor and keeper together, can be killed at any moment, and no
//! process is left (the temporary folder is its janitor's, see `view::scratch`).
//! The program itself installs the filter, sends its listener over, and goes on to
//! exec.
//!
//! Invariant: between fork and exec only system calls on memory that was
//! prepared before: no allocation, no lock (other threads may have held one).

use crate::sandbox::kernel::handover::{
    STAGE_FILTER, STAGE_FORK, STAGE_LISTENING, STAGE_PRIVILEGES, STAGE_WATCH, send,
};
use crate::sandbox::kernel::killing::kill_rest;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// Everything the new process needs, prepared before the fork.
pub(in crate::sandbox) struct Prepared {
    /// The filter.
    pub program: Vec<libc::sock_filter>,
    /// The process of the supervisor.
    pub supervisor: libc::pid_t,
    /// Read end of a pipe: a byte asks to kill the program.
    pub orders: OwnedFd,
    /// Our end of the socket pair that takes the listener.
    pub socket: OwnedFd,
}

/// Turns this process into keeper, guard and program-to-be; returns in the last.
pub(in crate::sandbox) fn enter(prepared: &Prepared) -> io::Result<()> {
    // SAFETY: plain numbers and locals, and fork in a process that has one thread.
    unsafe {
        let supervisor = watch_parent(prepared, prepared.supervisor)?;
        let keeper = libc::getpid();
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &all, &mut before);
        match libc::fork() {
            -1 => return Err(fail(prepared, STAGE_FORK)),
            0 => {}
            guard => keep(prepared, supervisor, guard),
        }
        let parent = watch_parent(prepared, keeper)?;
        let guard = libc::getpid();
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        match libc::fork() {
            -1 => return Err(fail(prepared, STAGE_FORK)),
            0 => {}
            program => keep_guard(supervisor, parent, program),
        }
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        if libc::getppid() != guard {
            libc::_exit(127);
        }
        libc::sigprocmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
    }
    become_program(prepared)
}

fn become_program(prepared: &Prepared) -> io::Result<()> {
    // SAFETY: plain numbers, and a filter that outlives the call.
    unsafe {
        let program = libc::sock_fprog {
            len: prepared.program.len() as libc::c_ushort,
            filter: prepared.program.as_ptr().cast_mut(),
        };
        let mut listener = install(&program);
        // Only root may do so and start set-uid programs later on, as a device's root does.
        if listener == -1 && *libc::__errno_location() == libc::EACCES {
            if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
                return Err(fail(prepared, STAGE_PRIVILEGES));
            }
            listener = install(&program);
        }
        match listener {
            -1 => Err(fail(prepared, STAGE_FILTER)),
            listener => {
                send(prepared.socket.as_raw_fd(), STAGE_LISTENING, 0, listener)?;
                libc::close(listener);
                Ok(())
            }
        }
    }
}

/// A descriptor that becomes readable when the parent ends. Where it has ended
/// already, this process ends too.
fn watch_parent(prepared: &Prepared, parent: libc::pid_t) -> io::Result<RawFd> {
    // SAFETY: plain numbers.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, parent, 0) as RawFd;
        if fd < 0 && libc::getppid() == parent {
            return Err(fail(prepared, STAGE_WATCH));
        }
        // Only now is it sure that the descriptor is the parent's.
        if libc::getppid() != parent {
            libc::_exit(127);
        }
        Ok(fd)
    }
}

/// Installs the filter; answers the listener or -1.
///
/// # Safety
/// `program` points to valid instructions.
unsafe fn install(program: &libc::sock_fprog) -> RawFd {
    // No jail: the program needs no protection from itself, which older kernels
    // would slow it down for.
    let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    // A received call is then only interrupted by death (Linux 5.19): nothing
    // that the supervisor does for it can happen twice.
    for flags in [
        listener | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
        listener,
    ] {
        // SAFETY: the caller vouches for the program; the rest are numbers.
        let answer = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER as libc::c_long,
                flags as libc::c_long,
                program as *const libc::sock_fprog,
            )
        };
        if answer >= 0 {
            return answer as RawFd;
        }
    }
    -1
}

/// Reports the step that failed, and gives its error back.
fn fail(prepared: &Prepared, stage: u8) -> io::Error {
    let error = io::Error::last_os_error();
    let errno = error.raw_os_error().unwrap_or(0);
    let _ = send(prepared.socket.as_raw_fd(), stage, errno, -1);
    error
}

/// How long the keeper waits for the guard to kill what there is.
const GUARD_PATIENCE_MS: i32 = 700;

/// The keeper's life: it passes on to the guard what it is asked for, and does
/// the guard's work should that be gone.
///
/// # Safety
/// Only in a process with one thread, which this one ends; all signals blocked.
unsafe fn keep(prepared: &Prepared, supervisor: RawFd, guard: libc::pid_t) -> ! {
    let orders = prepared.orders.as_raw_fd();
    // SAFETY: system calls on locals and numbers.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, c"mtdkeep-keeper".as_ptr(), 0, 0, 0);
        // Without our copies the program's pipes end when the program does.
        close_all_but(&mut [supervisor, orders]);
        let signals = await_signals();
        let mut fds = [watch(signals), watch(supervisor), watch(orders)];
        let ended = loop {
            // Looked at before the first wait: the guard may have ended before.
            if let Some(status) = collect(guard) {
                break Some(status);
            }
            libc::poll(fds.as_mut_ptr(), 3, -1);
            if fds[1].revents | fds[2].revents != 0 {
                break end_of_guard(guard, signals);
            }
            drain(signals);
        };
        end_like(kill_rest(guard, ended))
    }
}

/// Asks the guard to kill everything, and waits for its end.
///
/// # Safety
/// As for [`keep`].
unsafe fn end_of_guard(guard: libc::pid_t, signals: RawFd) -> Option<i32> {
    // SAFETY: system calls on locals and numbers.
    unsafe {
        libc::kill(guard, libc::SIGTERM);
        // The program may have stopped its parent.
        libc::kill(guard, libc::SIGCONT);
        for _ in 0..GUARD_PATIENCE_MS / 10 {
            if let Some(status) = collect(guard) {
                return Some(status);
            }
            libc::poll(&mut watch(signals), 1, 10);
            drain(signals);
        }
    }
    None
}

/// The guard's life.
///
/// # Safety
/// As for [`keep`].
unsafe fn keep_guard(supervisor: RawFd, keeper: RawFd, program: libc::pid_t) -> ! {
    // SAFETY: system calls on locals and numbers.
    unsafe {
        // Not a name that `pkill mtdkeep` would find.
        libc::prctl(libc::PR_SET_NAME, c"sandbox-guard".as_ptr(), 0, 0, 0);
        close_all_but(&mut [supervisor, keeper]);
        let signals = await_signals();
        let mut fds = [watch(signals), watch(supervisor), watch(keeper)];
        let ended = loop {
            if let Some(status) = collect(program) {
                break Some(status);
            }
            libc::poll(fds.as_mut_ptr(), 3, -1);
            // SIGTERM is the keeper's wish to kill.
            if fds[1].revents | fds[2].revents != 0 || drain(signals) {
                break None;
            }
        };
        end_like(kill_rest(program, ended))
    }
}

fn watch(fd: RawFd) -> libc::pollfd {
    libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    }
}

/// A descriptor that tells of ended children and of SIGTERM, both of which are
/// blocked.
fn await_signals() -> RawFd {
    // SAFETY: system calls on locals and numbers.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGCHLD);
        libc::sigaddset(&mut set, libc::SIGTERM);
        libc::signalfd(-1, &set, libc::SFD_NONBLOCK)
    }
}

/// Takes what is in there; answers whether the parent's SIGTERM was among it.
fn drain(signals: RawFd) -> bool {
    let mut asked = false;
    // SAFETY: the kernel fills this plain structure.
    unsafe {
        let mut about: libc::signalfd_siginfo = std::mem::zeroed();
        let size = std::mem::size_of_val(&about);
        while libc::read(signals, (&raw mut about).cast(), size) > 0 {
            // The program's own signals to its parent are nothing to us.
            let by_keeper = about.ssi_pid == libc::getppid() as u32;
            asked |= by_keeper && about.ssi_signo == libc::SIGTERM as u32;
        }
    }
    asked
}

/// Closes every descriptor but these.
fn close_all_but(kept: &mut [RawFd]) {
    kept.sort_unstable();
    let mut first = 0;
    for &fd in kept.iter() {
        close_range(first, fd - 1);
        first = fd + 1;
    }
    close_range(first, RawFd::MAX);
}

fn close_range(first: RawFd, last: RawFd) {
    // SAFETY: nothing in this process uses those descriptors any more.
    unsafe {
        if first <= last && libc::syscall(libc::SYS_close_range, first, last, 0) != 0 {
            for fd in first..=last.min(65536) {
                libc::close(fd);
            }
        }
    }
}

/// Collects whoever ended; answers the status of `child` if it was among them.
fn collect(child: libc::pid_t) -> Option<i32> {
    let mut ended = None;
    let mut status = 0;
    // SAFETY: the status is a local.
    unsafe {
        loop {
            let pid = libc::waitpid(-1, &mut status, libc::WNOHANG | libc::__WALL);
            if pid <= 0 {
                return ended;
            }
            if pid == child {
                ended = Some(status);
            }
        }
    }
}

/// Ends this process as the program ended.
fn end_like(status: i32) -> ! {
    // SAFETY: system calls on locals and numbers.
    unsafe {
        if libc::WIFSIGNALED(status) {
            let signal = libc::WTERMSIG(status);
            // The program may have dumped core; once is enough.
            let none = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            libc::setrlimit(libc::RLIMIT_CORE, &none);
            libc::signal(signal, libc::SIG_DFL);
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::kill(libc::getpid(), signal);
            libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
            libc::_exit(128 + signal)
        }
        libc::_exit(libc::WEXITSTATUS(status))
    }
}
