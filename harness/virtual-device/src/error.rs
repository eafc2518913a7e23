//! What can go wrong around a virtual device, and what to do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Something that a virtual device needs and this machine does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What it is, such as `qemu-system-arm with the machine connex`.
    pub what: String,
    /// How to get it.
    pub remedy: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.remedy)
    }
}

/// Why a virtual device did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Tools or packages are missing; each with the way to get it.
    #[error("the virtual device cannot start here; missing:\n{}", lines(.0))]
    Missing(Vec<Missing>),
    /// The image is not of the chip's size.
    #[error(
        "a chip image of {size_bytes:#x} bytes: the board's chip has exactly {expected_bytes:#x}; nothing was started"
    )]
    ImageSize {
        /// What was given.
        size_bytes: u64,
        /// What the board has.
        expected_bytes: u64,
    },
    /// Boot stub or kernel does not fit its partition.
    #[error(
        "{what} has {size_bytes:#x} bytes, but the partition {partition:?} at {offset_bytes:#x} holds {room_bytes:#x}; boot from RAM instead"
    )]
    DoesNotFit {
        /// `the boot stub` or `the kernel`.
        what: &'static str,
        /// Its size.
        size_bytes: u64,
        /// Where it was to go.
        partition: String,
        /// The partition's offset in the chip.
        offset_bytes: u64,
        /// The partition's size.
        room_bytes: u64,
    },
    /// The files put into the guest leave no room in its memory.
    #[error(
        "the files for the guest take {size_bytes:#x} bytes, the board's RAM has room for {room_bytes:#x}; put fewer or smaller ones"
    )]
    TooMuchPut {
        /// Size of the archive.
        size_bytes: u64,
        /// What there is.
        room_bytes: u64,
    },
    /// A path of the guest that the guest cannot take.
    #[error("guest path {path:?}: {reason}; nothing was started")]
    GuestPath {
        /// As given.
        path: String,
        /// Why not.
        reason: &'static str,
    },
    /// A name that no environment variable can have.
    #[error(
        "environment variable {name:?}: not a name that a shell can export; nothing was started"
    )]
    EnvironmentName {
        /// As given.
        name: String,
    },
    /// A step of a build (kernel, BusyBox) failed.
    #[error("{step} failed ({status}); the end of its output:\n{tail}")]
    Build {
        /// What was being done.
        step: String,
        /// Exit status in words.
        status: String,
        /// Last lines of its output.
        tail: String,
    },
    /// The host refused something.
    #[error("{operation} {path:?}: {source}")]
    Io {
        /// Such as `read`.
        operation: &'static str,
        /// The file or program.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The emulator ended, or broke off its control channel, before the guest was done.
    #[error("the emulator ended by itself ({status}): {message}\nend of the console:\n{}", tail(.console))]
    Emulator {
        /// Exit status in words.
        status: String,
        /// What it wrote to standard error.
        message: String,
        /// The guest's console so far.
        console: String,
    },
    /// Time was up. The emulator was stopped, which for the chip is a power cut.
    #[error(
        "not done after {limit:?}; the emulator was stopped, and the chip holds what it held then\nend of the console:\n{}",
        tail(.console)
    )]
    TimeLimit {
        /// The limit.
        limit: Duration,
        /// The guest's console so far.
        console: String,
    },
    /// The board restarted without the record that the command ended: a panic.
    #[error("the board restarted before the command was done (a kernel panic?)\nend of the console:\n{}", tail(.console))]
    GuestDied {
        /// The guest's console.
        console: String,
    },
    /// The command ended before the power cut came.
    #[error(
        "the command ended with status {status} before the power was cut ({cut}); the chip holds what it left"
    )]
    EndedBeforeCut {
        /// The command's exit status.
        status: i32,
        /// What was waited for.
        cut: String,
    },
    /// The archive of files that the guest handed back is not whole.
    #[error("the files handed back: {reason}; none of them can be trusted")]
    HandedBack {
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    pub(super) fn io(
        operation: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            operation,
            path,
            source,
        }
    }
}

fn lines(missing: &[Missing]) -> String {
    let all: Vec<String> = missing.iter().map(|one| format!("  {one}")).collect();
    all.join("\n")
}

/// The last lines of a long text.
pub(super) fn tail(text: &str) -> String {
    const LINES: usize = 15;
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(LINES)..].join("\n")
}
