//! Erase blocks: through which device a partition is written, what an erase block is to
//! hold, and what that takes.
//!
//! Invariants: no I/O; bytes outside the image's known ranges are what the flash holds,
//! whoever they belong to.

use super::crippled::{Crippled, lacks};
use super::error::Obstacle;
use crate::backup::Unreadable;
use crate::mtd::MtdInfo;
use std::ops::Range;

/// Programming begins and ends on multiples of this, which every chip's write buffer
/// divides.
const UNIT_BYTES: usize = 512;

/// How much is programmed at once: Linux takes no more in one piece (2.6.24,
/// drivers/mtd/mtdchar.c, MAX_KMALLOC_SIZE), and each call costs.
const PIECE_BYTES: usize = 128 << 10;

/// The device through which a partition is written, and where it lies in that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) device: MtdInfo,
    pub(crate) start_bytes: u64,
}

impl Route {
    /// The partition by itself.
    pub(crate) fn own(partition: &MtdInfo) -> Self {
        Self {
            device: partition.clone(),
            start_bytes: 0,
        }
    }

    /// The erase blocks that a partition of that size touches, in the device's bytes.
    pub(crate) fn blocks(&self, size_bytes: u64) -> Vec<Range<u64>> {
        let mut blocks = Vec::new();
        let mut at = self.start_bytes;
        while at < self.start_bytes + size_bytes {
            let (start, length) = self.device.erase_block_around(at);
            at = start + length;
            blocks.push(start..at);
        }
        blocks
    }

    /// The part of an erase block that is the partition's: in the block, and in the
    /// image.
    pub(crate) fn share(&self, block: &Range<u64>, size_bytes: u64) -> (Range<usize>, u64) {
        let start = block.start.max(self.start_bytes);
        let end = block.end.min(self.start_bytes + size_bytes);
        let within = (start - block.start) as usize..(end - block.start) as usize;
        (within, start - self.start_bytes)
    }
}

/// Whether a device consists of whole erase blocks.
fn is_whole(device: &MtdInfo) -> bool {
    let block = device.erase_block_bytes;
    block > 0 && device.size_bytes % block == 0 && device.offset_bytes().unwrap_or(0) % block == 0
}

/// Finds the device through which a partition can be written: itself, or, where it shares
/// an erase block with others, one that holds the whole of that.
pub(crate) fn route(partition: &MtdInfo, all: &[MtdInfo]) -> Result<Route, Obstacle> {
    if partition.erase_block_bytes == 0 {
        return Err(Obstacle::NoEraseBlocks);
    }
    if is_whole(partition) {
        return match partition.writeable {
            Some(false) => Err(Obstacle::ReadOnly),
            _ => Ok(Route::own(partition)),
        };
    }
    let holds = |device: &&MtdInfo| {
        let (Some(inner), Some(outer)) = (
            partition.certain_offset_bytes(),
            device.certain_offset_bytes(),
        ) else {
            return false;
        };
        is_whole(device)
            && device.erase_block_bytes == partition.erase_block_bytes
            && device.chip == partition.chip
            && device.writeable != Some(false)
            && outer <= inner
            && inner + partition.size_bytes <= outer + device.size_bytes
    };
    match all.iter().find(holds) {
        Some(device) => Ok(Route {
            device: device.clone(),
            start_bytes: partition.offset_bytes().unwrap_or(0) - device.offset_bytes().unwrap_or(0),
        }),
        None => Err(Obstacle::SharesEraseBlock {
            with: neighbours(partition, all),
        }),
    }
}

/// The partitions that have a part of this one's erase blocks, by name.
pub(super) fn neighbours(partition: &MtdInfo, all: &[MtdInfo]) -> String {
    let Some(here) = on_chip(partition) else {
        return "others".into();
    };
    let shares = |other: &&MtdInfo| {
        let there = on_chip(other);
        other.index != partition.index
            && there.is_some_and(|there| overlap(&here, &there))
            && other.chip == partition.chip
    };
    let names: Vec<_> = all
        .iter()
        .filter(shares)
        .map(|d| d.id().to_string())
        .collect();
    match names.is_empty() {
        true => "what lies beside it".into(),
        false => names.join(", "),
    }
}

/// The erase blocks that a partition touches, in bytes of its chip.
pub(crate) fn on_chip(partition: &MtdInfo) -> Option<Range<u64>> {
    let block = partition.erase_block_bytes.max(1);
    let start = partition.offset_bytes()?;
    let end = start.checked_add(partition.size_bytes)?;
    Some(start / block * block..end.div_ceil(block) * block)
}

/// Whether one device holds another, as far as sizes tell, where nobody tells places: as
/// OpenWrt's `firmware` holds the `kernel` and `rootfs` that come right after it, and add
/// up to its size. What is held is smaller, so this ends.
pub(crate) fn seems_to_hold(whole: &MtdInfo, part: &MtdInfo, all: &[MtdInfo]) -> bool {
    let Some(at) = all.iter().position(|device| device.index == whole.index) else {
        return false;
    };
    // Those after it, then those before it.
    [true, false].into_iter().any(|is_after| {
        let (mut sum, mut found) = (0, false);
        for distance in 1..all.len() {
            let next = match is_after {
                true => at.checked_add(distance),
                false => at.checked_sub(distance),
            };
            let Some(device) = next.and_then(|next| all.get(next)) else {
                break;
            };
            sum += device.size_bytes;
            if device.size_bytes >= whole.size_bytes || sum > whole.size_bytes {
                break;
            }
            found |= device.index == part.index || seems_to_hold(device, part, all);
            if sum == whole.size_bytes {
                return found;
            }
        }
        false
    })
}

/// Whether two ranges have a byte in common: one of no length has none.
pub(crate) fn overlap(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start.max(b.start) < a.end.min(b.end)
}

/// What a change takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// The bytes are there.
    Nothing,
    /// No bit has to be set.
    Program,
    /// Some bit has to be set.
    Erase,
}

/// What it takes to make one of the other.
pub(crate) fn need(old: &[u8], wanted: &[u8]) -> Need {
    if old == wanted {
        return Need::Nothing;
    }
    match old
        .iter()
        .zip(wanted)
        .all(|(old, wanted)| old & wanted == *wanted)
    {
        true => Need::Program,
        false => Need::Erase,
    }
}

/// Puts back what the flash holds where the image holds nothing: `wanted` has the
/// image's bytes from `image_offset` on in `within`.
pub(crate) fn keep_unknown(
    wanted: &mut [u8],
    old: &[u8],
    within: &Range<usize>,
    image_offset: u64,
    holes: &[Unreadable],
) {
    let length = within.len() as u64;
    if lacks(Crippled::LosesNeighbours) {
        wanted[..within.start].fill(0xFF);
        wanted[within.end..].fill(0xFF);
    }
    for hole in holes {
        let start = hole.offset_bytes.max(image_offset);
        let end = (hole.offset_bytes + hole.length_bytes).min(image_offset + length);
        if start < end {
            let start = within.start + (start - image_offset) as usize;
            let end = within.start + (end - image_offset) as usize;
            wanted[start..end].copy_from_slice(&old[start..end]);
        }
    }
}

/// The pieces to program, so that `wanted` comes of cells that hold `old`, or 0xFF where
/// they are erased.
pub(crate) fn pieces(old: Option<&[u8]>, wanted: &[u8]) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for start in (0..wanted.len()).step_by(UNIT_BYTES) {
        let end = (start + UNIT_BYTES).min(wanted.len());
        let unit = &wanted[start..end];
        let is_there = match old {
            Some(old) => old[start..end] == *unit,
            None => unit.iter().all(|byte| *byte == 0xFF),
        };
        match pieces.last_mut() {
            _ if is_there => {}
            Some(last) if last.end == start && last.len() < PIECE_BYTES => last.end = end,
            _ => pieces.push(start..end),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mtd::{FactSource, MtdIndex, PartitionOffset};
    use proptest::prelude::*;

    fn part(index: u32, offset_bytes: u64, size_bytes: u64) -> MtdInfo {
        MtdInfo {
            offset: Some(PartitionOffset {
                bytes: offset_bytes,
                source: FactSource::Sysfs,
            }),
            ..MtdInfo::new(MtdIndex(index), format!("p{index}"), size_bytes, 0x1000)
        }
    }

    #[test]
    fn a_partition_of_whole_erase_blocks_is_written_by_itself() {
        let own = part(1, 0x3000, 0x2000);
        let route = route(&own, &[part(0, 0, 0x8000), own.clone()]).unwrap();
        assert_eq!(route, Route::own(&own));
        assert_eq!(route.blocks(0x2000), [0..0x1000, 0x1000..0x2000]);
    }

    #[test]
    fn one_that_shares_an_erase_block_goes_through_what_holds_all_of_it() {
        let whole = part(0, 0, 0x8000);
        let (first, second) = (part(1, 0x3000, 0x1800), part(2, 0x4800, 0x800));
        let all = [whole.clone(), first.clone(), second.clone()];
        let found = route(&second, &all).unwrap();
        assert_eq!((&found.device, found.start_bytes), (&whole, 0x4800));
        let blocks = found.blocks(0x800);
        assert_eq!((blocks.len(), &blocks[0]), (1, &(0x4000..0x5000)));
        assert_eq!(found.share(&(0x4000..0x5000), 0x800), (0x800..0x1000, 0));
        let found = route(&first, &all).unwrap();
        assert_eq!(found.blocks(0x1800), [0x3000..0x4000, 0x4000..0x5000]);
        assert_eq!(found.share(&(0x4000..0x5000), 0x1800), (0..0x800, 0x1000));
        // Without such a device, or where it is read-only: not at all.
        for all in [
            vec![first.clone(), second.clone()],
            vec![
                MtdInfo {
                    writeable: Some(false),
                    ..whole
                },
                first.clone(),
                second.clone(),
            ],
        ] {
            let Err(Obstacle::SharesEraseBlock { with }) = route(&second, &all) else {
                panic!("a route");
            };
            assert!(with.contains("mtd1 (p1)"), "{with}");
        }
    }

    #[test]
    fn what_the_kernel_protects_is_not_written_through_another() {
        let own = MtdInfo {
            writeable: Some(false),
            ..part(1, 0x3000, 0x2000)
        };
        let all = [part(0, 0, 0x8000), own.clone()];
        assert_eq!(route(&own, &all), Err(Obstacle::ReadOnly));
        // What holds the same place of another chip holds nothing of it.
        let half = part(1, 0x3000, 0x1800);
        let mut all = [part(0, 0, 0x8000), half.clone()];
        assert!(route(&half, &all).is_ok());
        all[0].chip = Some(1);
        assert!(route(&half, &all).is_err());
        let none = MtdInfo::new(MtdIndex(0), "ram", 0x1000, 0);
        assert_eq!(route(&none, &[]), Err(Obstacle::NoEraseBlocks));
    }

    #[test]
    fn no_more_than_the_kernel_takes_is_programmed_at_once() {
        let wanted = vec![0x5A; 3 * PIECE_BYTES + 700];
        let pieces = pieces(None, &wanted);
        let lengths: Vec<_> = pieces.iter().map(Range::len).collect();
        assert_eq!(lengths, [PIECE_BYTES, PIECE_BYTES, PIECE_BYTES, 700]);
        // Nor more than is needed: erased cells, and bytes that are there.
        let mut old = vec![0xFF; 4096];
        old[..512].fill(0);
        let mut wanted = old.clone();
        wanted[1024..1030].fill(0);
        assert_eq!(super::pieces(Some(&old), &wanted), vec![1024..1536; 1]);
        assert_eq!(super::pieces(None, &wanted), [0..512, 1024..1536]);
        assert_eq!(need(&old, &wanted), Need::Program);
        assert_eq!(need(&wanted, &old), Need::Erase);
        assert_eq!(need(&old, &old.clone()), Need::Nothing);
    }

    proptest! {
        /// The pieces, programmed into cells of a plain vector, come to what is wanted.
        #[test]
        fn pieces_come_to_what_is_wanted(
            old in prop::collection::vec(prop::sample::select(vec![0u8, 0x5A, 0xFF]), 0..4000),
            seed in any::<u64>(),
        ) {
            let mut state = seed | 1;
            let wanted: Vec<u8> = old.iter().map(|byte| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                match state >> 60 { 0 => (state >> 40) as u8, 1 => byte & (state >> 40) as u8, _ => *byte }
            }).collect();
            let need = need(&old, &wanted);
            let (mut cells, from) = match need {
                Need::Erase => (vec![0xFF; old.len()], None),
                _ => (old.clone(), Some(&*old)),
            };
            let pieces = pieces(from, &wanted);
            prop_assert_eq!(need == Need::Nothing, old == wanted);
            for piece in &pieces {
                prop_assert_eq!(piece.start % UNIT_BYTES, 0);
                for at in piece.clone() {
                    cells[at] &= wanted[at];
                }
            }
            prop_assert_eq!(cells, wanted);
        }
    }

    #[test]
    fn holes_keep_what_the_flash_holds() {
        let hole = |offset_bytes, length_bytes| Unreadable {
            offset_bytes,
            length_bytes,
            reason: String::new(),
        };
        let mut wanted = [1, 1, 2, 2, 2, 2, 1, 1];
        let holes = [hole(0, 11), hole(12, 1), hole(14, 9)];
        keep_unknown(&mut wanted, &[1; 8], &(2..6), 10, &holes);
        assert_eq!(wanted, [1, 1, 1, 2, 1, 2, 1, 1]);
    }
}
