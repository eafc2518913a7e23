//! The change of one erase block, and what it holds after an error.
//!
//! Faults tolerated: an error of an erase or a program, once (the erase block is erased
//! again); a lock that nobody told of.

use super::blocks::{self, Need};
use super::crippled::{Crippled, lacks};
use super::flash;
use crate::backup::first_difference;
use crate::mtd::{Errno, MtdError, MtdWrite};

/// What is said of an erase block that was not touched after all.
pub(super) const OLD: &str = "holds its old bytes";

/// The change of one erase block.
pub(super) struct BlockWrite<'a> {
    pub(super) device: &'a mut dyn MtdWrite,
    pub(super) offset_bytes: u64,
    pub(super) old: &'a [u8],
    pub(super) wanted: &'a [u8],
    pub(super) back: &'a mut [u8],
    /// It is locked in the end: it was before an earlier run, or is now.
    pub(super) lock: bool,
    /// It was unlocked, now.
    pub(super) unlocked: bool,
}

impl BlockWrite<'_> {
    /// Unlocks where it is locked, changes, reads back, and locks again; how many bytes
    /// were programmed, or what went wrong.
    pub(super) fn run(&mut self, need: Need) -> Result<u64, String> {
        let length = self.wanted.len() as u64;
        // The plan has asked; what one unlock opened is not unlocked again.
        if self.lock && self.is_locked() {
            self.unlock().map_err(|error| error.to_string())?;
        }
        let result = match self.change(need) {
            // Locked since, or a kernel before 2.6.36, which does not tell of locks.
            Err(fault) if !self.unlocked && (fault.is_protected() || self.is_locked()) => {
                match self.unlock() {
                    Ok(()) => self.change(need),
                    Err(_) => Err(fault),
                }
            }
            // Once more, from erased cells: what a program left undone may take then.
            Err(fault) if fault.is_protected() => Err(fault),
            Err(_) => self.change(Need::Erase),
            done => done,
        };
        let result = result.map_err(|fault| match fault {
            Fault::Flash(error) => error.to_string(),
            Fault::Differs(at) => format!("it does not take its bytes, first at {at:#x}"),
        });
        if self.lock {
            let locked = self.device.set_locked(self.offset_bytes, length, true);
            locked.map_err(|error| error.to_string()).and(result)
        } else {
            result
        }
    }

    fn is_locked(&mut self) -> bool {
        let length = self.wanted.len() as u64;
        self.device.is_locked(self.offset_bytes, length) == Some(true)
    }

    fn unlock(&mut self) -> Result<(), MtdError> {
        let length = self.wanted.len() as u64;
        self.device.set_locked(self.offset_bytes, length, false)?;
        (self.lock, self.unlocked) = (true, true);
        Ok(())
    }

    fn change(&mut self, need: Need) -> Result<u64, Fault> {
        let length = self.wanted.len() as u64;
        let cells = match need {
            Need::Program => Some(self.old),
            _ => {
                self.device.erase(self.offset_bytes, length)?;
                None
            }
        };
        let mut bytes = 0;
        for piece in blocks::pieces(cells, self.wanted) {
            let at = self.offset_bytes + piece.start as u64;
            self.device.program(at, &self.wanted[piece.clone()])?;
            bytes += piece.len() as u64;
        }
        if lacks(Crippled::NoReadingBack) {
            return Ok(bytes);
        }
        flash::read(self.device, self.offset_bytes, self.back)?;
        match first_difference(self.back, self.wanted) {
            None => Ok(bytes),
            Some(at) => Err(Fault::Differs(self.offset_bytes + at as u64)),
        }
    }

    /// What the erase block holds now, as a sentence's end.
    pub(super) fn state(&mut self) -> &'static str {
        if flash::read(self.device, self.offset_bytes, self.back).is_err() {
            "cannot be read"
        } else if self.back == self.old {
            OLD
        } else if self.back == self.wanted {
            "holds the backup's bytes"
        } else if self.back.iter().all(|byte| *byte == 0xFF) {
            "is erased"
        } else {
            "holds neither its old bytes nor the backup's"
        }
    }
}

enum Fault {
    /// The device failed.
    Flash(MtdError),
    /// It reads differently from here on.
    Differs(u64),
}

impl From<MtdError> for Fault {
    fn from(error: MtdError) -> Self {
        Self::Flash(error)
    }
}

impl Fault {
    /// Whether the answer is that of a locked erase block.
    fn is_protected(&self) -> bool {
        let errno = match self {
            Self::Flash(error) => error.errno(),
            Self::Differs(_) => None,
        };
        matches!(errno, Some(Errno::ROFS | Errno::PERM | Errno::ACCESS))
    }
}
