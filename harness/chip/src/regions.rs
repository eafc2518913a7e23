//! Erase blocks of several sizes, as boot-block parts have them.

#[cfg(test)]
mod tests;

use crate::{EraseBlock, Geometry};
use std::ops::Range;
use std::sync::Arc;

/// Neighbouring erase blocks of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct EraseRegion {
    /// Size of each.
    pub erase_block_bytes: u32,
    /// How many.
    pub erase_blocks: u64,
}

impl EraseRegion {
    /// So many erase blocks of so many bytes.
    pub const fn new(erase_blocks: u64, erase_block_bytes: u32) -> Self {
        Self {
            erase_block_bytes,
            erase_blocks,
        }
    }

    /// How long the region is.
    pub fn size_bytes(&self) -> u64 {
        self.erase_blocks * u64::from(self.erase_block_bytes)
    }
}

/// A region, and where it starts.
#[derive(Debug, Clone, Copy)]
struct Placed {
    start_bytes: u64,
    first_block: u64,
    region: EraseRegion,
}

/// A chip's erase blocks.
#[derive(Debug, Clone)]
pub(crate) struct Regions {
    geometry: Geometry,
    /// None where all are of the geometry's size.
    mixed: Option<Arc<[Placed]>>,
}

impl Regions {
    pub(crate) fn uniform(geometry: Geometry) -> Self {
        Self {
            geometry,
            mixed: None,
        }
    }

    /// These, from the chip's start on; why they cannot be, else.
    pub(crate) fn mixed(geometry: Geometry, regions: &[EraseRegion]) -> Result<Self, String> {
        let largest = regions.iter().map(|region| region.erase_block_bytes).max();
        if largest != Some(geometry.erase_block_bytes) {
            return Err(format!(
                "the geometry says erase blocks of {}, which is to be the largest size, and the \
                 largest here is {}",
                geometry.erase_block_bytes,
                largest.unwrap_or(0)
            ));
        }
        let (mut start_bytes, mut first_block) = (0u64, 0u64);
        let mut placed = Vec::new();
        for region in regions {
            let size = u64::from(region.erase_block_bytes);
            if size == 0 || u64::from(geometry.erase_block_bytes) % size != 0 {
                return Err(format!("erase blocks of {size} do not divide the largest"));
            }
            if start_bytes % size != 0 {
                return Err(format!(
                    "erase blocks of {size} cannot start at {start_bytes:#x}"
                ));
            }
            placed.push(Placed {
                start_bytes,
                first_block,
                region: *region,
            });
            first_block = first_block.saturating_add(region.erase_blocks);
            start_bytes = region
                .erase_blocks
                .checked_mul(size)
                .and_then(|length| start_bytes.checked_add(length))
                .ok_or("more erase blocks than a chip can have")?;
        }
        if start_bytes != geometry.size_bytes {
            return Err(format!(
                "they are {start_bytes} bytes, the chip has {}",
                geometry.size_bytes
            ));
        }
        Ok(Self {
            geometry,
            mixed: (placed.len() > 1).then(|| placed.into()),
        })
    }

    pub(crate) fn all(&self) -> Vec<EraseRegion> {
        match &self.mixed {
            Some(mixed) => mixed.iter().map(|placed| placed.region).collect(),
            None => vec![EraseRegion::new(
                self.geometry.erase_blocks(),
                self.geometry.erase_block_bytes,
            )],
        }
    }

    pub(crate) fn smallest_bytes(&self) -> u32 {
        let sizes = self.all().into_iter();
        let smallest = sizes.map(|region| region.erase_block_bytes).min();
        smallest.unwrap_or(self.geometry.erase_block_bytes)
    }

    pub(crate) fn count(&self) -> u64 {
        match self.mixed.as_deref().and_then(<[Placed]>::last) {
            Some(last) => last.first_block + last.region.erase_blocks,
            None => self.geometry.erase_blocks(),
        }
    }

    /// The erase block that holds an offset of the chip.
    pub(crate) fn block_of(&self, offset_bytes: u64) -> EraseBlock {
        let Some(mixed) = &self.mixed else {
            return self.geometry.block_of(offset_bytes);
        };
        let behind = mixed.partition_point(|placed| placed.start_bytes <= offset_bytes);
        let placed = &mixed[behind.max(1) - 1];
        let inside = offset_bytes - placed.start_bytes;
        let size = u64::from(placed.region.erase_block_bytes);
        EraseBlock(placed.first_block + inside / size)
    }

    /// Where an erase block lies.
    pub(crate) fn range_of(&self, block: EraseBlock) -> Range<u64> {
        let (start, size) = match &self.mixed {
            None => (
                self.geometry.start_of(block),
                u64::from(self.geometry.erase_block_bytes),
            ),
            Some(mixed) => {
                let behind = mixed.partition_point(|placed| placed.first_block <= block.0);
                let placed = &mixed[behind.max(1) - 1];
                let size = u64::from(placed.region.erase_block_bytes);
                let inside = (block.0 - placed.first_block) * size;
                (placed.start_bytes + inside, size)
            }
        };
        start..start + size
    }
}
