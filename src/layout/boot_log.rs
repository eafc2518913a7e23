//! A kernel's messages about its partitions:
//!
//! ```text
//! Creating 3 MTD partitions on "spi0.0":
//! 0x000000000000-0x000000040000 : "u-boot"
//! 2 uimage-fw partitions found on MTD device firmware
//! Creating 2 MTD partitions on "firmware":
//! 0x000000000000-0x0000002c0000 : "kernel"
//! ```
//!
//! Sources: Linux 6.1, drivers/mtd/mtdpart.c (`allocate_partition`,
//! `add_mtd_partitions`) and mtdcore.c; the messages are older than 2.6.
//!
//! Offsets behind `Creating N … on "X"` count from the start of X, N lines long; where
//! X is a partition of the same log they are made offsets of the chip by adding X's own.
//! Partitions of a partition come while those of the chip are still being made: when
//! X's are all there, the lines go on where X's own did.
//!
//! `N … partitions found on MTD device X` with no such heading behind it is OpenWrt's
//! splitting of X (target/linux/generic, mtd_partition_split): the next N lines count
//! from where X's own does.

use super::error::LayoutTextError;
use super::lines::{Line, decimal, lines, quoted};
use super::{ChipFacts, Form, PartitionFacts, Reading};
use crate::mtd::{OffsetSource, PartitionOffset};

/// On what the following lines are counted.
#[derive(Debug, Clone, Copy)]
struct Base {
    chip: usize,
    parent: Option<usize>,
}

/// So many lines are counted from there.
#[derive(Debug, Clone, Copy)]
struct Frame {
    base: Base,
    left: u32,
}

/// What the lines so far say of the next one.
#[derive(Debug, Default)]
struct Counting {
    /// The headings whose lines are not all there yet, the innermost last.
    frames: Vec<Frame>,
    /// A split that no heading followed.
    split: Option<Frame>,
}

impl Counting {
    fn heading(&mut self, count: u32, base: Base) {
        if base.parent.is_none() {
            // Another chip, or the same log once more.
            self.frames.clear();
        }
        self.frames.push(Frame { base, left: count });
        self.split = None;
    }

    /// From where the next line counts.
    fn next(&mut self, reading: &mut Reading) -> Base {
        if let Some(split) = self.split.as_mut().filter(|split| split.left > 0) {
            split.left -= 1;
            return split.base;
        }
        while self.frames.len() > 1 && self.frames.last().is_some_and(|frame| frame.left == 0) {
            self.frames.pop();
        }
        match self.frames.last_mut() {
            Some(frame) => {
                frame.left = frame.left.saturating_sub(1);
                frame.base
            }
            None => {
                // A log that lost its heading: of one chip, as far as anybody can tell.
                let base = base_of("", reading);
                self.frames.push(Frame { base, left: 0 });
                base
            }
        }
    }
}

/// Reads a text that has such lines; `None` where it has none.
pub(super) fn read(text: &str) -> Option<Result<Reading, LayoutTextError>> {
    let mut reading = Reading {
        form: Form::BootLog,
        chips: Vec::new(),
        partitions: Vec::new(),
        skipped: Vec::new(),
    };
    let mut counting = Counting::default();
    for line in lines(text) {
        if let Some((count, name)) = heading(&line.text) {
            let base = base_of(name, &mut reading);
            counting.heading(count, base);
        } else if let Some((start, end, name)) = row(&line.text) {
            let at = counting.next(&mut reading);
            if let Err(error) = add(&line, at, (start, end, name), &mut reading) {
                return Some(Err(error));
            }
        } else {
            if let Some((count, name)) = split(&line.text) {
                counting.split =
                    base_around(name, &reading).map(|base| Frame { base, left: count });
            }
            reading.skipped.push(line.skipped());
        }
    }
    (!reading.partitions.is_empty()).then_some(Ok(reading))
}

/// N and X of `2 tplink-fw partitions found on MTD device X`.
fn split(text: &str) -> Option<(u32, &str)> {
    let (before, name) = text.split_once(" partitions found on MTD device ")?;
    let (count, _) = before.split_once(' ')?;
    Some((decimal(count)?, name))
}

/// From where the partition of that name counts itself.
fn base_around(name: &str, reading: &Reading) -> Option<Base> {
    let found = reading.partitions.iter().rfind(|p| p.name == name)?;
    Some(Base {
        chip: found.chip.unwrap_or_default(),
        parent: found.parent,
    })
}

/// N and X of `Creating N MTD partitions on "X":`.
fn heading(text: &str) -> Option<(u32, &str)> {
    let rest = text.strip_prefix("Creating ")?;
    let (count, rest) = rest.split_once(" MTD partitions on \"")?;
    let (name, _) = rest.rsplit_once('"')?;
    Some((decimal(count)?, name))
}

/// Start, end and name of `0x000000000000-0x000000030000 : "u-boot"`. Numbers past
/// 64 bits are `None`, which is an error for [`add`].
pub(super) fn row(text: &str) -> Option<(Option<u64>, Option<u64>, &str)> {
    let (start, rest) = hex(text)?;
    let (end, rest) = hex(rest.trim_start().strip_prefix('-')?.trim_start())?;
    let name = rest.trim_start().strip_prefix(':')?.trim_start();
    let name = name.strip_prefix('"')?.strip_suffix('"')?;
    Some((start, end, name))
}

fn hex(text: &str) -> Option<(Option<u64>, &str)> {
    let text = text.strip_prefix("0x")?;
    let end = text
        .find(|c: char| !c.is_ascii_hexdigit())
        .unwrap_or(text.len());
    if end == 0 {
        return None;
    }
    let number = u64::from_str_radix(&text[..end], 16).ok();
    Some((number, &text[end..]))
}

/// The chip or the partition of that name: a partition that the log has named,
/// else a chip.
fn base_of(name: &str, reading: &mut Reading) -> Base {
    let is_parent = |p: &&PartitionFacts| !name.is_empty() && p.name == name;
    if let Some(parent) = reading.partitions.iter().rposition(|p| is_parent(&p)) {
        return Base {
            chip: reading.partitions[parent].chip.unwrap_or_default(),
            parent: Some(parent),
        };
    }
    let known = reading.chips.iter().position(|chip| chip.name == name);
    let chip = known.unwrap_or_else(|| {
        reading.chips.push(ChipFacts {
            name: name.to_owned(),
            ..ChipFacts::default()
        });
        reading.chips.len() - 1
    });
    Base { chip, parent: None }
}

fn add(
    line: &Line<'_>,
    base: Base,
    (start, end, name): (Option<u64>, Option<u64>, &str),
    reading: &mut Reading,
) -> Result<(), LayoutTextError> {
    let bad = |what| LayoutTextError::BadLine {
        line: line.number,
        what,
        found: quoted(&line.text),
    };
    let in_63_bits = |number: Option<u64>| number.filter(|n| i64::try_from(*n).is_ok());
    let (Some(start), Some(end)) = (in_63_bits(start), in_63_bits(end)) else {
        return Err(bad("a number past 63 bits"));
    };
    let size_bytes = end
        .checked_sub(start)
        .ok_or_else(|| bad("the partition ends before it starts"))?;
    let parent = base.parent.map(|at| &reading.partitions[at]);
    if let Some(parent) = parent {
        let limit_bytes = parent.size_bytes.unwrap_or(u64::MAX);
        if end > limit_bytes {
            return Err(LayoutTextError::PastTheEnd {
                line: line.number,
                name: name.to_owned(),
                end_bytes: end,
                limit_bytes,
                of: format!("{:?}, which it is counted from", parent.name),
            });
        }
    }
    let from_bytes = parent.map_or(Some(0), |parent| Some(parent.offset?.bytes));
    let offset_bytes = from_bytes.and_then(|from| from.checked_add(start));
    let facts = PartitionFacts {
        line: line.number,
        index: None,
        name: name.to_owned(),
        chip: Some(base.chip),
        parent: base.parent,
        offset: offset_bytes.map(|bytes| PartitionOffset {
            bytes,
            source: OffsetSource::BootLog,
        }),
        size_bytes: Some(size_bytes),
        erase_block_bytes: None,
        read_only: None,
    };
    let again = |p: &PartitionFacts| {
        PartitionFacts {
            line: p.line,
            ..facts.clone()
        } == *p
    };
    // A log that was pasted twice, or a kernel that prints a line twice.
    if !reading.partitions.iter().any(again) {
        reading.partitions.push(facts);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[allow(clippy::type_complexity)]
    fn facts(text: &str) -> Vec<(usize, Option<usize>, String, Option<u64>, Option<u64>)> {
        let reading = read(text).expect("it has partitions").unwrap();
        reading
            .partitions
            .into_iter()
            .map(|p| {
                let offset_bytes = p.offset.map(|offset| offset.bytes);
                (
                    p.chip.unwrap(),
                    p.parent,
                    p.name,
                    offset_bytes,
                    p.size_bytes,
                )
            })
            .collect()
    }

    /// After the boot log of an Archer AX23 with OpenWrt 23.05.2.
    const NESTED: &str = "\
[    0.80] 3 fixed-partitions partitions found on MTD device spi0.0
[    0.81] Creating 3 MTD partitions on \"spi0.0\":
[    0.82] 0x000000000000-0x000000040000 : \"u-boot\"
[    0.83] 0x000000040000-0x000000fa0000 : \"firmware\"
[    0.84] 2 tplink-fw partitions found on MTD device firmware
[    0.85] Creating 2 MTD partitions on \"firmware\":
[    0.86] 0x000000000000-0x0000002c0000 : \"kernel\"
[    0.87] 0x0000002c0000-0x000000f60000 : \"rootfs\"
[    0.88] mtd: setting mtd3 (rootfs) as root device
[    0.89] 1 squashfs-split partitions found on MTD device rootfs
[    0.90] 0x000000640000-0x000000f60000 : \"rootfs_data\"
[    0.91] 0x000000fa0000-0x000001000000 : \"radio\"
";

    #[test]
    fn offsets_of_parts_in_parts_are_the_chips() {
        let got = facts(NESTED);
        let at: Vec<_> = got.iter().map(|p| (p.2.as_str(), p.1, p.3)).collect();
        assert_eq!(
            at,
            [
                ("u-boot", None, Some(0)),
                ("firmware", None, Some(0x4_0000)),
                ("kernel", Some(1), Some(0x4_0000)),
                ("rootfs", Some(1), Some(0x30_0000)),
                ("rootfs_data", Some(1), Some(0x68_0000)),
                ("radio", None, Some(0xfa_0000)),
            ]
        );
        let reading = read(NESTED).unwrap().unwrap();
        assert_eq!(reading.chips.len(), 1);
        assert_eq!(reading.chips[0].name, "spi0.0");
        assert_eq!(reading.skipped.len(), 4);
    }

    #[test]
    fn old_kernels_and_several_chips() {
        let got = facts(
            "Creating 1 MTD partitions on \"a\":\n0x00000000-0x00040000 : \"RedBoot\"\n\
             Creating 1 MTD partitions on \"b\":\n0x00000000-0x00040000 : \"more \"quoted\"\"\n",
        );
        assert_eq!(got[0], (0, None, "RedBoot".into(), Some(0), Some(0x4_0000)));
        assert_eq!(got[1].0, 1);
        assert_eq!(got[1].2, "more \"quoted\"");
    }

    /// LEDE 17.01: what was split off counts from the chip as well.
    #[test]
    fn flat_offsets_of_an_older_kernel() {
        let got = facts(
            "4 tp-link partitions found on MTD device spi0.0\n\
             Creating 3 MTD partitions on \"spi0.0\":\n\
             0x000000000000-0x000000020000 : \"u-boot\"\n\
             0x000000020000-0x00000013f5dc : \"kernel\"\n\
             0x00000013f5dc-0x0000003f0000 : \"rootfs\"\n\
             1 squashfs-split partitions found on MTD device rootfs\n\
             0x0000003a0000-0x0000003f0000 : \"rootfs_data\"\n\
             0x000000020000-0x0000003f0000 : \"firmware\"\n",
        );
        let at: Vec<_> = got.iter().map(|p| (p.0, p.1, p.3)).collect();
        let offsets = [0, 0x2_0000, 0x13_f5dc, 0x3a_0000, 0x2_0000];
        assert_eq!(at, offsets.map(|offset| (0, None, Some(offset))));
    }

    #[test]
    fn a_log_pasted_twice_says_it_once() {
        assert_eq!(facts(&NESTED.repeat(2)), facts(NESTED));
    }

    #[rstest]
    #[case("0x10-0x0 : \"a\"")]
    #[case("0x0-0x8000000000000000 : \"a\"")]
    #[case("0x0-0x10000000000000000 : \"a\"")]
    #[case("0x0-0x1000 : \"a\"\nCreating 1 MTD partitions on \"a\":\n0x0-0x2000 : \"b\"")]
    fn what_is_none(#[case] text: &str) {
        assert!(read(text).expect("it has partitions").is_err(), "{text}");
    }

    #[test]
    fn other_messages_are_not_this_form() {
        assert!(read("[ 1.0] Memory: 0x0-0x10 reserved\nfoo").is_none());
    }
}
