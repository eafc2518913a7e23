//! What Linux makes of chips and a layout: MTD devices, nodes, handles,
//! ioctls, errno by errno.

use crate::Errno;
use crate::chip::Chip;
use crate::layout::Layout;
use std::sync::{Arc, Mutex};

/// A device node's identity, wherever in the file system it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeId {
    /// A character node: major 90, minor 2N for mtdN, 2N+1 for mtdNro.
    Character {
        /// Device driver number.
        major: u32,
        /// Device number within the driver.
        minor: u32,
    },
    /// A block node: major 31, minor N for mtdblockN.
    Block {
        /// Device driver number.
        major: u32,
        /// Device number within the driver.
        minor: u32,
    },
}

/// What a process asks of `open`; only the flags that matter to MTD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFlags {
    /// O_RDONLY or O_RDWR.
    pub read: bool,
    /// O_WRONLY or O_RDWR.
    pub write: bool,
}

/// The memory that an ioctl argument points into: a process's, or a slice of
/// our own. Both calls answer EFAULT for an address that is not there.
pub trait UserMemory {
    /// Copies `buf.len()` bytes at `address` out of that memory.
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Errno>;
    /// Copies `bytes` into that memory at `address`.
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno>;
    /// 4 or 8: the width of a pointer inside an ioctl's structure.
    fn pointer_bytes(&self) -> usize {
        8
    }
}

/// Where a seek counts from, and what Linux's `whence` numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seek {
    /// From the start (SEEK_SET).
    Set(i64),
    /// From where the handle stands (SEEK_CUR).
    Current(i64),
    /// From the end (SEEK_END).
    End(i64),
    /// SEEK_DATA, SEEK_HOLE or an unknown number.
    Other(i64),
}

/// One registered MTD device: what `/proc/mtd` and MEMGETINFO tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MtdDevice {
    /// N of mtdN.
    pub index: u32,
    /// The partition's name.
    pub name: String,
    /// Index of its chip.
    pub chip: usize,
    /// Where it starts on its chip.
    pub offset_bytes: u64,
    /// Its size after Linux cut it to the chip.
    pub size_bytes: u64,
    /// The chip's erase-block size.
    pub erase_block_bytes: u32,
    /// False where Linux forces the partition read-only.
    pub writeable: bool,
}

struct State {
    #[expect(dead_code)]
    chips: Vec<Chip>,
}

/// The kernel's view: chips, registered MTD devices, block caches. Clones
/// share one state; all methods may be called from several threads.
#[derive(Clone)]
pub struct MtdSystem {
    #[expect(dead_code)]
    state: Arc<Mutex<State>>,
}

impl MtdSystem {
    /// Registers the layout's partitions over the chips, as Linux would: cut at
    /// the chip's end, read-only when off an erase-block boundary.
    /// `chips` match `layout.chips` one to one.
    pub fn new(chips: Vec<Chip>, layout: &Layout) -> Self {
        let _ = layout;
        Self {
            state: Arc::new(Mutex::new(State { chips })),
        }
    }
    /// The registered MTD devices, in index order.
    pub fn devices(&self) -> Vec<MtdDevice> {
        todo!()
    }
    /// The text of `/proc/mtd`.
    pub fn proc_mtd(&self) -> String {
        todo!()
    }
    /// The files of `/sys/class/mtd/mtdN`: name and text. None: no such device.
    pub fn sysfs(&self, index: u32) -> Option<Vec<(&'static str, String)>> {
        let _ = index;
        todo!()
    }
    /// The kernel's messages while it registered the partitions.
    pub fn log(&self) -> Vec<String> {
        todo!()
    }
    /// Opens a node. ENODEV, EACCES … as Linux answers.
    pub fn open(&self, node: NodeId, flags: OpenFlags) -> Result<Handle, Errno> {
        let _ = (node, flags);
        todo!()
    }
    /// Test control: works on one of the chips (counters, faults, contents).
    pub fn with_chip<R>(&self, chip: usize, work: impl FnOnce(&mut Chip) -> R) -> R {
        let _ = (chip, work);
        todo!()
    }
}

/// An open file description on a node. Dropping it is the last close.
/// Positional calls (`pread`, `pwrite`) leave the position alone.
pub struct Handle {}

impl Handle {
    /// read(2) at the handle's position.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize, Errno> {
        let _ = buf;
        todo!()
    }
    /// pread(2).
    pub fn pread(&mut self, offset: i64, buf: &mut [u8]) -> Result<usize, Errno> {
        let _ = (offset, buf);
        todo!()
    }
    /// write(2) at the handle's position.
    pub fn write(&mut self, data: &[u8]) -> Result<usize, Errno> {
        let _ = data;
        todo!()
    }
    /// pwrite(2).
    pub fn pwrite(&mut self, offset: i64, data: &[u8]) -> Result<usize, Errno> {
        let _ = (offset, data);
        todo!()
    }
    /// lseek(2): the new position.
    pub fn lseek(&mut self, to: Seek) -> Result<u64, Errno> {
        let _ = to;
        todo!()
    }
    /// ioctl(2): `argument` is the raw third argument (a number or an address
    /// in `memory`); answers what the call returns.
    pub fn ioctl(
        &mut self,
        command: u32,
        argument: u64,
        memory: &mut dyn UserMemory,
    ) -> Result<i32, Errno> {
        let _ = (command, argument, memory);
        todo!()
    }
    /// fsync(2): EINVAL on a character node, flushes a block node's cache.
    pub fn fsync(&mut self) -> Result<(), Errno> {
        todo!()
    }
    // ftruncate, fallocate, mmap, stat … follow.
}
