//! Ctrl-C, SIGTERM and SIGHUP: the first asks to stop, the second stops at once.
//! In the end the program dies of the signal itself, so that whoever started it
//! sees that: a shell's loop ends. One that was ignored from the start stays so.

use crate::cli::error::CliError;
use crate::cli::exit::{ASKED_BY, Exit};
use libc::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ, c_int};
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set when the user asks to stop.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Whether something is being done that no signal may end in its middle.
static PATIENT: AtomicBool = AtomicBool::new(false);

/// As long as this is held, a second signal does not stop the program at once, and a
/// lost terminal does not stop it at all.
pub(crate) struct Patience(());

/// Begins to be patient: what is being done hears of a wish to stop where it may.
pub(crate) fn patient() -> Patience {
    PATIENT.store(true, Ordering::Relaxed);
    Patience(())
}

impl Drop for Patience {
    fn drop(&mut self) {
        PATIENT.store(false, Ordering::Relaxed);
    }
}

/// A flag that is set when the user asks to stop.
pub(crate) fn interrupt_flag() -> Result<&'static AtomicBool, CliError> {
    watch().map_err(|error| CliError::Other {
        exit: Exit::Io,
        message: format!("cannot watch for signals: {error}"),
        help: None,
    })
}

/// The same flag, for what may wait before a command watches for signals, or in one that
/// never does: there a signal ends the program.
#[cfg(feature = "full")]
pub(crate) fn asked() -> &'static AtomicBool {
    &ASKED
}

fn watch() -> io::Result<&'static AtomicBool> {
    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter();
    // A file past a limit (`ulimit -f`) then is an error of the write, EFBIG, and
    // not the end of the program. Handled, not ignored: that would be inherited.
    for signal in wanted.filter(|one| !is_ignored(*one)).chain([SIGXFSZ]) {
        handle(signal)?;
    }
    Ok(&ASKED)
}

fn handle(signal: c_int) -> io::Result<()> {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: all zeros is a valid `sigaction` with an empty mask; the handler only
    // does what is async-signal-safe.
    let failed = unsafe {
        (*action.as_mut_ptr()).sa_sigaction = entry::address();
        (*action.as_mut_ptr()).sa_flags = libc::SA_RESTART;
        libc::sigaction(signal, action.as_ptr(), std::ptr::null_mut())
    };
    if failed == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The first signal is remembered, the second one ends the program as if it were not
/// handled. Own code, because that of a crate has no entry like the one below, and
/// takes 5 KB.
extern "C" fn arrived(signal: c_int) {
    let is_patient = PATIENT.load(Ordering::Relaxed);
    if signal == SIGXFSZ || is_patient && signal == SIGHUP {
        return;
    }
    if ASKED.swap(true, Ordering::Relaxed) {
        if !is_patient {
            end_by(signal);
        }
    } else {
        ASKED_BY.store(signal as u8, Ordering::Relaxed);
    }
}

/// Has the signal end the program: at once, or when its handler returns.
fn end_by(signal: c_int) {
    // SAFETY: both calls are async-signal-safe, and SIG_DFL is no function.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Waits until a call on a descriptor would not wait any more, to read or to write;
/// false where somebody asked to stop meanwhile: a call that waits itself goes on after
/// a signal and never tells.
pub(crate) fn wait_for(fd: impl AsRawFd, to: WaitFor, interrupt: &AtomicBool) -> io::Result<bool> {
    const LOOK_TIME_MS: c_int = 250;
    let mut entry = libc::pollfd {
        fd: fd.as_raw_fd(),
        events: match to {
            WaitFor::Input => libc::POLLIN,
            WaitFor::Room => libc::POLLOUT,
        },
        revents: 0,
    };
    while !interrupt.load(Ordering::Relaxed) {
        // Not rustix's, which calls ppoll: ARM has that since Linux 2.6.32 only.
        // SAFETY: the list of one lives until the call is over.
        let answer = unsafe { libc::poll(&raw mut entry, 1, LOOK_TIME_MS) };
        let error = io::Error::last_os_error();
        match answer {
            0 => {}
            1.. => return Ok(true),
            _ if error.kind() == io::ErrorKind::Interrupted => {}
            _ => return Err(error),
        }
    }
    Ok(false)
}

/// What a descriptor is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WaitFor {
    /// Something to read, or its end.
    Input,
    /// Room for what is written, or nobody who takes it.
    Room,
}

/// Where the kernel enters the handler.
#[cfg(not(all(target_arch = "arm", target_endian = "little")))]
mod entry {
    pub(super) fn address() -> libc::sighandler_t {
        super::arrived as extern "C" fn(libc::c_int) as libc::sighandler_t
    }
}

/// Where the kernel enters the handler. A program of Thumb code (the device build is
/// one) can be interrupted in either state of the processor, and a kernel without
/// `CONFIG_ARM_THUMB` leaves the state as it is (Linux, `arch/arm/kernel/signal.c`).
/// So the first instruction is one in both: `bx pc` as Thumb code, which goes on in
/// ARM code at the next word, and `mov r4, r8, ror r7` as ARM code. That r4 is lost
/// harms nobody: what was interrupted gets its registers back from the kernel.
#[cfg(all(target_arch = "arm", target_endian = "little"))]
mod entry {
    std::arch::global_asm!(
        ".pushsection .text.mtdkeep_signal_entry, \"ax\", %progbits",
        ".arm",
        ".balign 4",
        ".type mtdkeep_signal_entry, %function",
        ".globl mtdkeep_signal_entry",
        ".hidden mtdkeep_signal_entry",
        "mtdkeep_signal_entry:",
        ".word 0xe1a04778",
        "ldr ip, 2f",
        "1: add ip, pc, ip",
        "bx ip",
        "2: .word {arrived} - (1b + 8)",
        ".size mtdkeep_signal_entry, . - mtdkeep_signal_entry",
        ".popsection",
        arrived = sym super::arrived,
    );

    unsafe extern "C" {
        fn mtdkeep_signal_entry(signal: libc::c_int);
    }

    pub(super) fn address() -> libc::sighandler_t {
        mtdkeep_signal_entry as unsafe extern "C" fn(libc::c_int) as libc::sighandler_t
    }
}

/// Whether this program was started with a signal ignored, as `nohup` and a shell's
/// job in the background do: it then stays so, and ends nothing.
pub(crate) fn is_ignored(signal: i32) -> bool {
    let mut now = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: only asks; all zeros is a valid `sigaction`, and the call writes none
    // but a valid one there.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), now.as_mut_ptr()) == 0
            && now.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Ends the program by the signal that asked to stop; comes back only where there
/// was none.
pub(crate) fn die_of_it() {
    let signal = ASKED_BY.load(Ordering::Relaxed);
    if signal != 0 {
        // Where it is blocked, the exit code is left, which says the same.
        end_by(c_int::from(signal));
    }
}
