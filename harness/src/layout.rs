//! The partitions of a device's chips, and how a captured `/proc/mtd` becomes
//! such a layout.
//!
//! Invariants: a layout that this module makes has at least one partition; in
//! each chip the erase block divides the size; every partition lies inside its
//! chip; partitions follow each other without a gap.
//!
//! Faults tolerated: none. A text that is not what Linux prints is refused with
//! the line that is wrong, because a guess here would become a wrong offset on
//! flash later. Only what terminals do to a captured text is forgiven: CR at
//! the end of a line, blanks after it, empty lines at the very end, more than
//! one blank between two columns.

use crate::chip::Geometry;
use std::fmt;

#[cfg(test)]
mod tests;

/// One partition as a layout asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionSpec {
    /// Its name; may hold blanks.
    pub name: String,
    /// Where it starts on its chip.
    pub offset_bytes: u64,
    /// How long it is.
    pub size_bytes: u64,
}

/// One chip and its partitions, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChipLayout {
    /// The chip.
    pub geometry: Geometry,
    /// Its partitions; they get their MTD numbers in this order.
    pub partitions: Vec<PartitionSpec>,
}

/// All chips of a device. A device with mixed erase-block sizes has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The chips in the order in which Linux numbers their partitions.
    pub chips: Vec<ChipLayout>,
}

/// A line of a text, for an error message: its number and (the start of) it.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// Numbers that do not count up from 0.
    #[error(
        "{line}: mtd{found} stands where mtd{expected} belongs; a layout numbers its partitions \
         from 0 without gaps"
    )]
    OutOfOrder {
        /// The line.
        line: LineAt,
        /// The number that belongs there.
        expected: u32,
        /// The number that stands there.
        found: u32,
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
                let partition = PartitionSpec {
                    name: name.to_owned(),
                    offset_bytes,
                    size_bytes,
                };
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

    /// The layout that a captured `/proc/mtd` describes.
    ///
    /// The table has no offsets and no chips, so both are inferred:
    /// - Lines in a row with the same erase-block size are partitions of one
    ///   chip, one after the other: offsets are running sums. Where the
    ///   erase-block size changes, the next chip begins, at offset 0.
    /// - A chip is as long as its partitions, rounded up to an erase block (and
    ///   has at least one).
    ///
    /// So two chips of the same kind become one, a chip with boot blocks
    /// becomes several, and partitions that overlap on the device (OpenWrt's
    /// `firmware` around `kernel` and `rootfs`) get room of their own. Numbers,
    /// names, sizes and erase-block sizes are exact in any case.
    ///
    /// A name is all that stands between the first and the last quotation mark
    /// of its line: Linux prints it as it is, blanks and quotes included.
    ///
    /// ```
    /// use mtd_harness::layout::Layout;
    ///
    /// let layout = Layout::from_proc_mtd(
    ///     "dev:    size   erasesize  name\n\
    ///      mtd0: 00040000 00020000 \"boot loader\"\n\
    ///      mtd1: 003c0000 00020000 \"firmware\"\n\
    ///      mtd2: 00010000 00001000 \"calibration\"\n",
    /// )?;
    /// assert_eq!(layout.chips.len(), 2);
    /// assert_eq!(layout.chips[0].partitions[1].offset_bytes, 0x4_0000);
    /// # Ok::<(), mtd_harness::layout::LayoutError>(())
    /// ```
    ///
    /// # Errors
    /// [`LayoutError`], with the number and the text of the line.
    pub fn from_proc_mtd(text: &str) -> Result<Self, LayoutError> {
        let mut lines = text
            .trim_end()
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line.trim_end()));
        let Some((number, header)) = lines.next() else {
            return Err(LayoutError::Empty);
        };
        if !header.split_whitespace().eq(HEADER.split_whitespace()) {
            return Err(LayoutError::ForeignHeader {
                line: LineAt::new(number, header),
            });
        }
        let mut layout = Self { chips: Vec::new() };
        let mut count = 0;
        for (number, text) in lines {
            let row = Row::parse(number, text)?;
            if row.index != count {
                let line = LineAt::new(number, text);
                return Err(if row.index < count {
                    LayoutError::Repeated {
                        line,
                        index: row.index,
                    }
                } else {
                    LayoutError::OutOfOrder {
                        line,
                        expected: count,
                        found: row.index,
                    }
                });
            }
            count += 1;
            layout
                .append(row)
                .ok_or_else(|| LayoutError::ChipTooLarge {
                    line: LineAt::new(number, text),
                })?;
        }
        if count == 0 {
            return Err(LayoutError::NoPartitions);
        }
        Ok(layout)
    }

    /// The text of `/proc/mtd` for this layout, as Linux 6.1 prints it
    /// (drivers/mtd/mtdcore.c). Partitions that Linux would cut to the chip
    /// stand here with the size that the layout asks for.
    pub fn to_proc_mtd(&self) -> String {
        use fmt::Write;
        let mut text = format!("{HEADER}\n");
        for (index, (chip, partition)) in self.partitions().enumerate() {
            let erase_block_bytes = self.chips[chip].geometry.erase_block_bytes;
            writeln!(
                text,
                "mtd{index}: {:08x} {erase_block_bytes:08x} \"{}\"",
                partition.size_bytes, partition.name
            )
            .expect("a String takes any text");
        }
        text
    }

    /// All partitions in the order of their MTD numbers, each with the index
    /// of its chip.
    pub fn partitions(&self) -> impl Iterator<Item = (usize, &PartitionSpec)> {
        self.chips
            .iter()
            .enumerate()
            .flat_map(|(chip, layout)| layout.partitions.iter().map(move |p| (chip, p)))
    }

    /// The first partition of this name, with the index of its chip.
    pub fn partition(&self, name: &str) -> Option<(usize, &PartitionSpec)> {
        self.partitions().find(|(_, p)| p.name == name)
    }

    /// Adds a row to the last chip, or begins another one. None: too large.
    fn append(&mut self, row: Row) -> Option<()> {
        let same_chip = self
            .chips
            .last()
            .is_some_and(|chip| chip.geometry.erase_block_bytes == row.erase_block_bytes);
        if !same_chip {
            self.chips.push(ChipLayout {
                geometry: Geometry {
                    size_bytes: row.erase_block_bytes.into(),
                    erase_block_bytes: row.erase_block_bytes,
                },
                partitions: Vec::new(),
            });
        }
        let chip = self.chips.last_mut()?;
        let offset_bytes = chip
            .partitions
            .last()
            .map_or(0, |p| p.offset_bytes + p.size_bytes);
        let end_bytes = offset_bytes.checked_add(row.size_bytes)?;
        let size_bytes = end_bytes.checked_next_multiple_of(row.erase_block_bytes.into())?;
        i64::try_from(size_bytes).ok()?;
        chip.geometry.size_bytes = chip.geometry.size_bytes.max(size_bytes);
        chip.partitions.push(PartitionSpec {
            name: row.name,
            offset_bytes,
            size_bytes: row.size_bytes,
        });
        Some(())
    }
}

/// One line of the table.
struct Row {
    index: u32,
    size_bytes: u64,
    erase_block_bytes: u32,
    name: String,
}

impl Row {
    fn parse(number: usize, text: &str) -> Result<Self, LayoutError> {
        let torn = |what| LayoutError::TornLine {
            line: LineAt::new(number, text),
            what,
        };
        let too_large = |column, digits: &str, bits| LayoutError::TooLarge {
            line: LineAt::new(number, text),
            column,
            digits: digits.to_owned(),
            bits,
        };
        let (head, quoted) = text
            .split_once('"')
            .ok_or_else(|| torn("no name in quotation marks"))?;
        let name = quoted
            .strip_suffix('"')
            .ok_or_else(|| torn("the name has no closing quotation mark"))?;
        if head.ends_with(|c: char| !c.is_whitespace()) {
            return Err(torn("no blank before the name"));
        }
        let mut columns = head.split_whitespace();
        let index = columns
            .next()
            .and_then(|column| column.strip_prefix("mtd")?.strip_suffix(':'))
            .filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
            .ok_or_else(|| torn("it does not start with `mtdN:`"))?;
        let mut hex = |what| {
            columns
                .next()
                // Linux pads to eight digits: fewer means that some are lost.
                .filter(|d| d.len() >= 8 && d.bytes().all(|b| b.is_ascii_hexdigit()))
                .ok_or_else(|| torn(what))
        };
        let size = hex("no size of at least eight hex digits")?;
        let erase_block = hex("no erase-block size of at least eight hex digits")?;
        if columns.next().is_some() {
            return Err(torn("more than two numbers before the name"));
        }
        let row = Self {
            index: index
                .parse()
                .map_err(|_| too_large("MTD number", index, 32))?,
            size_bytes: u64::from_str_radix(size, 16).map_err(|_| too_large("size", size, 64))?,
            erase_block_bytes: u32::from_str_radix(erase_block, 16)
                .map_err(|_| too_large("erase-block size", erase_block, 32))?,
            name: name.to_owned(),
        };
        if row.erase_block_bytes == 0 {
            return Err(LayoutError::NoEraseBlock {
                line: LineAt::new(number, text),
            });
        }
        Ok(row)
    }
}
