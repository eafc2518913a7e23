//! The partitions of a device's chips, and how texts become such a layout: a captured
//! `/proc/mtd`, and what else tells of one (`told`).
//!
//! Invariants: a layout that this module makes has at least one partition; in
//! each chip the erase block divides the size; every partition lies inside its
//! chip; in one from a `/proc/mtd`, partitions follow each other without a gap.
//!
//! Faults tolerated: none. A text that is not what Linux prints is refused with
//! the line that is wrong, because a guess here would become a wrong offset on
//! flash later. Only what terminals do to a captured text is forgiven: CR at
//! the end of a line, blanks after it, empty lines at the very end, more than
//! one blank between two columns.

use crate::chip::Geometry;
use std::fmt;

mod proc_mtd;
mod reported;
#[cfg(test)]
mod tests;

pub use reported::{Lacking, ReportedChip, ReportedError, ReportedLayout, ReportedPartition};

/// One partition as a layout asks for it.
///
/// ```
/// use mtd_harness::layout::PartitionSpec;
///
/// let kernel = PartitionSpec {
///     read_only: true,
///     ..PartitionSpec::new("kernel", 0x4_0000, 0x20_0000)
/// };
/// assert_eq!(kernel.number, None);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionSpec {
    /// Its name; may hold blanks.
    pub name: String,
    /// Where it starts on its chip.
    pub offset_bytes: u64,
    /// How long it is.
    pub size_bytes: u64,
    /// N of mtdN; none: one more than the partition before it.
    pub number: Option<u32>,
    /// The partition of its chip that it is a part of, by its place in
    /// [`ChipLayout::partitions`]; none: a part of the chip itself. Partitions may
    /// overlap without one.
    pub parent: Option<usize>,
    /// Whether the layout takes the permission to write from it (`ro` in `mtdparts=`,
    /// `read-only` in a device tree).
    pub read_only: bool,
}

impl PartitionSpec {
    /// A partition of the chip itself that may be written, numbered by its place.
    pub fn new(name: impl Into<String>, offset_bytes: u64, size_bytes: u64) -> Self {
        Self {
            name: name.into(),
            offset_bytes,
            size_bytes,
            ..Self::default()
        }
    }
}

/// One chip and its partitions, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChipLayout {
    /// The chip.
    pub geometry: Geometry,
    /// Its partitions; without numbers of their own they get them in this order.
    pub partitions: Vec<PartitionSpec>,
}

impl ChipLayout {
    /// A chip with these partitions.
    pub fn new(geometry: Geometry, partitions: impl IntoIterator<Item = PartitionSpec>) -> Self {
        Self {
            geometry,
            partitions: partitions.into_iter().collect(),
        }
    }

    /// The name of a partition whose parent cannot be its parent.
    fn wrong_parent(&self) -> Option<String> {
        let parent = |at: usize| self.partitions.get(at)?.parent;
        let is_wrong = |at: &usize| {
            let mut up = parent(*at);
            // A chain that is longer than there are partitions is a ring.
            for _ in 0..self.partitions.len() {
                let Some(outer) = up else { return false };
                let starts = |at: usize| self.partitions.get(at).map(|p| p.offset_bytes);
                if starts(outer).is_none_or(|start| Some(start) > starts(*at)) {
                    return true;
                }
                up = parent(outer);
            }
            up.is_some()
        };
        let at = (0..self.partitions.len()).find(is_wrong)?;
        Some(self.partitions[at].name.clone())
    }
}

/// All chips of a device. A device with mixed erase-block sizes has several.
///
/// ```
/// use mtd_harness::chip::Geometry;
/// use mtd_harness::layout::{ChipLayout, Layout, PartitionSpec};
///
/// let chip = Geometry { size_bytes: 0x40_0000, erase_block_bytes: 0x1_0000 };
/// let boot = PartitionSpec::new("boot", 0, 0x4_0000);
/// let rest = PartitionSpec::new("rest", 0x4_0000, 0x3c_0000);
/// let layout = Layout::new([ChipLayout::new(chip, [boot, rest])]);
/// layout.check()?;
/// // Or from what a device told of itself.
/// let told = "dev: size erasesize name\nmtd0: 00040000 00010000 \"boot\"\n";
/// assert_eq!(Layout::from_proc_mtd(told)?.chips[0].partitions[0].name, "boot");
/// # Ok::<(), mtd_harness::layout::LayoutError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layout {
    /// The chips in the order in which Linux numbers their partitions.
    pub chips: Vec<ChipLayout>,
}

impl Layout {
    /// A device with these chips.
    pub fn new(chips: impl IntoIterator<Item = ChipLayout>) -> Self {
        Self {
            chips: chips.into_iter().collect(),
        }
    }
}

/// A line of a text, for an error message: its number and (the start of) it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineAt {
    /// Counted from 1.
    pub number: usize,
    /// The line; cut after 80 characters.
    pub text: String,
}

impl LineAt {
    fn new(number: usize, text: &str) -> Self {
        let mut shown: String = text.chars().take(80).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        Self {
            number,
            text: shown,
        }
    }
}

impl fmt::Display for LineAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Escaped, so that control characters of a foreign file do no harm.
        write!(f, "line {}: {:?}", self.number, self.text)
    }
}

/// Why a text is no layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// Nothing in it at all.
    #[error("the text is empty; a captured /proc/mtd starts with `{HEADER}`")]
    Empty,
    /// The first line is not Linux's.
    #[error("{line}: not the header of /proc/mtd, which reads `{HEADER}`")]
    ForeignHeader {
        /// The first line.
        line: LineAt,
    },
    /// A header and no more.
    #[error("the table has a header and no partition: this kernel found no MTD device")]
    NoPartitions,
    /// A line that stops early or holds something else.
    #[error("{line}: torn or foreign, {what}; capture the whole of /proc/mtd again")]
    TornLine {
        /// The line.
        line: LineAt,
        /// What was looked for and not found.
        what: &'static str,
    },
    /// A number that its column cannot hold.
    #[error("{line}: the {column} {digits} needs more than {bits} bits")]
    TooLarge {
        /// The line.
        line: LineAt,
        /// `MTD number`, `size` or `erase-block size`.
        column: &'static str,
        /// As it stands there.
        digits: String,
        /// How many bits there are.
        bits: u32,
    },
    /// An MTD number that was there before.
    #[error("{line}: mtd{index} is listed twice")]
    Repeated {
        /// The second line with it.
        line: LineAt,
        /// The number.
        index: u32,
    },
    /// A number that is lower than the one before, as Linux never prints it.
    #[error("{line}: mtd{found} stands after mtd{last}; Linux lists its devices in their order")]
    OutOfOrder {
        /// The line.
        line: LineAt,
        /// The number before.
        last: u32,
        /// The number that stands there.
        found: u32,
    },
    /// A number that two partitions of a layout have, or that no node can have.
    #[error("mtd{index} is the number of two partitions, or past what Linux has nodes for")]
    Number {
        /// The number.
        index: u32,
    },
    /// A parent that is not there, that is the partition itself, or that starts after
    /// it.
    #[error("the partition {name:?} cannot lie in the parent that it names")]
    Parent {
        /// The partition.
        name: String,
    },
    /// An MTD device without erase blocks (RAM or ROM) is no flash.
    #[error("{line}: erase-block size 0 is RAM or ROM, not flash; take the line out and renumber")]
    NoEraseBlock {
        /// The line.
        line: LineAt,
    },
    /// The running sum does not fit.
    #[error("{line}: up to here the chip has more than 2^63-1 bytes, past what Linux can address")]
    ChipTooLarge {
        /// The line.
        line: LineAt,
    },
}

/// The last number whose node Linux can have: minors have 20 bits, and mtdN takes two.
const NUMBER_MAX: u32 = (1 << 19) - 1;

/// Linux's first line (drivers/mtd/mtdcore.c, 6.1).
const HEADER: &str = "dev:    size   erasesize  name";

/// The eleven partitions of the iSpot: name, size. They follow each other.
const ISPOT: [(&str, u64); 11] = [
    ("RedBoot", 0x4_0000),
    ("param", 0x2_0000),
    ("linux", 0x12_0000),
    ("rootfs", 0x60_0000),
    ("system", 0x10_0000),
    ("linux_2", 0x12_0000),
    ("rootfs_2", 0x60_0000),
    ("ver_1", 0x2_0000),
    ("ver_2", 0x2_0000),
    ("FIS directory", 0x1_f000),
    ("RedBoot config", 0x1000),
];

impl Layout {
    /// The eleven partitions of the Clear iSpot: one NOR chip of 16 MiB with
    /// 128 KiB erase blocks. Source: `/proc/mtd` of a device; the offsets are
    /// running sums, and Linux's RedBoot parser finds the same ones.
    ///
    /// ```
    /// let layout = mtd_harness::layout::Layout::ispot();
    /// let chip = &layout.chips[0];
    /// assert_eq!(chip.geometry.size_bytes, 16 << 20);
    /// assert_eq!(chip.partitions[3].name, "rootfs");
    /// assert_eq!(chip.partitions[3].offset_bytes, 0x18_0000);
    /// ```
    pub fn ispot() -> Self {
        let mut offset_bytes = 0;
        let partitions = ISPOT
            .iter()
            .map(|&(name, size_bytes)| {
                let partition = PartitionSpec::new(name, offset_bytes, size_bytes);
                offset_bytes += size_bytes;
                partition
            })
            .collect();
        Self {
            chips: vec![ChipLayout {
                geometry: Geometry {
                    size_bytes: offset_bytes,
                    erase_block_bytes: 0x2_0000,
                },
                partitions,
            }],
        }
    }

    /// All partitions in the order of their MTD numbers, each with the index
    /// of its chip.
    pub fn partitions(&self) -> impl Iterator<Item = (usize, &PartitionSpec)> {
        self.numbered()
            .into_iter()
            .map(|(_, chip, at)| (chip, &self.chips[chip].partitions[at]))
    }

    /// MTD number, chip and place of every partition, in the order of the numbers.
    pub(crate) fn numbered(&self) -> Vec<(u32, usize, usize)> {
        let mut next = 0_u32;
        let mut numbered = Vec::new();
        for (chip, layout) in self.chips.iter().enumerate() {
            for (at, partition) in layout.partitions.iter().enumerate() {
                let number = partition.number.unwrap_or(next);
                numbered.push((number, chip, at));
                next = number.saturating_add(1);
            }
        }
        numbered.sort_by_key(|(number, ..)| *number);
        numbered
    }

    /// Whether numbers and parents are ones that devices can have.
    ///
    /// # Errors
    /// [`LayoutError::Number`], [`LayoutError::Parent`].
    pub fn check(&self) -> Result<(), LayoutError> {
        let numbered = self.numbered();
        let twice = numbered.windows(2).find(|pair| pair[0].0 == pair[1].0);
        let past = numbered.last().filter(|last| last.0 > NUMBER_MAX);
        if let Some((index, ..)) = twice.map(|pair| pair[0]).or(past.copied()) {
            return Err(LayoutError::Number { index });
        }
        let wrong = self.chips.iter().find_map(ChipLayout::wrong_parent);
        wrong.map_or(Ok(()), |name| Err(LayoutError::Parent { name }))
    }

    /// The first partition of this name, with the index of its chip.
    pub fn partition(&self, name: &str) -> Option<(usize, &PartitionSpec)> {
        self.partitions().find(|(_, p)| p.name == name)
    }
}
