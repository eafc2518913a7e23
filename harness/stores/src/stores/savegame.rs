//! embedded-savegame: one value in a ring of slots; "a power failure during write leaves
//! the previous savegame intact" (its documentation).

use crate::{About, Case, case};
use embedded_savegame::storage::{Flash, Storage};
use mtd_chip::cut::{Ask, Script, Scripted, Tears, Work};
use mtd_chip::{Chip, EraseBlock, Errno, Programming};
use mtd_embedded_storage::erased;

const SLOT: usize = 64;
const SLOTS: usize = 8;

struct Slots<'c>(&'c mut Chip);

impl Flash for Slots<'_> {
    type Error = Errno;
    fn read(&mut self, address: u32, buffer: &mut [u8]) -> Result<(), Errno> {
        self.0.read(address.into(), buffer).map(drop)
    }
    fn write(&mut self, address: u32, data: &mut [u8]) -> Result<(), Errno> {
        self.0.program(address.into(), data)
    }
    fn erase(&mut self, address: u32) -> Result<(), Errno> {
        self.0.erase(EraseBlock(u64::from(address) / SLOT as u64))
    }
}

fn drive(chip: &mut Chip, script: &mut Script<'_>) -> Result<(), Errno> {
    let mut storage = Storage::<_, SLOT, SLOTS>::new(Slots(chip));
    let mut newest = storage.scan()?;
    while let Some(ask) = script.next() {
        match ask {
            Ask::Set(_, mut value) => {
                storage.append(&mut value)?;
                newest = storage.scan()?;
            }
            Ask::Get(_) => {
                let mut buffer = [0; 256];
                match &newest {
                    Some(slot) => script.found(storage.read(slot.idx, &mut buffer)?),
                    None => script.found(None::<&[u8]>),
                }
            }
            _ => {}
        }
    }
    Ok(())
}

pub fn savegame() -> Case {
    let about = About {
        name: "embedded-savegame",
        version: "0.3.0",
        about: "8 slots of 64 bytes, bytes one by one",
        fails: &["cut:423.8fac.a792.1y2.460a"],
        cuts_max: 3,
    };
    let mut chip = erased::<1, SLOT>((SLOT * SLOTS) as u64);
    chip.set_programming(Programming::words(1).buffers(16));
    let work = Work::key_value(1, 60, 1..=100, 11).without_removals();
    case(about, chip, Scripted::new(work, drive), Tears::stable())
}
