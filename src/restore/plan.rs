//! What a restore will do, as data.
//!
//! Invariants: the digest binds what the flash will hold in the end, and not how much of
//! that is there already: the same command goes on after a power cut, with the same
//! digest.

use super::blocks::Route;
use super::crippled::{Crippled, lacks};
use super::error::Obstacle;
use super::journal::Kept;
use crate::backup::{Image, sha256};
use crate::mtd::{ChipTiming, MtdInfo};
use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

/// A whole restore.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The partitions that were chosen, in the order in which they are written.
    pub(crate) partitions: Vec<PlannedPartition>,
    /// SHA-256 over what the flash will hold.
    pub(crate) digest: String,
    /// What the user should know before, a sentence each.
    pub(crate) notes: Vec<String>,
    /// The largest erase block, in bytes.
    pub(crate) block_bytes: usize,
    /// Erase blocks that an earlier run had in hand.
    pub(crate) in_hand: Vec<Kept>,
    /// All devices: what lies on the same flash as what is written.
    pub(crate) devices: Vec<MtdInfo>,
    /// Which device this is, as kept files say it.
    pub(crate) identity: String,
}

/// One partition of it.
#[derive(Debug)]
#[non_exhaustive]
pub(crate) struct PlannedPartition {
    /// The partition.
    pub(crate) device: MtdInfo,
    /// How many erase blocks hold the backup's bytes already.
    pub(crate) same: u64,
    /// How many are programmed without being erased: no bit has to be set.
    pub(crate) program: u64,
    /// How many are erased and programmed.
    pub(crate) erase: u64,
    /// How many of these are locked: unlocked, written, locked again.
    pub(crate) locked: u64,
    /// How many bytes are programmed.
    pub(crate) bytes: u64,
    /// How many bytes of it the backup does not have: they stay as they are.
    pub(crate) unknown_bytes: u64,
    /// Why it cannot be written, where that is so, and how many erase blocks differ all
    /// the same.
    pub(crate) stays: Option<(Obstacle, u64)>,
    /// How long its chip takes, where that is known.
    pub(crate) timing: Option<ChipTiming>,
    pub(crate) image: Image,
    /// The first erase blocks of what lies in it and is written with it, in bytes of the
    /// route's device.
    pub(crate) headers: Vec<u64>,
    pub(crate) route: Route,
    pub(crate) blocks: Vec<PlannedBlock>,
}

/// An erase block that is to be written.
#[derive(Debug)]
pub(crate) struct PlannedBlock {
    /// Where it starts, in bytes of the route's device.
    pub(crate) offset_bytes: u64,
    /// SHA-256 of what it is to hold.
    pub(crate) wanted: [u8; 32],
    /// An earlier run stopped in it.
    pub(crate) in_hand: bool,
    /// It cannot be read, and the backup has all of it.
    pub(crate) is_unreadable: bool,
    pub(crate) is_locked: bool,
}

impl PlannedPartition {
    /// How long it takes by the chip's data sheet, where the chip is known.
    pub(crate) fn expected(&self) -> Option<Duration> {
        let timing = self.timing?;
        let times = |duration: Duration, count: u64| {
            Duration::from_nanos((duration.as_nanos() as u64).saturating_mul(count))
        };
        Some(times(timing.erase, self.erase) + times(timing.program_kib, self.bytes / 1024))
    }

    /// The part of an erase block that is the image's: in the block, and in the image.
    pub(crate) fn share(&self, block: &PlannedBlock) -> (Range<usize>, u64) {
        let (start, length) = (block.offset_bytes, self.route.device.erase_block_bytes);
        self.route
            .share(&(start..start + length), self.image.size_bytes)
    }

    /// Its erase blocks in the order in which they are written: the first one of the
    /// partition last, because what others know it by stands there; before it those of
    /// what lies in it, likewise.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &PlannedBlock> {
        let first = self
            .route
            .device
            .erase_block_around(self.route.start_bytes)
            .0;
        let is_first = move |block: &&PlannedBlock| {
            block.offset_bytes == first && !lacks(Crippled::HeaderFirst)
        };
        let is_header = move |block: &&PlannedBlock| {
            !is_first(block) && self.headers.contains(&block.offset_bytes)
        };
        let is_other = move |block: &&PlannedBlock| !is_first(block) && !is_header(block);
        let rest = self.blocks.iter().filter(is_other);
        let headers = self.blocks.iter().rev().filter(is_header);
        rest.chain(headers)
            .chain(self.blocks.iter().filter(is_first))
    }
}

impl Plan {
    /// Whether an earlier run stopped in an erase block: then the flash is unfinished
    /// before anything is done.
    pub(crate) fn goes_on(&self) -> bool {
        !self.in_hand.is_empty()
    }

    /// Erase blocks to program only, to erase and program, and bytes.
    pub(crate) fn totals(&self) -> (u64, u64, u64) {
        let of = |count: fn(&PlannedPartition) -> u64| self.partitions.iter().map(count).sum();
        (of(|p| p.program), of(|p| p.erase), of(|p| p.bytes))
    }

    /// Whether there is something to write.
    pub(crate) fn writes(&self) -> bool {
        self.partitions.iter().any(|part| !part.blocks.is_empty())
    }

    /// Whether something that differs stays as it is, or is not in the backup.
    pub(crate) fn is_partial(&self) -> bool {
        let stays = |part: &PlannedPartition| part.stays.as_ref().is_some_and(|(_, n)| *n > 0);
        let lacks = |part: &PlannedPartition| stays(part) || part.unknown_bytes > 0;
        self.partitions.iter().any(lacks)
    }

    /// How long it takes by the chip's data sheet; none where a chip is unknown.
    pub(crate) fn expected(&self) -> Option<Duration> {
        let to_write = self
            .partitions
            .iter()
            .filter(|part| !part.blocks.is_empty());
        to_write.map(PlannedPartition::expected).sum()
    }
}

/// The digest of a plan: of the backup, and of what each partition is to hold.
pub(super) fn digest(
    manifest_sha256: &str,
    other_device: bool,
    parts: &[PlannedPartition],
) -> String {
    let mut text = format!("mtdkeep restore 1\n{manifest_sha256}\n{other_device}\n");
    for part in parts.iter().filter(|part| part.stays.is_none()) {
        let image = &part.image;
        for (name, value) in image.named_digests() {
            // Writing into a String cannot fail.
            let _ = writeln!(
                text,
                "{} {} {name} {value}",
                part.device.index, image.size_bytes
            );
        }
    }
    sha256(text.as_bytes())
}
