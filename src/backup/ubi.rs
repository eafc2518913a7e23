//! Images that hold UBI: which erase blocks, and which volumes.
//!
//! A raw copy of UBI has the erase counters and the order of one chip's erase blocks in
//! it, so that it is put back in another way than other images. Format: Linux 6.1,
//! drivers/mtd/ubi/ubi-media.h; everything is big-endian.
//!
//! Invariant: an erase block counts only where its header has its checksum. Volumes are
//! told as a volume table has them, of which each record has its checksum; nothing else
//! is concluded. A static volume has a checksum of its contents, a dynamic one has not.

pub(crate) mod volume;

use crc32fast::Hasher;
use std::fmt;
use std::mem;

const HEADER_BYTES: usize = 64;
/// UBI_LAYOUT_VOLUME_ID: the volume that holds the volume table.
const LAYOUT_VOLUME: u32 = 0x7fff_efff;
const RECORD_BYTES: usize = 172;
const RECORDS_MAX: usize = 128;

/// What is being collected.
#[derive(Debug, Clone, Copy)]
enum Part {
    EraseCounter,
    VolumeHeader { data_bytes: u64 },
    VolumeTable,
}

/// Looks at an image piece by piece.
#[derive(Debug)]
pub(super) struct Scanner {
    erase_block_bytes: u64,
    position_bytes: u64,
    /// The erase block that is looked at, and what of it.
    block_start: u64,
    part: Part,
    wanted_from: u64,
    wanted_bytes: usize,
    got: Vec<u8>,
    found: Ubi,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Ubi {
    /// Erase blocks with a header.
    blocks: u64,
    /// Of so many.
    all_blocks: u64,
    volumes: Vec<Volume>,
}

/// A record of the volume table.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Volume {
    name: String,
    /// Static or dynamic; none where the table has another number.
    is_static: Option<bool>,
    /// Logical erase blocks that are reserved for it.
    reserved_blocks: u32,
    /// An update of it began, and did not end.
    is_being_updated: bool,
}

impl Scanner {
    /// For an image with erase blocks of this size; nothing is found without any.
    pub(super) fn new(erase_block_bytes: u64) -> Self {
        Self {
            erase_block_bytes,
            position_bytes: 0,
            block_start: 0,
            part: Part::EraseCounter,
            wanted_from: 0,
            wanted_bytes: HEADER_BYTES,
            got: Vec::new(),
            found: Ubi::default(),
        }
    }

    /// Takes the next bytes.
    pub(super) fn update(&mut self, piece: &[u8]) {
        if self.erase_block_bytes < 2 * HEADER_BYTES as u64 {
            return;
        }
        let end = self.position_bytes + piece.len() as u64;
        loop {
            let from = self.wanted_from + self.got.len() as u64;
            if from >= end {
                break;
            }
            let rest = &piece[(from - self.position_bytes) as usize..];
            let missing = self.wanted_bytes - self.got.len();
            self.got.extend_from_slice(&rest[..missing.min(rest.len())]);
            if self.got.len() < self.wanted_bytes {
                break;
            }
            self.collected();
        }
        self.position_bytes = end;
    }

    /// All of what was wanted is there: what next? Never something before its end.
    fn collected(&mut self) {
        let got = mem::take(&mut self.got);
        let end = self.wanted_from + got.len() as u64;
        let next = match self.part {
            Part::EraseCounter => self.erase_counter(&got),
            Part::VolumeHeader { data_bytes } => self.volume_header(&got, data_bytes),
            Part::VolumeTable => {
                self.volume_table(&got);
                None
            }
        };
        let next = next.filter(|(_, at, bytes)| {
            let from = self.block_start + at;
            from >= end && at + *bytes as u64 <= self.erase_block_bytes
        });
        (self.part, self.wanted_from, self.wanted_bytes) = match next {
            Some((part, at, bytes)) => (part, self.block_start + at, bytes),
            None => {
                self.block_start += self.erase_block_bytes;
                (Part::EraseCounter, self.block_start, HEADER_BYTES)
            }
        };
    }

    fn erase_counter(&mut self, header: &[u8]) -> Option<(Part, u64, usize)> {
        if !header.starts_with(b"UBI#") || !has_checksum(header) {
            return None;
        }
        self.found.blocks += 1;
        let data_bytes = u64::from(word(header, 20));
        let part = Part::VolumeHeader { data_bytes };
        Some((part, u64::from(word(header, 16)), HEADER_BYTES))
    }

    fn volume_header(&self, header: &[u8], data_bytes: u64) -> Option<(Part, u64, usize)> {
        let is_table = header.starts_with(b"UBI!")
            && has_checksum(header)
            && word(header, 8) == LAYOUT_VOLUME
            && self.found.volumes.is_empty();
        let room = self.erase_block_bytes.saturating_sub(data_bytes);
        let records = (room / RECORD_BYTES as u64).min(RECORDS_MAX as u64) as usize;
        is_table.then_some((Part::VolumeTable, data_bytes, records * RECORD_BYTES))
    }

    fn volume_table(&mut self, table: &[u8]) {
        for record in table.chunks_exact(RECORD_BYTES) {
            let length = usize::from(u16::from_be_bytes([record[14], record[15]]));
            let name = record.get(16..16 + length.min(127)).unwrap_or_default();
            if word(record, 0) > 0 && !name.is_empty() && has_checksum(record) {
                self.found.volumes.push(Volume {
                    name: String::from_utf8_lossy(name).into_owned(),
                    is_static: match record[12] {
                        1 => Some(false),
                        2 => Some(true),
                        _ => None,
                    },
                    reserved_blocks: word(record, 0),
                    is_being_updated: record[13] == 1,
                });
            }
        }
    }

    /// What the image holds of UBI; none where it holds none.
    pub(super) fn finish(mut self) -> Option<Ubi> {
        self.found.all_blocks = self.position_bytes.checked_div(self.erase_block_bytes)?;
        (self.found.blocks > 0).then_some(self.found)
    }
}

fn word(data: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&data[at..at + 4]);
    u32::from_be_bytes(word)
}

/// The last four bytes are the CRC-32 of the others, begun with all ones and not
/// inverted at the end.
fn has_checksum(header: &[u8]) -> bool {
    let (data, _) = header.split_at(header.len() - 4);
    let mut hasher = Hasher::new();
    hasher.update(data);
    !hasher.finalize() == word(header, header.len() - 4)
}

impl fmt::Display for Ubi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            blocks, all_blocks, ..
        } = self;
        write!(f, "holds UBI in {blocks} of {all_blocks} erase blocks")?;
        if !self.volumes.is_empty() {
            f.write_str(", with the volumes ")?;
        }
        for (at, volume) in self.volumes.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(f, "{comma}{volume}")?;
        }
        f.write_str(
            "; it fits this chip alone: ubiformat puts it back, with new erase counters, and \
             nandwrite does not",
        )
    }
}

impl fmt::Display for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.is_static {
            Some(true) => "static",
            Some(false) => "dynamic",
            None => "of an unknown type",
        };
        let Self {
            name,
            reserved_blocks,
            ..
        } = self;
        write!(f, "{name:?} ({kind}, {reserved_blocks} LEBs")?;
        if self.is_being_updated {
            f.write_str(", an update of it did not end")?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BLOCK: usize = 0x8000;

    fn sealed(mut header: Vec<u8>) -> Vec<u8> {
        let mut hasher = Hasher::new();
        hasher.update(&header);
        header.extend((!hasher.finalize()).to_be_bytes());
        header
    }

    fn header(magic: &[u8], words: &[(usize, u32)]) -> Vec<u8> {
        let mut header = vec![0; HEADER_BYTES - 4];
        header[..4].copy_from_slice(magic);
        for (at, word) in words {
            header[*at..at + 4].copy_from_slice(&word.to_be_bytes());
        }
        sealed(header)
    }

    /// An erase block of a volume, as a NAND with pages of 2 KiB has it.
    fn block(volume: Option<u32>, data: &[u8]) -> Vec<u8> {
        let mut block = vec![0xff; BLOCK];
        block[..HEADER_BYTES].copy_from_slice(&header(b"UBI#", &[(16, 0x800), (20, 0x1000)]));
        if let Some(volume) = volume {
            let header = header(b"UBI!", &[(8, volume)]);
            block[0x800..0x800 + HEADER_BYTES].copy_from_slice(&header);
        }
        block[0x1000..0x1000 + data.len()].copy_from_slice(data);
        block
    }

    fn table(names: &[&str]) -> Vec<u8> {
        let record = |name: &&str| {
            let mut record = vec![0; RECORD_BYTES - 4];
            record[3] = 5;
            record[12] = if *name == "kernel" { 2 } else { 1 };
            record[13] = u8::from(*name == "torn");
            record[14..16].copy_from_slice(&(name.len() as u16).to_be_bytes());
            record[16..16 + name.len()].copy_from_slice(name.as_bytes());
            sealed(record)
        };
        names.iter().flat_map(record).collect()
    }

    fn scanned(image: &[u8], piece: usize, block: usize) -> Option<Ubi> {
        let mut scanner = Scanner::new(block as u64);
        image.chunks(piece).for_each(|piece| scanner.update(piece));
        scanner.finish()
    }

    fn image() -> Vec<u8> {
        [
            block(Some(LAYOUT_VOLUME), &table(&["kernel", "rootfs"])),
            block(Some(LAYOUT_VOLUME), &table(&["kernel", "rootfs"])),
            block(Some(0), b"data"),
            vec![0xff; BLOCK],
            block(None, b""),
        ]
        .concat()
    }

    proptest! {
        #[test]
        fn blocks_and_volumes_are_found_however_the_image_comes(piece in 1_usize..100_000) {
            let found = scanned(&image(), piece, BLOCK).unwrap();
            prop_assert_eq!((found.blocks, found.all_blocks), (4, 5));
            let names: Vec<_> = found.volumes.iter().map(|volume| volume.name.as_str()).collect();
            prop_assert_eq!(names, ["kernel", "rootfs"]);
        }

        #[test]
        fn no_bytes_make_it_panic(
            mut image in Just(image()), piece in 1_usize..5000, block in 0_usize..0x9000,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..40),
        ) {
            for (at, byte) in changes {
                let at = at.index(image.len());
                image[at] = byte;
            }
            scanned(&image, piece, block);
        }
    }

    #[test]
    fn volumes_are_told_one_by_one() {
        let image = block(Some(LAYOUT_VOLUME), &table(&["kernel", "rootfs", "torn"]));
        let told = scanned(&image, 4096, BLOCK).unwrap().to_string();
        let volumes = "with the volumes \"kernel\" (static, 5 LEBs), \"rootfs\" (dynamic, \
                       5 LEBs), \"torn\" (dynamic, 5 LEBs, an update of it did not end);";
        assert!(told.contains(volumes), "{told}");
        assert!(
            told.starts_with("holds UBI in 1 of 1 erase blocks"),
            "{told}"
        );
    }

    #[test]
    fn what_has_no_checksum_is_none() {
        let mut image = image();
        image.chunks_mut(BLOCK).for_each(|block| block[9] ^= 1);
        assert_eq!(scanned(&image, 4096, BLOCK), None);
        assert_eq!(scanned(&[0xff; BLOCK], 4096, BLOCK), None);
        assert_eq!(scanned(&[], 4096, BLOCK), None);
    }

    /// Offsets that lead back, or out of the erase block, lead nowhere.
    #[test]
    fn headers_that_point_anywhere_are_not_followed() {
        for to in [0, 8, 0x7fff, 0x8000, u32::MAX] {
            let mut image = image();
            let bad = header(b"UBI#", &[(16, to), (20, to)]);
            image[..HEADER_BYTES].copy_from_slice(&bad);
            let found = scanned(&image, 4096, BLOCK).unwrap();
            assert_eq!((found.blocks, found.volumes.len()), (4, 2), "{to:#x}");
        }
    }
}
