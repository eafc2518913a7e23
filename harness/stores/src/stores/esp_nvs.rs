//! esp-nvs: Espressif's non-volatile storage format.

use crate::{About, Case, case};
use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use esp_nvs::error::Error;
use esp_nvs::platform::{Crc, software_crc32};
use esp_nvs::{Key, Nvs};
use mtd_chip::Chip;
use mtd_chip::cut::{Ask, Script, Scripted, Tears, Work};
use mtd_embedded_storage::{Flash, FlashError, driver, erased};

const WORD: usize = 4;
const SECTOR: usize = 4096;
const SECTORS: usize = 3;

/// The flash with the checksum that its trait asks for.
struct Platform<'c>(Flash<&'c mut Chip, WORD, SECTOR>);

impl Crc for Platform<'_> {
    fn crc32(init: u32, data: &[u8]) -> u32 {
        software_crc32(init, data)
    }
}

impl ErrorType for Platform<'_> {
    type Error = FlashError;
}

impl ReadNorFlash for Platform<'_> {
    const READ_SIZE: usize = 1;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        self.0.read(offset, bytes)
    }
    fn capacity(&self) -> usize {
        ReadNorFlash::capacity(&self.0)
    }
}

impl NorFlash for Platform<'_> {
    const WRITE_SIZE: usize = WORD;
    const ERASE_SIZE: usize = SECTOR;
    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        self.0.erase(from, to)
    }
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        self.0.write(offset, bytes)
    }
}

const SPACE: Key = Key::from_array(b"settings");

fn key(number: u8) -> Key {
    Key::from_slice(&[b'k', b'a' + number])
}

fn drive(flash: Flash<&mut Chip, WORD, SECTOR>, script: &mut Script<'_>) -> Result<(), Error> {
    let mut nvs = Nvs::new(0, SECTOR * SECTORS, Platform(flash))?;
    while let Some(ask) = script.next() {
        match ask {
            Ask::Set(number, value) => nvs.set(&SPACE, &key(number), value.as_slice())?,
            Ask::Remove(number) => nvs.delete(&SPACE, &key(number))?,
            Ask::Get(number) => match nvs.get::<Vec<u8>>(&SPACE, &key(number)) {
                Ok(value) => script.found(Some(value)),
                Err(Error::KeyNotFound | Error::NamespaceNotFound) => {
                    script.found(None::<Vec<u8>>);
                }
                Err(error) => return Err(error),
            },
            _ => {}
        }
    }
    Ok(())
}

pub fn nvs() -> Case {
    let about = About {
        name: "esp-nvs",
        version: "0.6.3",
        about: "3 sectors of 4096 bytes, words of 4; blobs",
        fails: &["cut:3342.0a96.576d.2081a.c106"],
        cuts_max: 2,
    };
    let chip = erased::<WORD, SECTOR>((SECTOR * SECTORS) as u64);
    let subject = Scripted::new(Work::key_value(4, 160, 1..=60, 5), driver(drive));
    case(about, chip, subject, Tears::stable())
}
