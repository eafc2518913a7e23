//! The process between supervisor and program, and what happens in a new
//! process before the program starts.
//!
//! `Command::spawn` makes a process; in it, before exec, [`enter`] forks once
//! more. The first process stays as the **keeper**: it collects the program and
//! every orphan it leaves (it is their subreaper), ends as the program ended, so
//! that the caller's `Child` tells the program's status, and kills all that is
//! left then. It does the same when the supervisor is gone: the pipe that only
//! the supervisor holds tells it. The second process installs the filter, sends
//! its listener over, and becomes the program.
//!
//! Invariant: between fork and exec only system calls on memory that was
//! prepared before: no allocation, no lock (other threads may have held one).
//! Tolerates: a supervisor or a program that is killed at any moment.

use crate::Errno;
use crate::sandbox::kernel::sys;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// Everything the new process needs, prepared before the fork.
pub(in crate::sandbox) struct Prepared {
    /// The filter.
    pub program: Vec<libc::sock_filter>,
    /// Read end of the pipe whose write end only the supervisor has.
    pub alive: OwnedFd,
    /// Our end of the socket pair that takes the listener.
    pub socket: OwnedFd,
    /// Removed by the keeper where the supervisor no longer can.
    pub folder: CString,
}

/// What the new process reports over its socket, together with the listener.
pub(in crate::sandbox) const STAGE_LISTENING: u8 = 0;
/// PR_SET_NO_NEW_PRIVS failed.
pub(in crate::sandbox) const STAGE_PRIVILEGES: u8 = 1;
/// seccomp(2) failed.
pub(in crate::sandbox) const STAGE_FILTER: u8 = 2;
/// fork(2) failed.
pub(in crate::sandbox) const STAGE_FORK: u8 = 3;

/// Turns this process into keeper and program-to-be; returns in the latter.
pub(in crate::sandbox) fn enter(prepared: &Prepared) -> io::Result<()> {
    // SAFETY: plain numbers, and fork in a process that has one thread.
    unsafe {
        let keeper = libc::getpid();
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        match libc::fork() {
            -1 => return Err(fail(prepared, STAGE_FORK)),
            0 => {}
            child => keep(prepared, child),
        }
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
        if libc::getppid() != keeper {
            libc::_exit(127);
        }
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 {
            return Err(fail(prepared, STAGE_PRIVILEGES));
        }
        let program = libc::sock_fprog {
            len: prepared.program.len() as libc::c_ushort,
            filter: prepared.program.as_ptr().cast_mut(),
        };
        match install(&program) {
            -1 => Err(fail(prepared, STAGE_FILTER)),
            listener => {
                send(prepared.socket.as_raw_fd(), STAGE_LISTENING, 0, listener)?;
                libc::close(listener);
                Ok(())
            }
        }
    }
}

/// Installs the filter; answers the listener or -1.
///
/// # Safety
/// `program` points to valid instructions.
unsafe fn install(program: &libc::sock_fprog) -> RawFd {
    let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
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

const CONTROL_BYTES: usize = 32;

/// A message buffer for one descriptor, aligned for its header.
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// Sends stage, error number and, if not negative, a descriptor.
fn send(socket: RawFd, stage: u8, errno: i32, fd: RawFd) -> io::Result<()> {
    let mut bytes = [0u8; 5];
    bytes[0] = stage;
    bytes[1..].copy_from_slice(&errno.to_ne_bytes());
    let mut control = Control([0; CONTROL_BYTES]);
    let mut data = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: all-zero is a valid value; every pointer set below is to a local
    // that outlives the call; `control` has room for one descriptor.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut data;
        message.msg_iovlen = 1;
        if fd >= 0 {
            message.msg_control = control.0.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(4) as _;
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(4) as _;
            libc::CMSG_DATA(header).cast::<RawFd>().write_unaligned(fd);
        }
        if libc::sendmsg(socket, &message, libc::MSG_NOSIGNAL) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Waits for what the new process sends. None: it ended without a word.
pub(in crate::sandbox) fn receive(
    socket: &OwnedFd,
) -> Result<Option<(u8, i32, Option<OwnedFd>)>, Errno> {
    use std::os::fd::FromRawFd;
    let mut bytes = [0u8; 5];
    let mut control = Control([0; CONTROL_BYTES]);
    let mut data = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: as in `send`; a received descriptor is ours alone.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut data;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = CONTROL_BYTES as _;
        let count = libc::recvmsg(socket.as_raw_fd(), &mut message, libc::MSG_CMSG_CLOEXEC);
        if count < 0 {
            return Err(sys::last_errno());
        }
        if count < 5 {
            return Ok(None);
        }
        let header = libc::CMSG_FIRSTHDR(&message);
        let fd = (!header.is_null() && (*header).cmsg_type == libc::SCM_RIGHTS).then(|| {
            OwnedFd::from_raw_fd(libc::CMSG_DATA(header).cast::<RawFd>().read_unaligned())
        });
        let errno = i32::from_ne_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
        Ok(Some((bytes[0], errno, fd)))
    }
}

/// The keeper's life.
///
/// # Safety
/// Only in a process with one thread, which this one ends.
unsafe fn keep(prepared: &Prepared, program: libc::pid_t) -> ! {
    // SAFETY: system calls on locals and numbers.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        libc::sigprocmask(libc::SIG_SETMASK, &all, std::ptr::null_mut());
        libc::prctl(libc::PR_SET_NAME, c"mtdkeep-keeper".as_ptr(), 0, 0, 0);
        // Without our copies the program's pipes end when the program does.
        let alive = 3;
        libc::dup2(prepared.alive.as_raw_fd(), alive);
        close_from(alive + 1);
        for fd in 0..3 {
            libc::close(fd);
        }
        let mut child: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut child);
        libc::sigaddset(&mut child, libc::SIGCHLD);
        let signals = libc::signalfd(-1, &child, libc::SFD_NONBLOCK);
        let mut fds = [watch(alive), watch(signals)];
        let mut ended = None;
        // Looked at once before the first wait: the program may have ended
        // before its signal was blocked.
        loop {
            ended = collect(program).or(ended);
            if ended.is_some() {
                break;
            }
            libc::poll(fds.as_mut_ptr(), 2, -1);
            if fds[0].revents != 0 {
                break;
            }
            let mut drained = [0u8; 1024];
            while libc::read(signals, drained.as_mut_ptr().cast(), drained.len()) > 0 {}
        }
        let status = kill_rest(program, ended);
        // A traced program dies with its supervisor, a little before that is
        // really gone.
        let killed = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGKILL;
        if is_supervisor_gone(alive, if killed { 300 } else { 0 }) {
            let rm = c"/bin/rm".as_ptr();
            let args = [
                rm,
                c"-rf".as_ptr(),
                c"--".as_ptr(),
                prepared.folder.as_ptr(),
                std::ptr::null(),
            ];
            libc::execv(rm, args.as_ptr());
        }
        end_like(status)
    }
}

/// Whether the pipe ended; a byte in it is only the wish to kill.
fn is_supervisor_gone(alive: RawFd, patience_ms: i32) -> bool {
    let mut fds = [watch(alive)];
    let mut byte = 0u8;
    // SAFETY: the array and the byte are locals.
    unsafe {
        libc::poll(fds.as_mut_ptr(), 1, patience_ms);
        while fds[0].revents != 0 {
            if libc::read(alive, (&raw mut byte).cast(), 1) <= 0 {
                return true;
            }
            libc::poll(fds.as_mut_ptr(), 1, 0);
        }
    }
    false
}

fn watch(fd: RawFd) -> libc::pollfd {
    libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    }
}

/// Closes every descriptor from `first` on.
fn close_from(first: RawFd) {
    // SAFETY: nothing in this process uses those descriptors any more.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) != 0 {
            for fd in first..65536 {
                libc::close(fd);
            }
        }
    }
}

/// Collects whoever ended; answers the program's status if it was among them.
fn collect(program: libc::pid_t) -> Option<i32> {
    let mut ended = None;
    let mut status = 0;
    // SAFETY: the status is a local.
    unsafe {
        loop {
            let pid = libc::waitpid(-1, &mut status, libc::WNOHANG | libc::__WALL);
            if pid <= 0 {
                return ended;
            }
            if pid == program {
                ended = Some(status);
            }
        }
    }
}

/// Kills every descendant, generation by generation: each orphan becomes a
/// child of this subreaper. Answers the program's status.
fn kill_rest(program: libc::pid_t, ended: Option<i32>) -> i32 {
    let mut answer = ended.unwrap_or(libc::SIGKILL);
    // SAFETY: system calls on locals and numbers.
    unsafe {
        loop {
            let mut status = 0;
            let pid = libc::waitpid(-1, &mut status, libc::WNOHANG | libc::__WALL);
            if pid < 0 {
                return answer;
            }
            if pid == program {
                answer = status;
            }
            if pid == 0 {
                kill_children();
                libc::poll(std::ptr::null_mut(), 0, 1);
            }
        }
    }
}

/// Sends SIGKILL to every process whose parent this is.
fn kill_children() {
    let mut buf = [0u8; 8192];
    // SAFETY: system calls on locals and numbers.
    unsafe {
        let me = libc::getpid();
        let proc = libc::open(c"/proc".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY);
        if proc < 0 {
            return;
        }
        loop {
            let count = libc::syscall(libc::SYS_getdents64, proc, buf.as_mut_ptr(), buf.len());
            if count <= 0 {
                break;
            }
            let mut at = 0;
            while at + 19 < count as usize {
                let length = u16::from_ne_bytes([buf[at + 16], buf[at + 17]]) as usize;
                if let Some(pid) = number(&buf[at + 19..at + length]) {
                    if parent_of(proc, &buf[at + 19..at + length]) == Some(me) {
                        libc::kill(pid, libc::SIGKILL);
                    }
                }
                at += length;
            }
        }
        libc::close(proc);
    }
}

/// Reads the decimal number that starts these bytes, if anything does.
fn number(bytes: &[u8]) -> Option<i32> {
    let mut value = None;
    for byte in bytes.iter().take_while(|byte| byte.is_ascii_digit()) {
        value = Some(value.unwrap_or(0) * 10 + i32::from(byte - b'0'));
    }
    value
}

/// The parent in /proc/PID/stat: the second field behind the name in brackets.
fn parent_of(proc: RawFd, name: &[u8]) -> Option<i32> {
    let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut path = [0u8; 32];
    path[..digits].copy_from_slice(&name[..digits]);
    path[digits..digits + 5].copy_from_slice(b"/stat");
    let mut text = [0u8; 512];
    // SAFETY: the path ends in a zero byte; the buffer is a local.
    let count = unsafe {
        let fd = libc::openat(proc, path.as_ptr().cast(), libc::O_RDONLY);
        let count = libc::read(fd, text.as_mut_ptr().cast(), text.len());
        libc::close(fd);
        usize::try_from(count).ok()?
    };
    let text = &text[..count];
    let name_end = text.iter().rposition(|&byte| byte == b')')?;
    number(text.get(name_end + 4..)?)
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
