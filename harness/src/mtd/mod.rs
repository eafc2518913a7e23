//! What Linux makes of chips and a layout: MTD devices, nodes, handles,
//! ioctls, errno by errno.
//!
//! The behaviour is that of Linux 6.1 (drivers/mtd), in these layers:
//! registration (`register`), the devices (`device`) and what is shared of them and the
//! chips (`state`), the checks of the core that every access goes through (`access`),
//! character nodes (`character`, `ioctl`), block nodes (`block`, `mtdblock`,
//! `block_ioctl`), open file descriptions (`handle`) and the calls on them (`file`), and
//! the texts of proc and sysfs (`text`).
//!
//! Invariants:
//! - All access to cells goes through [`crate::chip::Chip`], so that counters,
//!   clock, locks and faults see it.
//! - Locks are taken in one order: a block node's cache, then the chip. No lock
//!   is held while an ioctl touches the caller's memory.

mod access;
mod block;
mod block_ioctl;
mod character;
mod device;
mod file;
mod handle;
mod in_process;
mod ioctl;
pub mod ioctl_number;
mod memory;
mod mtdblock;
mod register;
mod state;
#[cfg(test)]
mod tests;
mod text;

pub use device::{EccStats, MTD_BLOCK_MAJOR, MTD_CHAR_MAJOR, MtdDevice, NodeId};
pub use handle::{Handle, NodeStat};
pub use memory::{SliceMemory, UserMemory};

use crate::Errno;
use crate::chip::Chip;
use crate::layout::Layout;
use access::Mtd;
use block::BlockDevice;
#[allow(unused_imports, reason = "the sandbox alone watches")]
pub(crate) use block::BlockWatcher;
use state::{ChipCell, Registered, State, lock};
use std::fmt;
use std::sync::{Arc, Mutex, Weak};

/// What a process asks of `open`; only the flags that matter to MTD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFlags {
    /// O_RDONLY or O_RDWR.
    pub read: bool,
    /// O_WRONLY or O_RDWR.
    pub write: bool,
}

impl OpenFlags {
    /// O_RDONLY.
    pub const READ: OpenFlags = OpenFlags {
        read: true,
        write: false,
    };
    /// O_WRONLY.
    pub const WRITE: OpenFlags = OpenFlags {
        read: false,
        write: true,
    };
    /// O_RDWR.
    pub const READ_WRITE: OpenFlags = OpenFlags {
        read: true,
        write: true,
    };
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

/// The kernel's view: chips, registered MTD devices, block caches. Clones
/// share one state; all methods may be called from several threads. The example of
/// [this crate](crate) makes one.
#[derive(Clone)]
pub struct MtdSystem {
    state: Arc<State>,
    /// Caches of the block nodes, in the order of the devices.
    blocks: Arc<[Mutex<BlockDevice>]>,
}

impl fmt::Debug for MtdSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MtdSystem")
            .field("devices", &self.devices())
            .finish_non_exhaustive()
    }
}

impl MtdSystem {
    /// Registers the layout's partitions over the chips, as Linux would: cut at
    /// the chip's end, read-only when off an erase-block boundary.
    ///
    /// # Panics
    /// If `chips` do not match `layout.chips` one to one, geometry by geometry, or if
    /// the layout has numbers or parents that cannot be ([`Layout::check`]).
    pub fn new(chips: Vec<Chip>, layout: &Layout) -> Self {
        let ours: Vec<_> = chips.iter().map(Chip::geometry).collect();
        let theirs: Vec<_> = layout.chips.iter().map(|chip| chip.geometry).collect();
        assert_eq!(ours, theirs, "the chips are not those of the layout");
        if let Err(error) = layout.check() {
            panic!("{error}");
        }
        let regions: Vec<_> = chips.iter().map(Chip::erase_regions).collect();
        let (devices, log) = register::register(layout, &regions);
        let state = State {
            chips: chips.into_iter().map(ChipCell::new).collect(),
            devices: devices.into_iter().map(Registered::new).collect(),
            log: Mutex::new(log),
        };
        // Chips may come with faults that are due already.
        (0..state.chips.len()).for_each(|chip| state.with_chip(chip, |_| {}));
        Self::over(state)
    }

    /// Nothing open, and nothing in a cache.
    fn over(state: State) -> Self {
        let blocks = state.devices.iter().map(|_| Mutex::default());
        Self {
            blocks: blocks.collect(),
            state: Arc::new(state),
        }
    }

    /// The same chips once more, independent of these, under a kernel that has just
    /// started: each device at the size it was registered with, nothing open, and nothing
    /// in a cache that these chips have not got yet. What lies on flash is shared until
    /// either changes it.
    ///
    /// # Panics
    /// If a storage of the caller's own cannot be copied, or inside
    /// [`MtdSystem::with_chip`].
    #[must_use]
    pub fn fork(&self) -> Self {
        let fork = |registered: &Registered| Registered::new(registered.device.clone());
        let chips = self.state.chips.iter();
        let state = State {
            chips: chips
                .map(|chip| ChipCell::new(chip.lock().clone()))
                .collect(),
            devices: self.state.devices.iter().map(fork).collect(),
            log: Mutex::new(self.log()),
        };
        Self::over(state)
    }

    /// The registered MTD devices, in index order, with the sizes they have now.
    pub fn devices(&self) -> Vec<MtdDevice> {
        self.state.devices.iter().map(Registered::now).collect()
    }

    /// The MTD device of that number, with the size it has now. None: no such device.
    pub fn device(&self, index: u32) -> Option<MtdDevice> {
        Some(self.registered(index)?.now())
    }

    /// Where sysfs has a device below its chip, such as `mtd1/mtd2` for one that is a
    /// part of mtd1 (Linux 6.1, drivers/mtd/mtdpart.c: a partition's device is a child
    /// of its parent's). None: no such device.
    pub fn sysfs_path(&self, index: u32) -> Option<String> {
        let mut path = format!("mtd{index}");
        let mut parent = self.registered(index)?.device.parent;
        while let Some(outer) = parent {
            path = format!("mtd{outer}/{path}");
            parent = self.registered(outer)?.device.parent;
        }
        Some(path)
    }

    /// The text of `/proc/mtd`.
    pub fn proc_mtd(&self) -> String {
        text::proc_mtd(&self.devices())
    }

    /// The files of `/sys/class/mtd/mtdN`: name and text. None: no such device.
    pub fn sysfs(&self, index: u32) -> Option<Vec<(&'static str, String)>> {
        Some(text::sysfs(&self.registered(index)?.now()))
    }

    /// The files of `/sys/class/mtd/mtdNro`. None: no such device.
    pub fn sysfs_read_only_twin(&self, index: u32) -> Option<Vec<(&'static str, String)>> {
        let device = self.registered(index)?.now();
        Some(text::sysfs_read_only_twin(&device))
    }

    /// The kernel's messages: while it registered the partitions, and later.
    pub fn log(&self) -> Vec<String> {
        lock(&self.state.log).clone()
    }

    /// Opens a node.
    ///
    /// # Errors
    /// As Linux answers: ENODEV where a character node has no device (drivers/mtd/mtdchar.c),
    /// ENXIO where a block node has none, or for another major number, and EACCES for
    /// writing through `mtdNro`, or through `mtdN` to a device that may not be written.
    pub fn open(&self, node: NodeId, flags: OpenFlags) -> Result<Handle, Errno> {
        Handle::open(self, node, flags)
    }

    /// sync(2): dirty pages of all block nodes go to mtdblock, which keeps the
    /// last erase block in its cache all the same.
    pub fn sync(&self) {
        for (registered, block) in self.state.devices.iter().zip(&*self.blocks) {
            let mtd = self.mtd(registered);
            lock(block).write_back(mtd, &mut |line| self.note(line));
        }
    }

    /// Test control: works on one of the chips (counters, faults, contents).
    ///
    /// # Panics
    /// If there is no such chip, or if `work` uses this system in a way that
    /// needs the same chip.
    pub fn with_chip<R>(&self, chip: usize, work: impl FnOnce(&mut Chip) -> R) -> R {
        self.state.with_chip(chip, work)
    }

    /// How many chips there are.
    pub fn chip_count(&self) -> usize {
        self.state.chips.len()
    }

    /// Test control: a partition whose size changes. From now on the device
    /// reports and serves this size, None for the one it was registered with.
    /// Beyond the chip's end a read is EIO. Answers false for no such device.
    pub fn set_size(&self, index: u32, size_bytes: Option<u64>) -> bool {
        match self.registered(index) {
            Some(registered) => {
                let size = size_bytes.unwrap_or(registered.device.size_bytes);
                *lock(&registered.size_now) = size;
                true
            }
            None => false,
        }
    }

    /// The size of a block node: whole sectors. None: no such device.
    #[allow(
        dead_code,
        reason = "the sandbox alone asks, which not every machine has"
    )]
    pub(crate) fn block_bytes(&self, index: u32) -> Option<u64> {
        Some(block::capacity_bytes(self.mtd(self.registered(index)?)))
    }

    /// What a block node reads as now, caches included, uncounted and past any
    /// fault.
    #[allow(
        dead_code,
        reason = "the sandbox alone asks, which not every machine has"
    )]
    pub(crate) fn peek_block(&self, index: u32, at: u64, buf: &mut [u8]) -> Result<(), Errno> {
        let registered = self.registered(index).ok_or(Errno::NXIO)?;
        let block = self.block(index).ok_or(Errno::NXIO)?;
        lock(block).peek(self.mtd(registered), at, buf)
    }

    /// Has somebody told where a block node reads otherwise from now on. A change
    /// of the flash under it is the chip's to tell.
    #[allow(
        dead_code,
        reason = "the sandbox alone asks, which not every machine has"
    )]
    pub(crate) fn watch_block(&self, index: u32, watcher: Weak<dyn BlockWatcher>) {
        if let Some(block) = self.block(index) {
            lock(block).watch(watcher);
        }
    }

    fn registered(&self, index: u32) -> Option<&Registered> {
        self.state.registered(index)
    }

    /// The caches of a device's block node.
    fn block(&self, index: u32) -> Option<&Mutex<BlockDevice>> {
        Some(&self.blocks[self.state.position(index)?])
    }

    fn mtd<'a>(&'a self, registered: &'a Registered) -> Mtd<'a> {
        Mtd {
            device: &registered.device,
            size_bytes: *lock(&registered.size_now),
            state: &self.state,
        }
    }

    /// Adds a line to the kernel's messages.
    fn note(&self, line: String) {
        lock(&self.state.log).push(line);
    }
}
