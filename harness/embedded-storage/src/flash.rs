//! NOR flash as the traits see it.

use crate::FlashError;
use mtd_chip::{Chip, EraseBlock};
use std::borrow::BorrowMut;

/// A chip behind the checks of the traits' contract.
pub(crate) struct Checked<C, const WRITE: usize, const ERASE: usize, const READ: usize> {
    chip: C,
    is_once: bool,
    is_strict: bool,
}

impl<C: BorrowMut<Chip>, const WRITE: usize, const ERASE: usize, const READ: usize>
    Checked<C, WRITE, ERASE, READ>
{
    fn new(mut chip: C, is_once: bool) -> Self {
        let about = chip.borrow_mut();
        let geometry = about.geometry();
        let block_bytes = geometry.erase_block_bytes as usize;
        assert!(
            ERASE % block_bytes == 0 && geometry.size_bytes % ERASE as u64 == 0,
            "erasing {ERASE} bytes at a time does not fit a chip of {} bytes with erase blocks of \
             {block_bytes}",
            geometry.size_bytes
        );
        let unit = about.programming().unit_bytes as usize;
        assert!(
            WRITE % unit == 0 && ERASE % WRITE == 0 && READ > 0,
            "writing {WRITE} bytes at a time does not fit a chip that is programmed in units of \
             {unit}, or erasing {ERASE}"
        );
        Self {
            chip,
            is_once,
            is_strict: false,
        }
    }

    fn bytes(&self) -> usize {
        self.chip.borrow().geometry().size_bytes as usize
    }

    /// An error, or the panic that was asked for instead.
    fn refuse<T>(&self, error: FlashError) -> Result<T, FlashError> {
        assert!(!self.is_strict, "{error}");
        Err(error)
    }

    fn check(
        &self,
        what: &'static str,
        offset: u32,
        length: usize,
        unit: usize,
    ) -> Result<(), FlashError> {
        let end = self.bytes();
        if (offset as usize)
            .checked_add(length)
            .is_none_or(|to| to > end)
        {
            return self.refuse(FlashError::OutOfBounds {
                what,
                offset,
                length,
                end,
            });
        }
        if offset as usize % unit != 0 || length % unit != 0 {
            return self.refuse(FlashError::NotAligned {
                what,
                offset,
                length,
                unit,
            });
        }
        Ok(())
    }

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
        const WHAT: &str = "a read";
        self.check(WHAT, offset, bytes.len(), READ)?;
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u32;
            let read = self.chip.borrow_mut().read(at.into(), &mut bytes[done..]);
            done += read.map_err(failed(WHAT, at))?;
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
        const WHAT: &str = "a write";
        self.check(WHAT, offset, bytes.len(), WRITE)?;
        if self.is_once {
            self.check_erased(offset, bytes.len())?;
        }
        let written = self.chip.borrow_mut().program(offset.into(), bytes);
        written.map_err(failed(WHAT, offset))
    }

    fn check_erased(&self, offset: u32, length: usize) -> Result<(), FlashError> {
        let mut cells = vec![0; length];
        let peeked = self.chip.borrow().peek(offset.into(), &mut cells);
        peeked.map_err(failed("a write", offset))?;
        match cells.iter().position(|cell| *cell != 0xff) {
            None => Ok(()),
            Some(at) => self.refuse(FlashError::WrittenTwice {
                offset: offset + (at - at % WRITE) as u32,
            }),
        }
    }

    fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
        const WHAT: &str = "an erase";
        // From behind to before: a length that no chip has.
        let length = to
            .checked_sub(from)
            .map_or(usize::MAX, |length| length as usize);
        self.check(WHAT, from, length, ERASE)?;
        let chip = self.chip.borrow_mut();
        for block in chip.block_of(from.into()).0..chip.block_of(to.into()).0 {
            let start = chip.range_of(EraseBlock(block)).start;
            let erased = chip.erase(EraseBlock(block));
            erased.map_err(failed(WHAT, start as u32))?;
        }
        Ok(())
    }
}

fn failed(what: &'static str, offset: u32) -> impl FnOnce(mtd_chip::Errno) -> FlashError {
    move |errno| FlashError::Chip {
        what,
        offset,
        errno,
    }
}

macro_rules! flash {
    ($(#[$doc:meta])* $name:ident, $is_once:literal) => {
        $(#[$doc])*
        ///
        /// `C` is the chip or a `&mut` of it. Words of `WRITE` bytes, erases of `ERASE`, reads of
        /// multiples of `READ`.
        pub struct $name<C, const WRITE: usize, const ERASE: usize, const READ: usize = 1>(
            Checked<C, WRITE, ERASE, READ>,
        );

        impl<C: BorrowMut<Chip>, const WRITE: usize, const ERASE: usize, const READ: usize>
            $name<C, WRITE, ERASE, READ>
        {
            /// The traits on this chip.
            ///
            /// # Panics
            /// If the sizes do not fit the chip's erase blocks and how it is programmed.
            pub fn new(chip: C) -> Self {
                Self(Checked::new(chip, $is_once))
            }

            /// The same, with a panic in place of an error where the caller breaks the traits'
            /// contract.
            #[must_use]
            pub fn strict(mut self) -> Self {
                self.0.is_strict = true;
                self
            }

            /// The chip.
            pub fn chip(&mut self) -> &mut Chip {
                self.0.chip.borrow_mut()
            }

            /// Gives the chip back.
            pub fn into_chip(self) -> C {
                self.0.chip
            }
        }

        impl<C: BorrowMut<Chip>, const WRITE: usize, const ERASE: usize, const READ: usize>
            embedded_storage::nor_flash::ErrorType for $name<C, WRITE, ERASE, READ>
        {
            type Error = FlashError;
        }

        impl<C: BorrowMut<Chip>, const WRITE: usize, const ERASE: usize, const READ: usize>
            embedded_storage::nor_flash::ReadNorFlash for $name<C, WRITE, ERASE, READ>
        {
            const READ_SIZE: usize = READ;
            fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
                self.0.read(offset, bytes)
            }
            fn capacity(&self) -> usize {
                self.0.bytes()
            }
        }

        impl<C: BorrowMut<Chip>, const WRITE: usize, const ERASE: usize, const READ: usize>
            embedded_storage::nor_flash::NorFlash for $name<C, WRITE, ERASE, READ>
        {
            const WRITE_SIZE: usize = WRITE;
            const ERASE_SIZE: usize = ERASE;
            fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
                self.0.erase(from, to)
            }
            fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
                self.0.write(offset, bytes)
            }
        }

        impl<C: BorrowMut<Chip>, const WRITE: usize, const ERASE: usize, const READ: usize>
            embedded_storage_async::nor_flash::ReadNorFlash for $name<C, WRITE, ERASE, READ>
        {
            const READ_SIZE: usize = READ;
            async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), FlashError> {
                self.0.read(offset, bytes)
            }
            fn capacity(&self) -> usize {
                self.0.bytes()
            }
        }

        impl<C: BorrowMut<Chip>, const WRITE: usize, const ERASE: usize, const READ: usize>
            embedded_storage_async::nor_flash::NorFlash for $name<C, WRITE, ERASE, READ>
        {
            const WRITE_SIZE: usize = WRITE;
            const ERASE_SIZE: usize = ERASE;
            async fn erase(&mut self, from: u32, to: u32) -> Result<(), FlashError> {
                self.0.erase(from, to)
            }
            async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), FlashError> {
                self.0.write(offset, bytes)
            }
        }
    };
}

flash! {
    /// NOR flash whose words can be written several times between two erases, each time
    /// clearing bits.
    ///
    /// ```
    /// use embedded_storage::nor_flash::{NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
    /// use mtd_embedded_storage::{Flash, erased};
    ///
    /// // Words of 4 bytes, erase blocks of 1024; a chip of one's own, or a `&mut` of it.
    /// let mut flash: Flash<_, 4, 1024> = Flash::new(erased::<4, 1024>(4096));
    /// flash.write(8, &[0x3f; 4])?;
    /// flash.write(8, &[0xf3; 4])?;
    /// let mut word = [0; 4];
    /// flash.read(8, &mut word)?;
    /// assert_eq!(word, [0x33; 4]);
    /// let wrong = flash.write(9, &[0; 4]).unwrap_err();
    /// assert_eq!(wrong.kind(), NorFlashErrorKind::NotAligned);
    /// # Ok::<(), mtd_embedded_storage::FlashError>(())
    /// ```
    Flash, false
}

flash! {
    /// NOR flash whose words are written once between two erases, as where each has an ECC:
    /// a word that is not erased is an error.
    ///
    /// ```
    /// use embedded_storage::nor_flash::NorFlash;
    /// use mtd_embedded_storage::{OnceFlash, erased};
    ///
    /// let mut flash: OnceFlash<_, 8, 1024> = OnceFlash::new(erased::<8, 1024>(4096));
    /// flash.write(16, &[1; 8])?;
    /// assert!(flash.write(16, &[0; 8]).is_err());
    /// flash.erase(0, 1024)?;
    /// flash.write(16, &[0; 8])?;
    /// # Ok::<(), mtd_embedded_storage::FlashError>(())
    /// ```
    OnceFlash, true
}

impl<C: BorrowMut<Chip>, const WRITE: usize, const ERASE: usize, const READ: usize>
    embedded_storage::nor_flash::MultiwriteNorFlash for Flash<C, WRITE, ERASE, READ>
{
}

impl<C: BorrowMut<Chip>, const WRITE: usize, const ERASE: usize, const READ: usize>
    embedded_storage_async::nor_flash::MultiwriteNorFlash for Flash<C, WRITE, ERASE, READ>
{
}
