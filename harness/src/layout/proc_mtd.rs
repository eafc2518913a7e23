//! The text of a captured `/proc/mtd`, which has no offsets and no chips.

use super::{ChipLayout, HEADER, Layout, LayoutError, LineAt, NUMBER_MAX, PartitionSpec};
use crate::chip::Geometry;
use std::fmt;

impl Layout {
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
    /// `firmware` around `kernel` and `rootfs`) get room of their own. Numbers (which
    /// may have gaps), names, sizes and erase-block sizes are exact in any case.
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
        let mut last: Option<u32> = None;
        for (number, text) in lines {
            let row = Row::parse(number, text)?;
            let at = || LineAt::new(number, text);
            match last {
                Some(last) if row.index == last => {
                    return Err(LayoutError::Repeated {
                        line: at(),
                        index: last,
                    });
                }
                Some(last) if row.index < last => {
                    return Err(LayoutError::OutOfOrder {
                        line: at(),
                        last,
                        found: row.index,
                    });
                }
                _ => {}
            }
            let follows = row.index == last.map_or(0, |last| last + 1);
            last = Some(row.index);
            layout
                .append(row, follows)
                .ok_or_else(|| LayoutError::ChipTooLarge {
                    line: LineAt::new(number, text),
                })?;
        }
        if last.is_none() {
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
        for (index, chip, at) in self.numbered() {
            let partition = &self.chips[chip].partitions[at];
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

    /// Adds a row to the last chip, or begins another one; whether its number follows the
    /// one before. None: too large.
    fn append(&mut self, row: Row, follows: bool) -> Option<()> {
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
            number: (!follows).then_some(row.index),
            ..PartitionSpec::new(row.name, offset_bytes, row.size_bytes)
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
                .ok()
                .filter(|index| *index <= NUMBER_MAX)
                .ok_or_else(|| too_large("MTD number", index, 19))?,
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
