//! What the system calls on an open file description do before and after the driver, as
//! Linux's file layer does it.
//!
//! Source of behaviour: Linux 6.1 fs/read_write.c, fs/open.c, fs/sync.c,
//! drivers/mtd/mtdchar.c, block/fops.c.

use super::access::Transfer;
use super::handle::{Driver, Handle};
use super::{Seek, UserMemory, block, block_ioctl, character, ioctl, mtdblock};
use crate::Errno;

/// read(2) and write(2) move at most this much in one call (MAX_RW_COUNT).
const TRANSFER_BYTES_MAX: usize = 0x7fff_f000;

impl Handle {
    /// read(2) at the handle's position; gives how many bytes were read, 0 at the end.
    ///
    /// # Errors
    /// EBADF unless opened for reading, EINVAL past the largest offset, and what chip and
    /// faults answer (EIO, ENODEV without power).
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize, Errno> {
        let transfer = self.transfer_in(self.position, buf);
        self.position += transfer.moved_bytes;
        transfer.answer
    }

    /// pread(2), at an offset in bytes from the device's start.
    ///
    /// # Errors
    /// EINVAL for a negative offset, before anything else; else as [`Handle::read`].
    pub fn pread(&mut self, offset: i64, buf: &mut [u8]) -> Result<usize, Errno> {
        let offset = u64::try_from(offset).map_err(|_| Errno::INVAL)?;
        self.transfer_in(offset, buf).answer
    }

    /// write(2) at the handle's position; gives how many bytes were written.
    ///
    /// # Errors
    /// EBADF unless opened for writing, EINVAL past the largest offset, ENOSPC at the
    /// device's end, and what chip and faults answer (EROFS on a locked erase block, EIO,
    /// ENODEV without power).
    pub fn write(&mut self, data: &[u8]) -> Result<usize, Errno> {
        let transfer = self.transfer_out(self.position, data);
        self.position += transfer.moved_bytes;
        self.settle(transfer.answer)
    }

    /// pwrite(2), at an offset in bytes from the device's start.
    ///
    /// # Errors
    /// EINVAL for a negative offset, before anything else; else as [`Handle::write`].
    pub fn pwrite(&mut self, offset: i64, data: &[u8]) -> Result<usize, Errno> {
        let offset = u64::try_from(offset).map_err(|_| Errno::INVAL)?;
        let answer = self.transfer_out(offset, data).answer;
        self.settle(answer)
    }

    /// What a write answers once O_SYNC has had its way.
    fn settle(&mut self, answer: Result<usize, Errno>) -> Result<usize, Errno> {
        match answer {
            Ok(1..) if self.synchronous && self.driver == Driver::Block => self.fsync().and(answer),
            _ => answer,
        }
    }

    fn transfer_in(&self, at: u64, buf: &mut [u8]) -> Transfer {
        if !self.flags.read {
            return Err(Errno::BADF).into();
        }
        if ends_beyond_offsets(at, buf.len()) {
            return Err(Errno::INVAL).into();
        }
        let length = buf.len().min(TRANSFER_BYTES_MAX);
        let buf = &mut buf[..length];
        match self.driver {
            Driver::Character => character::read(self.mtd(), at, buf),
            Driver::Block => {
                let mut device = self.block();
                device.read(self.mtd(), at, buf, &mut |line| self.system.note(line))
            }
        }
    }

    fn transfer_out(&self, at: u64, data: &[u8]) -> Transfer {
        if !self.flags.write {
            return Err(Errno::BADF).into();
        }
        if ends_beyond_offsets(at, data.len()) {
            return Err(Errno::INVAL).into();
        }
        let data = &data[..data.len().min(TRANSFER_BYTES_MAX)];
        match self.driver {
            Driver::Character => character::write(self.mtd(), at, data),
            Driver::Block => {
                let mut device = self.block();
                device.write(self.mtd(), at, data, &mut |line| self.system.note(line))
            }
        }
    }

    /// lseek(2): the new position, in bytes from the device's start; asking where one
    /// stands always works.
    ///
    /// # Errors
    /// EINVAL for what is not from 0 to the size (fs/read_write.c, fixed_size_llseek).
    pub fn lseek(&mut self, to: Seek) -> Result<u64, Errno> {
        let size = match self.driver {
            Driver::Character => self.mtd().size_bytes,
            Driver::Block => block::capacity_bytes(self.mtd()),
        };
        let target = match to {
            Seek::Set(offset) => i128::from(offset),
            Seek::Current(0) => return Ok(self.position),
            Seek::Current(offset) => i128::from(self.position) + i128::from(offset),
            Seek::End(offset) => i128::from(size) + i128::from(offset),
            Seek::Other(_) => return Err(Errno::INVAL),
        };
        let target = u64::try_from(target).map_err(|_| Errno::INVAL)?;
        if target > size {
            return Err(Errno::INVAL);
        }
        self.position = target;
        Ok(target)
    }

    /// ioctl(2): `argument` is the raw third argument (a number or an address
    /// in `memory`); answers what the call returns.
    ///
    /// # Errors
    /// ENOTTY for a command that the node's driver does not have, EFAULT for an address
    /// that is not in `memory`, EPERM for a change through a handle that is not open for
    /// writing, and what the command itself answers.
    pub fn ioctl(
        &mut self,
        command: u32,
        argument: u64,
        memory: &mut dyn UserMemory,
    ) -> Result<i32, Errno> {
        match self.driver {
            Driver::Character => ioctl::ioctl(self, command, argument, memory),
            Driver::Block => block_ioctl::ioctl(self, command, argument, memory),
        }
    }

    /// fsync(2), fdatasync(2): flushes a block node's cache.
    ///
    /// # Errors
    /// EINVAL on a character node; EIO if flushing failed, now or since the last fsync.
    pub fn fsync(&mut self) -> Result<(), Errno> {
        match self.driver {
            Driver::Character => Err(Errno::INVAL),
            Driver::Block => {
                let mut device = self.block();
                let note = &mut |line| self.system.note(line);
                let (seen, answer) = device.fsync(self.mtd(), self.errors_seen, note);
                drop(device);
                self.errors_seen = seen;
                answer
            }
        }
    }

    /// ftruncate(2).
    ///
    /// # Errors
    /// EINVAL always, as on every device node (fs/open.c).
    pub fn ftruncate(&mut self, length_bytes: i64) -> Result<(), Errno> {
        let _ = length_bytes;
        Err(Errno::INVAL)
    }

    /// fallocate(2): on a block node only FALLOC_FL_ZERO_RANGE does something
    /// (block/fops.c, blkdev_fallocate). Offset and length are in bytes.
    ///
    /// # Errors
    /// ENODEV on a character node, EBADF unless opened for writing, EINVAL off the sectors
    /// of 512 bytes or past the end, EOPNOTSUPP for other modes.
    pub fn fallocate(&mut self, mode: u32, offset: i64, length: i64) -> Result<(), Errno> {
        const KEEP_SIZE: u32 = 1;
        const PUNCH_HOLE: u32 = 2;
        const NO_HIDE_STALE: u32 = 4;
        const ZERO_RANGE: u32 = 0x10;
        const ALL: u32 = 0x7f;
        if offset < 0 || length <= 0 {
            return Err(Errno::INVAL);
        }
        if mode & !ALL != 0
            || (mode & PUNCH_HOLE != 0 && mode & (KEEP_SIZE | ZERO_RANGE) != KEEP_SIZE)
        {
            return Err(Errno::OPNOTSUPP);
        }
        if !self.flags.write {
            return Err(Errno::BADF);
        }
        if self.driver == Driver::Character {
            return Err(Errno::NODEV);
        }
        if mode & !(KEEP_SIZE | PUNCH_HOLE | ZERO_RANGE | NO_HIDE_STALE) != 0 {
            return Err(Errno::OPNOTSUPP);
        }
        let capacity = block::capacity_bytes(self.mtd());
        let (offset, mut length) = (offset as u64, length as u64);
        if offset >= capacity {
            return Err(Errno::INVAL);
        }
        if length > capacity - offset {
            if mode & KEEP_SIZE == 0 {
                return Err(Errno::INVAL);
            }
            length = capacity - offset;
        }
        if (offset | length) % mtdblock::SECTOR_BYTES as u64 != 0 {
            return Err(Errno::INVAL);
        }
        match mode & !KEEP_SIZE {
            ZERO_RANGE => {
                let mut device = self.block();
                device.zero_out(self.mtd(), offset, length, &mut |line| {
                    self.system.note(line)
                })
            }
            _ => Err(Errno::OPNOTSUPP),
        }
    }

    /// mmap(2).
    ///
    /// # Errors
    /// ENODEV on a character node, as in Linux (drivers/mtd/mtdchar.c). On a block node
    /// Linux maps the page cache; that is not simulated, and ENODEV as well.
    pub fn mmap(&self) -> Result<(), Errno> {
        Err(Errno::NODEV)
    }

    /// Whether sendfile(2), splice(2) and copy_file_range(2) out of this handle work: a
    /// block node can, by reading.
    ///
    /// # Errors
    /// EINVAL on a character node, which has no way to do it.
    pub fn splice_source(&self) -> Result<(), Errno> {
        match self.driver {
            Driver::Character => Err(Errno::INVAL),
            Driver::Block => Ok(()),
        }
    }
}

/// Whether a transfer would end beyond the largest offset (fs/read_write.c,
/// rw_verify_area); that is refused before the driver is asked.
fn ends_beyond_offsets(at: u64, length: usize) -> bool {
    at.checked_add(length as u64)
        .is_none_or(|end| end > i64::MAX as u64)
}
