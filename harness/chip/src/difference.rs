//! Where the cells of two chips differ.

use std::fmt;

/// One byte that two chips differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Where on the chip.
    pub offset_bytes: u64,
    /// What the first chip holds.
    pub ours: u8,
    /// What the other one holds.
    pub theirs: u8,
}

/// Where the cells of two chips differ ([`Chip::differences`](crate::Chip::differences)).
///
/// ```
/// use mtd_chip::{Chip, Geometry};
///
/// let before = Chip::new(Geometry { size_bytes: 4096, erase_block_bytes: 1024 });
/// let mut chip = before.clone();
/// chip.program(0x402, b"ab")?;
/// let found = chip.differences(&before)?;
/// assert_eq!((found.bytes, found.first[0].offset_bytes), (2, 0x402));
/// // For the message of an assertion: what this chip holds, and what the other one.
/// let text = found.to_string();
/// assert_eq!(text, "2 bytes differ, in 1 erase block: 0x402: 61, ff; 0x403: 62, ff");
/// # Ok::<(), mtd_chip::Errno>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Differences {
    /// How many bytes differ.
    pub bytes: u64,
    /// How many erase blocks have such bytes.
    pub erase_blocks: u64,
    /// The first of them, [`Differences::FIRST`] at most.
    pub first: Vec<Difference>,
}

impl Differences {
    /// How many are told one by one.
    pub const FIRST: usize = 16;

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = |count: u64, name: &str| match count {
            1 => format!("1 {name}"),
            _ => format!("{count} {name}s"),
        };
        let verb = if self.bytes == 1 { "differs" } else { "differ" };
        let (bytes, blocks) = (
            counted(self.bytes, "byte"),
            counted(self.erase_blocks, "erase block"),
        );
        write!(f, "{bytes} {verb}, in {blocks}")?;
        for (n, one) in self.first.iter().enumerate() {
            let between = if n == 0 { ": " } else { "; " };
            let Difference {
                offset_bytes,
                ours,
                theirs,
            } = one;
            write!(f, "{between}{offset_bytes:#x}: {ours:02x}, {theirs:02x}")?;
        }
        match self.bytes > self.first.len() as u64 {
            true => f.write_str("; …"),
            false => Ok(()),
        }
    }
}
