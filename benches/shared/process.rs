//! One process from start to end: wall time, CPU time, peak memory.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    pub wall_ms: f64,
    /// User and system time of the process and those it waited for.
    pub cpu_ms: f64,
    /// The largest of these processes; never below this bench's own few MiB,
    /// with which each of them starts.
    pub peak_kib: u64,
}

/// Runs a program to its end.
///
/// # Panics
/// If it cannot be started or does not end with 0.
#[expect(clippy::zombie_processes, reason = "wait4 takes it, with its figures")]
pub fn run(program: &Path, arguments: &[OsString]) -> Run {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let began = Instant::now();
    let child = command.spawn();
    let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (status, usage) = wait(child.id());
    let wall_ms = began.elapsed().as_secs_f64() * 1e3;
    assert_eq!(status, 0, "{command:?} ended with wait status {status:#x}");
    let ms = |time: libc::timeval| time.tv_sec as f64 * 1e3 + time.tv_usec as f64 / 1e3;
    Run {
        wall_ms,
        cpu_ms: ms(usage.ru_utime) + ms(usage.ru_stime),
        peak_kib: u64::try_from(usage.ru_maxrss).unwrap_or(0),
    }
}

/// wait4(2): the only way to one child's own figures.
fn wait(child: u32) -> (i32, libc::rusage) {
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    let child = libc::pid_t::try_from(child).expect("a process number");
    loop {
        // SAFETY: both pointers are to live variables of the types that wait4
        // writes; the child is ours and nobody else waits for it.
        let got = unsafe { libc::wait4(child, &mut status, 0, usage.as_mut_ptr()) };
        if got == child {
            // SAFETY: zeroed is a valid rusage, and wait4 has filled it in.
            return (status, unsafe { usage.assume_init() });
        }
        let error = std::io::Error::last_os_error();
        assert_eq!(error.kind(), std::io::ErrorKind::Interrupted, "{error}");
    }
}
