//! Where the cells of two chips differ.

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

/// Where the cells of two chips differ.
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
