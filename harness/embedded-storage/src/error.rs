//! What goes wrong on the flash.

use embedded_storage::nor_flash::{NorFlashError, NorFlashErrorKind};
use mtd_chip::Errno;

/// Why an access failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlashError {
    /// Not a multiple of the size that the trait names.
    #[error("{what} of {length:#x} bytes at {offset:#x} is not aligned to {unit} bytes")]
    NotAligned {
        /// `a read`, `a write` or `an erase`.
        what: &'static str,
        /// Where.
        offset: u32,
        /// How long.
        length: usize,
        /// What offset and length are to be multiples of.
        unit: usize,
    },
    /// Past the end, or from behind to before.
    #[error("{what} of {length:#x} bytes at {offset:#x} runs past the end at {end:#x}")]
    OutOfBounds {
        /// `a read`, `a write` or `an erase`.
        what: &'static str,
        /// Where.
        offset: u32,
        /// How long.
        length: usize,
        /// Where the flash ends.
        end: usize,
    },
    /// A word that was written already, on flash that takes each once between two erases.
    #[error("the word at {offset:#x} is written a second time without an erase")]
    WrittenTwice {
        /// The word.
        offset: u32,
    },
    /// What the chip answered: a fault, a lock, no power.
    #[error("{what} at {offset:#x}: {errno}")]
    Chip {
        /// `a read`, `a write` or `an erase`.
        what: &'static str,
        /// Where.
        offset: u32,
        /// The chip's answer.
        errno: Errno,
    },
}

impl FlashError {
    /// Whether the caller broke the traits' contract.
    pub fn is_misuse(&self) -> bool {
        !matches!(self, Self::Chip { .. })
    }
}

impl NorFlashError for FlashError {
    fn kind(&self) -> NorFlashErrorKind {
        match self {
            Self::NotAligned { .. } => NorFlashErrorKind::NotAligned,
            Self::OutOfBounds { .. } => NorFlashErrorKind::OutOfBounds,
            _ => NorFlashErrorKind::Other,
        }
    }
}
