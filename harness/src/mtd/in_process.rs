//! Handles as a Rust program likes to have them: erase and locks without packed
//! structures, and the traits of `std::io`.

use super::handle::{Driver, Handle};
use super::{OpenFlags, Seek};
use crate::Errno;
use std::io;

impl Handle {
    /// MEMERASE64: the erase blocks of a range (bytes, from the device's start), up to the
    /// first that fails.
    ///
    /// # Errors
    /// EPERM unless opened for writing, EINVAL off the erase blocks' boundaries or past the
    /// end, ENOTTY on a block node, and what the chip answers.
    pub fn erase(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<(), Errno> {
        self.writeable_character()?;
        self.mtd().erase(offset_bytes, length_bytes)
    }

    /// MEMLOCK and MEMUNLOCK, of a range as [`Handle::erase`] takes it.
    ///
    /// # Errors
    /// As [`Handle::erase`].
    pub fn set_locked(
        &mut self,
        offset_bytes: u64,
        length_bytes: u64,
        locked: bool,
    ) -> Result<(), Errno> {
        self.writeable_character()?;
        self.mtd().set_locked(offset_bytes, length_bytes, locked)
    }

    /// MEMISLOCKED: whether any erase block of the range is.
    ///
    /// # Errors
    /// EINVAL past the end, ENOTTY on a block node.
    pub fn is_locked(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<bool, Errno> {
        self.character()?;
        self.mtd().is_locked(offset_bytes, length_bytes)
    }

    /// How long the device is now, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.mtd().size_bytes
    }

    fn character(&self) -> Result<(), Errno> {
        match self.driver {
            Driver::Character => Ok(()),
            Driver::Block => Err(Errno::NOTTY),
        }
    }

    fn writeable_character(&self) -> Result<(), Errno> {
        self.character()?;
        match self.flags {
            OpenFlags { write: true, .. } => Ok(()),
            _ => Err(Errno::PERM),
        }
    }
}

/// As read(2): 0 at the device's end.
impl io::Read for Handle {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Ok(Handle::read(self, buf)?)
    }
}

/// As write(2): on a character node it programs; a block node gathers in its cache until
/// [`Handle::fsync`] or the last close. `flush` does nothing, as with a file.
impl io::Write for Handle {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(Handle::write(self, buf)?)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As lseek(2).
impl io::Seek for Handle {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        Ok(self.lseek(match to {
            io::SeekFrom::Start(at) => Seek::Set(i64::try_from(at).map_err(|_| Errno::INVAL)?),
            io::SeekFrom::Current(by) => Seek::Current(by),
            io::SeekFrom::End(by) => Seek::End(by),
        })?)
    }
}
