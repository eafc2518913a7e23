//! A volume's bytes out of a raw copy of UBI, as `/dev/ubiX_Y` gives them.
//!
//! Source: Linux 6.1, drivers/mtd/ubi/ubi-media.h, attach.c (`ubi_compare_lebs`) and
//! vtbl.c. A logical erase block may lie there twice, after a power cut: the one with the
//! higher sequence number counts, unless it is a copy whose checksum is wrong.
//!
//! Invariants: only headers and records with their checksums count. A static volume is
//! whole and has its checksums, or is an error; of a dynamic one, a logical erase block
//! that is not there reads as 0xFF, and a volume whose update did not end is an error.

use super::{HEADER_BYTES, LAYOUT_VOLUME, RECORD_BYTES, RECORDS_MAX, has_checksum, word};
use crc32fast::Hasher;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Why there are no bytes of a volume.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VolumeError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// No erase block has its headers.
    #[error("it holds no UBI with a volume table")]
    NoTable,
    /// There is none of that name.
    #[error("it has no volume {name:?}; there are {}", .there.join(", "))]
    NoVolume {
        /// The name that was asked for.
        name: String,
        /// Those that are there.
        there: Vec<String>,
    },
    /// Its contents are not those before the update, nor those after it.
    #[error("an update of {0:?} began and did not end: it has no contents")]
    Updating(String),
    /// Something of it is not there, or not as its checksum says.
    #[error("logical erase block {leb} of {name:?} {what}")]
    Torn {
        /// The volume.
        name: String,
        /// Which of its logical erase blocks.
        leb: u32,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Where a logical erase block lies.
#[derive(Debug, Clone, Copy)]
struct Leb {
    /// Of its data, in the file.
    data_from: u64,
    is_copy: bool,
    data_bytes: u32,
    used_lebs: u32,
    data_crc: u32,
    sequence: u64,
}

/// A volume that was found.
#[derive(Debug)]
pub(crate) struct Volume {
    lebs: Vec<Option<Leb>>,
    /// Of each, what belongs to the volume.
    usable_bytes: u64,
    pub(crate) size_bytes: u64,
}

type Lebs = BTreeMap<(u32, u32), Leb>;

/// Finds a volume in a file with erase blocks of that size.
pub(crate) fn find(file: &File, erase_block_bytes: u64, name: &str) -> Result<Volume, VolumeError> {
    let lebs = attach(file, erase_block_bytes)?;
    let Some((room, records)) = table(file, &lebs, erase_block_bytes)? else {
        return Err(VolumeError::NoTable);
    };
    let found = (0..).zip(&records).find_map(|(id, record)| {
        let record = record.as_ref()?;
        (record.name == name).then_some((id, record))
    });
    let Some((id, record)) = found else {
        let there = records.iter().flatten();
        return Err(VolumeError::NoVolume {
            name: name.into(),
            there: there.map(|record| format!("{:?}", record.name)).collect(),
        });
    };
    if record.is_being_updated {
        return Err(VolumeError::Updating(name.into()));
    }
    let usable_bytes = room.saturating_sub(u64::from(record.pad_bytes));
    let of_it = |leb: u32| lebs.get(&(id, leb)).copied();
    let count = match record.is_static {
        true => of_it(0).map_or(0, |leb| leb.used_lebs),
        false => record.reserved_lebs,
    };
    let torn = |leb, what| VolumeError::Torn {
        name: name.into(),
        leb,
        what,
    };
    let most = file.metadata()?.len() / erase_block_bytes;
    if u64::from(count) > most || usable_bytes == 0 {
        return Err(torn(0, "is of a volume that is larger than the copy"));
    }
    let lebs: Vec<Option<Leb>> = (0..count).map(of_it).collect();
    let mut size_bytes = usable_bytes * u64::from(count);
    if record.is_static {
        size_bytes = 0;
        for (leb, at) in lebs.iter().zip(0..) {
            let leb = leb.ok_or_else(|| torn(at, "is not there"))?;
            if !has_its_data(file, &leb)? || u64::from(leb.data_bytes) > usable_bytes {
                return Err(torn(at, "does not have its checksum"));
            }
            size_bytes += u64::from(leb.data_bytes);
        }
    }
    Ok(Volume {
        lebs,
        usable_bytes,
        size_bytes,
    })
}

/// Gives a volume's bytes, piece by piece.
pub(crate) fn copy(
    file: &File,
    volume: &Volume,
    put: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut left_bytes = volume.size_bytes;
    let mut piece = vec![0; usize::try_from(volume.usable_bytes).unwrap_or(0)];
    for leb in &volume.lebs {
        let count = left_bytes.min(volume.usable_bytes) as usize;
        match leb {
            Some(leb) => file.read_exact_at(&mut piece[..count], leb.data_from)?,
            None => piece[..count].fill(0xff),
        }
        put(&piece[..count])?;
        left_bytes -= count as u64;
    }
    Ok(())
}

/// All logical erase blocks of a copy.
fn attach(file: &File, erase_block_bytes: u64) -> Result<Lebs, VolumeError> {
    let mut lebs = Lebs::new();
    let blocks = file.metadata()?.len() / erase_block_bytes;
    for block in 0..blocks {
        let start = block * erase_block_bytes;
        let inside = |at: u32, bytes: u64| u64::from(at) + bytes <= erase_block_bytes;
        let mut counter = [0; HEADER_BYTES];
        file.read_exact_at(&mut counter, start)?;
        let (header_at, data_at) = (word(&counter, 16), word(&counter, 20));
        let is_one = counter.starts_with(b"UBI#") && has_checksum(&counter);
        if !is_one || !inside(header_at, HEADER_BYTES as u64) || !inside(data_at, 1) {
            continue;
        }
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, start + u64::from(header_at))?;
        if !header.starts_with(b"UBI!") || !has_checksum(&header) {
            continue;
        }
        let leb = Leb {
            data_from: start + u64::from(data_at),
            is_copy: header[6] != 0,
            data_bytes: word(&header, 20),
            used_lebs: word(&header, 24),
            data_crc: word(&header, 32),
            sequence: u64::from(word(&header, 40)) << 32 | u64::from(word(&header, 44)),
        };
        if !inside(data_at, u64::from(leb.data_bytes)) {
            continue;
        }
        let key = (word(&header, 8), word(&header, 12));
        let wins = match lebs.get(&key) {
            None => true,
            Some(other) if leb.sequence > other.sequence => is_whole(file, &leb)?,
            Some(other) => !is_whole(file, other)?,
        };
        if wins {
            lebs.insert(key, leb);
        }
    }
    Ok(lebs)
}

/// A copy that a power cut left half does not count; what is no copy has no checksum of
/// its own to ask.
fn is_whole(file: &File, leb: &Leb) -> io::Result<bool> {
    Ok(!leb.is_copy || has_its_data(file, leb)?)
}

fn has_its_data(file: &File, leb: &Leb) -> io::Result<bool> {
    let mut data = vec![0; leb.data_bytes as usize];
    file.read_exact_at(&mut data, leb.data_from)?;
    let mut hasher = Hasher::new();
    hasher.update(&data);
    Ok(!hasher.finalize() == leb.data_crc)
}

/// A record of the volume table.
struct Record {
    name: String,
    reserved_lebs: u32,
    pad_bytes: u32,
    is_static: bool,
    is_being_updated: bool,
}

/// What room a logical erase block has, and the volumes by their numbers.
type Table = (u64, Vec<Option<Record>>);

/// The volume table: the first of its two copies of which each record has its checksum.
fn table(file: &File, lebs: &Lebs, erase_block_bytes: u64) -> Result<Option<Table>, VolumeError> {
    for copy in 0..2 {
        let Some(leb) = lebs.get(&(LAYOUT_VOLUME, copy)) else {
            continue;
        };
        let room = erase_block_bytes - leb.data_from % erase_block_bytes;
        let count = (room / RECORD_BYTES as u64).min(RECORDS_MAX as u64) as usize;
        let mut table = vec![0; count * RECORD_BYTES];
        file.read_exact_at(&mut table, leb.data_from)?;
        let mut records = table.chunks_exact(RECORD_BYTES);
        if records.clone().all(has_checksum) {
            return Ok(Some((room, records.by_ref().map(record).collect())));
        }
    }
    Ok(None)
}

fn record(record: &[u8]) -> Option<Record> {
    let length = usize::from(u16::from_be_bytes([record[14], record[15]]));
    let name = record.get(16..16 + length.min(127)).unwrap_or_default();
    (word(record, 0) > 0).then(|| Record {
        name: String::from_utf8_lossy(name).into_owned(),
        reserved_lebs: word(record, 0),
        pad_bytes: word(record, 8),
        is_static: record[12] == 2,
        is_being_updated: record[13] == 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const BLOCK: usize = 0x4000;
    const HEADER_AT: usize = 0x200;
    const DATA_AT: usize = 0x400;
    const ROOM: usize = BLOCK - DATA_AT;

    fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
        let crc = crc(&bytes);
        bytes.extend(crc.to_be_bytes());
        bytes
    }

    fn crc(data: &[u8]) -> u32 {
        let mut hasher = Hasher::new();
        hasher.update(data);
        !hasher.finalize()
    }

    fn put(bytes: &mut [u8], at: usize, word: u32) {
        bytes[at..at + 4].copy_from_slice(&word.to_be_bytes());
    }

    /// An erase block: volume and number, sequence, whether it is a copy, its data.
    fn block(id: (u32, u32), sequence: u32, copy: bool, used: u32, data: &[u8]) -> Vec<u8> {
        let mut counter = vec![0; HEADER_BYTES - 4];
        counter[..4].copy_from_slice(b"UBI#");
        put(&mut counter, 16, HEADER_AT as u32);
        put(&mut counter, 20, DATA_AT as u32);
        let mut header = vec![0; HEADER_BYTES - 4];
        header[..4].copy_from_slice(b"UBI!");
        header[6] = u8::from(copy);
        let is_checked = copy || used > 0;
        let (bytes, sum) = if is_checked {
            (data.len(), crc(data))
        } else {
            (0, 0)
        };
        for (at, word) in [
            (8, id.0),
            (12, id.1),
            (20, bytes as u32),
            (24, used),
            (32, sum),
        ] {
            put(&mut header, at, word);
        }
        put(&mut header, 44, sequence);
        let mut block = vec![0xff; BLOCK];
        block[..HEADER_BYTES].copy_from_slice(&sealed(counter));
        block[HEADER_AT..HEADER_AT + HEADER_BYTES].copy_from_slice(&sealed(header));
        block[DATA_AT..DATA_AT + data.len()].copy_from_slice(data);
        block
    }

    /// Name, reserved blocks, kind and whether an update of it did not end.
    fn volume_table(volumes: &[(&str, u32, u8, bool)]) -> Vec<u8> {
        let mut table = Vec::new();
        for at in 0..ROOM / RECORD_BYTES {
            let mut record = vec![0; RECORD_BYTES - 4];
            if let Some((name, reserved, kind, updating)) = volumes.get(at) {
                put(&mut record, 0, *reserved);
                put(&mut record, 4, 1);
                record[12] = *kind;
                record[13] = u8::from(*updating);
                record[15] = name.len() as u8;
                record[16..16 + name.len()].copy_from_slice(name.as_bytes());
            }
            table.extend(sealed(record));
        }
        table
    }

    fn file(blocks: &[Vec<u8>]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&blocks.concat()).unwrap();
        file
    }

    fn read(file: &File, name: &str) -> Result<Vec<u8>, VolumeError> {
        let volume = find(file, BLOCK as u64, name)?;
        let mut bytes = Vec::new();
        copy(file, &volume, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        assert_eq!(bytes.len() as u64, volume.size_bytes);
        Ok(bytes)
    }

    fn filled(byte: u8) -> Vec<u8> {
        vec![byte; ROOM]
    }

    #[test]
    fn volumes_come_out_in_their_order() {
        let table = volume_table(&[("rootfs", 3, 1, false), ("kernel", 4, 2, false)]);
        let kernel = [filled(7), vec![8; 100]];
        let blocks = [
            block((0, 2), 30, false, 0, &filled(3)),
            block((LAYOUT_VOLUME, 0), 1, false, 0, &table),
            vec![0xff; BLOCK],
            block((1, 1), 12, false, 2, &kernel[1]),
            block((0, 0), 10, false, 0, &filled(1)),
            // The same again: a newer one, and a newer copy that is torn.
            block((0, 0), 20, false, 0, &filled(2)),
            block((LAYOUT_VOLUME, 1), 2, false, 0, &table),
            block((1, 0), 11, false, 2, &kernel[0]),
        ];
        let mut torn = block((0, 0), 40, true, 0, &filled(9));
        torn[DATA_AT + 5] = 0;
        for order in [vec![], vec![torn]] {
            let all = [&blocks[..], &order].concat();
            let file = file(&all);
            let wanted = [filled(2), filled(0xff), filled(3)].concat();
            assert!(read(&file, "rootfs").unwrap() == wanted);
            assert!(read(&file, "kernel").unwrap() == kernel.concat());
        }
        // A whole copy counts, wherever it lies.
        let whole = block((0, 0), 40, true, 0, &filled(9));
        let file = file(&[&[whole][..], &blocks].concat());
        assert!(read(&file, "rootfs").unwrap()[..ROOM] == filled(9));
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let table = volume_table(&[
            ("rootfs", 1, 1, true),
            ("kernel", 2, 2, false),
            ("big", 99, 1, false),
        ]);
        let mut first = block((LAYOUT_VOLUME, 0), 1, false, 0, &table);
        first[DATA_AT + 3] ^= 1;
        let blocks = [
            first,
            block((LAYOUT_VOLUME, 1), 2, false, 0, &table),
            block((1, 0), 11, false, 2, &filled(5)),
        ];
        let whole = file(&blocks);
        let said = |name: &str| read(&whole, name).unwrap_err().to_string();
        assert!(said("rootfs").contains("did not end"));
        assert!(said("kernel").contains("1 of \"kernel\" is not there"));
        assert!(said("big").contains("larger than the copy"));
        assert!(said("x").contains("there are \"rootfs\", \"kernel\", \"big\""));
        let mut torn = blocks.to_vec();
        torn.push(block((1, 1), 12, false, 2, &filled(6)));
        torn[3][DATA_AT] = 0;
        let error = read(&file(&torn), "kernel").unwrap_err().to_string();
        assert!(error.contains("does not have its checksum"), "{error}");
        for none in [vec![vec![0xff; BLOCK]], vec![blocks[0].clone()], vec![]] {
            assert!(matches!(read(&file(&none), "x"), Err(VolumeError::NoTable)));
        }
    }
}
