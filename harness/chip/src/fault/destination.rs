//! Faults of the place where a backup goes.
//!
//! [`DestinationFaults`] only decides; it touches no file. Whoever writes asks
//! it before each call and does what it answers. [`FaultyWriter`] is that for
//! anything that can be written to. The count of bytes runs over all files of
//! one destination, as free space does.

use super::spec::{Part, SpecError, separated, write_options};
use super::trigger::{Gate, Trigger, below};
use crate::Errno;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;
use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

const NAMES: &str =
    "no-space, io-error, short-write, permission-denied, sync-error and rename-error";
const AT: &str = "write the number of bytes that go well, decimal or 0x…";

/// What goes wrong where a backup goes: a decision engine without a file.
///
/// Its text has the same grammar as a [`FaultPlan`](super::FaultPlan)'s:
///
/// | fault | what happens |
/// | --- | --- |
/// | `no-space@N` | after N bytes every write fails with ENOSPC |
/// | `io-error@N` | the write that reaches byte N fails with EIO |
/// | `short-write` | writes take fewer bytes than asked for, by `seed` |
/// | `permission-denied` | files cannot be created: EACCES |
/// | `sync-error`, `rename-error` | EIO |
///
/// Options: `once`, `times=N`, `always`, `after=N`, `seed=N`, `errno=NAME`. A write
/// that crosses N takes the bytes before it; the next one fails, as on Linux.
///
/// ```
/// use mtd_chip::fault::DestinationFaults;
/// use mtd_chip::Errno;
///
/// let mut faults: DestinationFaults = "no-space@1000".parse()?;
/// assert_eq!(faults.on_write(600), Ok(600));
/// assert_eq!(faults.on_write(600), Ok(400));
/// assert_eq!(faults.on_write(600), Err(Errno::NOSPC));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct DestinationFaults {
    faults: Vec<Armed>,
    written_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    NoSpace,
    IoError,
    ShortWrite,
    PermissionDenied,
    SyncError,
    RenameError,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::NoSpace => "no-space",
            Self::IoError => "io-error",
            Self::ShortWrite => "short-write",
            Self::PermissionDenied => "permission-denied",
            Self::SyncError => "sync-error",
            Self::RenameError => "rename-error",
        }
    }

    fn default_errno(self) -> Errno {
        match self {
            Self::NoSpace => Errno::NOSPC,
            Self::PermissionDenied => Errno::ACCESS,
            _ => Errno::IO,
        }
    }
}

#[derive(Debug, Clone)]
struct Armed {
    kind: Kind,
    at_byte: u64,
    trigger: Trigger,
    seed: u64,
    errno: Errno,
    gate: Gate,
    rng: Xoshiro256PlusPlus,
}

impl DestinationFaults {
    pub(super) fn from_parts(parts: Vec<Part<'_>>) -> Result<Self, SpecError> {
        let faults: Result<Vec<_>, _> = parts.into_iter().map(Armed::from_part).collect();
        Ok(Self {
            faults: faults?,
            written_bytes: 0,
        })
    }

    /// How often any of its faults has struck so far.
    pub fn struck(&self) -> u64 {
        self.faults.iter().map(|armed| armed.gate.struck).sum()
    }

    /// How many bytes went well so far.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// A file or folder is about to be created.
    ///
    /// # Errors
    /// The errno of the plan; nothing may be created then.
    pub fn on_create(&mut self) -> Result<(), Errno> {
        self.fail(Kind::PermissionDenied)
    }

    /// `length_bytes` are about to be written: how many of them may be, at
    /// least one of any.
    ///
    /// # Errors
    /// The errno of the plan; nothing may be written then.
    pub fn on_write(&mut self, length_bytes: usize) -> Result<usize, Errno> {
        let mut count = length_bytes as u64;
        for armed in &mut self.faults {
            match armed.kind {
                Kind::NoSpace | Kind::IoError if count > 0 => {
                    let before = armed.at_byte.saturating_sub(self.written_bytes);
                    if before == 0 {
                        if armed.gate.strikes(armed.trigger) {
                            return Err(armed.errno);
                        }
                    } else {
                        count = count.min(before);
                    }
                }
                Kind::ShortWrite if count > 1 && armed.gate.strikes(armed.trigger) => {
                    count = 1 + below(&mut armed.rng, count - 1);
                }
                _ => {}
            }
        }
        self.written_bytes += count;
        Ok(count as usize)
    }

    /// A file or folder is about to be synced.
    ///
    /// # Errors
    /// The errno of the plan.
    pub fn on_sync(&mut self) -> Result<(), Errno> {
        self.fail(Kind::SyncError)
    }

    /// A file is about to get its final name.
    ///
    /// # Errors
    /// The errno of the plan; the file must keep its name then.
    pub fn on_rename(&mut self) -> Result<(), Errno> {
        self.fail(Kind::RenameError)
    }

    fn fail(&mut self, kind: Kind) -> Result<(), Errno> {
        for armed in self.faults.iter_mut().filter(|armed| armed.kind == kind) {
            if armed.gate.strikes(armed.trigger) {
                return Err(armed.errno);
            }
        }
        Ok(())
    }
}

impl Armed {
    fn from_part(part: Part<'_>) -> Result<Self, SpecError> {
        let kind = match part.name {
            "no-space" => Kind::NoSpace,
            "io-error" => Kind::IoError,
            "short-write" => Kind::ShortWrite,
            "permission-denied" => Kind::PermissionDenied,
            "sync-error" => Kind::SyncError,
            "rename-error" => Kind::RenameError,
            _ => return Err(part.unknown(NAMES)),
        };
        let has_place = matches!(kind, Kind::NoSpace | Kind::IoError);
        let at_byte = match part.place {
            None => 0,
            Some(place) if has_place => {
                super::spec::number(place).ok_or_else(|| part.bad_place(AT))?
            }
            Some(_) => return Err(part.bad_place("this fault has none")),
        };
        if part.errno.is_some() && kind == Kind::ShortWrite {
            return Err(part.bad_option("errno", "this fault gives no error"));
        }
        if part.tear.is_some() {
            return Err(part.bad_option("tear", "this fault leaves no operation half done"));
        }
        Ok(Self {
            kind,
            at_byte,
            trigger: part.trigger,
            seed: part.seed,
            errno: part.errno.unwrap_or(kind.default_errno()),
            gate: Gate::default(),
            rng: Xoshiro256PlusPlus::seed_from_u64(part.seed),
        })
    }
}

impl fmt::Display for Armed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name())?;
        if self.at_byte > 0 {
            write!(f, "@{:#x}", self.at_byte)?;
        }
        write_options(
            f,
            self.trigger,
            self.seed,
            self.errno,
            self.kind.default_errno(),
        )
    }
}

impl fmt::Display for DestinationFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        separated(f, self.faults.iter())
    }
}

/// A writer that fails as its [`DestinationFaults`] say.
///
/// Several writers may share one engine, as the files of one destination do.
#[derive(Debug)]
pub struct FaultyWriter<W> {
    inner: W,
    faults: Arc<Mutex<DestinationFaults>>,
}

impl<W> FaultyWriter<W> {
    /// Puts the faults in front of `inner`.
    pub fn new(inner: W, faults: Arc<Mutex<DestinationFaults>>) -> Self {
        Self { inner, faults }
    }

    /// The writer behind.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The writer behind, without faults.
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// Calls `sync` on the writer behind, unless a fault comes first.
    ///
    /// # Errors
    /// The fault's, or those of `sync`.
    pub fn sync(&mut self, sync: impl FnOnce(&mut W) -> io::Result<()>) -> io::Result<()> {
        self.decide(DestinationFaults::on_sync)?;
        sync(&mut self.inner)
    }

    fn decide<R>(
        &self,
        question: impl FnOnce(&mut DestinationFaults) -> Result<R, Errno>,
    ) -> io::Result<R> {
        // A panic elsewhere leaves counters behind, nothing half done.
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        question(&mut faults).map_err(io::Error::from)
    }
}

impl<W: Write> Write for FaultyWriter<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let count = self.decide(|faults| faults.on_write(buf.len()))?;
        // The engine has counted these bytes, so all of them have to go.
        self.inner.write_all(&buf[..count])?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl FromStr for DestinationFaults {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        text.split(',')
            .map(Part::parse)
            .collect::<Result<Vec<_>, _>>()
            .and_then(Self::from_parts)
    }
}
