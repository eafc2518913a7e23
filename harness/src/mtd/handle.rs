//! An open file description on a node: what the system calls do before and
//! after the driver, as Linux's file layer does it.
//!
//! Source of behaviour: Linux 6.1 fs/read_write.c, fs/open.c, fs/sync.c,
//! drivers/mtd/mtdchar.c, block/fops.c.

use super::{MTD_BLOCK_MAJOR, MTD_CHAR_MAJOR, Mtd, MtdSystem, NodeId, OpenFlags, Registered};
use super::{Seek, UserMemory, block, block_ioctl, character, ioctl, lock, mtdblock};
use crate::Errno;

/// read(2) and write(2) move at most this much in one call (MAX_RW_COUNT).
const TRANSFER_BYTES_MAX: usize = 0x7fff_f000;

/// What `stat` tells of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeStat {
    /// Character or block, and `st_rdev`.
    pub node: NodeId,
    /// `st_size`: 0, as for every device node.
    pub size_bytes: u64,
    /// `st_blksize`.
    pub preferred_transfer_bytes: u32,
}

/// Which driver a handle talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Driver {
    Character,
    Block,
}

/// MTDFILEMODE and OTPSELECT; NOR without OTP knows the normal mode only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum FileMode {
    #[default]
    Normal,
}

/// How far a transfer moved the position, and what the call answers. The two
/// part ways where Linux answers an error although earlier chunks landed.
pub(super) struct Transfer {
    pub(super) moved_bytes: u64,
    pub(super) answer: Result<usize, Errno>,
}

impl From<Result<usize, Errno>> for Transfer {
    fn from(answer: Result<usize, Errno>) -> Self {
        Transfer {
            moved_bytes: answer.unwrap_or(0) as u64,
            answer,
        }
    }
}

/// An open file description on a node. Dropping it is the last close.
/// Positional calls (`pread`, `pwrite`) leave the position alone.
pub struct Handle {
    pub(super) system: MtdSystem,
    pub(super) index: u32,
    pub(super) driver: Driver,
    pub(super) flags: OpenFlags,
    pub(super) position: u64,
    pub(super) mode: FileMode,
    /// Whether the process may do what needs CAP_SYS_ADMIN.
    pub(super) administrator: bool,
    /// O_SYNC or O_DSYNC: a write to a block node is flushed before it answers.
    pub(super) synchronous: bool,
    /// The block node's write-back errors that this handle has seen.
    pub(super) errors_seen: u64,
    node: NodeId,
}

impl Handle {
    pub(super) fn open(system: &MtdSystem, node: NodeId, flags: OpenFlags) -> Result<Self, Errno> {
        let (driver, index) = match node {
            NodeId::Character {
                major: MTD_CHAR_MAJOR,
                minor,
            } => {
                // The twin is refused before the device is looked for.
                if flags.write && minor % 2 == 1 {
                    return Err(Errno::ACCESS);
                }
                (Driver::Character, minor / 2)
            }
            NodeId::Block {
                major: MTD_BLOCK_MAJOR,
                minor,
            } => (Driver::Block, minor),
            _ => return Err(Errno::NXIO),
        };
        let registered = system.registered(index).ok_or(match driver {
            Driver::Character => Errno::NODEV,
            Driver::Block => Errno::NXIO,
        })?;
        let mut errors_seen = 0;
        match driver {
            Driver::Character if flags.write && !registered.device.writeable => {
                return Err(Errno::ACCESS);
            }
            Driver::Character => {}
            Driver::Block => errors_seen = lock(&registered.block).open(),
        }
        Ok(Self {
            system: system.clone(),
            index,
            driver,
            flags,
            position: 0,
            mode: FileMode::Normal,
            administrator: true,
            synchronous: false,
            errors_seen,
            node,
        })
    }

    /// Whether the process may do what needs CAP_SYS_ADMIN (BLKFLSBUF,
    /// BLKROSET, BLKPG …). True at first: on the device everybody is root.
    pub fn set_administrator(&mut self, administrator: bool) {
        self.administrator = administrator;
    }

    /// Whether it was opened with O_SYNC or O_DSYNC: then each write to a block
    /// node ends with an fsync (block/fops.c, blkdev_write_iter); to a character
    /// node they mean nothing.
    pub fn set_synchronous(&mut self, synchronous: bool) {
        self.synchronous = synchronous;
    }

    /// The node it was opened through.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// How it was opened.
    pub fn flags(&self) -> OpenFlags {
        self.flags
    }

    /// fstat(2).
    pub fn stat(&self) -> NodeStat {
        NodeStat {
            node: self.node,
            size_bytes: 0,
            preferred_transfer_bytes: 4096,
        }
    }

    /// read(2) at the handle's position.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize, Errno> {
        let transfer = self.transfer_in(self.position, buf);
        self.position += transfer.moved_bytes;
        transfer.answer
    }

    /// pread(2). EINVAL for a negative offset, before anything else.
    pub fn pread(&mut self, offset: i64, buf: &mut [u8]) -> Result<usize, Errno> {
        let offset = u64::try_from(offset).map_err(|_| Errno::INVAL)?;
        self.transfer_in(offset, buf).answer
    }

    /// write(2) at the handle's position.
    pub fn write(&mut self, data: &[u8]) -> Result<usize, Errno> {
        let transfer = self.transfer_out(self.position, data);
        self.position += transfer.moved_bytes;
        self.settle(transfer.answer)
    }

    /// pwrite(2). EINVAL for a negative offset, before anything else.
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
                let mut device = lock(&self.registered().block);
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
                let mut device = lock(&self.registered().block);
                device.write(self.mtd(), at, data, &mut |line| self.system.note(line))
            }
        }
    }

    /// lseek(2): the new position. 0 to the size is legal, all else EINVAL
    /// (fs/read_write.c, fixed_size_llseek); asking where one stands always works.
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

    /// fsync(2), fdatasync(2): EINVAL on a character node, flushes a block
    /// node's cache. EIO if that failed, now or since the last fsync.
    pub fn fsync(&mut self) -> Result<(), Errno> {
        match self.driver {
            Driver::Character => Err(Errno::INVAL),
            Driver::Block => {
                let mut device = lock(&self.registered().block);
                let note = &mut |line| self.system.note(line);
                let (seen, answer) = device.fsync(self.mtd(), self.errors_seen, note);
                drop(device);
                self.errors_seen = seen;
                answer
            }
        }
    }

    /// ftruncate(2): EINVAL, as on every device node (fs/open.c).
    pub fn ftruncate(&mut self, length_bytes: i64) -> Result<(), Errno> {
        let _ = length_bytes;
        Err(Errno::INVAL)
    }

    /// fallocate(2): ENODEV on a character node; on a block node only
    /// FALLOC_FL_ZERO_RANGE does something (block/fops.c, blkdev_fallocate).
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
                let mut device = lock(&self.registered().block);
                device.zero_out(self.mtd(), offset, length, &mut |line| {
                    self.system.note(line)
                })
            }
            _ => Err(Errno::OPNOTSUPP),
        }
    }

    /// mmap(2): ENODEV on a character node, as in Linux
    /// (drivers/mtd/mtdchar.c). On a block node Linux maps the page cache;
    /// that is not simulated, and ENODEV as well.
    pub fn mmap(&self) -> Result<(), Errno> {
        Err(Errno::NODEV)
    }

    /// sendfile(2), splice(2), copy_file_range(2) out of this handle: EINVAL on
    /// a character node, which has no way to do it; a block node can, by
    /// reading.
    pub fn splice_source(&self) -> Result<(), Errno> {
        match self.driver {
            Driver::Character => Err(Errno::INVAL),
            Driver::Block => Ok(()),
        }
    }

    pub(super) fn registered(&self) -> &Registered {
        // An open handle's device stays registered.
        let registered = self.system.state.registered(self.index);
        registered.expect("a registered device")
    }

    pub(super) fn mtd(&self) -> Mtd<'_> {
        self.system.mtd(self.registered())
    }
}

/// Whether a transfer would end beyond the largest offset (fs/read_write.c,
/// rw_verify_area); that is refused before the driver is asked.
fn ends_beyond_offsets(at: u64, length: usize) -> bool {
    at.checked_add(length as u64)
        .is_none_or(|end| end > i64::MAX as u64)
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.driver == Driver::Block {
            let mut device = lock(&self.registered().block);
            device.close(self.mtd(), &mut |line| self.system.note(line));
        }
    }
}
