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
//! `add_mtd_partitions`) and mtdcore.c; the messages are older than 2.6. What stands
//! before a message (stamps of any kind, a thread's name) is passed over if a bracket,
//! a colon or a bar ends it.
//!
//! A heading with fewer lines than it announces is [`Incomplete`]; where it was open, the
//! places of partitions of partitions are not known, because nobody can tell which
//! heading a line belongs to. What the kernel says
//! of a partition behind its line counts: that it forces it to be read-only, cuts it to
//! its chip, or leaves it without bytes. How large chips are is for `chips`.
//!
//! `mtd: setting mtd4 (rootfs) as root device` tells a number (OpenWrt's kernels): where
//! the order of the lines gives it another one, nobody knows the numbers.
//!
//! Offsets behind `Creating N … on "X"` count from the start of X, N lines long; where
//! X is a partition of the same log they are made offsets of the chip by adding X's own.
//! Partitions of a partition come while those of the chip are still being made: when
//! X's are all there, the lines go on where X's own did.
//!
//! `N … partitions found on MTD device X` with no such heading behind it is OpenWrt's
//! splitting of X (target/linux/generic, mtd_partition_split): the next N lines count
//! from where X's own does; or, on a chip, the heading is missing (see `counting`). In its
//! kernels before 3.10 `partition "rootfs_data" created
//! automatically` announces one such line.

mod chips;
mod counting;

use super::error::{LayoutTextError, quoted};
use super::lines::{Line, decimal, hex as hex_number};
use super::{FactSources, Form, PartitionFacts, Reading, SaidNumber};
use crate::mtd::{FactSource, PartitionOffset};
use counting::{Base, Counting, base_of};
use std::collections::BTreeSet;

/// Reads a text that has such lines; `None` where it has none.
pub(super) fn read(lines: &[Line<'_>]) -> Option<Result<Reading, LayoutTextError>> {
    let mut reading = Reading::new(Form::BootLog);
    let mut counting = Counting::default();
    let mut seen = BTreeSet::new();
    let mut sizes = chips::Sizes::default();
    for line in lines {
        let text = message(&line.text);
        if let Some((count, name)) = heading(text) {
            let base = base_of(name, &mut reading);
            counting.heading(line.number, count, base, &mut reading);
        } else if let Some((start, end, name)) = row(text) {
            let (at, is_known) = counting.next((start, end), &mut reading);
            // A log that was pasted twice, or a kernel that prints a line twice.
            let is_new = seen.insert((at.chip, at.parent, start, end, name.to_owned()));
            if let Err(error) = add(line, at, (start, end, name), is_new, &mut reading) {
                return Some(Err(error));
            }
            if is_new {
                counting.added(is_known, &mut reading);
            }
        } else if sizes.take(text) {
            // It is a chip's.
        } else if let Some((number, name)) = said_number(text) {
            reading.numbers.push(SaidNumber {
                line: line.number,
                number,
                name: name.to_owned(),
            });
        } else if is_created(text) && !reading.partitions.is_empty() {
            counting.created(&reading);
        } else if let Some(found) = found(text) {
            counting.found(line.number, found, &reading);
        } else if !verdict(text, &mut reading) {
            reading.skipped.push(line.skipped());
        }
    }
    counting.end(&mut reading);
    reading.incomplete = counting.incomplete;
    sizes.put_to(&mut reading.chips);
    let past = reading
        .partitions
        .iter()
        .find_map(|p| past_its_chip(p, &reading));
    match past {
        Some(error) => Some(Err(error)),
        None => (!reading.partitions.is_empty()).then_some(Ok(reading)),
    }
}

/// The message in a line: behind what stands before it, if that ends like a stamp.
fn message(text: &str) -> &str {
    const STARTS: [&str; 8] = [
        "0x",
        "Creating ",
        "mtd: ",
        "spi-nor ",
        "m25p80 ",
        "spi-nand ",
        "nand: ",
        "NAND device: ",
    ];
    let is_start = |at: &usize| {
        let before = text[..*at].trim_end();
        before.ends_with([']', ')', '>', ':', '|'])
            && STARTS.iter().any(|start| text[*at..].starts_with(start))
    };
    let at = text.char_indices().map(|(at, _)| at).find(is_start);
    match at {
        Some(at) if !STARTS.iter().any(|start| text.starts_with(start)) => &text[at..],
        _ => text,
    }
}

/// `mtd: partition "rootfs_data" created automatically, ofs=…`.
fn is_created(text: &str) -> bool {
    let rest = text.strip_prefix("mtd: partition \"");
    let said = rest.and_then(|rest| rest.split_once('"'));
    said.is_some_and(|(_, said)| said.starts_with(" created automatically"))
}

/// Takes in what the kernel says of a partition behind its line; whether it is that.
fn verdict(text: &str, reading: &mut Reading) -> bool {
    let said = text
        .strip_prefix("mtd: partition \"")
        .and_then(|rest| rest.rsplit_once("\" "));
    let Some((name, said)) = said else {
        return false;
    };
    // Another name may be quoted in it, the chip's.
    let (name, said) = match name.split_once("\" extends beyond the end of device \"") {
        Some((name, _)) => (name, said),
        None => (name, said),
    };
    let Some(partition) = reading.partitions.iter_mut().rfind(|p| p.name == name) else {
        return false;
    };
    if said.ends_with("force read-only") || said.ends_with("forcing read-only") {
        partition.read_only = Some(true);
    } else if let Some(size) = said.strip_prefix("-- size truncated to ") {
        let Some(bytes) = hex_number(size).filter(|bytes| i64::try_from(*bytes).is_ok()) else {
            return false;
        };
        partition.size_bytes = Some(bytes);
    } else if said == "is out of reach -- disabled" {
        partition.size_bytes = Some(0);
        let parent = partition.parent;
        let start_bytes = parent.and_then(|at| reading.partitions[at].offset);
        if let Some(partition) = reading.partitions.iter_mut().rfind(|p| p.name == name) {
            partition.offset = start_bytes.or(Some(PartitionOffset {
                bytes: 0,
                source: FactSource::BootLog,
            }));
        }
    } else {
        return false;
    }
    true
}

/// N and X of `mtd: setting mtdN (X) as root device`, or of `mtd: device N (X) set to be
/// root filesystem`.
fn said_number(text: &str) -> Option<(u32, &str)> {
    let text = text.strip_prefix("mtd: ")?;
    let said = match text.strip_prefix("setting mtd") {
        Some(rest) => rest.strip_suffix(") as root device"),
        None => text
            .strip_prefix("device ")
            .and_then(|rest| rest.strip_suffix(") set to be root filesystem")),
    };
    let (number, name) = said?.split_once(" (")?;
    Some((decimal(number)?, name))
}

fn past_its_chip(p: &PartitionFacts, reading: &Reading) -> Option<LayoutTextError> {
    let limit_bytes = reading.chips.get(p.chip?)?.size_bytes?;
    let end_bytes = p.end_bytes().filter(|end| *end > limit_bytes)?;
    Some(LayoutTextError::PastTheEnd {
        line: p.line,
        name: p.name.clone(),
        end_bytes,
        limit_bytes,
        of: "its chip".into(),
    })
}

/// N, parser and X of `2 tplink-fw partitions found on MTD device X`.
pub(super) fn found(text: &str) -> Option<(u32, &str, &str)> {
    let (before, name) = text.split_once(" partitions found on MTD device ")?;
    // The parser's name may hold blanks, and a stamp may stand before the number.
    let ends_word = |c: char| c.is_ascii_whitespace() || "])>:|".contains(c);
    let is_count = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let count = before.split(ends_word).rfind(is_count)?;
    let parser = before.split_whitespace().next_back()?;
    Some((decimal(count)?, parser, name))
}

/// N and X of `Creating N MTD partitions on "X":`; a vendor's kernel may say something
/// before it (`Boot number = 1, Creating …`).
fn heading(text: &str) -> Option<(u32, &str)> {
    let (before, rest) = text.split_once("Creating ")?;
    if before.ends_with(|c: char| !c.is_whitespace()) {
        return None;
    }
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

fn add(
    line: &Line<'_>,
    base: Base,
    (start, end, name): (Option<u64>, Option<u64>, &str),
    is_new: bool,
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
            source: FactSource::BootLog,
        }),
        size_bytes: Some(size_bytes),
        erase_block_bytes: None,
        read_only: None,
        sources: FactSources::default(),
    };
    if is_new {
        reading.partitions.push(facts);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
