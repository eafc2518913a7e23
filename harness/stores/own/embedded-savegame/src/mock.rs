//! embedded-savegame's own tests on the simulated chip: this takes the place of its
//! src/mock.rs, which is mock_theirs.rs then and gives the statistics' type.

use crate::storage::Flash;
use core::convert::Infallible;
use mtd_chip::{Chip, EraseBlock, Geometry};

#[path = "mock_theirs.rs"]
mod theirs;
pub use theirs::MeasuredStats;

/// A chip that is made when it is first used, because the tests make theirs as constants.
#[derive(Debug)]
pub struct SectorMockFlash<const SECTOR: usize, const COUNT: usize>(Option<Chip>);

impl<const SECTOR: usize, const COUNT: usize> SectorMockFlash<SECTOR, COUNT> {
    pub const fn new() -> Self {
        Self(None)
    }

    fn chip(&mut self) -> &mut Chip {
        self.0.get_or_insert_with(|| {
            Chip::new(Geometry {
                size_bytes: (SECTOR * COUNT) as u64,
                erase_block_bytes: SECTOR as u32,
            })
        })
    }
}

impl<const SECTOR: usize, const COUNT: usize> PartialEq for SectorMockFlash<SECTOR, COUNT> {
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}

/// Whether the cells are equal.
fn same(ours: &Option<Chip>, theirs: &Option<Chip>) -> bool {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => ours.differences(theirs).expect("cells").is_empty(),
        (ours, theirs) => ours.is_none() == theirs.is_none(),
    }
}

impl<const SECTOR: usize, const COUNT: usize> Flash for SectorMockFlash<SECTOR, COUNT> {
    type Error = Infallible;

    fn read(&mut self, addr: u32, buf: &mut [u8]) -> Result<(), Infallible> {
        self.chip().read(addr.into(), buf).expect("a read");
        Ok(())
    }
    fn write(&mut self, addr: u32, data: &mut [u8]) -> Result<(), Infallible> {
        self.chip().program(addr.into(), data).expect("a program");
        Ok(())
    }
    fn erase(&mut self, addr: u32) -> Result<(), Infallible> {
        let block = EraseBlock(u64::from(addr) / SECTOR as u64);
        self.chip().erase(block).expect("an erase");
        Ok(())
    }
}

/// Bytes that can be written again, as those of an EEPROM: erase blocks of one byte, which
/// are erased by a write where that sets bits.
#[derive(Debug)]
pub struct MockFlash<const SIZE: usize>(Option<Chip>);

impl<const SIZE: usize> MockFlash<SIZE> {
    pub const fn new() -> Self {
        Self(None)
    }

    fn chip(&mut self) -> &mut Chip {
        self.0.get_or_insert_with(|| {
            let mut chip = Chip::new(Geometry {
                size_bytes: SIZE as u64,
                erase_block_bytes: 1,
            });
            chip.set_programming(mtd_chip::Programming::words(1));
            chip
        })
    }
}

impl<const SIZE: usize> PartialEq for MockFlash<SIZE> {
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}

impl<const SIZE: usize> Flash for MockFlash<SIZE> {
    type Error = Infallible;

    fn read(&mut self, addr: u32, buf: &mut [u8]) -> Result<(), Infallible> {
        self.chip().read(addr.into(), buf).expect("a read");
        Ok(())
    }
    fn write(&mut self, addr: u32, data: &mut [u8]) -> Result<(), Infallible> {
        for (at, byte) in (u64::from(addr)..).zip(data) {
            let mut old = [0];
            self.chip().read(at, &mut old).expect("a read");
            if old[0] & *byte != *byte {
                self.chip().erase(EraseBlock(at)).expect("an erase");
            }
            self.chip().program(at, &[*byte]).expect("a program");
        }
        Ok(())
    }
    fn erase(&mut self, addr: u32) -> Result<(), Infallible> {
        self.chip().erase(EraseBlock(addr.into())).expect("an erase");
        Ok(())
    }
}

#[derive(Debug)]
pub struct MeasuredMockFlash<const SIZE: usize> {
    flash: MockFlash<SIZE>,
    pub stats: MeasuredStats,
}

impl<const SIZE: usize> MeasuredMockFlash<SIZE> {
    pub fn new() -> Self {
        let (flash, stats) = (MockFlash::new(), MeasuredStats::default());
        Self { flash, stats }
    }
}

impl<const SIZE: usize> Flash for MeasuredMockFlash<SIZE> {
    type Error = Infallible;

    fn read(&mut self, addr: u32, buf: &mut [u8]) -> Result<(), Infallible> {
        self.stats.read += buf.len();
        self.flash.read(addr, buf)
    }
    fn write(&mut self, addr: u32, data: &mut [u8]) -> Result<(), Infallible> {
        self.stats.write += data.len();
        self.flash.write(addr, data)
    }
    fn erase(&mut self, addr: u32) -> Result<(), Infallible> {
        self.stats.erase += 1;
        self.flash.erase(addr)
    }
}
