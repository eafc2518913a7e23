//! The RedBoot FIS directory: the partition table of such devices.
//!
//! Records of 256 bytes, numbers in the target's byte order:
//!
//! | offset | field |
//! | --- | --- |
//! | 0 | name, 16 bytes, ends with NUL |
//! | 16 | flash_base: the absolute address that the CPU sees |
//! | 20 | mem_base |
//! | 24 | size: reserved bytes |
//! | 28 | entry_point |
//! | 32 | data_length |
//! | 248 | desc_cksum: RedBoot does not compute it |
//! | 252 | file_cksum over data_length bytes; 0: none |
//!
//! A name of FF is a deleted entry; one of FF FF ends the table.
//!
//! Invariant: [`parse`] takes any bytes and never panics.

use super::{ByteOrder, crc32};
use std::fmt;

#[cfg(test)]
mod tests;

/// Bytes of one record.
pub const ENTRY_BYTES: usize = 256;

/// The name of the entry that describes the directory itself.
pub const DIRECTORY: &str = "FIS directory";

/// One entry of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FisEntry {
    /// At most 15 bytes.
    pub name: String,
    /// The absolute address that the CPU sees.
    pub flash_base: u32,
    /// Where RedBoot loads it to.
    pub mem_base: u32,
    /// Reserved bytes of flash.
    pub size_bytes: u32,
    /// Where RedBoot jumps to.
    pub entry_point: u32,
    /// Bytes in use.
    pub data_length_bytes: u32,
    /// Not computed by RedBoot; Linux takes any.
    pub desc_cksum: u32,
    /// [`crc32`] over the bytes in use; 0: none.
    pub file_cksum: u32,
}

impl FisEntry {
    /// The record.
    ///
    /// # Panics
    /// If the name has more than 15 bytes.
    pub fn encode(&self, order: ByteOrder) -> [u8; ENTRY_BYTES] {
        assert!(
            self.name.len() < 16,
            "a FIS name has at most 15 bytes: {}",
            self.name
        );
        let mut record = [0; ENTRY_BYTES];
        record[..self.name.len()].copy_from_slice(self.name.as_bytes());
        for (at, value) in [
            (16, self.flash_base),
            (20, self.mem_base),
            (24, self.size_bytes),
            (28, self.entry_point),
            (32, self.data_length_bytes),
            (248, self.desc_cksum),
            (252, self.file_cksum),
        ] {
            order.put_u32(&mut record, at, value);
        }
        record
    }

    /// Where it starts on a chip of this size, as Linux takes it.
    pub fn offset_bytes(&self, chip_size_bytes: u64) -> u64 {
        // drivers/mtd/parsers/redboot.c, 6.1: the base is masked, whatever the
        // bus puts in front of it. Chips of such devices are powers of two.
        u64::from(self.flash_base) & (chip_size_bytes - 1)
    }

    /// Whether `file_cksum` fits `data`, the flash from the entry's start on.
    /// None: it has none, or `data` is too short to tell.
    pub fn checksum_fits(&self, data: &[u8]) -> Option<bool> {
        let data = data.get(..self.data_length_bytes as usize)?;
        (self.file_cksum != 0).then(|| crc32(data) == self.file_cksum)
    }
}

/// A directory as it stands on flash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FisTable {
    /// Its byte order.
    pub order: ByteOrder,
    /// Its entries, without the deleted ones, in the order of the table.
    pub entries: Vec<FisEntry>,
    /// How many deleted entries lie between them.
    pub deleted: usize,
    /// Of two copies (redundant mode): whether this one is valid, and its
    /// version; None: there is one copy.
    pub redundant: Option<Redundant>,
}

/// What the record `.FisValid` of a redundant directory tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redundant {
    /// A5: valid. FD: being updated. FF: empty.
    pub flag: u8,
    /// The newer of two valid copies counts.
    pub version: u32,
}

/// Why bytes are no directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FisError {
    /// No entry called `FIS directory`, which is how all readers find one.
    #[error("no entry is called `{DIRECTORY}`: this is no RedBoot partition table")]
    NoDirectory,
    /// A name that is empty, not ended or not printable.
    #[error(
        "FIS record {record} at {offset:#x}: the name {name:?} is no text of 1 to 15 characters"
    )]
    Name {
        /// Its number, from 0.
        record: usize,
        /// Its offset in the table.
        offset: usize,
        /// The bytes, as text.
        name: String,
    },
    /// An entry that uses more than it reserves, or runs past the chip.
    #[error("FIS entry `{name}`: {what}")]
    Entry {
        /// Its name.
        name: String,
        /// What is wrong with it.
        what: String,
    },
}

/// Puts a directory into `table`, the rest of which becomes FF (free slots).
///
/// # Panics
/// If there are more entries than room, or a name is too long.
pub fn encode(entries: &[FisEntry], order: ByteOrder, table: &mut [u8]) {
    assert!(
        entries.len() * ENTRY_BYTES <= table.len(),
        "too many FIS entries for the table"
    );
    table.fill(0xff);
    for (entry, slot) in entries.iter().zip(table.chunks_exact_mut(ENTRY_BYTES)) {
        slot.copy_from_slice(&entry.encode(order));
    }
}

/// Reads a directory: the bytes of its table, with or without what follows in
/// its erase block.
///
/// # Errors
/// [`FisError`] for anything that RedBoot would not have written.
pub fn parse(table: &[u8], erase_block_bytes: u32) -> Result<FisTable, FisError> {
    let order = byte_order(table, erase_block_bytes).ok_or(FisError::NoDirectory)?;
    let mut found = FisTable {
        order,
        entries: Vec::new(),
        deleted: 0,
        redundant: None,
    };
    for (index, record) in table.chunks_exact(ENTRY_BYTES).enumerate() {
        match record {
            [0xff, 0xff, ..] => break,
            [0xff, ..] => found.deleted += 1,
            _ if index == 0 && record.starts_with(b".FisValid\0") => {
                found.redundant = Some(Redundant {
                    flag: record[10],
                    version: order.u32(record, 12),
                });
            }
            _ => found.entries.push(entry(index, record, order)?),
        }
    }
    Ok(found)
}

/// Checks that every entry lies on a chip of this size, starts on an erase
/// block (but for those that share the directory's), and keeps clear of the
/// others.
///
/// # Errors
/// The first entry that does not.
pub fn check(
    table: &FisTable,
    chip_size_bytes: u64,
    erase_block_bytes: u32,
) -> Result<(), FisError> {
    let wrong = |entry: &FisEntry, what: String| {
        Err(FisError::Entry {
            name: entry.name.clone(),
            what,
        })
    };
    let mut sorted: Vec<_> = table.entries.iter().collect();
    sorted.sort_by_key(|entry| entry.offset_bytes(chip_size_bytes));
    let mut end_bytes = 0;
    let mut before = "";
    for entry in sorted {
        let start_bytes = entry.offset_bytes(chip_size_bytes);
        if entry.data_length_bytes > entry.size_bytes {
            return wrong(
                entry,
                format!(
                    "uses {} of {} bytes",
                    entry.data_length_bytes, entry.size_bytes
                ),
            );
        }
        if start_bytes < end_bytes {
            return wrong(
                entry,
                format!("starts at {start_bytes:#x}, inside `{before}`"),
            );
        }
        let shared = start_bytes / u64::from(erase_block_bytes)
            == chip_size_bytes / u64::from(erase_block_bytes) - 1;
        if !shared && start_bytes % u64::from(erase_block_bytes) != 0 {
            return wrong(
                entry,
                format!("starts at {start_bytes:#x}, off an erase block"),
            );
        }
        end_bytes = start_bytes + u64::from(entry.size_bytes);
        if end_bytes > chip_size_bytes {
            return wrong(entry, format!("ends at {end_bytes:#x}, past the chip"));
        }
        before = &entry.name;
    }
    Ok(())
}

/// As Linux does it (drivers/mtd/parsers/redboot.c, 6.1): the size of the
/// entry for the directory itself tells.
fn byte_order(table: &[u8], erase_block_bytes: u32) -> Option<ByteOrder> {
    let record = table
        .chunks_exact(ENTRY_BYTES)
        .find(|record| record.starts_with(b"FIS directory\0"))?;
    let little = ByteOrder::Little.u32(record, 24);
    let big = ByteOrder::Big.u32(record, 24);
    let is_big =
        big == erase_block_bytes || (little > erase_block_bytes && big < erase_block_bytes);
    Some(if is_big {
        ByteOrder::Big
    } else {
        ByteOrder::Little
    })
}

fn entry(index: usize, record: &[u8], order: ByteOrder) -> Result<FisEntry, FisError> {
    let name = &record[..16];
    let length = name.iter().position(|&b| b == 0).unwrap_or(16);
    let printable = name[..length].iter().all(|b| (0x20..0x7f).contains(b));
    if !(1..16).contains(&length) || !printable {
        return Err(FisError::Name {
            record: index,
            offset: index * ENTRY_BYTES,
            name: String::from_utf8_lossy(name).into_owned(),
        });
    }
    Ok(FisEntry {
        name: String::from_utf8_lossy(&name[..length]).into_owned(),
        flash_base: order.u32(record, 16),
        mem_base: order.u32(record, 20),
        size_bytes: order.u32(record, 24),
        entry_point: order.u32(record, 28),
        data_length_bytes: order.u32(record, 32),
        desc_cksum: order.u32(record, 248),
        file_cksum: order.u32(record, 252),
    })
}

impl fmt::Display for FisEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<16} {:#010x} {:#010x}",
            self.name, self.flash_base, self.size_bytes
        )
    }
}
