//! A chip's erase blocks: how many, where, of which sizes.

use super::Chip;
use crate::regions::Regions;
use crate::{EraseBlock, EraseRegion};
use std::ops::Range;

impl Chip {
    /// Describes a part with erase blocks of several sizes, such as boot blocks, from the
    /// chip's start on. [`EraseBlock`]s are then numbered through all of them, and
    /// [`Chip::block_of`] and [`Chip::range_of`] tell which is where; those of
    /// [`Geometry`](crate::Geometry) know the largest size only, which is what Linux calls
    /// the chip's erase size.
    ///
    /// Set before the chip is used: counters start anew, and nothing is locked.
    ///
    /// ```
    /// use mtd_chip::{Chip, EraseBlock, EraseRegion, Geometry};
    ///
    /// // A bottom boot part: 8 x 8 KiB, then 127 x 64 KiB.
    /// let mut chip = Chip::new(Geometry { size_bytes: 8 << 20, erase_block_bytes: 64 << 10 });
    /// chip.set_erase_regions(&[EraseRegion::new(8, 8 << 10), EraseRegion::new(127, 64 << 10)]);
    /// assert_eq!(chip.erase_blocks(), 135);
    /// chip.program(0x2000, &[0; 0x2000])?;
    /// chip.erase(EraseBlock(1))?;
    /// assert_eq!(chip.range_of(EraseBlock(1)), 0x2000..0x4000);
    /// assert_eq!(chip.block_of(0x1_0000), EraseBlock(8));
    /// # Ok::<(), mtd_chip::Errno>(())
    /// ```
    ///
    /// # Panics
    /// If they are not as long as the chip together, if the largest is not the geometry's,
    /// if one cannot start where it would, or if how the chip is programmed does not fit
    /// the smallest.
    pub fn set_erase_regions(&mut self, regions: &[EraseRegion]) {
        let regions = Regions::mixed(self.geometry, regions)
            .unwrap_or_else(|why| panic!("erase regions that cannot be: {why}"));
        let problem = self.programming.problem(regions.smallest_bytes());
        assert!(problem.is_none(), "{}", problem.unwrap_or_default());
        self.regions = regions;
        self.locks.set_all(false);
        self.reset_counters();
    }

    /// The chip's erase blocks: one region, unless [`Chip::set_erase_regions`] said so.
    pub fn erase_regions(&self) -> Vec<EraseRegion> {
        self.regions.all()
    }

    /// How many erase blocks there are.
    pub fn erase_blocks(&self) -> u64 {
        self.regions.count()
    }

    /// The erase block that holds an offset; past the end one that there is not.
    pub fn block_of(&self, offset_bytes: u64) -> EraseBlock {
        self.regions.block_of(offset_bytes)
    }

    /// Where an erase block lies; one that there is not lies past the end.
    pub fn range_of(&self, block: EraseBlock) -> Range<u64> {
        self.regions.range_of(block)
    }
}
