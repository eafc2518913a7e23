//! TicKV: keys that are appended and invalidated. Its documentation requires that "the
//! flash write() function must either successfully write all of the data or none": so
//! there are two cases, one that keeps to it and one that does not. A value is not
//! replaced in one step, so the work sets only keys that are not there.

use crate::{About, Case, case};
use mtd_chip::cut::{Ask, Model, Script, Scripted, Tears, Work};
use mtd_chip::{Chip, EraseBlock, Programming};
use mtd_embedded_storage::erased;
use std::cell::RefCell;
use tickv::error_codes::ErrorCode;
use tickv::flash_controller::FlashController;
use tickv::{MAIN_KEY, TicKV};

const REGION: usize = 512;
const REGIONS: usize = 4;

struct Controller<'c>(RefCell<&'c mut Chip>);

impl FlashController<REGION> for Controller<'_> {
    fn read_region(&self, region: usize, buffer: &mut [u8; REGION]) -> Result<(), ErrorCode> {
        let read = self.0.borrow_mut().read((region * REGION) as u64, buffer);
        read.map(drop).map_err(|_| ErrorCode::ReadFail)
    }
    fn write(&self, address: usize, data: &[u8]) -> Result<(), ErrorCode> {
        let written = self.0.borrow_mut().program(address as u64, data);
        written.map_err(|_| ErrorCode::WriteFail)
    }
    fn erase_region(&self, region: usize) -> Result<(), ErrorCode> {
        let erased = self.0.borrow_mut().erase(EraseBlock(region as u64));
        erased.map_err(|_| ErrorCode::EraseFail)
    }
}

/// TicKV wants hashes for keys.
fn hash(bytes: &[u8]) -> u64 {
    mtd_chip::hash_of(bytes) as u64
}

fn drive(chip: &mut Chip, script: &mut Script<'_>) -> Result<(), String> {
    let told = |error: ErrorCode| format!("{error:?}");
    let mut buffer = [0; REGION];
    let store = TicKV::new(
        Controller(RefCell::new(chip)),
        &mut buffer,
        REGION * REGIONS,
    );
    store.initialise(hash(MAIN_KEY)).map_err(told)?;
    while let Some(ask) = script.next() {
        match ask {
            Ask::Set(key, value) => {
                let mut set = store.append_key(hash(&[key]), &value);
                if let Err(ErrorCode::KeyAlreadyExists) = set {
                    store.invalidate_key(hash(&[key])).map_err(told)?;
                    set = store.append_key(hash(&[key]), &value);
                }
                set.map_err(told)?;
            }
            Ask::Remove(key) => match store.invalidate_key(hash(&[key])) {
                Ok(_) | Err(ErrorCode::KeyNotFound) => {}
                Err(error) => return Err(told(error)),
            },
            Ask::Get(key) => {
                let mut value = [0; 64];
                match store.get_key(hash(&[key]), &mut value) {
                    Ok((_, length)) => script.found(Some(&value[..length])),
                    Err(ErrorCode::KeyNotFound) => script.found(None::<&[u8]>),
                    Err(error) => return Err(told(error)),
                }
            }
            Ask::Compact => drop(store.garbage_collect().map_err(told)?),
            _ => {}
        }
    }
    Ok(())
}

/// Sets and removals in turn, key by key, and the garbage collected now and then; never
/// more than there is room for, because TicKV gives its buffer away with that error.
fn work() -> Work {
    let mut present = [false; 6];
    Work::of((0..64u32).map(|step| {
        if step % 16 == 15 {
            return Ask::Compact;
        }
        let key = (step * 7 % 6) as u8;
        let here = &mut present[usize::from(key)];
        *here = !*here;
        match *here {
            true => Ask::Set(
                key,
                (0..=step % 20).map(|n| (step * 31 + n * 7) as u8).collect(),
            ),
            false => Ask::Remove(key),
        }
    }))
}

fn chip(programming: Programming) -> Chip {
    let mut chip = erased::<1, REGION>((REGION * REGIONS) as u64);
    chip.set_programming(programming);
    chip
}

pub fn atomic() -> Case {
    let about = About {
        name: "TicKV, writes whole",
        version: "2.0.0",
        about: "4 regions of 512 bytes; each write happens or does not, as it asks for",
        fails: &["cut:67.02c1.345b.21y0.2427"],
        cuts_max: 3,
    };
    let tears = Model::ALL
        .into_iter()
        .fold(Tears::stable(), |tears, model| match model {
            Model::Bytes | Model::Words | Model::Bits | Model::Subset | Model::WordsAndBits => {
                tears.without(model)
            }
            _ => tears,
        });
    let whole = Programming::words(1).buffers(REGION as u32);
    case(about, chip(whole), Scripted::new(work(), drive), tears)
}

pub fn torn() -> Case {
    let about = About {
        name: "TicKV, writes torn",
        version: "2.0.0",
        about: "4 regions of 512 bytes, bytes one by one; more than it promises",
        fails: &["cut:113.7211.89b6.6p1.c75f"],
        cuts_max: 3,
    };
    let bytes = Programming::words(1).buffers(16);
    case(
        about,
        chip(bytes),
        Scripted::new(work(), drive),
        Tears::stable(),
    )
}
