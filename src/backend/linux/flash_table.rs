//! RedBoot's partition table on the flash of a device, where nobody else tells a place.
//!
//! Invariants: it only adds, and only where each of its entries is a device of the same
//! name and size. Flash is read through a node that is there; no node is made for it.
//! Entries must lie at both ends of a chip, which tells how large that is, and make sense
//! in one order of bytes alone.
//!
//! Faults tolerated: no such partition, one that cannot be read, bytes that are none.
//!
//! Format: see `layout::fis`, which reads tables in dumps; here the table's place is
//! known, the devices are there to compare with, and it must be small.

use super::LinuxBackend;
use crate::mtd::claim::{Claim, owners};
use crate::mtd::{FactSource, MtdBackend as _, MtdInfo, NodeState, PartitionOffset};

/// RedBoot's table is called so, on all of its devices.
const NAME: &str = "FIS directory";

/// It lies in one erase block.
const TABLE_BYTES_MAX: u64 = 256 << 10;

const RECORD_BYTES: usize = 256;

/// No flash of RedBoot's time has smaller erase blocks.
const UNIT_BYTES: u64 = 4096;

/// Adds what the table tells.
pub(super) fn add(backend: &LinuxBackend, devices: &mut [MtdInfo]) {
    let nobody_tells = |device: &MtdInfo| {
        device
            .offset
            .is_none_or(|offset| offset.source.is_inferred())
    };
    let table = devices.iter().find(|device| device.name == NAME);
    let Some(table) = table.filter(|table| table.node == NodeState::Present) else {
        return;
    };
    if !devices.iter().all(nobody_tells) {
        return;
    }
    let table = read(backend, table).unwrap_or_default();
    let in_order = |turn| placed(devices, entries(&table, turn)?);
    let (little, big) = (in_order(u32::from_le_bytes), in_order(u32::from_be_bytes));
    let ((Some((owners, entries)), None) | (None, Some((owners, entries)))) = (little, big) else {
        return;
    };
    let had_chips = devices.iter().any(|device| device.chip.is_some());
    // Somebody's word is better than a conclusion of ours.
    devices.iter_mut().for_each(|device| device.offset = None);
    let source = FactSource::FlashTable;
    for (owner, entry) in owners.into_iter().zip(&entries.all) {
        let device = &mut devices[owner];
        let bytes = entry.base & (entries.chip_bytes - 1);
        device.offset = Some(PartitionOffset { bytes, source });
        device.chip_bytes = Some(entries.chip_bytes);
        if !had_chips {
            device.chip = Some(0);
        }
    }
}

/// The first bytes of a device.
fn read(backend: &LinuxBackend, device: &MtdInfo) -> Option<Vec<u8>> {
    let mut open = backend.open(device).ok()?;
    let mut bytes = vec![0; device.size_bytes.min(TABLE_BYTES_MAX) as usize];
    let mut done = 0;
    while done < bytes.len() {
        match open.read_at(done as u64, &mut bytes[done..]).ok()? {
            0 => break,
            count => done += count,
        }
    }
    bytes.truncate(done);
    Some(bytes)
}

struct Entry<'a> {
    name: &'a str,
    /// Where the processor sees it.
    base: u64,
    size_bytes: u64,
}

struct Entries<'a> {
    all: Vec<Entry<'a>>,
    chip_bytes: u64,
}

/// The entries in an order of bytes, if they are such in it.
fn entries(table: &[u8], turn: fn([u8; 4]) -> u32) -> Option<Entries<'_>> {
    let mut all = Vec::new();
    let (mut first, mut last) = (u64::MAX, 0);
    for record in table.chunks_exact(RECORD_BYTES) {
        match (record[0], record[1]) {
            (0xff, 0xff) => break,
            (0xff, _) => continue, // deleted
            _ => {}
        }
        let name = record[..16].split(|byte| *byte == 0).next()?;
        let name = std::str::from_utf8(name).ok()?;
        // The mark of a table that is written twice.
        if name == ".FisValid" {
            continue;
        }
        let word = |at: usize| Some(u64::from(turn(record[at..at + 4].try_into().ok()?)));
        let (base, size_bytes) = (word(16)?, word(24)?);
        if (base | size_bytes) % UNIT_BYTES != 0 {
            return None;
        }
        (first, last) = (first.min(base), last.max(base + size_bytes));
        all.push(Entry {
            name,
            base,
            size_bytes,
        });
    }
    // The smallest chip on whose addresses all of them lie.
    let bits = (12..=32).find(|bits| first >> bits == last.wrapping_sub(1) >> bits)?;
    let chip_bytes = 1_u64 << bits;
    let fills = (first | last) & (chip_bytes - 1) == 0;
    fills.then_some(Entries { all, chip_bytes })
}

/// The devices of the entries.
fn placed<'a>(devices: &[MtdInfo], entries: Entries<'a>) -> Option<(Vec<usize>, Entries<'a>)> {
    let claims = entries.all.iter().map(|entry| Claim {
        index: None,
        name: entry.name,
        size_bytes: Some(entry.size_bytes),
    });
    let claims: Vec<Claim<'_>> = claims.collect();
    Some((owners(devices, &claims)?, entries))
}
