//! sequential-storage's own tests on the simulated chip: this takes the place of its
//! src/mock_flash.rs, which is mock_flash_theirs.rs then and gives the types of results.

use core::ops::Range;
use embedded_storage_async::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, ReadNorFlash,
};
use mtd_chip::cut::PowerCut;
use mtd_chip::{Chip, EraseBlock, Errno, Geometry, Programming};

#[path = "mock_flash_theirs.rs"]
mod theirs;
pub use theirs::{
    FlashAverageStatsResult, FlashStatsResult, MockFlashError, Operation, WriteCountCheck,
};

#[derive(Debug, Clone)]
pub struct MockFlashBase<const PAGES: usize, const BYTES_PER_WORD: usize, const PAGE_WORDS: usize> {
    chip: Chip,
    stats: FlashStatsSnapshot,
    pub bytes_until_shutoff: Option<u32>,
}

#[derive(Debug, Clone, Copy)]
pub struct FlashStatsSnapshot(FlashStatsResult);

impl FlashStatsSnapshot {
    pub fn compare_to(&self, later: Self) -> FlashStatsResult {
        FlashStatsResult {
            erases: later.0.erases - self.0.erases,
            reads: later.0.reads - self.0.reads,
            writes: later.0.writes - self.0.writes,
            bytes_read: later.0.bytes_read - self.0.bytes_read,
            bytes_written: later.0.bytes_written - self.0.bytes_written,
        }
    }
}

impl<const PAGES: usize, const BYTES_PER_WORD: usize, const PAGE_WORDS: usize> Default
    for MockFlashBase<PAGES, BYTES_PER_WORD, PAGE_WORDS>
{
    fn default() -> Self {
        Self::new(WriteCountCheck::OnceOnly, None, true)
    }
}

impl<const PAGES: usize, const BYTES_PER_WORD: usize, const PAGE_WORDS: usize>
    MockFlashBase<PAGES, BYTES_PER_WORD, PAGE_WORDS>
{
    const PAGE_BYTES: usize = PAGE_WORDS * BYTES_PER_WORD;
    const BYTES: usize = PAGES * Self::PAGE_BYTES;
    pub const FULL_FLASH_RANGE: Range<u32> = 0..Self::BYTES as u32;

    pub fn new(check: WriteCountCheck, bytes_until_shutoff: Option<u32>, _aligned: bool) -> Self {
        let mut chip = Chip::new(Geometry {
            size_bytes: Self::BYTES as u64,
            erase_block_bytes: Self::PAGE_BYTES as u32,
        });
        let words = Programming::words(BYTES_PER_WORD as u32);
        chip.set_programming(match check {
            WriteCountCheck::OnceOnly => words.once(),
            _ => words,
        });
        Self {
            chip,
            stats: FlashStatsSnapshot(FlashStatsResult::default()),
            bytes_until_shutoff,
        }
    }

    pub fn stats_snapshot(&self) -> FlashStatsSnapshot {
        self.stats
    }

    fn range(offset: usize, length: usize) -> Result<(), MockFlashError> {
        if offset % BYTES_PER_WORD != 0 || length % BYTES_PER_WORD != 0 || length == 0 {
            return Err(MockFlashError::NotAligned);
        }
        match offset + length <= Self::BYTES {
            true => Ok(()),
            false => Err(MockFlashError::OutOfBounds),
        }
    }

    /// The power goes after so many bytes: in which operation, and what is left of it.
    fn arm(&mut self, length: usize, operation_bytes: usize, tear: impl Fn(usize) -> String) -> bool {
        let Some(left) = &mut self.bytes_until_shutoff else {
            return false;
        };
        let before = *left as usize;
        if before >= length {
            *left -= length as u32;
            return false;
        }
        self.bytes_until_shutoff = None;
        let (operation, inside) = (before / operation_bytes + 1, before % operation_bytes);
        let tear = match inside {
            0 => "b".to_owned(),
            inside => tear(inside),
        };
        let tear = tear.parse().expect("a tear");
        self.chip.cut_power(PowerCut::new(operation as u64, tear));
        true
    }

    /// After an operation: whether it was cut, which the chip says by itself.
    fn ended(
        &mut self,
        armed: bool,
        answer: Result<(), Errno>,
        offset: usize,
        operation: Operation,
    ) -> Result<(), MockFlashError> {
        match answer {
            Ok(()) => {
                assert!(!armed, "the power was to go and did not");
                Ok(())
            }
            Err(Errno::NODEV) if armed => {
                self.chip.power_on();
                Err(MockFlashError::EarlyShutoff(offset as u32, operation))
            }
            Err(Errno::IO) => Err(MockFlashError::NotWritable(offset as u32)),
            Err(errno) => panic!("{errno} at {offset:#x}"),
        }
    }
}

impl<const PAGES: usize, const BYTES_PER_WORD: usize, const PAGE_WORDS: usize> ErrorType
    for MockFlashBase<PAGES, BYTES_PER_WORD, PAGE_WORDS>
{
    type Error = MockFlashError;
}

impl<const PAGES: usize, const BYTES_PER_WORD: usize, const PAGE_WORDS: usize> ReadNorFlash
    for MockFlashBase<PAGES, BYTES_PER_WORD, PAGE_WORDS>
{
    const READ_SIZE: usize = BYTES_PER_WORD;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), MockFlashError> {
        self.stats.0.reads += 1;
        self.stats.0.bytes_read += bytes.len() as u64;
        Self::range(offset as usize, bytes.len())?;
        self.chip.read(offset.into(), bytes).expect("a read");
        Ok(())
    }

    fn capacity(&self) -> usize {
        Self::BYTES
    }
}

impl<const PAGES: usize, const BYTES_PER_WORD: usize, const PAGE_WORDS: usize> MultiwriteNorFlash
    for MockFlashBase<PAGES, BYTES_PER_WORD, PAGE_WORDS>
{
}

impl<const PAGES: usize, const BYTES_PER_WORD: usize, const PAGE_WORDS: usize> NorFlash
    for MockFlashBase<PAGES, BYTES_PER_WORD, PAGE_WORDS>
{
    const WRITE_SIZE: usize = BYTES_PER_WORD;
    const ERASE_SIZE: usize = Self::PAGE_BYTES;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), MockFlashError> {
        self.stats.0.erases += 1;
        let (from, to) = (from as usize, to as usize);
        if to > Self::BYTES {
            return Err(MockFlashError::OutOfBounds);
        }
        if from % Self::PAGE_BYTES != 0 || to % Self::PAGE_BYTES != 0 {
            return Err(MockFlashError::NotAligned);
        }
        // The nearest eighth of a page.
        let tear = |inside: usize| format!("f{}", inside * 8 / Self::PAGE_BYTES);
        let armed = self.arm(to - from, Self::PAGE_BYTES, tear);
        let mut pages = from / Self::PAGE_BYTES..to / Self::PAGE_BYTES;
        let answer = pages.try_for_each(|page| self.chip.erase(EraseBlock(page as u64)));
        self.ended(armed, answer, from, Operation::Erase)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), MockFlashError> {
        self.stats.0.writes += 1;
        Self::range(offset as usize, bytes.len())?;
        self.stats.0.bytes_written += bytes.len() as u64;
        let armed = self.arm(bytes.len(), BYTES_PER_WORD, |inside| format!("p{inside}"));
        let answer = self.chip.program(offset.into(), bytes);
        self.ended(armed, answer, offset as usize, Operation::Write)
    }
}
