//! Why a program could not be run in a sandbox.

use crate::Errno;
use std::io;
use std::path::PathBuf;

/// What went wrong before or around the program. The program's own failures
/// are in its exit status.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The kernel cannot hand system calls to another process.
    #[error(
        "this kernel ({release}) cannot run a sandbox: {lacks} is missing; Linux 5.9 or later \
         with CONFIG_SECCOMP_FILTER is needed"
    )]
    Kernel {
        /// What `uname -r` says.
        release: String,
        /// What is missing.
        lacks: &'static str,
    },
    /// A seccomp filter around this process forbids what is needed.
    #[error(
        "the sandbox may not {call} ({errno}): a seccomp profile around this process forbids it; \
         allow {call} in the container's profile (Docker: --security-opt seccomp=PROFILE)"
    )]
    Denied {
        /// The forbidden call.
        call: &'static str,
        /// What it answered.
        errno: Errno,
    },
    /// Yama keeps processes from looking at their own children.
    #[error(
        "/proc/sys/kernel/yama/ptrace_scope forbids what a sandbox does to the program it runs: \
         set it to 1 or 0 (as root), or run with CAP_SYS_PTRACE"
    )]
    Yama,
    /// A filter chain takes one supervisor.
    #[error(
        "a supervisor already watches this process: a sandbox cannot run inside another sandbox"
    )]
    Nested,
    /// A folder to map does not exist or is not one.
    #[error("cannot map {path}: {source}", path = .path.display())]
    Map {
        /// The folder outside.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The device's memory or files could not be set up.
    #[error("cannot set up the sandbox: {what}: {source}")]
    SetUp {
        /// The step.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The program could not be started.
    #[error("cannot run {program}: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// Waiting for the program failed.
    #[error("lost the program: {0}")]
    Wait(io::Error),
}

impl SandboxError {
    pub(super) fn io(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::SetUp { what, source }
    }
}
