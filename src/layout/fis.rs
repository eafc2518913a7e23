//! RedBoot's partition table, the FIS directory, in a dump of the chip or alone:
//!
//! | offset | field of a record of 256 bytes |
//! | --- | --- |
//! | 0 | name, 16 bytes, ends with NUL; FF: deleted, FF FF: the table's end |
//! | 16 | flash_base: where the processor sees it; the chip decodes the low bits |
//! | 24 | size in bytes |
//!
//! Sources: eCos, packages/redboot (fis.h, flash.c); Linux 6.1,
//! drivers/mtd/parsers/redboot.c, which sorts the entries by their places.
//!
//! Numbers are in the processor's byte order, which the table does not tell. The order
//! counts in which every entry lies inside the chip and on erase blocks, the table's
//! own at its own place; where both do, or neither, that is an error.
//!
//! In a dump the chip is as large as the dump. A table alone tells it only where its
//! entries lie at both ends of one.

use super::error::LayoutTextError;
use super::{ChipFacts, FactSources, Form, PartitionFacts, Reading};
use crate::mtd::{FactSource, PartitionOffset};

const RECORD_BYTES: usize = 256;
/// No flash of RedBoot's time has smaller erase blocks.
const UNIT_BYTES: u64 = 4096;
/// More records than any table has: its erase block is 128 KiB as a rule.
const RECORDS_MAX: usize = 4096;
const OWN_NAME: &[u8; 14] = b"FIS directory\0";

/// A record's fields as they stand there.
struct Raw {
    record: usize,
    name: String,
    base: [u8; 4],
    size: [u8; 4],
}

/// An entry in one byte order.
struct Entry<'a> {
    raw: &'a Raw,
    offset_bytes: u64,
    size_bytes: u64,
}

/// Reads RedBoot's partition table in a dump of the chip, or alone; `None` where there is
/// none.
///
/// # Errors
/// [`LayoutTextError`]: a table whose numbers make no sense, or sense in both byte orders.
pub(crate) fn read(bytes: &[u8]) -> Option<Result<Reading, LayoutTextError>> {
    let own = bytes
        .chunks_exact(RECORD_BYTES)
        .positions_of(OWN_NAME)
        .map(|record| record * RECORD_BYTES)
        .collect::<Vec<_>>();
    let mut wrong = None;
    for at in own {
        // Its own entry is among the first ones.
        let start = at / UNIT_BYTES as usize * UNIT_BYTES as usize;
        let Some(records) = records(&bytes[start..]) else {
            continue;
        };
        match entries(&records, bytes.len() as u64, start as u64) {
            Ok((entries, chip_bytes)) => return Some(Ok(reading(entries, chip_bytes))),
            Err(what) => {
                wrong.get_or_insert(LayoutTextError::BadTable {
                    at_bytes: start as u64,
                    what,
                });
            }
        }
    }
    wrong.map(Err)
}

/// Where chunks begin with a name.
trait PositionsOf<'a>: Iterator<Item = &'a [u8]> + Sized {
    fn positions_of(self, name: &'static [u8]) -> impl Iterator<Item = usize> {
        self.enumerate()
            .filter(move |(_, chunk)| chunk.starts_with(name))
            .map(|(at, _)| at)
    }
}

impl<'a, I: Iterator<Item = &'a [u8]>> PositionsOf<'a> for I {}

fn records(table: &[u8]) -> Option<Vec<Raw>> {
    let mut records = Vec::new();
    for (at, record) in table
        .chunks_exact(RECORD_BYTES)
        .take(RECORDS_MAX)
        .enumerate()
    {
        match (record[0], record[1]) {
            (0xff, 0xff) => break,
            (0xff, _) => continue, // deleted
            _ => {}
        }
        let name = record[..16].split(|byte| *byte == 0).next()?;
        let is_text = !name.is_empty()
            && name.len() < 16
            && name.iter().all(|byte| (b' '..=b'~').contains(byte));
        if !is_text {
            return None;
        }
        // The mark of a table that is written twice.
        if name == b".FisValid" {
            continue;
        }
        records.push(Raw {
            record: at + 1,
            name: String::from_utf8_lossy(name).into_owned(),
            base: record[16..20].try_into().ok()?,
            size: record[24..28].try_into().ok()?,
        });
    }
    Some(records)
}

/// The entries in the byte order that fits, and the chip's size.
fn entries(
    records: &[Raw],
    file_bytes: u64,
    start_bytes: u64,
) -> Result<(Vec<Entry<'_>>, u64), &'static str> {
    let fitting = |turn: fn([u8; 4]) -> u32| {
        let in_dump =
            with_chip(records, turn, file_bytes).filter(|found| has_itself_at(found, start_bytes));
        let alone = || {
            let chip_bytes = window_bytes(records, turn)?;
            with_chip(records, turn, chip_bytes)
                .filter(|found| {
                    start_bytes == 0 && file_bytes < chip_bytes && fills(found, chip_bytes)
                })
                .map(|found| (found, chip_bytes))
        };
        in_dump.map(|found| (found, file_bytes)).or_else(alone)
    };
    match (fitting(u32::from_le_bytes), fitting(u32::from_be_bytes)) {
        (Some(found), None) | (None, Some(found)) => Ok(found),
        (Some(_), Some(_)) => {
            Err("its numbers make sense in both byte orders, so that nobody can tell which it is")
        }
        (None, None) => {
            Err("its entries do not lie inside the chip and on erase blocks in either byte order")
        }
    }
}

/// The entries, if every one lies inside a chip of that size and on erase blocks.
fn with_chip(records: &[Raw], turn: fn([u8; 4]) -> u32, chip_bytes: u64) -> Option<Vec<Entry<'_>>> {
    if !chip_bytes.is_power_of_two() || records.is_empty() {
        return None;
    }
    let mut entries = Vec::with_capacity(records.len());
    for raw in records {
        let entry = Entry {
            raw,
            offset_bytes: u64::from(turn(raw.base)) & (chip_bytes - 1),
            size_bytes: u64::from(turn(raw.size)),
        };
        let on_blocks = entry.offset_bytes % UNIT_BYTES == 0 && entry.size_bytes % UNIT_BYTES == 0;
        let inside = entry.size_bytes > 0 && entry.size_bytes <= chip_bytes - entry.offset_bytes;
        if !on_blocks || !inside {
            return None;
        }
        entries.push(entry);
    }
    entries.sort_by_key(|entry| (entry.offset_bytes, entry.raw.record));
    Some(entries)
}

fn has_itself_at(entries: &[Entry<'_>], start_bytes: u64) -> bool {
    entries.iter().any(|entry| {
        entry.raw.name.as_bytes() == &OWN_NAME[..OWN_NAME.len() - 1]
            && entry.offset_bytes == start_bytes
    })
}

/// The smallest chip on whose addresses all entries lie.
fn window_bytes(records: &[Raw], turn: fn([u8; 4]) -> u32) -> Option<u64> {
    let base = |raw: &Raw| u64::from(turn(raw.base));
    let first = records.iter().map(base).min()?;
    let end = |raw: &Raw| base(raw) + u64::from(turn(raw.size));
    let last = records.iter().map(end).max()?.checked_sub(1)?;
    (12..=32)
        .map(|bits| 1_u64 << bits)
        .find(|bytes| first / bytes == last / bytes)
}

/// Whether entries lie at both ends of the chip, so that it can be no larger one.
fn fills(entries: &[Entry<'_>], chip_bytes: u64) -> bool {
    let mut ends = entries.iter().map(|e| e.offset_bytes + e.size_bytes);
    entries.iter().any(|entry| entry.offset_bytes == 0) && ends.any(|end| end == chip_bytes)
}

fn reading(entries: Vec<Entry<'_>>, chip_bytes: u64) -> Reading {
    let partition = |entry: Entry<'_>| PartitionFacts {
        line: entry.raw.record,
        index: None,
        name: entry.raw.name.clone(),
        chip: Some(0),
        parent: None,
        offset: Some(PartitionOffset {
            bytes: entry.offset_bytes,
            source: FactSource::FlashTable,
        }),
        size_bytes: Some(entry.size_bytes),
        erase_block_bytes: None,
        read_only: None,
        sources: FactSources::default(),
    };
    Reading {
        chips: vec![ChipFacts {
            size_bytes: Some(chip_bytes),
            ..ChipFacts::default()
        }],
        partitions: entries.into_iter().map(partition).collect(),
        ..Reading::new(Form::Fis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtd_harness::format::ByteOrder;
    use mtd_harness::format::fis::FisEntry;
    use proptest::prelude::*;
    use rstest::rstest;

    const CHIP: usize = 1 << 20;
    const PARTS: [(&str, u32, u32); 4] = [
        ("RedBoot", 0, 0x2_0000),
        ("Kernel", 0x8_0000, 0x4_0000),
        ("Ramdisk", 0x2_0000, 0x6_0000),
        ("FIS directory", 0xf_0000, 0x1_0000),
    ];

    fn table(parts: &[(&str, u32, u32)], order: ByteOrder, base: u32) -> Vec<u8> {
        let entry = |(name, offset, size): &(&str, u32, u32)| {
            let entry = FisEntry {
                name: (*name).to_owned(),
                flash_base: base + offset,
                mem_base: 0,
                size_bytes: *size,
                entry_point: 0,
                data_length_bytes: 0,
                desc_cksum: 0,
                file_cksum: 0,
            };
            entry.encode(order)
        };
        let mut table: Vec<u8> = parts.iter().flat_map(entry).collect();
        table.resize(0x1_0000, 0xff);
        table
    }

    fn dump(parts: &[(&str, u32, u32)], order: ByteOrder, base: u32) -> Vec<u8> {
        let mut dump = vec![0x5a; CHIP];
        dump[0xf_0000..].copy_from_slice(&table(parts, order, base));
        dump
    }

    #[rstest]
    #[case(ByteOrder::Little, 0x5000_0000)]
    #[case(ByteOrder::Big, 0x5000_0000)]
    #[case(ByteOrder::Little, 0)]
    #[case(ByteOrder::Big, 0xfff0_0000)]
    fn either_byte_order(#[case] order: ByteOrder, #[case] base: u32) {
        for bytes in [dump(&PARTS, order, base), table(&PARTS, order, base)] {
            let found = read(&bytes).unwrap().unwrap();
            assert_eq!(found.chips[0].size_bytes, Some(CHIP as u64));
            let got: Vec<_> = found
                .partitions
                .iter()
                .map(|p| {
                    (
                        p.name.as_str(),
                        p.offset.unwrap().bytes,
                        p.size_bytes.unwrap(),
                        p.line,
                    )
                })
                .collect();
            assert_eq!(
                got,
                [
                    ("RedBoot", 0, 0x2_0000, 1),
                    ("Ramdisk", 0x2_0000, 0x6_0000, 3),
                    ("Kernel", 0x8_0000, 0x4_0000, 2),
                    ("FIS directory", 0xf_0000, 0x1_0000, 4)
                ]
            );
        }
    }

    /// The simulated iSpot's own table tells the iSpot's layout.
    #[test]
    fn the_ispots() {
        let device = mtd_harness::profile::ispot(1);
        let found = read(&device.chip_bytes(0)).unwrap().unwrap();
        let layout = mtd_harness::layout::Layout::ispot();
        let wanted: Vec<_> = layout
            .partitions()
            .map(|(_, p)| (p.name.as_str(), p.offset_bytes, p.size_bytes))
            .collect();
        let got: Vec<_> = found
            .partitions
            .iter()
            .map(|p| {
                (
                    p.name.as_str(),
                    p.offset.unwrap().bytes,
                    p.size_bytes.unwrap(),
                )
            })
            .collect();
        assert_eq!(got, wanted);
    }

    #[test]
    fn a_tie_is_said() {
        // Numbers that read the same from both ends.
        let parts = [("FIS directory", 0, 0x0010_1000)];
        let mut bytes = table(&parts, ByteOrder::Little, 0);
        bytes[24..28].copy_from_slice(&[0, 0x10, 0x10, 0]);
        bytes.resize(1 << 24, 0xff);
        let error = read(&bytes).unwrap().unwrap_err();
        assert!(error.to_string().contains("both byte orders"), "{error}");
    }

    #[rstest]
    #[case::past_the_chip(&[("RedBoot", 0xf_0000, 0x2_0000), ("FIS directory", 0xf_0000, 0x1_0000)])]
    #[case::off_erase_blocks(&[("RedBoot", 0x800, 0x1_0000), ("FIS directory", 0xf_0000, 0x1_0000)])]
    #[case::elsewhere(&[("RedBoot", 0, 0x1_0000), ("FIS directory", 0xe_0000, 0x1_0000)])]
    fn what_is_none(#[case] parts: &[(&str, u32, u32)]) {
        let error = read(&dump(parts, ByteOrder::Little, 0))
            .unwrap()
            .unwrap_err();
        assert!(error.to_string().contains("0xf0000"), "{error}");
    }

    /// A table alone in the middle of a chip could be of a larger one.
    #[test]
    fn a_table_alone_must_reach_both_ends() {
        let error = read(&table(&PARTS[1..], ByteOrder::Big, 0x5000_0000)).unwrap();
        error.unwrap_err();
        assert!(read(&vec![0xff; CHIP]).is_none());
        assert!(read(b"FIS directory\0").is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            at in any::<prop::sample::Index>(),
            bytes in prop::collection::vec(any::<u8>(), 1..64),
        ) {
            let mut table = table(&PARTS, ByteOrder::Little, 0x5000_0000);
            let at = at.index(0x500);
            table[at..at + bytes.len()].copy_from_slice(&bytes);
            let _ = read(&table);
        }
    }
}
