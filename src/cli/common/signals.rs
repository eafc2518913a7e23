//! Ctrl-C, SIGTERM and SIGHUP: the first asks to stop, the second stops at once.
//! In the end the program dies of the signal itself, so that whoever started it
//! sees that: a shell's loop ends. One that was ignored from the start stays so.

use crate::cli::Exit;
use crate::cli::error::CliError;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// The signal that asked to stop; 0: none did.
static ASKED_BY: AtomicU8 = AtomicU8::new(0);

/// A flag that is set when the user asks to stop.
pub(crate) fn interrupt_flag() -> Result<Arc<AtomicBool>, CliError> {
    watch().map_err(|error| CliError::Other {
        exit: Exit::Io,
        message: format!("cannot watch for signals: {error}"),
        help: None,
    })
}

fn watch() -> io::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if is_ignored(signal) {
            continue;
        }
        // In this order: at the first signal the flag is not set yet.
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&flag))?;
        let remember = move || ASKED_BY.store(signal as u8, Ordering::Relaxed);
        // SAFETY: the action only stores into an atomic, which is async-signal-safe.
        unsafe { signal_hook::low_level::register(signal, remember) }?;
        signal_hook::flag::register(signal, Arc::clone(&flag))?;
    }
    // A file past a limit (`ulimit -f`) then is an error of the write, EFBIG, and
    // not the end of the program. Handled, not ignored: that would be inherited.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    Ok(flag)
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

/// The exit code of a program that stopped because it was asked to: what a shell
/// makes of the signal.
pub(crate) fn exit_code() -> u8 {
    match ASKED_BY.load(Ordering::Relaxed) {
        0 => 128 + SIGINT as u8,
        signal => 128 + signal,
    }
}

/// Ends the program by the signal that asked to stop; comes back only where there
/// was none.
pub(crate) fn die_of_it() {
    let signal = ASKED_BY.load(Ordering::Relaxed);
    if signal != 0 {
        // An error leaves the exit code, which says the same.
        let _ = signal_hook::low_level::emulate_default_handler(i32::from(signal));
    }
}
