//! littlefs (in C, by its Rust crate): "designed to handle random power failures. All file
//! operations have strong copy-on-write guarantees and if power is lost the filesystem will
//! fall back to the last known good state" (its README). A file is a value. Making a file
//! and filling it are two steps, between which it is empty; so a value is written to a file
//! aside and renamed, as with every file system.

use crate::{About, Case, case};
use littlefs2::consts::{U1, U64};
use littlefs2::driver::Storage;
use littlefs2::fs::Filesystem;
use littlefs2::io::{Error, Result};
use littlefs2::path;
use littlefs2::path::PathBuf;
use mtd_chip::cut::{Ask, Script, Scripted, Tears, Work};
use mtd_chip::{Chip, Errno};
use mtd_embedded_storage::erased;

const WORD: usize = 16;
const BLOCK: usize = 256;
const BLOCKS: usize = 32;

struct Blocks<'c>(&'c mut Chip);

fn told(_: Errno) -> Error {
    Error::IO
}

impl Storage for Blocks<'_> {
    const READ_SIZE: usize = WORD;
    const WRITE_SIZE: usize = WORD;
    const BLOCK_SIZE: usize = BLOCK;
    const BLOCK_COUNT: usize = BLOCKS;
    const BLOCK_CYCLES: isize = 100;
    type CACHE_SIZE = U64;
    type LOOKAHEAD_SIZE = U1;

    fn read(&mut self, at: usize, buffer: &mut [u8]) -> Result<usize> {
        self.0.read(at as u64, buffer).map_err(told)
    }
    fn write(&mut self, at: usize, data: &[u8]) -> Result<usize> {
        self.0.program(at as u64, data).map_err(told)?;
        Ok(data.len())
    }
    fn erase(&mut self, at: usize, length: usize) -> Result<usize> {
        for block in self.0.block_of(at as u64).0..self.0.block_of((at + length) as u64).0 {
            self.0.erase(mtd_chip::EraseBlock(block)).map_err(told)?;
        }
        Ok(length)
    }
}

fn drive(chip: &mut Chip, script: &mut Script<'_>) -> std::result::Result<(), String> {
    let told = |error: Error| format!("{error:?}");
    let mut storage = Blocks(chip);
    let mut room = Filesystem::allocate();
    let files = Filesystem::mount(&mut room, &mut storage).map_err(told)?;
    let name = |key: u8| PathBuf::try_from(format!("key{key}").as_str()).expect("a short name");
    while let Some(ask) = script.next() {
        match ask {
            Ask::Set(key, value) => files
                .write(path!("new"), &value)
                .and_then(|()| files.rename(path!("new"), &name(key)))
                .map_err(told)?,
            Ask::Remove(key) => match files.remove(&name(key)) {
                Ok(()) | Err(Error::NO_SUCH_ENTRY) => {}
                Err(error) => return Err(told(error)),
            },
            Ask::Get(key) => match files.read::<256>(&name(key)) {
                Ok(value) => script.found(Some(value)),
                Err(Error::NO_SUCH_ENTRY) => script.found(None::<&[u8]>),
                Err(error) => return Err(told(error)),
            },
            _ => {}
        }
    }
    Ok(())
}

pub fn files() -> Case {
    let about = About {
        name: "littlefs2",
        version: "0.8.1",
        about: "32 blocks of 256 bytes, words of 16; formatted before",
        fails: &[],
        cuts_max: 3,
    };
    let mut chip = erased::<WORD, BLOCK>((BLOCK * BLOCKS) as u64);
    Filesystem::format(&mut Blocks(&mut chip)).expect("an erased chip can be formatted");
    let work = Work::key_value(6, 60, 1..=120, 5);
    case(about, chip, Scripted::new(work, drive), Tears::stable())
}
