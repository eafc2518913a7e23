//! An open file description on a node: what open(2) checks and what it holds. What the
//! calls on it do is in `file`.
//!
//! Source of behaviour: Linux 6.1 fs/open.c, drivers/mtd/mtdchar.c, block/fops.c.

use super::block::BlockDevice;
use super::{MTD_BLOCK_MAJOR, MTD_CHAR_MAJOR, Mtd, MtdSystem, NodeId, OpenFlags, Registered, lock};
use crate::Errno;
use std::fmt;
use std::sync::MutexGuard;

/// What `stat` tells of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
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

/// An open file description on a node. Dropping it is the last close.
/// Positional calls (`pread`, `pwrite`) leave the position alone.
///
/// ```
/// use mtd_harness::mtd::{NodeId, OpenFlags};
/// use mtd_harness::profile;
///
/// let device = profile::ispot(1);
/// let mut node = device.system.open(NodeId::mtd(8), OpenFlags::READ_WRITE)?;
/// node.erase(0, 0x2_0000)?; // MEMERASE, without its structure
/// assert_eq!(node.write(b"hello")?, 5);
/// let mut bytes = [0; 6];
/// node.pread(0, &mut bytes)?;
/// assert_eq!(&bytes, b"hello\xff");
/// # Ok::<(), mtd_harness::Errno>(())
/// ```
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

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("node", &self.node)
            .field("flags", &self.flags)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
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
            Driver::Block => {
                let block = system.block(index).ok_or(Errno::NXIO)?;
                errors_seen = lock(block).open();
            }
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

    pub(super) fn registered(&self) -> &Registered {
        // An open handle's device stays registered.
        let registered = self.system.state.registered(self.index);
        registered.expect("a registered device")
    }

    /// The caches of its device's block node, locked.
    pub(super) fn block(&self) -> MutexGuard<'_, BlockDevice> {
        lock(self.system.block(self.index).expect("a registered device"))
    }

    pub(super) fn mtd(&self) -> Mtd<'_> {
        self.system.mtd(self.registered())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.driver == Driver::Block {
            let mut device = self.block();
            device.close(self.mtd(), &mut |line| self.system.note(line));
        }
    }
}
