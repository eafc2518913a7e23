//! The text form of fault plans: parsing and printing.
//!
//! Invariant: what `Display` prints parses to an equal plan.

use super::{Fault, FaultKind, FaultPlan, SizeChange, Trigger, WornOut};
use crate::Errno;
use crate::power::Tear;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Why a text is no plan of faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Nothing between two commas, or nothing at all.
    #[error("an empty fault; the form is NAME@PLACE:OPTION, separated by commas")]
    Empty,
    /// Not one of the names.
    #[error("{}there is no `{name}`; there are {known}", if part == name {
        String::new()
    } else {
        format!("fault `{part}`: ")
    })]
    UnknownName {
        /// The fault as it stands in the text.
        part: String,
        /// Its name.
        name: String,
        /// The names that exist.
        known: &'static str,
    },
    /// Not a place of this fault.
    #[error("fault `{part}`: `{place}` is no place; {expected}")]
    Place {
        /// The fault as it stands in the text.
        part: String,
        /// What stands after the @.
        place: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// Not an option of this fault.
    #[error("fault `{part}`: `{option}` is no option here; {expected}")]
    Option {
        /// The fault as it stands in the text.
        part: String,
        /// The option.
        option: String,
        /// What may stand there.
        expected: &'static str,
    },
}

const FLASH_NAMES: &str = "read-error, short-read, bit-flip, program-error, erase-error, program-nothing, erase-nothing, \
     wear, read-disturb, bit-rot, power-cut and size";
const PLACE: &str = "write OFFSET or OFFSET+LENGTH, decimal or 0x…, length at least 1";
const BIT: &str = "write OFFSET.BIT with a bit from 0 to 7, OFFSET or OFFSET+LENGTH";
const SIZE: &str = "write size@mtdN=BYTES";
const OPTIONS: &str = "there are once, times=N, always, after=N, seed=N, errno=NAME; tear=TEAR for a power cut; \
     erases=N and end=error, stuck or silent for wear; reads=N for read-disturb; every=N for bit-rot";

/// Errors that flash, its driver or a file system may give.
const ERRNOS: [(&str, Errno); 16] = [
    ("EIO", Errno::IO),
    ("EACCES", Errno::ACCESS),
    ("EBADMSG", Errno::BADMSG),
    ("EDQUOT", Errno::DQUOT),
    ("EFBIG", Errno::FBIG),
    ("EINTR", Errno::INTR),
    ("EINVAL", Errno::INVAL),
    ("ENODEV", Errno::NODEV),
    ("ENOMEM", Errno::NOMEM),
    ("ENOSPC", Errno::NOSPC),
    ("ENXIO", Errno::NXIO),
    ("EPERM", Errno::PERM),
    ("EROFS", Errno::ROFS),
    ("ETIME", Errno::TIME),
    ("ETIMEDOUT", Errno::TIMEDOUT),
    ("EUCLEAN", Errno::UCLEAN),
];

/// NAME, PLACE and OPTIONs of one fault.
pub(super) struct Part<'a> {
    text: &'a str,
    pub(super) name: &'a str,
    pub(super) place: Option<&'a str>,
    pub(super) trigger: Trigger,
    pub(super) seed: u64,
    pub(super) errno: Option<Errno>,
    pub(super) tear: Option<Tear>,
    /// `erases=`, `reads=` or `every=`: which, and how many.
    pub(super) limit: Option<(&'a str, u64)>,
    pub(super) end: Option<WornOut>,
}

impl<'a> Part<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, SpecError> {
        let text = text.trim();
        let mut fields = text.split(':');
        let head = fields
            .next()
            .filter(|h| !h.is_empty())
            .ok_or(SpecError::Empty)?;
        let (name, place) = match head.split_once('@') {
            Some((name, place)) => (name, Some(place)),
            None => (head, None),
        };
        let mut part = Self {
            text,
            name,
            place,
            trigger: Trigger::ALWAYS,
            seed: 0,
            errno: None,
            tear: None,
            limit: None,
            end: None,
        };
        for option in fields {
            part.take_option(option)
                .ok_or_else(|| part.bad_option(option, OPTIONS))?;
        }
        Ok(part)
    }

    fn take_option(&mut self, option: &'a str) -> Option<()> {
        match option.split_once('=') {
            None => {
                self.trigger.times = match option {
                    "once" | "transient" => Some(1),
                    "always" | "persistent" => None,
                    _ => return None,
                }
            }
            Some(("times", n)) => self.trigger.times = Some(number(n)?),
            Some(("after", n)) => self.trigger.after = number(n)?,
            Some(("seed", n)) => self.seed = number(n)?,
            Some((name @ ("erases" | "reads" | "every"), n)) => {
                self.limit = Some((name, number(n).filter(|n| *n > 0)?));
            }
            Some(("end", word)) => {
                let known = WornOut::WORDS.iter().find(|(known, _)| *known == word);
                self.end = Some(known?.1);
            }
            Some(("tear", text)) => self.tear = Some(text.parse().ok()?),
            Some(("errno", name)) => {
                self.errno = Some(errno(name)?);
            }
            Some(_) => return None,
        }
        Some(())
    }

    pub(super) fn bad_option(&self, option: &str, expected: &'static str) -> SpecError {
        SpecError::Option {
            part: self.text.to_owned(),
            option: option.to_owned(),
            expected,
        }
    }

    pub(super) fn bad_place(&self, expected: &'static str) -> SpecError {
        SpecError::Place {
            part: self.text.to_owned(),
            place: self.place.unwrap_or_default().to_owned(),
            expected,
        }
    }

    pub(super) fn unknown(&self, known: &'static str) -> SpecError {
        SpecError::UnknownName {
            part: self.text.to_owned(),
            name: self.name.to_owned(),
            known,
        }
    }

    /// The place as a range of the chip; None: everywhere.
    fn range(&self) -> Result<Option<Range<u64>>, SpecError> {
        let Some(place) = self.place else {
            return Ok(None);
        };
        let (offset, length) = place.split_once('+').unwrap_or((place, "1"));
        let range = || {
            let start = number(offset)?;
            let end = start.checked_add(number(length)?)?;
            (start < end).then_some(start..end)
        };
        range().map(Some).ok_or_else(|| self.bad_place(PLACE))
    }

    fn bit_flip(&self) -> Result<(FaultKind, Option<Range<u64>>), SpecError> {
        let Some((offset, bit)) = self.place.and_then(|place| place.split_once('.')) else {
            return Ok((FaultKind::RandomBitFlip, self.range()?));
        };
        let parse = || {
            let start = number(offset)?;
            let bit = number(bit).filter(|&bit| bit < 8)? as u8;
            Some((FaultKind::BitFlip(bit), Some(start..start.checked_add(1)?)))
        };
        parse().ok_or_else(|| self.bad_place(BIT))
    }

    fn size_change(&self) -> Result<FaultKind, SpecError> {
        let parse = || {
            let (device, size) = self.place?.split_once('=')?;
            Some(FaultKind::SizeChange(SizeChange {
                index: device.strip_prefix("mtd")?.parse().ok()?,
                size_bytes: number(size)?,
            }))
        };
        parse().ok_or_else(|| self.bad_place(SIZE))
    }

    /// How many of what: a fault that counts has no default.
    fn limit(&self, name: &str) -> Result<u64, SpecError> {
        match self.limit {
            Some((given, n)) if given == name => Ok(n),
            _ => Err(self.bad_option(
                self.limit.map_or("", |(given, _)| given),
                "wear wants erases=N, read-disturb reads=N, bit-rot every=N",
            )),
        }
    }

    fn fault(self) -> Result<Fault, SpecError> {
        let errno = self.errno.unwrap_or(Errno::IO);
        let takes_errno = matches!(self.name, "read-error" | "program-error" | "erase-error");
        let (kind, place) = match self.name {
            "read-error" => (FaultKind::ReadError(errno), self.range()?),
            "program-error" => (FaultKind::ProgramError(errno), self.range()?),
            "erase-error" => (FaultKind::EraseError(errno), self.range()?),
            "short-read" => (FaultKind::ShortRead, self.range()?),
            "bit-flip" => self.bit_flip()?,
            "program-nothing" => (FaultKind::ProgramNothing, self.range()?),
            "erase-nothing" => (FaultKind::EraseNothing, self.range()?),
            "wear" => {
                let (erases, end) = (self.limit("erases")?, self.end.unwrap_or_default());
                (FaultKind::Wear { erases, end }, self.range()?)
            }
            "read-disturb" => {
                let reads = self.limit("reads")?;
                (FaultKind::ReadDisturb { reads }, self.range()?)
            }
            "bit-rot" => {
                let every = self.limit("every")?;
                (FaultKind::BitRot { every }, self.range()?)
            }
            "power-cut" => {
                let tear = self.tear.unwrap_or(Tear::BEFORE);
                (FaultKind::PowerCut(tear), self.range()?)
            }
            "size" => (self.size_change()?, None),
            _ => return Err(self.unknown(FLASH_NAMES)),
        };
        if self.errno.is_some() && !takes_errno {
            return Err(self.bad_option("errno", "this fault gives no error"));
        }
        if self.end.is_some() && self.name != "wear" {
            return Err(self.bad_option("end", "only wear has an end"));
        }
        let is_aged = matches!(self.name, "wear" | "read-disturb" | "bit-rot");
        if let (Some((name, _)), false) = (self.limit, is_aged) {
            return Err(self.bad_option(name, "this fault counts nothing of its own"));
        }
        if self.tear.is_some() && self.name != "power-cut" {
            return Err(self.bad_option("tear", "this fault leaves nothing half done"));
        }
        Ok(Fault {
            kind,
            place,
            trigger: self.trigger,
            seed: self.seed,
        })
    }
}

impl FromStr for FaultPlan {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let faults: Result<Vec<_>, _> = text
            .split(',')
            .map(|part| Part::parse(part)?.fault())
            .collect();
        Ok(Self::new(faults?))
    }
}

impl fmt::Display for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        separated(f, self.faults())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, errno) = match &self.kind {
            FaultKind::ReadError(errno) => ("read-error", Some(*errno)),
            FaultKind::ProgramError(errno) => ("program-error", Some(*errno)),
            FaultKind::EraseError(errno) => ("erase-error", Some(*errno)),
            FaultKind::ShortRead => ("short-read", None),
            FaultKind::BitFlip(_) | FaultKind::RandomBitFlip => ("bit-flip", None),
            FaultKind::ProgramNothing => ("program-nothing", None),
            FaultKind::EraseNothing => ("erase-nothing", None),
            FaultKind::Wear { .. } => ("wear", None),
            FaultKind::ReadDisturb { .. } => ("read-disturb", None),
            FaultKind::BitRot { .. } => ("bit-rot", None),
            FaultKind::PowerCut(_) => ("power-cut", None),
            FaultKind::SizeChange(_) => ("size", None),
        };
        f.write_str(name)?;
        match (&self.kind, &self.place) {
            (FaultKind::SizeChange(change), _) => {
                write!(f, "@mtd{}={:#x}", change.index, change.size_bytes)?;
            }
            (FaultKind::BitFlip(bit), Some(place)) => write!(f, "@{:#x}.{bit}", place.start)?,
            (_, Some(place)) if place.end - place.start == 1 => write!(f, "@{:#x}", place.start)?,
            (_, Some(place)) => write!(f, "@{:#x}+{:#x}", place.start, place.end - place.start)?,
            (_, None) => {}
        }
        match self.kind {
            FaultKind::PowerCut(tear) => write!(f, ":tear={tear}")?,
            FaultKind::Wear { erases, end } => {
                write!(f, ":erases={erases}")?;
                if end != WornOut::default() {
                    write!(f, ":end={}", end.word())?;
                }
            }
            FaultKind::ReadDisturb { reads } => write!(f, ":reads={reads}")?,
            FaultKind::BitRot { every } => write!(f, ":every={every}")?,
            _ => {}
        }
        write_options(
            f,
            self.trigger,
            self.seed,
            errno.unwrap_or(Errno::IO),
            Errno::IO,
        )
    }
}

/// Prints the options that differ from the default.
pub(super) fn write_options(
    f: &mut fmt::Formatter<'_>,
    trigger: Trigger,
    seed: u64,
    errno: Errno,
    default_errno: Errno,
) -> fmt::Result {
    match trigger.times {
        None => {}
        Some(1) => f.write_str(":once")?,
        Some(n) => write!(f, ":times={n}")?,
    }
    if trigger.after > 0 {
        write!(f, ":after={}", trigger.after)?;
    }
    if seed != 0 {
        write!(f, ":seed={seed}")?;
    }
    if errno != default_errno {
        match ERRNOS.iter().find(|(_, known)| *known == errno) {
            Some((name, _)) => write!(f, ":errno={name}")?,
            None => write!(f, ":errno={}", errno.raw_os_error())?,
        }
    }
    Ok(())
}

/// Prints with commas between.
pub(super) fn separated<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = T>,
) -> fmt::Result {
    for (index, item) in items.enumerate() {
        if index > 0 {
            f.write_str(",")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

/// An error by its name, or by its number where it has no name here.
fn errno(name: &str) -> Option<Errno> {
    let known = ERRNOS.iter().find(|(known, _)| *known == name);
    known.map(|(_, errno)| *errno).or_else(|| {
        // Linux's numbers end at 4095 (include/linux/err.h, MAX_ERRNO).
        let number = number(name).filter(|n| (1..4096).contains(n))?;
        Some(Errno::from_raw_os_error(number as i32))
    })
}

/// Decimal, or hex after 0x.
pub(super) fn number(text: &str) -> Option<u64> {
    // from_str_radix takes a sign, which has no place here.
    if !text.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    match text.strip_prefix("0x") {
        Some(hex) if hex.starts_with('+') => None,
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}
