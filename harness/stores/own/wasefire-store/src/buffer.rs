//! wasefire-store's own tests on the simulated chip: this takes the place of its
//! src/buffer.rs, which is buffer_theirs.rs then, gives the options and still has its
//! tests of itself. Its interruption is a power cut of the chip; what it "corrupts" is
//! what that cut leaves.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use mtd_chip::cut::{OperationKind, PowerCut, Tear};
use mtd_chip::{Chip, EraseBlock, Errno, Geometry, Programming};
use wasefire_error::{Code, Error, Space};

use crate::{Storage, StorageIndex};

#[path = "buffer_theirs.rs"]
mod theirs;
pub use theirs::{BufferCorruptFunction, BufferOptions, INTERRUPTION};

#[derive(Clone)]
pub struct BufferStorage {
    /// Reads change a chip as well, by its counters.
    chip: RefCell<Chip>,
    options: BufferOptions,
    /// How often a word was written since its page was erased, and a page was erased.
    word_writes: Vec<usize>,
    page_erases: Vec<usize>,
    armed: Option<Armed>,
}

/// A power cut to come: how many operations before it, and how many there had been.
#[derive(Clone)]
struct Armed {
    delay: usize,
    operations: u64,
    /// The data of the write that was interrupted.
    data: Vec<u8>,
}

impl BufferStorage {
    pub fn new(storage: Box<[u8]>, options: BufferOptions) -> Self {
        let mut chip = Chip::new(Geometry {
            size_bytes: storage.len() as u64,
            erase_block_bytes: options.page_size as u32,
        });
        // A write within a page is one operation, as there.
        let words = Programming::words(options.word_size as u32);
        chip.set_programming(words.buffers(options.page_size as u32));
        chip.load(0, &storage).expect("all of the chip");
        Self {
            word_writes: vec![0; storage.len() / options.word_size],
            page_erases: vec![0; storage.len() / options.page_size],
            chip: RefCell::new(chip),
            options,
            armed: None,
        }
    }

    pub fn arm_interruption(&mut self, delay: usize) {
        assert!(self.armed.is_none(), "armed twice");
        let chip = self.chip.get_mut();
        let operation = (delay as u64).saturating_add(1);
        chip.cut_power(PowerCut::new(operation, Tear::BEFORE));
        self.armed = Some(Armed {
            delay,
            operations: chip.operations(),
            data: Vec::new(),
        });
    }

    pub fn disarm_interruption(&mut self) -> usize {
        let armed = self.armed.take().expect("armed");
        let chip = self.chip.get_mut();
        assert!(chip.is_powered(), "it has struck");
        chip.power_on();
        armed.delay - (chip.operations() - armed.operations) as usize
    }

    pub fn reset_interruption(&mut self) {
        self.armed.take().expect("armed");
        self.chip.get_mut().power_on();
    }

    pub fn corrupt_operation(&mut self, corrupt: BufferCorruptFunction) {
        let armed = self.armed.take().expect("armed");
        let chip = self.chip.get_mut();
        assert!(!chip.is_powered(), "it has not struck");
        chip.power_on();
        let operation = chip.strike().expect("a strike").operation;
        let (at, length) = (operation.offset_bytes, operation.length_bytes as usize);
        let mut cells = vec![0; length];
        chip.read(at, &mut cells).expect("a read");
        let before = cells.clone();
        let after = match operation.kind {
            OperationKind::Program => armed.data,
            OperationKind::Erase => vec![0xff; length],
        };
        corrupt(&mut cells, &after);
        let changed = cells.iter().zip(&before).zip(&after);
        let allowed = changed.clone().all(|((c, b), a)| (c ^ b) & !(b ^ a) == 0);
        assert!(allowed, "more bits than the operation was to change");
        chip.load(at, &cells).expect("a load");
        match operation.kind {
            OperationKind::Program => self.count_writes(at as usize, &before, &cells, &after),
            OperationKind::Erase if cells == after => {
                self.count_erase(at as usize / self.options.page_size);
            }
            OperationKind::Erase => {}
        }
    }

    pub fn get_word_writes(&self, word: usize) -> usize {
        self.word_writes[word]
    }

    pub fn get_page_erases(&self, page: usize) -> usize {
        self.page_erases[page]
    }

    pub fn set_page_erases(&mut self, page: usize, cycle: usize) {
        self.page_erases[page] = cycle;
    }

    /// A word counts once it is what it was to become, if that is a change.
    fn count_writes(&mut self, at: usize, before: &[u8], now: &[u8], wanted: &[u8]) {
        let length = self.options.word_size;
        for start in (0..now.len()).step_by(length) {
            let word = start..start + length;
            if now[word.clone()] == wanted[word.clone()] && now[word.clone()] != before[word] {
                let writes = &mut self.word_writes[(at + start) / length];
                *writes += 1;
                let too_often = self.options.strict_mode && *writes > self.options.max_word_writes;
                assert!(!too_often, "the word at {} was written too often", at + start);
            }
        }
    }

    fn count_erase(&mut self, page: usize) {
        self.page_erases[page] += 1;
        let too_often =
            self.options.strict_mode && self.page_erases[page] > self.options.max_page_erases;
        assert!(!too_often, "page {page} was erased too often");
        let words = self.options.page_size / self.options.word_size;
        self.word_writes[page * words..(page + 1) * words].fill(0);
    }
}

/// An interruption comes as an internal error, and is to be popped at least once.
fn failed(errno: Errno) -> Error {
    assert_eq!(errno, Errno::NODEV, "nothing else can fail here");
    Error::new_const(Space::Internal as u8, INTERRUPTION.code())
}

impl Storage for BufferStorage {
    fn word_size(&self) -> usize {
        self.options.word_size
    }

    fn page_size(&self) -> usize {
        self.options.page_size
    }

    fn num_pages(&self) -> usize {
        self.page_erases.len()
    }

    fn max_word_writes(&self) -> usize {
        self.options.max_word_writes
    }

    fn max_page_erases(&self) -> usize {
        self.options.max_page_erases
    }

    fn read_slice(&self, index: StorageIndex, length: usize) -> Result<Cow<'_, [u8]>, Error> {
        let range = index.range(length, self)?;
        let mut cells = vec![0; length];
        let read = self.chip.borrow_mut().read(range.start as u64, &mut cells);
        read.map_err(failed)?;
        Ok(Cow::Owned(cells))
    }

    fn write_slice(&mut self, index: StorageIndex, value: &[u8]) -> Result<(), Error> {
        let word = self.options.word_size;
        if index.byte % word != 0 || value.len() % word != 0 {
            return Err(Error::user(Code::InvalidAlign));
        }
        let range = index.range(value.len(), self)?;
        let before = self.read_slice(index, value.len())?.into_owned();
        if let Some(armed) = &mut self.armed {
            armed.data = value.to_vec();
        }
        let chip = self.chip.get_mut();
        chip.program(range.start as u64, value).map_err(failed)?;
        // A chip clears bits, and sets none.
        let now = self.read_slice(index, value.len())?.into_owned();
        assert!(!self.options.strict_mode || now == value, "bits to be set at {range:?}");
        self.count_writes(range.start, &before, &now, value);
        Ok(())
    }

    fn erase_page(&mut self, page: usize) -> Result<(), Error> {
        StorageIndex { page, byte: 0 }.range(self.options.page_size, self)?;
        let chip = self.chip.get_mut();
        chip.erase(EraseBlock(page as u64)).map_err(failed)?;
        self.count_erase(page);
        Ok(())
    }
}
