//! The few requests of ptrace(2) that the tracer uses, and waiting for stops.

use crate::Errno;
use crate::sandbox::kernel::arch::Registers;
use crate::sandbox::kernel::sys;
use std::mem::{size_of, zeroed};

const NT_PRSTATUS: usize = 1;

/// What a traced thread did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Event {
    /// It ended, and waits for [`reap`].
    Gone,
    /// A call that the second filter stops.
    Call,
    /// The start or end of a call (PTRACE_SYSCALL).
    Syscall,
    /// It is about to get this signal.
    Signal(i32),
    /// A stop that is not a signal: of a new thread, or asked for.
    Stop,
    /// Stopped by a stopping signal, with all of its process.
    GroupStop,
    /// It made a process or thread of that id.
    New(u32),
    /// Something else that needs nothing.
    Other,
}

/// One request of ptrace(2).
///
/// # Safety
/// Where the request takes an address, it is that of what it reads or fills.
unsafe fn request(request: u32, tid: u32, address: usize, data: usize) -> Result<i64, Errno> {
    // SAFETY: the caller vouches for the addresses.
    let answer = unsafe { libc::ptrace(request as _, tid as libc::pid_t, address, data) };
    if answer == -1 {
        Err(sys::last_errno())
    } else {
        Ok(answer as i64)
    }
}

/// Follows everything that the process makes.
const FOLLOW: i32 = libc::PTRACE_O_TRACESYSGOOD
    | libc::PTRACE_O_TRACECLONE
    | libc::PTRACE_O_TRACEFORK
    | libc::PTRACE_O_TRACEVFORK
    | libc::PTRACE_O_TRACEEXEC
    | libc::PTRACE_O_TRACESECCOMP;

/// How a thread is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Attachment {
    /// It alone, for a moment.
    Alone,
    /// With what it makes; it goes on where the tracer ends.
    Watched,
    /// With what it makes; it is killed should the tracer end.
    Followed,
}

/// Attaches to a thread without stopping it.
pub(in crate::sandbox) fn seize(tid: u32, how: Attachment) -> Result<(), Errno> {
    let options = match how {
        Attachment::Alone => libc::PTRACE_O_TRACESYSGOOD,
        Attachment::Watched => FOLLOW,
        Attachment::Followed => FOLLOW | libc::PTRACE_O_EXITKILL,
    };
    // SAFETY: plain numbers.
    unsafe { request(libc::PTRACE_SEIZE, tid, 0, options as usize) }.map(drop)
}

/// Asks a thread to stop.
pub(in crate::sandbox) fn interrupt(tid: u32) -> Result<(), Errno> {
    // SAFETY: plain numbers.
    unsafe { request(libc::PTRACE_INTERRUPT, tid, 0, 0) }.map(drop)
}

/// Lets a thread go on, with a signal or 0.
pub(in crate::sandbox) fn go_on(tid: u32, signal: i32) {
    // SAFETY: plain numbers.
    let _ = unsafe { request(libc::PTRACE_CONT, tid, 0, signal as usize) };
}

/// Lets a thread run to the next start or end of a system call.
pub(in crate::sandbox) fn go_to_syscall(tid: u32) -> Result<(), Errno> {
    // SAFETY: plain numbers.
    unsafe { request(libc::PTRACE_SYSCALL, tid, 0, 0) }.map(drop)
}

/// Leaves a thread in its group stop.
pub(in crate::sandbox) fn listen(tid: u32) {
    // SAFETY: plain numbers.
    let _ = unsafe { request(libc::PTRACE_LISTEN, tid, 0, 0) };
}

/// Lets go of a stopped thread.
pub(in crate::sandbox) fn detach(tid: u32) {
    // SAFETY: plain numbers.
    let _ = unsafe { request(libc::PTRACE_DETACH, tid, 0, 0) };
}

/// The registers of a stopped thread.
pub(in crate::sandbox) fn registers(tid: u32) -> Result<Registers, Errno> {
    // SAFETY: all-zero is a valid value of this plain structure.
    let mut registers: Registers = unsafe { zeroed() };
    let mut area = libc::iovec {
        iov_base: std::ptr::from_mut(&mut registers).cast(),
        iov_len: size_of::<Registers>(),
    };
    let address = std::ptr::from_mut(&mut area) as usize;
    // SAFETY: the area is a local, and tells where and how long the registers are.
    unsafe { request(libc::PTRACE_GETREGSET, tid, NT_PRSTATUS, address) }?;
    Ok(registers)
}

/// Sets the registers of a stopped thread.
pub(in crate::sandbox) fn set_registers(tid: u32, registers: &Registers) -> Result<(), Errno> {
    let mut area = libc::iovec {
        iov_base: std::ptr::from_ref(registers).cast_mut().cast(),
        iov_len: size_of::<Registers>(),
    };
    let address = std::ptr::from_mut(&mut area) as usize;
    // SAFETY: the area is a local, and tells where and how long the registers are.
    unsafe { request(libc::PTRACE_SETREGSET, tid, NT_PRSTATUS, address) }.map(drop)
}

/// Makes a thread that is stopped at a call skip it and take this answer.
pub(in crate::sandbox) fn skip_call(
    tid: u32,
    registers: &mut Registers,
    value: i64,
) -> Result<(), Errno> {
    crate::sandbox::kernel::arch::set_skipped(registers, value);
    #[cfg(target_arch = "aarch64")]
    {
        const NT_ARM_SYSTEM_CALL: usize = 0x404;
        let mut number: i32 = -1;
        let mut area = libc::iovec {
            iov_base: std::ptr::from_mut(&mut number).cast(),
            iov_len: size_of::<i32>(),
        };
        let address = std::ptr::from_mut(&mut area) as usize;
        let set = libc::PTRACE_SETREGSET as u32;
        // SAFETY: the area is a local, and tells of a number of that length.
        unsafe { request(set, tid, NT_ARM_SYSTEM_CALL, address) }?;
    }
    set_registers(tid, registers)
}

/// Waits for one traced thread, or (0) for any of this thread's. One that ended
/// is only looked at: until it is reaped, its parent does not learn of it.
/// ECHILD: there is none.
pub(in crate::sandbox) fn wait(tid: u32) -> Result<(u32, Event), Errno> {
    const NO_OTHER_THREADS: i32 = 0x2000_0000; // __WNOTHREAD
    let which = if tid == 0 { libc::P_ALL } else { libc::P_PID };
    let flags = libc::WEXITED | libc::WSTOPPED | libc::__WALL | libc::WNOWAIT | NO_OTHER_THREADS;
    // SAFETY: all-zero is a valid value of this plain structure.
    let mut about: libc::siginfo_t = unsafe { zeroed() };
    loop {
        // SAFETY: the structure is ours.
        if unsafe { libc::waitid(which, tid, &mut about, flags) } == 0 {
            break;
        }
        match sys::last_errno() {
            Errno::INTR => {}
            errno => return Err(errno),
        }
    }
    // SAFETY: waitid filled the fields of a child's signal.
    let stopped = unsafe { about.si_pid() } as u32;
    if !matches!(about.si_code, libc::CLD_TRAPPED | libc::CLD_STOPPED) {
        return Ok((stopped, Event::Gone));
    }
    Ok((stopped, event(stopped, reap(stopped))))
}

/// Takes a thread's stop or end; answers the status.
pub(in crate::sandbox) fn reap(tid: u32) -> i32 {
    let mut status = 0;
    // SAFETY: the status is a local.
    unsafe {
        libc::waitpid(
            tid as libc::pid_t,
            &mut status,
            libc::__WALL | libc::WNOHANG,
        )
    };
    status
}

fn event(tid: u32, status: i32) -> Event {
    if !libc::WIFSTOPPED(status) {
        return Event::Gone;
    }
    let signal = libc::WSTOPSIG(status);
    match status >> 16 {
        0 if signal == libc::SIGTRAP | 0x80 => Event::Syscall,
        0 => Event::Signal(signal),
        libc::PTRACE_EVENT_SECCOMP => Event::Call,
        libc::PTRACE_EVENT_STOP => match signal {
            libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => Event::GroupStop,
            _ => Event::Stop,
        },
        libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
            let mut new: libc::c_ulong = 0;
            let address = std::ptr::from_mut(&mut new) as usize;
            // SAFETY: the kernel fills the number.
            match unsafe { request(libc::PTRACE_GETEVENTMSG, tid, 0, address) } {
                Ok(_) => Event::New(new as u32),
                Err(_) => Event::Other,
            }
        }
        _ => Event::Other,
    }
}
