//! ekv's own tests on the simulated chip: this takes the place of its src/flash.rs, which
//! is flash_theirs.rs then and gives the trait.

use crate::config::*;
use mtd_chip::{Chip, EraseBlock, Errno, Geometry, Programming};

#[path = "flash_theirs.rs"]
mod theirs;
pub use theirs::{Flash, PageID};

/// A chip whose words are programmed once, as the trait promises.
pub struct MemFlash(Chip);

impl MemFlash {
    pub fn new() -> Self {
        let mut chip = Chip::new(Geometry {
            size_bytes: (PAGE_SIZE * MAX_PAGE_COUNT) as u64,
            erase_block_bytes: PAGE_SIZE as u32,
        });
        chip.set_programming(Programming::words(ALIGN as u32).once());
        Self(chip)
    }
}

fn at(page: PageID, offset: usize, length: usize) -> u64 {
    assert!(offset + length <= PAGE_SIZE);
    (page.index() * PAGE_SIZE + offset) as u64
}

impl Flash for MemFlash {
    type Error = Errno;

    fn page_count(&self) -> usize {
        MAX_PAGE_COUNT
    }
    async fn erase(&mut self, page: PageID) -> Result<(), Errno> {
        self.0.erase(EraseBlock(page.index() as u64))
    }
    async fn read(&mut self, page: PageID, offset: usize, data: &mut [u8]) -> Result<(), Errno> {
        self.0.read(at(page, offset, data.len()), data).map(drop)
    }
    async fn write(&mut self, page: PageID, offset: usize, data: &[u8]) -> Result<(), Errno> {
        self.0.program(at(page, offset, data.len()), data)
    }
}
