//! Storage that takes any bytes anywhere.

use crate::FlashError;
use mtd_chip::Chip;
use std::borrow::BorrowMut;

/// [`embedded_storage::Storage`] on a chip: writes at any offset, by reading each erase
/// block, erasing it and programming it anew; an erase is left out where old AND new is new.
/// A power cut in it can lose what else was in the erase block, as with every storage of
/// this kind.
///
/// ```
/// use embedded_storage::{ReadStorage, Storage};
/// use mtd_embedded_storage::{ByteStorage, erased};
///
/// let mut storage = ByteStorage::new(erased::<4, 1024>(4096));
/// storage.write(1022, b"over the edge")?;
/// storage.write(1022, b"Once")?;
/// let mut bytes = [0; 13];
/// storage.read(1022, &mut bytes)?;
/// assert_eq!(&bytes, b"Once the edge");
/// # Ok::<(), mtd_embedded_storage::FlashError>(())
/// ```
pub struct ByteStorage<C>(C);

impl<C: BorrowMut<Chip>> ByteStorage<C> {
    /// The traits on this chip, or a `&mut` of it.
    pub fn new(chip: C) -> Self {
        Self(chip)
    }

    /// Gives the chip back.
    pub fn into_chip(self) -> C {
        self.0
    }

    fn bytes(&self) -> usize {
        self.0.borrow().geometry().size_bytes as usize
    }

    fn check(&self, what: &'static str, offset: u32, length: usize) -> Result<(), FlashError> {
        let end = self.bytes();
        match (offset as usize).checked_add(length) {
            Some(to) if to <= end => Ok(()),
            _ => Err(FlashError::OutOfBounds {
                what,
                offset,
                length,
                end,
            }),
        }
    }

    fn read_all(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        self.check("a read", offset, bytes.len())?;
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u32;
            let read = self.0.borrow_mut().read(at.into(), &mut bytes[done..]);
            done += read.map_err(|errno| FlashError::Chip {
                what: "a read",
                offset: at,
                errno,
            })?;
        }
        Ok(())
    }

    /// Part of one erase block.
    fn write_block(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        let failed = |errno| FlashError::Chip {
            what: "a write",
            offset,
            errno,
        };
        let block = self.0.borrow().block_of(offset.into());
        let range = self.0.borrow().range_of(block);
        let start = range.start as u32;
        let inside = (offset - start) as usize;
        let mut cells = vec![0; (range.end - range.start) as usize];
        self.read_all(start, &mut cells)?;
        let place = &mut cells[inside..inside + bytes.len()];
        if place == bytes {
            return Ok(());
        }
        let clears_only = place.iter().zip(bytes).all(|(old, new)| old & new == *new);
        let programs_bytes = {
            let programming = self.0.borrow().programming();
            programming.unit_bytes == 1 && !programming.is_once
        };
        place.copy_from_slice(bytes);
        let chip = self.0.borrow_mut();
        if clears_only && programs_bytes {
            return chip.program(offset.into(), bytes).map_err(failed);
        }
        chip.erase(block)
            .and_then(|()| chip.program(start.into(), &cells))
            .map_err(failed)
    }
}

impl<C: BorrowMut<Chip>> embedded_storage::ReadStorage for ByteStorage<C> {
    type Error = FlashError;
    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        self.read_all(offset, bytes)
    }
    fn capacity(&self) -> usize {
        self.bytes()
    }
}

impl<C: BorrowMut<Chip>> embedded_storage::Storage for ByteStorage<C> {
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        self.check("a write", offset, bytes.len())?;
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u32;
            let chip = self.0.borrow();
            let left = chip.range_of(chip.block_of(at.into())).end - u64::from(at);
            let length = (left as usize).min(bytes.len() - done);
            self.write_block(at, &bytes[done..done + length])?;
            done += length;
        }
        Ok(())
    }
}
