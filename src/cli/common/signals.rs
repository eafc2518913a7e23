//! Ctrl-C and SIGTERM: the first asks to stop, the second stops at once.

use crate::cli::Exit;
use crate::cli::error::CliError;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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
        // In this order: at the first signal the flag is not set yet.
        signal_hook::flag::register_conditional_shutdown(
            signal,
            i32::from(Exit::Interrupted.code()),
            Arc::clone(&flag),
        )?;
        signal_hook::flag::register(signal, Arc::clone(&flag))?;
    }
    // A file past a limit (`ulimit -f`) then is an error of the write, EFBIG, and
    // not the end of the program. Handled, not ignored: that would be inherited.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    Ok(flag)
}
