//! The terms in which a stopped system call is told and answered.
//!
//! One notification goes: receive, name (the table of calls), decide (a handler
//! of `calls`), perform, reply. Nothing here knows of any other part of the
//! sandbox.

use crate::Errno;
use std::os::fd::OwnedFd;

/// One stopped call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trapped {
    /// The thread that made it.
    pub tid: u32,
    /// What it is called.
    pub name: &'static str,
    /// The call's number on this architecture.
    pub number: i64,
    pub args: [u64; 6],
    /// The address behind the instruction that entered the kernel.
    pub behind: u64,
}

/// A path among a call's arguments.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathArgument {
    /// The descriptor of the folder that it is relative to, or AT_FDCWD.
    pub folder: i32,
    /// Where its text is in the program's memory.
    pub address: u64,
}

impl Trapped {
    /// An argument that is a descriptor, or signed flags.
    pub fn int(&self, index: usize) -> i32 {
        self.args[index] as i32
    }
    /// An argument that is a mode, an id or unsigned flags.
    pub fn word(&self, index: usize) -> u32 {
        self.args[index] as u32
    }
    /// The path at this index, relative to the working directory.
    pub fn here(&self, index: usize) -> PathArgument {
        PathArgument {
            folder: libc::AT_FDCWD,
            address: self.args[index],
        }
    }
    /// The folder's descriptor at this index, and the path behind it.
    pub fn at(&self, index: usize) -> PathArgument {
        PathArgument {
            folder: self.int(index),
            address: self.args[index + 1],
        }
    }
}

/// Which calls of one number the filter stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// All of them.
    Always,
    /// Those whose command is of a flash, block or file-system kind.
    Ioctl,
    /// Those that tell of locks, leases and seals that only a file has, or of what
    /// the sandbox keeps in a description.
    Fcntl,
    /// Those that a stand-in would answer differently.
    Lseek,
    /// Those that map a file.
    Mmap,
    /// Those that send a signal that a program may handle: the argument's index.
    Signal(u32),
    /// Those with an address at this argument's index.
    Address(u32),
    /// Those whose sixth argument (flags) is not zero.
    Flags,
    /// Those without the supervisor's mark in the sixth argument, which they lack.
    Unmarked,
    /// Those of clone and its relatives that make no thread, with one of these flags.
    Kinds(u32),
    /// Those by which a process asks for a listener of its own (seccomp).
    Listener,
    /// Those that set what happens at the end of a child (rt_sigaction).
    ChildHandler,
    /// Only when an old kernel is played.
    Uname,
}

/// What was decided about a call; an error is the call's own.
pub(super) type Decision = Result<Answer, Errno>;

/// What is to be done about a call.
pub(super) enum Answer {
    /// The kernel executes it, once something else is so.
    Continue(Before),
    /// It gets this.
    Reply(Reply),
    /// It gets a new descriptor of flash, calls on which stop for the tracer.
    Flash { fd: OwnedFd, cloexec: bool },
    /// Something is done on the host's files in the caller's place. It needs
    /// nothing of the sandbox's state, and may take its time.
    Perform(Deed),
    /// The thread is stopped and something is done in it; see [`Job`].
    InThread(Job),
}

/// What has to be so before the kernel executes a call.
pub(super) enum Before {
    Nothing,
    /// The signals of these processes are watched.
    Watch(Vec<u32>),
    /// Those of this one no longer are.
    Unwatch(u32),
    /// These threads do not wait for messages.
    Wake(Vec<u32>),
}

/// What the program gets.
pub(super) enum Reply {
    Value(i64),
    /// A new descriptor.
    Descriptor {
        fd: OwnedFd,
        cloexec: bool,
    },
}

/// What came of something that was done in the caller's place.
pub(super) enum Performed {
    Reply(Reply),
    /// It turned out that only the process itself can do it.
    InThread(Job),
}

/// What is done on the host's files in the caller's place.
pub(super) type Deed = Box<dyn FnOnce() -> Result<Performed, Errno> + Send>;

impl Answer {
    /// The kernel executes the call.
    pub const THROUGH: Self = Answer::Continue(Before::Nothing);

    /// The call answers this number.
    pub fn value(value: i64) -> Decision {
        Ok(Answer::Reply(Reply::Value(value)))
    }
    /// The call is done on the host's files, by us.
    pub fn perform<P: Into<Performed>>(
        deed: impl FnOnce() -> Result<P, Errno> + Send + 'static,
    ) -> Decision {
        Ok(Answer::Perform(Box::new(|| deed().map(Into::into))))
    }
}

impl From<Reply> for Performed {
    fn from(reply: Reply) -> Self {
        Performed::Reply(reply)
    }
}

impl From<Performed> for Answer {
    fn from(performed: Performed) -> Self {
        match performed {
            Performed::Reply(reply) => Answer::Reply(reply),
            Performed::InThread(job) => Answer::InThread(job),
        }
    }
}

/// How much of a process its tracer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// It is traced, and no call of it stops yet.
    Nothing,
    /// Signals, so that they interrupt no call that waits for the supervisor.
    Signals,
    /// Calls that write to a descriptor.
    Writes,
    /// Calls that read, too.
    ReadsAndWrites,
}

/// A program as execve takes it.
pub(super) struct Program {
    /// Where it really is.
    pub path: Vec<u8>,
    /// The addresses of the lists of arguments and of the environment.
    pub arguments: u64,
    pub environment: u64,
    /// For a script: its interpreter's arguments, up to the script's own path,
    /// in the place of the first argument.
    pub interpreter: Vec<Vec<u8>>,
    /// The addresses of the script's further arguments.
    pub rest: Vec<u64>,
}

/// What takes the place of an argument's memory when a call is made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub bytes: Vec<u8>,
    /// Which argument becomes the address of the bytes.
    pub argument: usize,
    /// The first eight bytes become the address of this one of them.
    pub inner: Option<usize>,
    /// A further argument, and what it becomes.
    pub length: Option<(usize, u64)>,
}

impl Placed {
    /// A path in the place of this argument.
    pub fn path(mut path: Vec<u8>, argument: usize) -> Self {
        path.push(0);
        Self {
            bytes: path,
            argument,
            inner: None,
            length: None,
        }
    }
}

/// On which of its arguments a call stops for the tracer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopOn {
    /// Whatever they are.
    Any,
    /// Its first argument is a covered number.
    First,
    /// One of the first two is.
    FirstOrSecond,
    /// fcntl of a covered number with a command that duplicates it.
    Duplicating,
}

/// Calls that stop for the tracer, by number.
pub(super) type Stops = Vec<(i64, StopOn)>;

/// What only works from inside the process itself. A folder is a descriptor of
/// ours when it is asked for, and its number in the process when it is done.
pub(super) enum Job<Folder = OwnedFd> {
    /// A further filter that stops reads or writes for the tracer; then the
    /// call is made again.
    Filter(Level),
    /// The same on one more number, which is what the call then answers.
    Cover(i32),
    /// The call again, past the first filter: see `calls::passing`.
    Marked,
    /// chdir to this folder.
    Chdir(Folder),
    /// The call again, with other memory behind an argument.
    Again(Placed),
    /// execve of this program.
    Exec(Program),
    /// open of this path with O_PATH, whose descriptors cannot be handed over.
    OpenPath { path: Vec<u8>, flags: i32 },
}

impl Job {
    /// The job as the process itself can do it: `give` puts a folder into it.
    pub fn hand_over(
        self,
        give: impl FnOnce(OwnedFd) -> Result<i32, Errno>,
    ) -> Result<Job<i32>, Errno> {
        Ok(match self {
            Job::Filter(level) => Job::Filter(level),
            Job::Cover(number) => Job::Cover(number),
            Job::Marked => Job::Marked,
            Job::Chdir(folder) => Job::Chdir(give(folder)?),
            Job::Again(placed) => Job::Again(placed),
            Job::Exec(program) => Job::Exec(program),
            Job::OpenPath { path, flags } => Job::OpenPath { path, flags },
        })
    }
}
