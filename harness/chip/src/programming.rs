//! How a chip is programmed: in which pieces, and how often.

/// The rules by which a part is programmed, and with that the pieces in which a power
/// cut can leave it.
///
/// ```
/// use mtd_chip::{Chip, Errno, Geometry, Programming};
///
/// // A microcontroller's flash: words of 8 bytes, each programmed once.
/// let mut chip = Chip::new(Geometry { size_bytes: 65536, erase_block_bytes: 4096 });
/// chip.set_programming(Programming::words(8).once());
/// chip.program(16, &[0x55; 8])?;
/// assert_eq!(chip.program(16, &[0x44; 8]), Err(Errno::IO));
/// assert_eq!(chip.program(17, &[0; 8]), Err(Errno::INVAL));
/// # Ok::<(), Errno>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Programming {
    /// What is programmed at once in silicon; a cut can fall between two of them.
    pub word_bytes: u32,
    /// The aligned piece that one program command reaches at most: a write buffer, or
    /// a page of a serial chip. What is longer is several operations.
    pub buffer_bytes: u32,
    /// Offsets and lengths must be multiples of this.
    pub unit_bytes: u32,
    /// A unit that is not erased cannot be programmed, as where each has an ECC.
    pub is_once: bool,
}

impl Programming {
    /// The 28F128J3 on a 16-bit bus: words of 2 bytes, write buffers of 32, any byte
    /// programmed as often as one likes (Linux programs single bytes so).
    pub const INTEL_28F128J3A: Self = Self {
        word_bytes: 2,
        buffer_bytes: 32,
        unit_bytes: 1,
        is_once: false,
    };

    /// A serial NOR chip: bytes, in pages of 256, as often as one likes.
    pub const SERIAL_NOR: Self = Self {
        word_bytes: 1,
        buffer_bytes: 256,
        unit_bytes: 1,
        is_once: false,
    };

    /// Words of this many bytes, one by one, aligned, as often as one likes.
    pub fn words(word_bytes: u32) -> Self {
        Self {
            word_bytes,
            buffer_bytes: word_bytes,
            unit_bytes: word_bytes,
            is_once: false,
        }
    }

    /// The same, gathered in write buffers of this many bytes.
    #[must_use]
    pub fn buffers(self, buffer_bytes: u32) -> Self {
        Self {
            buffer_bytes,
            ..self
        }
    }

    /// The same, each unit programmed once between two erases.
    #[must_use]
    pub fn once(self) -> Self {
        Self {
            is_once: true,
            ..self
        }
    }

    /// What is wrong with it for erase blocks of a size.
    pub(crate) fn problem(&self, erase_block_bytes: u32) -> Option<String> {
        let Self {
            word_bytes,
            buffer_bytes,
            unit_bytes,
            ..
        } = *self;
        let divides = |a: u32, b: u32| a != 0 && b % a == 0;
        let fits = divides(word_bytes, buffer_bytes)
            && divides(buffer_bytes, erase_block_bytes)
            && divides(unit_bytes, erase_block_bytes);
        (!fits).then(|| {
            format!(
                "words of {word_bytes} bytes, write buffers of {buffer_bytes} and units of \
                 {unit_bytes} do not fit erase blocks of {erase_block_bytes}"
            )
        })
    }

    /// How many operations a program of this range is.
    pub(crate) fn operations(&self, offset_bytes: u64, length_bytes: u64) -> u64 {
        let buffer = u64::from(self.buffer_bytes);
        match length_bytes {
            0 => 0,
            _ => (offset_bytes + length_bytes - 1) / buffer - offset_bytes / buffer + 1,
        }
    }
}
