//! ekv: a log-structured merge tree; "if power is lost during an erase [a write], the
//! resulting data is allowed to be anything" there (its trait `Flash`).

use crate::{About, Case, case};
use ekv::config::PAGE_SIZE;
use ekv::flash::{Flash, PageID};
use ekv::{Config, Database};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use mtd_chip::cut::{Ask, Script, Scripted, Tears, Work};
use mtd_chip::{Chip, EraseBlock, Errno};
use mtd_embedded_storage::{erased, ready};
use std::fmt::Debug;

const PAGES: usize = 32;

/// The flash that ekv asks for.
struct Pages<'c>(&'c mut Chip);

fn at(page: PageID, offset: usize) -> u64 {
    (page.index() * PAGE_SIZE + offset) as u64
}

impl Flash for Pages<'_> {
    type Error = Errno;

    fn page_count(&self) -> usize {
        PAGES
    }
    async fn erase(&mut self, page: PageID) -> Result<(), Errno> {
        self.0.erase(EraseBlock(page.index() as u64))
    }
    async fn read(&mut self, page: PageID, offset: usize, data: &mut [u8]) -> Result<(), Errno> {
        self.0.read(at(page, offset), data).map(drop)
    }
    async fn write(&mut self, page: PageID, offset: usize, data: &[u8]) -> Result<(), Errno> {
        self.0.program(at(page, offset), data)
    }
}

fn told(error: impl Debug) -> String {
    format!("{error:?}")
}

fn open(chip: &mut Chip) -> Database<Pages<'_>, NoopRawMutex> {
    let mut config = Config::default();
    config.random_seed = 1;
    Database::new(Pages(chip), config)
}

fn drive(chip: &mut Chip, script: &mut Script<'_>) -> Result<(), String> {
    let database = open(chip);
    ready(database.mount()).map_err(told)?;
    while let Some(ask) = script.next() {
        let change = async |key: u8, value: Option<&[u8]>| {
            let mut transaction = database.write_transaction().await;
            match value {
                Some(value) => transaction.write(&[key], value).await.map_err(told)?,
                None => transaction.delete(&[key]).await.map_err(told)?,
            }
            transaction.commit().await.map_err(told)
        };
        match ask {
            Ask::Set(key, value) => ready(change(key, Some(&value)))?,
            Ask::Remove(key) => ready(change(key, None))?,
            Ask::Get(key) => {
                let mut buffer = [0; 64];
                let read = ready(async {
                    let transaction = database.read_transaction().await;
                    transaction.read(&[key], &mut buffer).await
                });
                match read {
                    Ok(length) => script.found(Some(&buffer[..length])),
                    Err(ekv::ReadError::KeyNotFound) => script.found(None::<&[u8]>),
                    Err(error) => return Err(told(error)),
                }
            }
            _ => {}
        }
    }
    Ok(())
}

pub fn database() -> Case {
    let about = About {
        name: "ekv",
        version: "1.0.0",
        about: "32 pages of 256 bytes, words of 4, CRC on; formatted before",
        fails: &["cut:3961.6be0.e84e.16a.af79"],
        cuts_max: 3,
    };
    let mut chip = erased::<4, PAGE_SIZE>((PAGES * PAGE_SIZE) as u64);
    ready(open(&mut chip).format()).expect("an erased chip can be formatted");
    let subject = Scripted::new(Work::key_value(6, 60, 1..=20, 3), drive);
    case(about, chip, subject, Tears::stable())
}
