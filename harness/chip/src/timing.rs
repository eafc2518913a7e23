//! How long a chip takes for each operation: the virtual clock's figures.
//!
//! The clock is a model. It adds up typical times from a data sheet; it knows
//! nothing of a processor, a bus or an operating system, and nothing sleeps.

use std::time::Duration;

/// Per-operation times of a chip.
///
/// All fields are public so that other chips can be described:
///
/// ```
/// use mtd_chip::Timing;
/// use std::time::Duration;
/// let faster = Timing {
///     name: "a later chip",
///     erase: Duration::from_millis(400),
///     ..Timing::INTEL_28F128J3A
/// };
/// assert_eq!(faster.read_page_bytes, 8);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Which chip the figures are of.
    pub name: &'static str,
    /// Where the figures come from: document and table.
    pub source: &'static str,
    /// Width of one bus access, in bytes.
    pub word_bytes: u32,
    /// Size of a read page: after its first word the others come faster.
    pub read_page_bytes: u32,
    /// First word of a read page: address to output.
    pub read_first_word: Duration,
    /// Each further word of the same read page.
    pub read_next_word: Duration,
    /// Size of the write buffer; programming is done in aligned pieces of it.
    pub write_buffer_bytes: u32,
    /// Programming one write buffer, however full.
    pub program_buffer: Duration,
    /// Erasing one erase block.
    pub erase: Duration,
    /// Setting one erase block's lock bit.
    pub set_lock: Duration,
    /// Clearing lock bits.
    pub clear_lock: Duration,
}

impl Timing {
    /// Intel 3 Volt StrataFlash 28F128J3A, 128 Mbit, 150 ns speed grade, on a
    /// 16-bit bus; typical values.
    ///
    /// 150 ns, 25 ns, the 32-byte write buffer and 6.8 µs a byte (218 µs a
    /// buffer) stand on the data sheet's first page. The times of erase and
    /// lock bits are quoted from its performance table as it is commonly cited;
    /// they were not compared with a copy of that table.
    pub const INTEL_28F128J3A: Timing = Timing {
        name: "Intel 28F128J3A-150, 16-bit bus",
        source: "Intel 3 Volt StrataFlash Memory 28F128J3A, 28F640J3A, 28F320J3A data sheet \
                 (order number 290667): read tables R2 (tAVQV 150 ns) and R15 (tAPA 25 ns), \
                 4-word page buffer; table Block Erase, Program, and Lock-Bit Configuration \
                 Performance, typical column",
        word_bytes: 2,
        read_page_bytes: 8,
        read_first_word: Duration::from_nanos(150),
        read_next_word: Duration::from_nanos(25),
        write_buffer_bytes: 32,
        program_buffer: Duration::from_micros(218),
        erase: Duration::from_secs(1),
        set_lock: Duration::from_micros(64),
        clear_lock: Duration::from_millis(500),
    };

    /// Time to read a range: each read page it touches costs one first word,
    /// each further word a next word.
    pub fn read(&self, offset_bytes: u64, length_bytes: u64) -> Duration {
        let words = units(offset_bytes, length_bytes, self.word_bytes);
        let pages = units(offset_bytes, length_bytes, self.read_page_bytes);
        times(self.read_first_word, pages) + times(self.read_next_word, words - pages)
    }

    /// Time to program a range: each aligned write buffer it touches costs one
    /// buffer program, as Linux 6.1 drivers/mtd/chips/cfi_cmdset_0001.c splits it.
    pub fn program(&self, offset_bytes: u64, length_bytes: u64) -> Duration {
        let buffers = units(offset_bytes, length_bytes, self.write_buffer_bytes);
        times(self.program_buffer, buffers)
    }
}

/// How many aligned units of `unit_bytes` a range touches.
fn units(offset_bytes: u64, length_bytes: u64, unit_bytes: u32) -> u64 {
    if length_bytes == 0 {
        return 0;
    }
    let (first, last) = (offset_bytes, offset_bytes + length_bytes - 1);
    // A division costs more than reading a few cells does.
    if unit_bytes.is_power_of_two() {
        let shift = unit_bytes.trailing_zeros();
        return (last >> shift) - (first >> shift) + 1;
    }
    let unit = u64::from(unit_bytes);
    last / unit - first / unit + 1
}

/// `Duration` multiplies by u32 only; a job on gigabytes needs more.
fn times(each: Duration, count: u64) -> Duration {
    if let (0, Some(nanos)) = (
        each.as_secs(),
        u64::from(each.subsec_nanos()).checked_mul(count),
    ) {
        return Duration::from_nanos(nanos);
    }
    let nanos = each.as_nanos() * u128::from(count);
    Duration::new(
        (nanos / 1_000_000_000) as u64,
        (nanos % 1_000_000_000) as u32,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::nothing(5, 0, 0)]
    #[case::one_byte(5, 1, 150)]
    #[case::one_page(8, 8, 150 + 3 * 25)]
    #[case::astride_two_pages(6, 4, 300)]
    #[case::odd_ends(7, 2, 300)]
    #[case::an_erase_block(0, 0x20000, 0x20000 / 8 * 225)]
    fn reading(#[case] offset: u64, #[case] length: u64, #[case] nanos: u64) {
        let time = Timing::INTEL_28F128J3A.read(offset, length);
        assert_eq!(time, Duration::from_nanos(nanos));
    }

    #[rstest]
    #[case::nothing(0, 0, 0)]
    #[case::one_byte(31, 1, 218)]
    #[case::two_buffers(31, 2, 436)]
    #[case::an_erase_block(0, 0x20000, 4096 * 218)]
    fn programming(#[case] offset: u64, #[case] length: u64, #[case] micros: u64) {
        let time = Timing::INTEL_28F128J3A.program(offset, length);
        assert_eq!(time, Duration::from_micros(micros));
    }

    #[test]
    fn a_terabyte_does_not_overflow() {
        let time = Timing::INTEL_28F128J3A.read(0, 1 << 40);
        assert_eq!(time, Duration::from_nanos((1 << 37) * 225));
    }
}
