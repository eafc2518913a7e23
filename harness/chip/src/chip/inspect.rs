//! Test controls that reach the cells past everything else.

use super::Chip;
use crate::Errno;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

impl Chip {
    /// Test control: puts contents in place, uncounted, whatever the cells held.
    ///
    /// # Errors
    /// EINVAL past the end of the chip, before anything changes; what the storage answers.
    pub fn load(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        self.check_range(offset_bytes, data.len() as u64)?;
        let loaded = self.storage.load(offset_bytes, data);
        self.tell(offset_bytes, data.len() as u64);
        loaded
    }

    /// Test control: looks at the pristine cells, uncounted, past any fault.
    ///
    /// # Errors
    /// EINVAL past the end of the chip; cells that cannot be read.
    pub fn peek(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), Errno> {
        self.check_range(offset_bytes, buf.len() as u64)?;
        self.storage.read(offset_bytes, buf)
    }

    /// Test control: the pristine cells of a range as [`Chip::peek`] shows
    /// them, handed on in pieces of at most one erase block, each with its offset in bytes
    /// from the chip's start.
    ///
    /// # Errors
    /// EINVAL past the end of the chip before anything is handed on; cells that cannot be
    /// read; what `each` answers, after which nothing more is handed on.
    pub fn peek_range<E: From<Errno>>(
        &self,
        offset_bytes: u64,
        length_bytes: u64,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.check_range(offset_bytes, length_bytes)?;
        let block_bytes = u64::from(self.geometry.erase_block_bytes);
        let mut buf = vec![0; block_bytes.min(length_bytes) as usize];
        let end = offset_bytes + length_bytes;
        let mut at = offset_bytes;
        while at < end {
            let length = (block_bytes - at % block_bytes).min(end - at) as usize;
            self.storage.read(at, &mut buf[..length])?;
            each(at, &buf[..length])?;
            at += length as u64;
        }
        Ok(())
    }

    /// Test control: writes the whole chip's pristine cells to `out`, uncounted.
    ///
    /// # Errors
    /// Cells that cannot be read; what `out` answers.
    pub fn write_image(&self, out: &mut impl Write) -> io::Result<()> {
        self.peek_range(0, self.geometry.size_bytes, |_, cells| out.write_all(cells))
    }

    /// Test control: saves the whole chip as one new file, and syncs it.
    ///
    /// # Errors
    /// An existing file is refused with `AlreadyExists`, because it may be the image that
    /// the chip reads from; cells that cannot be read; what the system answers, and then
    /// the file may hold a part of the chip.
    pub fn save_to(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut file = File::create_new(path)?;
        self.write_image(&mut file)?;
        file.sync_all()
    }
}
