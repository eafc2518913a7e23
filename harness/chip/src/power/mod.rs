//! Power and what its loss leaves: operations, tears, cells that became unstable.
//!
//! An **operation** is what the chip does in one go: one program command, which
//! reaches an aligned write buffer at most, or the erase of one erase block. They are
//! counted from 1 on, reads and lock bits not. A [`PowerCut`] strikes one of them; what
//! it leaves of it says a [`Tear`].

mod tear;
#[cfg(test)]
mod tests;
mod unstable;

pub use tear::{Model, Tear, TearError};
pub(crate) use tear::{Torn, torn_erase, torn_program, words};
pub(crate) use unstable::Unstable;

use crate::Errno;
use std::fmt;

/// What an operation does to cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperationKind {
    /// Clears bits of one write buffer at most.
    Program,
    /// Sets an erase block to 0xFF.
    Erase,
}

/// One operation: what, and which cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Operation {
    /// What it does.
    pub kind: OperationKind,
    /// Where it starts on the chip.
    pub offset_bytes: u64,
    /// How far it reaches.
    pub length_bytes: u32,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            OperationKind::Program => "program",
            OperationKind::Erase => "erase",
        };
        write!(
            f,
            "{name} of {:#x} bytes at {:#x}",
            self.length_bytes, self.offset_bytes
        )
    }
}

/// When power goes, and what that leaves.
///
/// ```
/// use mtd_chip::cut::PowerCut;
/// use mtd_chip::{Chip, Errno, Geometry};
///
/// let mut chip = Chip::new(Geometry { size_bytes: 4096, erase_block_bytes: 1024 });
/// // The second operation from now on clears its first three bytes only.
/// chip.cut_power(PowerCut::new(2, "p3".parse()?));
/// chip.program(0, &[0; 8])?;
/// assert_eq!(chip.program(32, &[0; 8]), Err(Errno::NODEV));
/// assert_eq!(chip.read(0, &mut [0]), Err(Errno::NODEV));
///
/// chip.power_on();
/// let mut cells = [0; 8];
/// chip.read(32, &mut cells)?;
/// assert_eq!(cells, [0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PowerCut {
    /// Which operation from now on it strikes; the next one is 1.
    pub operation: u64,
    /// What it leaves of that operation.
    pub tear: Tear,
}

impl PowerCut {
    /// A cut in this operation; the next one is 1.
    pub fn new(operation: u64, tear: Tear) -> Self {
        Self { operation, tear }
    }
}

/// A power cut that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Strike {
    /// The operation that was under way.
    pub operation: Operation,
    /// What is left of it.
    pub tear: Tear,
    /// False where the tear asked for something that this operation does not have,
    /// such as an erase's half in a program; nothing of the operation happened then.
    pub fits: bool,
}

/// A chip's power, and who looks on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Power {
    pub(crate) is_off: bool,
    /// Operations since the chip was made.
    pub(crate) operations: u64,
    /// Which operation is struck, counted as `operations` is.
    pub(crate) armed: Option<PowerCut>,
    pub(crate) strike: Option<Strike>,
    /// How many more accesses are served.
    pub(crate) accesses_left: Option<u64>,
}

/// What a chip panics with when it was accessed more often than
/// [`Chip::limit_accesses`](crate::Chip::limit_accesses) allows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endless;

impl Power {
    /// Before any access.
    pub(crate) fn check(&mut self) -> Result<(), Errno> {
        if self.is_off {
            return Err(Errno::NODEV);
        }
        if let Some(left) = &mut self.accesses_left {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => std::panic::panic_any(Endless),
            }
        }
        Ok(())
    }

    /// The tear of the next operation, if that is to be struck.
    pub(crate) fn strikes(&self) -> Option<Tear> {
        let armed = self
            .armed
            .filter(|cut| cut.operation == self.operations + 1);
        armed.map(|cut| cut.tear)
    }
}
