//! wasefire-store (of OpenSK): keys with values in a log; "mutable operations are atomic,
//! including when interrupted". It asks for words that can be written twice, and that a
//! cut write or erase leaves "a subset (possibly none or all) of the bits that should have
//! been modified": so an erase that programs to zeros first is more than it promises, and
//! is tried apart.

use crate::{About, Case, case};
use mtd_chip::cut::{Ask, Model, Script, Scripted, Tears, Work};
use mtd_chip::{Chip, EraseBlock, Errno};
use mtd_embedded_storage::erased;
use std::borrow::Cow;
use std::cell::RefCell;
use wasefire_error::{Code, Error};
use wasefire_store::{Storage, StorageIndex, Store};

const WORD: usize = 4;
const PAGE: usize = 256;
const PAGES: usize = 3;

struct Pages<'c>(RefCell<&'c mut Chip>);

fn failed(_: Errno) -> Error {
    Error::world(Code::Generic)
}

fn at(index: StorageIndex) -> u64 {
    (index.page * PAGE + index.byte) as u64
}

impl Storage for Pages<'_> {
    fn word_size(&self) -> usize {
        WORD
    }
    fn page_size(&self) -> usize {
        PAGE
    }
    fn num_pages(&self) -> usize {
        PAGES
    }
    fn max_word_writes(&self) -> usize {
        2
    }
    fn max_page_erases(&self) -> usize {
        10_000
    }
    fn read_slice(&self, index: StorageIndex, length: usize) -> Result<Cow<'_, [u8]>, Error> {
        let mut cells = vec![0; length];
        let read = self.0.borrow_mut().read(at(index), &mut cells);
        read.map_err(failed)?;
        Ok(Cow::Owned(cells))
    }
    fn write_slice(&mut self, index: StorageIndex, value: &[u8]) -> Result<(), Error> {
        let chip = self.0.get_mut();
        chip.program(at(index), value).map_err(failed)
    }
    fn erase_page(&mut self, page: usize) -> Result<(), Error> {
        let chip = self.0.get_mut();
        chip.erase(EraseBlock(page as u64)).map_err(failed)
    }
}

fn drive(chip: &mut Chip, script: &mut Script<'_>) -> Result<(), String> {
    let told = |error: Error| format!("{error:?}");
    let mut store = Store::new(Pages(RefCell::new(chip))).map_err(|(error, _)| told(error))?;
    while let Some(ask) = script.next() {
        match ask {
            Ask::Set(key, value) => store.insert(key.into(), &value).map_err(told)?,
            Ask::Remove(key) => store.remove(key.into()).map_err(told)?,
            Ask::Get(key) => script.found(store.find(key.into()).map_err(told)?),
            _ => {}
        }
    }
    Ok(())
}

fn store(
    name: &'static str,
    about: &'static str,
    fails: &'static [&'static str],
    tears: Tears,
) -> Case {
    let about = About {
        name,
        version: "0.3.2",
        about,
        fails,
        cuts_max: 3,
    };
    let chip = erased::<WORD, PAGE>((PAGE * PAGES) as u64);
    let work = Work::key_value(6, 60, 1..=24, 7);
    case(about, chip, Scripted::new(work, drive), tears)
}

/// Erases as it takes them to be: cells go from what they were to 1.
pub fn promised() -> Case {
    let zeros = [
        Model::ZerosForward,
        Model::ZerosBackward,
        Model::Zeros,
        Model::PulledForward,
        Model::Pulled,
    ];
    let tears = zeros.into_iter().fold(Tears::stable(), Tears::without);
    store(
        "wasefire-store",
        "3 pages of 256 bytes, words of 4, each written twice at most",
        &[],
        tears,
    )
}

/// Erases by way of zeros.
pub fn zeroed() -> Case {
    store(
        "wasefire-store, erases by zeros",
        "the same with every tear; more than it promises",
        &["cut:413.9687.c6b9.125y0.8784"],
        Tears::stable(),
    )
}
