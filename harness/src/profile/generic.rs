//! Contents for any layout: bytes that look like firmware in the first part of
//! each partition, the rest erased.

use super::SimulatedDevice;
use super::lazy::{Contents, LazyStorage};
use super::noise::{Look, Noise, PAGE_BYTES};
use crate::chip::{Chip, EraseBlock, Geometry};
use crate::layout::{ChipLayout, Layout};
use std::ops::Range;

/// A device of any layout with generic contents: each partition starts with its
/// name and has bytes as of compressed firmware for about two thirds of its
/// length; the rest is erased, as free space is. The same seed and layout give
/// the same bytes.
///
/// Contents are made when they are read: a layout of gigabytes costs no memory.
///
/// ```
/// use mtd_harness::{layout::Layout, profile};
///
/// let layout = Layout::from_proc_mtd(
///     "dev:    size   erasesize  name\nmtd0: 00100000 00010000 \"firmware\"\n",
/// )?;
/// let device = profile::from_layout(&layout, 1);
/// assert!(device.partition_bytes(0).starts_with(b"firmware\0"));
/// # Ok::<(), mtd_harness::layout::LayoutError>(())
/// ```
pub fn from_layout(layout: &Layout, seed: u64) -> SimulatedDevice {
    let chips = layout
        .chips
        .iter()
        .enumerate()
        .map(|(index, chip)| {
            let contents = Generic::new(chip, index, seed);
            let storage = LazyStorage::new(chip.geometry, Box::new(contents));
            Chip::with_storage(chip.geometry, Box::new(storage))
        })
        .collect();
    let description = format!("simulated device with a given layout, seed {seed}");
    SimulatedDevice::new(description, chips, layout)
}

pub(super) struct Generic {
    geometry: Geometry,
    noise: Noise,
    /// What is not erased, by start; with the name that stands there.
    used: Vec<(Range<u64>, String)>,
}

impl Generic {
    pub(super) fn new(layout: &ChipLayout, chip: usize, seed: u64) -> Self {
        let size_bytes = layout.geometry.size_bytes;
        let mut used: Vec<_> = layout
            .partitions
            .iter()
            .map(|partition| {
                let start = partition.offset_bytes.min(size_bytes);
                let length = (partition.size_bytes / 3)
                    .saturating_mul(2)
                    .max(partition.size_bytes.min(64));
                (
                    start..start.saturating_add(length).min(size_bytes),
                    partition.name.clone(),
                )
            })
            .filter(|(range, _)| !range.is_empty())
            .collect();
        used.sort_by_key(|(range, _)| range.start);
        Self {
            geometry: layout.geometry,
            noise: Noise::new(seed, &format!("chip {chip}"), Look::Compressed),
            used,
        }
    }

    fn range(&self, block: EraseBlock) -> Range<u64> {
        let length = u64::from(self.geometry.erase_block_bytes);
        block.0 * length..(block.0 + 1) * length
    }

    /// The used parts that touch a range.
    fn touched(&self, range: Range<u64>) -> impl Iterator<Item = &(Range<u64>, String)> {
        let end = self
            .used
            .partition_point(|(used, _)| used.start < range.end);
        self.used[..end]
            .iter()
            .filter(move |(used, _)| used.end > range.start)
    }
}

impl Contents for Generic {
    fn is_erased(&self, block: EraseBlock) -> bool {
        self.touched(self.range(block)).next().is_none()
    }

    fn fill(&self, block: EraseBlock, cells: &mut [u8]) {
        let range = self.range(block);
        let inside = |at: u64| (at.clamp(range.start, range.end) - range.start) as usize;
        let mut used: Vec<_> = self.touched(range.clone()).collect();
        let whole = matches!(used.as_slice(), [(one, _)] if one.start <= range.start && one.end >= range.end);
        if range.start % PAGE_BYTES as u64 == 0 && whole {
            self.noise.fill(range.start, cells);
        } else {
            cells.fill(0xff);
            let mut page = [0; PAGE_BYTES];
            let mut at = range.start - range.start % PAGE_BYTES as u64;
            while at < range.end {
                self.noise.fill(at, &mut page);
                for (used, _) in &used {
                    let start = used.start.max(at).max(range.start);
                    let end = used.end.min(at + PAGE_BYTES as u64).min(range.end);
                    if start < end {
                        cells[inside(start)..inside(end)]
                            .copy_from_slice(&page[(start - at) as usize..(end - at) as usize]);
                    }
                }
                at += PAGE_BYTES as u64;
            }
        }
        // A name may begin in the erase block before.
        used.sort_by_key(|(used, _)| used.start);
        for (used, name) in used {
            let text = name.bytes().chain([0]);
            for (at, byte) in (used.start..used.end).zip(text) {
                if range.contains(&at) {
                    cells[inside(at)] = byte;
                }
            }
        }
    }
}
