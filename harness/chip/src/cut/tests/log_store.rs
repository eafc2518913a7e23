//! A small store that gets over every cut, and the same with one thing wrong: the
//! canaries of the search.
//!
//! Two erase blocks, the valid one with the higher number counts. A block: number and its
//! check, then records (key, length, value, check). (A number with its complement, as in
//! [`Flaw::Complement`], is what a torn erase can leave: 0xFFFF and 0.) A record that is not whole ends
//! the log, and the next one goes to the other block with all that counts.

use crate::cut::{Ask, Script, mark};
use crate::{Chip, EraseBlock, Errno};
use std::collections::BTreeMap;

pub const BLOCK_BYTES: usize = 256;
const HEADER_BYTES: usize = 6;
const CHECK_BYTES: usize = 4;
const REMOVED: u8 = 0x80;

/// What is wrong with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// A header is valid if a number and its complement fit.
    Complement,
    /// A record counts whatever its check says.
    NoCheck,
    /// The next record goes right behind one that is not whole.
    ReusesTornSpace,
    /// Moving to the other block erases the old one first.
    ErasesBeforeCopy,
    /// The other block's header is written before its records.
    HeaderFirst,
    /// A block is taken for erased if its first byte is.
    TrustsFirstByte,
    /// A value is kept in memory and written with the next one.
    WritesLater,
    /// A record that is not whole makes it give up.
    GivesUp,
    /// It looks for a whole record for ever.
    NeverEnds,
    /// It panics where a record is not whole.
    Panics,
    /// After a cut it moves all to one block, by erasing the other first.
    RecoversByErasing,
}

pub struct LogStore<'c> {
    chip: &'c mut Chip,
    flaw: Flaw,
    block: u64,
    number: u16,
    end: usize,
    is_torn: bool,
    map: BTreeMap<u8, Vec<u8>>,
    later: Option<Vec<u8>>,
}

/// Not of the bare bytes: what is all 0xFF or all 0 must not be its own check.
fn check(body: &[u8]) -> [u8; CHECK_BYTES] {
    (crate::hash_of(&[b"log", body].concat()) as u32).to_le_bytes()
}

fn record(key: u8, value: Option<&[u8]>) -> Vec<u8> {
    let mut record = vec![key, value.map_or(REMOVED, |value| value.len() as u8)];
    record.extend(value.unwrap_or_default());
    let check = check(&record);
    record.extend(check);
    record
}

impl<'c> LogStore<'c> {
    pub fn open(chip: &'c mut Chip, flaw: Flaw) -> Result<Self, String> {
        let mut store = Self {
            chip,
            flaw,
            block: 1,
            number: 0,
            end: BLOCK_BYTES,
            is_torn: true,
            map: BTreeMap::new(),
            later: None,
        };
        for block in 0..2 {
            let cells = store.cells(block)?;
            let number = u16::from_le_bytes([cells[0], cells[1]]);
            let whole = cells.starts_with(&store.header(number));
            if whole && number > store.number {
                (store.block, store.number) = (block, number);
            }
        }
        if store.number > 0 {
            store.scan()?;
        }
        if store.is_torn && store.number > 0 {
            mark("torn record");
            if flaw == Flaw::RecoversByErasing {
                store.erase(store.block)?;
                store.fill(store.block)?;
            }
        }
        Ok(store)
    }

    fn header(&self, number: u16) -> Vec<u8> {
        let number = number.to_le_bytes();
        match self.flaw {
            Flaw::Complement => [number, number.map(|byte| !byte)].concat(),
            _ => [&number[..], &check(&number)].concat(),
        }
    }

    fn cells(&mut self, block: u64) -> Result<Vec<u8>, String> {
        let mut cells = vec![0; BLOCK_BYTES];
        let read = self.chip.read(block * BLOCK_BYTES as u64, &mut cells);
        read.map_err(|errno| errno.to_string())?;
        Ok(cells)
    }

    fn scan(&mut self) -> Result<(), String> {
        let cells = self.cells(self.block)?;
        let mut at = HEADER_BYTES;
        self.is_torn = false;
        while cells[at..].iter().any(|cell| *cell != 0xff) {
            let length = match cells.get(at + 1) {
                Some(&REMOVED) => 0,
                Some(length) => usize::from(*length),
                None => BLOCK_BYTES,
            };
            let body = at + 2 + length;
            let whole = body + CHECK_BYTES <= BLOCK_BYTES
                && (self.flaw == Flaw::NoCheck
                    || check(&cells[at..body]) == cells[body..body + CHECK_BYTES]);
            if !whole {
                match self.flaw {
                    Flaw::GivesUp => return Err("the log is damaged".into()),
                    Flaw::Panics => panic!("a record of {length} bytes"),
                    Flaw::NeverEnds => loop {
                        let _ = self.cells(self.block);
                    },
                    Flaw::ReusesTornSpace => break,
                    _ => self.is_torn = true,
                }
                break;
            }
            match cells[at + 1] {
                REMOVED => drop(self.map.remove(&cells[at])),
                _ => drop(self.map.insert(cells[at], cells[at + 2..body].to_vec())),
            }
            at = body + CHECK_BYTES;
        }
        self.end = at;
        Ok(())
    }

    pub fn set(&mut self, key: u8, value: Option<&[u8]>) -> Result<(), String> {
        let mut new = record(key, value);
        match value {
            Some(value) => drop(self.map.insert(key, value.to_vec())),
            None => drop(self.map.remove(&key)),
        }
        if self.flaw == Flaw::WritesLater {
            match self.later.replace(new) {
                Some(earlier) => new = earlier,
                None => return Ok(()),
            }
        }
        if self.is_torn || self.end + new.len() > BLOCK_BYTES {
            return self.move_on();
        }
        self.append(&new)
    }

    fn append(&mut self, record: &[u8]) -> Result<(), String> {
        let at = self.block * BLOCK_BYTES as u64 + self.end as u64;
        self.end += record.len();
        self.program(at, record).map_err(|errno| errno.to_string())
    }

    /// Writes what was kept, at the end of a session that nobody interrupted.
    fn flush(&mut self) -> Result<(), String> {
        match self.later.take() {
            Some(record) if self.end + record.len() <= BLOCK_BYTES => self.append(&record),
            Some(_) => self.move_on(),
            None => Ok(()),
        }
    }

    /// To the other block.
    fn move_on(&mut self) -> Result<(), String> {
        mark("move");
        self.later = None;
        let (old, new) = (self.block, 1 - self.block);
        if self.flaw == Flaw::ErasesBeforeCopy {
            self.erase(old)?;
        }
        let first = self.cells(new)?[0];
        if self.flaw != Flaw::TrustsFirstByte || first != 0xff {
            self.erase(new)?;
        }
        self.fill(new)
    }

    fn fill(&mut self, new: u64) -> Result<(), String> {
        let number = self.number.wrapping_add(1);
        let header = self.header(number);
        let start = new * BLOCK_BYTES as u64;
        let mut records = Vec::new();
        for (key, value) in &self.map {
            records.extend(record(*key, Some(value)));
        }
        let told = |errno: Errno| errno.to_string();
        if self.flaw == Flaw::HeaderFirst {
            self.program(start, &header).map_err(told)?;
        }
        self.program(start + HEADER_BYTES as u64, &records)
            .map_err(told)?;
        if self.flaw != Flaw::HeaderFirst {
            self.program(start, &header).map_err(told)?;
        }
        (self.block, self.number, self.is_torn) = (new, number, false);
        self.end = HEADER_BYTES + records.len();
        Ok(())
    }

    fn erase(&mut self, block: u64) -> Result<(), String> {
        self.chip
            .erase(EraseBlock(block))
            .map_err(|errno| errno.to_string())
    }

    fn program(&mut self, at: u64, data: &[u8]) -> Result<(), Errno> {
        self.chip.program(at, data)
    }
}

/// The driver, as a user of the search writes it.
pub fn drive(flaw: Flaw) -> impl Fn(&mut Chip, &mut Script<'_>) -> Result<(), String> + Sync {
    move |chip, script| {
        let mut store = LogStore::open(chip, flaw)?;
        while let Some(ask) = script.next() {
            match ask {
                Ask::Set(key, value) => store.set(key, Some(&value))?,
                Ask::Remove(key) => store.set(key, None)?,
                Ask::Get(key) => script.found(store.map.get(&key)),
                _ => {}
            }
        }
        store.flush()
    }
}
