//! What a text can tell, and why it tells nothing.

use crate::layout::LayoutError;

/// A chip, as far as a text tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportedChip {
    /// Its name there, or none.
    pub name: String,
    /// Its size.
    pub size_bytes: Option<u64>,
    /// Its erase-block size.
    pub erase_block_bytes: Option<u64>,
}

/// A partition, as far as a text tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportedPartition {
    /// The line that tells of it, from 1.
    pub line: usize,
    /// N of mtdN.
    pub number: Option<u32>,
    /// Its name.
    pub name: String,
    /// Its chip, by place in [`ReportedLayout::chips`].
    pub chip: Option<usize>,
    /// What it is a part of, by place in [`ReportedLayout::partitions`].
    pub parent: Option<usize>,
    /// Where it starts on its chip.
    pub offset_bytes: Option<u64>,
    /// How long it is.
    pub size_bytes: Option<u64>,
    /// Its erase-block size.
    pub erase_block_bytes: Option<u64>,
    /// Whether the text has it read-only; false where it says nothing of that.
    pub read_only: bool,
}

/// A list of partitions that lacks lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// The line that announces them, from 1.
    pub line: usize,
    /// How many it announces.
    pub announced: u32,
    /// How many there are.
    pub found: u32,
}

/// All that a text tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportedLayout {
    /// Chips in the text's order.
    pub chips: Vec<ReportedChip>,
    /// Partitions in the text's order.
    pub partitions: Vec<ReportedPartition>,
    /// Lists that lack lines: the text's order tells no numbers.
    pub lacking: Vec<Lacking>,
}

/// Why a text tells no layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportedError {
    /// It has none of the forms.
    #[error("the text tells of no partition")]
    Nothing,
    /// A line that cannot be.
    #[error("line {line}: {why}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// What it tells is not enough for a layout.
    #[error("{name:?} is told without {what}")]
    Lacks {
        /// The partition.
        name: String,
        /// What is missing.
        what: &'static str,
    },
    /// What it tells is no layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}
