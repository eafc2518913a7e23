//! Intercepted calls as values, for tests that want to know what a program did.

use super::request;
use super::{About, CallResult};
use crate::Errno;
use crate::mtd::NodeId;
use crate::sandbox::kernel::read_write;
use std::fmt;

/// One intercepted call with its answer; [`Display`](fmt::Display) is its line of the
/// trace.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// The thread that made it.
    pub tid: u32,
    /// The system call, such as `openat`, `ioctl`, `write`.
    pub name: &'static str,
    /// The path that it is about, as the program sees it: the one that it wrote, or that
    /// of the node behind a descriptor.
    pub path: Option<String>,
    /// The node that it is about.
    pub node: Option<NodeId>,
    /// What an ioctl asks for, such as `MEMERASE`, where it has a name.
    pub request: Option<&'static str>,
    /// Where on the node it reads, writes, erases or seeks to, where it says so.
    pub offset_bytes: Option<u64>,
    /// How much it asked to read, write, erase or map.
    pub length_bytes: Option<u64>,
    /// What it answered; none where it went on inside the process: it comes once more
    /// then, if it is made again.
    pub answer: Option<Result<i64, Errno>>,
    text: String,
}

impl Call {
    pub(super) fn new(
        tid: u32,
        name: &'static str,
        args: &[u64; 6],
        about: About,
        answer: CallResult,
    ) -> Self {
        let request = (name == "ioctl").then(|| request::name(args[1] as u32));
        let more = match name {
            "ioctl" => match request.flatten() {
                Some(request) => format!(", {request}"),
                None => format!(", {:#x}", args[1] as u32),
            },
            "lseek" => format!(", {}, {}", args[1] as i64, args[2]),
            "openat" => format!(", {:#o}", args[2]),
            _ if read_write::by_name(name).is_some() => format!(", {}", args[2]),
            _ => String::new(),
        };
        Self {
            tid,
            name,
            path: about.path,
            node: about.node,
            request: request.flatten(),
            offset_bytes: about.offset_bytes,
            length_bytes: about.length_bytes,
            answer,
            text: about.text + &more,
        }
    }

    /// Whether it changes flash if it succeeds: a write, an erase, a lock.
    pub fn changes_flash(&self) -> bool {
        let changing = [
            "MEMERASE",
            "MEMERASE64",
            "MEMWRITE",
            "MEMWRITEOOB",
            "MEMWRITEOOB64",
            "MEMLOCK",
            "MEMUNLOCK",
            "MEMSETBADBLOCK",
            "OTPLOCK",
            "OTPERASE",
            "BLKDISCARD",
            "BLKSECDISCARD",
            "BLKZEROOUT",
        ];
        let writes = read_write::by_name(self.name).is_some_and(|it| it.writes);
        self.node.is_some() && (writes || self.request.is_some_and(|it| changing.contains(&it)))
    }

    /// The error that it answered.
    pub fn error(&self) -> Option<Errno> {
        self.answer.and_then(Result::err)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}({}) = ", self.tid, self.name, self.text)?;
        match self.answer {
            None => f.write_str("(goes on inside the process)"),
            Some(Ok(value)) => write!(f, "{value}"),
            Some(Err(errno)) => write!(f, "{errno:?}"),
        }
    }
}

/// Intercepted calls in their order, and what a test asks of them.
///
/// ```
/// use mtd_harness::profile;
/// use mtd_harness::sandbox::Sandbox;
/// use std::process::Command;
///
/// let sandbox = Sandbox::builder(profile::ispot(1)).exact(true).trace(true).build()?;
/// let outcome = sandbox.output(Command::new("head").args(["-c", "4", "/dev/mtd1"]))?;
/// let reads = outcome.calls.on("/dev/mtd1").named("read");
/// assert_eq!(reads.iter().next().and_then(|call| call.offset_bytes), Some(0));
/// outcome.calls.assert_flash_was_only_read();
/// # Ok::<(), mtd_harness::sandbox::SandboxError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trace(Vec<Call>);

impl Trace {
    pub(in crate::sandbox) fn new(calls: Vec<Call>) -> Self {
        Self(calls)
    }

    /// The calls, in the order in which they were answered.
    pub fn iter(&self) -> std::slice::Iter<'_, Call> {
        self.0.iter()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those for which something holds.
    #[must_use]
    pub fn those(&self, holds: impl Fn(&Call) -> bool) -> Self {
        Self(self.iter().filter(|call| holds(call)).cloned().collect())
    }

    /// Those about this path.
    #[must_use]
    pub fn on(&self, path: &str) -> Self {
        self.those(|call| call.path.as_deref() == Some(path))
    }

    /// Those of this name: of the call (`write`), or of what an ioctl asks for
    /// (`MEMERASE`; mtd-utils ask for `MEMERASE64`).
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        self.those(|call| call.name == name || call.request == Some(name))
    }

    /// Those that answered an error.
    #[must_use]
    pub fn failed(&self) -> Self {
        self.those(|call| call.error().is_some())
    }

    /// Bytes that reads and writes among them moved.
    pub fn moved_bytes(&self) -> u64 {
        let moved = self
            .iter()
            .filter(|call| read_write::by_name(call.name).is_some());
        let moved = moved.filter_map(|call| u64::try_from(call.answer?.ok()?).ok());
        moved.sum()
    }

    /// Panics if anything wrote to flash, erased it or changed a lock, or tried to.
    ///
    /// # Panics
    /// With the lines of what did.
    #[track_caller]
    pub fn assert_flash_was_only_read(&self) {
        let changing = self.those(Call::changes_flash);
        assert!(changing.is_empty(), "flash was not only read:\n{changing}");
    }

    /// Panics if any call among them answered an error.
    ///
    /// # Panics
    /// With the lines of those that did.
    #[track_caller]
    pub fn assert_none_failed(&self) {
        let failed = self.failed();
        assert!(failed.is_empty(), "calls that failed:\n{failed}");
    }
}

/// A line for each call.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|call| writeln!(f, "{call}"))
    }
}

impl<'a> IntoIterator for &'a Trace {
    type Item = &'a Call;
    type IntoIter = std::slice::Iter<'a, Call>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
