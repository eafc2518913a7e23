//! esp-nvs' own tests on the simulated chip: this takes the place of its tests/common.rs,
//! which is common_theirs.rs then and gives what is about the format.

#![allow(dead_code)]

use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use mtd_chip::Chip;
use mtd_embedded_storage as on_chip;
use std::cell::RefCell;
use std::rc::Rc;

#[path = "common_theirs.rs"]
mod theirs;
pub use theirs::*;

const SECTOR: usize = FLASH_SECTOR_SIZE;
type OnChip<'c> = on_chip::Flash<&'c mut Chip, WORD_SIZE, SECTOR, WORD_SIZE>;

/// The chip, and `buf`: a window to its cells, which the tests look at and change.
#[derive(Default)]
pub struct Flash {
    pub buf: Vec<u8>,
    pub fail_after_operation: usize,
    pub operations: Vec<Operation>,
    chip: Option<Chip>,
    /// What the cells are, as far as they are known to be `buf`.
    known: Vec<u8>,
}

impl Flash {
    pub fn new(pages: usize) -> Self {
        Self::of(vec![0xff; SECTOR * pages], usize::MAX)
    }

    pub fn new_with_fault(pages: usize, fail_after_operation: usize) -> Self {
        Self::of(vec![0xff; SECTOR * pages], fail_after_operation)
    }

    pub fn new_from_file(path: &str) -> Self {
        Self::of(std::fs::read(path).unwrap(), usize::MAX)
    }

    fn of(buf: Vec<u8>, fail_after_operation: usize) -> Self {
        Self {
            buf,
            fail_after_operation,
            ..Self::default()
        }
    }

    pub fn len(&self) -> usize {
        self.buf.len()
    }

    pub fn disable_faults(&mut self) {
        self.fail_after_operation = usize::MAX;
    }

    pub fn arm_fault(&mut self, budget: usize) {
        self.fail_after_operation = self.operations.len() + budget;
    }

    pub fn erases(&mut self) -> usize {
        let is_erase = |operation: &&Operation| matches!(operation, Operation::Erase { .. });
        self.operations.iter().filter(is_erase).count()
    }

    pub fn dump_operations(&self) {
        println!("{:?}", self.operations);
    }

    fn begin(&mut self, operation: Operation) -> Result<(), FlashError> {
        if self.operations.len() >= self.fail_after_operation {
            return Err(FlashError);
        }
        self.operations.push(operation);
        Ok(())
    }

    /// The chip, with the changes that a test made to the window.
    fn chip(&mut self) -> &mut Chip {
        if self.chip.is_none() || self.known.len() != self.buf.len() {
            self.chip = Some(on_chip::erased::<WORD_SIZE, SECTOR>(self.buf.len() as u64));
            self.known = vec![0xff; self.buf.len()];
        }
        let chip = self.chip.as_mut().expect("it was made");
        if self.known != self.buf {
            let sectors = self.known.chunks_mut(SECTOR).zip(self.buf.chunks(SECTOR));
            for (n, (known, new)) in sectors.enumerate().filter(|(_, (known, new))| known != new) {
                chip.load((n * SECTOR) as u64, new).expect("a sector");
                known.copy_from_slice(new);
            }
        }
        chip
    }

    /// The window to what was changed.
    fn look(&mut self, from: usize, length: usize) {
        let chip = self.chip.as_ref().expect("it was used");
        let window = &mut self.buf[from..from + length];
        chip.peek(from as u64, window).expect("its cells");
        self.known[from..from + length].copy_from_slice(window);
    }
}

fn worked(answer: Result<(), on_chip::FlashError>) {
    answer.unwrap_or_else(|error| panic!("the chip: {error}"));
}

impl ErrorType for Flash {
    type Error = FlashError;
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = WORD_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        let len = bytes.len();
        self.begin(Operation::Read { offset, len })?;
        worked(OnChip::new(self.chip()).read(offset, bytes));
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.buf.len()
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = WORD_SIZE;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        let len = (to - from) as usize;
        self.begin(Operation::Erase { offset: from, len })?;
        worked(OnChip::new(self.chip()).erase(from, to));
        self.look(from as usize, len);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let len = bytes.len();
        self.begin(Operation::Write { offset, len })?;
        worked(OnChip::new(self.chip()).write(offset, bytes));
        self.look(offset as usize, len);
        Ok(())
    }
}

impl esp_nvs::platform::Crc for Flash {
    fn crc32(init: u32, data: &[u8]) -> u32 {
        esp_nvs::platform::software_crc32(init, data)
    }
}

/// The same, of which the test keeps a handle.
#[derive(Clone, Default)]
pub struct SharedFlash(Rc<RefCell<Flash>>);

impl SharedFlash {
    pub fn new(pages: usize) -> Self {
        Self::from_buf(vec![0xff; SECTOR * pages])
    }

    pub fn from_buf(buf: Vec<u8>) -> Self {
        Self(Rc::new(RefCell::new(Flash::of(buf, usize::MAX))))
    }

    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub fn snapshot(&self) -> Vec<u8> {
        self.0.borrow().buf.clone()
    }

    pub fn arm_fault(&self, budget: usize) {
        self.0.borrow_mut().arm_fault(budget);
    }

    pub fn disable_faults(&self) {
        self.0.borrow_mut().disable_faults();
    }

    pub fn erases(&self) -> usize {
        self.0.borrow_mut().erases()
    }

    pub fn with_buf<R>(&self, change: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        change(&mut self.0.borrow_mut().buf)
    }
}

impl ErrorType for SharedFlash {
    type Error = FlashError;
}

impl ReadNorFlash for SharedFlash {
    const READ_SIZE: usize = WORD_SIZE;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        self.0.borrow_mut().read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.borrow().len()
    }
}

impl NorFlash for SharedFlash {
    const WRITE_SIZE: usize = WORD_SIZE;
    const ERASE_SIZE: usize = SECTOR;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        self.0.borrow_mut().erase(from, to)
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        self.0.borrow_mut().write(offset, bytes)
    }
}

impl esp_nvs::platform::Crc for SharedFlash {
    fn crc32(init: u32, data: &[u8]) -> u32 {
        Flash::crc32(init, data)
    }
}
