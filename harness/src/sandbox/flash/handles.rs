//! The open file descriptions that the sandbox handed out, and what is behind
//! each of them.
//!
//! A program holds a description of a memfd; this table holds the [`Handle`].
//! Which belongs to which is written into the description itself, as the signal
//! number of F_SETSIG (1 to 64, unique among the open descriptions of one MTD
//! device), so it survives dup, fork, exec and passing through a socket. A byte
//! lock of the description (F_OFD_SETLK) on the byte of that number tells
//! whether it is still open anywhere.
//!
//! Invariants: the supervisor keeps no duplicate of a description beyond one
//! call, so that the last close is the program's; the position lives in the
//! kernel's description alone.
//!
//! Tolerates: more than 64 descriptions of one MTD device at once; the further
//! ones share a handle, and their last close is the sandbox's end.

use crate::Errno;
use crate::mtd::{Handle, MtdSystem, NodeId, OpenFlags, Seek};
use crate::sandbox::call::Level;
use crate::sandbox::flash::storage::Piece;
use crate::sandbox::kernel::sys;
use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// How many descriptions of one MTD device can be told apart (signal numbers).
const SLOTS: usize = 64;
/// Where the byte locks are: far beyond any flash.
const LOCK_BASE: i64 = 1 << 62;

/// Which description: MTD device and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::sandbox) struct Which {
    pub index: usize,
    slot: usize,
    access: i32,
    on_block: bool,
}

/// One open description.
pub(in crate::sandbox) struct Open {
    pub handle: Handle,
    /// Its stand-in is the block node's.
    on_block: bool,
    pub node: NodeId,
    /// The inode number of the node that was opened; 0 if that is not known.
    pub inode: u64,
    /// Opened with O_EXCL, which claims a block device.
    exclusive: bool,
    /// Its reads are answered from the handle, not by the kernel.
    pub reads_through: bool,
}

struct Device {
    piece: Arc<Piece>,
    /// Stands in for the block node when its reads come from the handle: a file
    /// of its own, so that locks on one node leave the other alone.
    block: Option<Piece>,
    /// `block` holds what the block node's page cache does, because the kernel
    /// reads from it (mmap, sendfile, splice).
    block_is_shown: bool,
    slots: [Option<Open>; SLOTS],
    /// Descriptions beyond the slots, by access mode and kind of stand-in.
    shared: HashMap<(i32, bool), Open>,
    /// Once somebody could write, a block node's page cache may differ from
    /// the flash.
    ever_writeable: bool,
}

/// All MTD devices with their open descriptions.
pub(in crate::sandbox) struct Handles {
    system: MtdSystem,
    devices: Vec<Device>,
    by_inode: HashMap<(u64, u64), usize>,
    /// The slots in use: (device, slot).
    live: Vec<(usize, usize)>,
    /// Every read goes through the handle (counters, faults).
    exact: bool,
}

/// The device and inode number that tell a file from all others.
pub(in crate::sandbox) fn identity(stat: &libc::stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// What open(2)'s flags ask for; 3 is neither (fs/namei.c, ACC_MODE).
pub(in crate::sandbox) fn access(flags: i32) -> OpenFlags {
    let access = flags & libc::O_ACCMODE;
    OpenFlags {
        read: access == libc::O_RDONLY || access == libc::O_RDWR,
        write: access == libc::O_WRONLY || access == libc::O_RDWR,
    }
}

impl Device {
    /// Whether somebody holds the block device for himself (block/bdev.c,
    /// bd_prepare_to_claim).
    fn is_claimed(&self) -> bool {
        let mut open = self.slots.iter().flatten();
        open.any(|open| open.exclusive)
    }
    fn stand_in(&self, on_block: bool) -> &Piece {
        match &self.block {
            Some(block) if on_block => block,
            _ => &self.piece,
        }
    }
}

impl Handles {
    /// A table over one piece per MTD device, in index order.
    pub fn new(system: MtdSystem, pieces: Vec<Arc<Piece>>, exact: bool) -> Result<Self, Errno> {
        let mut by_inode = HashMap::new();
        let mut devices = Vec::new();
        for (index, piece) in pieces.into_iter().enumerate() {
            by_inode.insert(identity(&sys::fstat(piece.memfd.as_fd())?), index);
            devices.push(Device {
                piece,
                block: None,
                block_is_shown: false,
                slots: [const { None }; SLOTS],
                shared: HashMap::new(),
                ever_writeable: false,
            });
        }
        Ok(Self {
            system,
            devices,
            by_inode,
            live: Vec::new(),
            exact,
        })
    }

    /// The MTD device whose bytes this file holds.
    pub fn device_of(&self, stat: &libc::stat) -> Option<usize> {
        self.by_inode.get(&identity(stat)).copied()
    }

    /// What has to be traced in a process that opens this node; the error that
    /// the open would answer.
    pub fn level_for(&mut self, node: NodeId, want: OpenFlags) -> Result<Option<Level>, Errno> {
        // So that a block node's last close happens before the next open.
        self.sweep();
        drop(self.system.open(node, want)?);
        Ok(if self.reads_through(node, want.write) {
            Some(Level::ReadsAndWrites)
        } else if want.write {
            Some(Level::Writes)
        } else {
            None
        })
    }

    /// Whether somebody holds a block device for himself.
    pub fn is_claimed(&mut self, node: NodeId) -> bool {
        self.sweep();
        let NodeId::Block { minor, .. } = node else {
            return false;
        };
        let device = self.devices.get(minor as usize);
        device.is_some_and(Device::is_claimed)
    }

    fn reads_through(&self, node: NodeId, writes: bool) -> bool {
        let NodeId::Block { minor, .. } = node else {
            return self.exact;
        };
        let device = self.devices.get(minor as usize);
        self.exact || writes || device.is_some_and(|device| device.ever_writeable)
    }

    /// Opens a node, whose inode number that is, with open(2)'s flags.
    pub fn open(&mut self, node: NodeId, inode: u64, flags: i32) -> Result<OwnedFd, Errno> {
        let want = access(flags);
        let mut handle = self.system.open(node, want)?;
        // O_SYNC contains O_DSYNC.
        handle.set_synchronous(flags & libc::O_DSYNC != 0);
        let reads_through = self.reads_through(node, want.write);
        let (index, is_block) = match node {
            NodeId::Character { minor, .. } => (minor as usize / 2, false),
            NodeId::Block { minor, .. } => (minor as usize, true),
        };
        let device = self.devices.get_mut(index).ok_or(Errno::NODEV)?;
        let exclusive = is_block && flags & libc::O_EXCL != 0;
        device.ever_writeable |= want.write;
        let on_block = is_block && reads_through;
        if on_block && device.block.is_none() {
            let piece = Piece::new(&format!("mtdblock{index}"), 0, device.piece.size_bytes)?;
            let identity = identity(&sys::fstat(piece.memfd.as_fd())?);
            self.by_inode.insert(identity, index);
            device.block = Some(piece);
        }
        let fd = reopen(device.stand_in(on_block), flags)?;
        let open = Open {
            handle,
            on_block,
            node,
            inode,
            exclusive,
            reads_through,
        };
        let slot = device.slots.iter().position(Option::is_none);
        // A description that neither reads nor writes cannot hold a byte lock.
        match slot.filter(|_| want.read || want.write) {
            Some(slot) => {
                let number = slot as i32 + 1;
                sys::fcntl(fd.as_fd(), sys::F_SETSIG, number)?;
                sys::lock_byte(fd.as_fd(), LOCK_BASE + i64::from(number), want.write)?;
                device.slots[slot] = Some(open);
                self.live.push((index, slot));
            }
            None => {
                let access = flags & libc::O_ACCMODE;
                device.shared.entry((access, is_block)).or_insert(open);
            }
        }
        Ok(fd)
    }

    /// Which description a duplicate is; none if it is no flash.
    pub fn which(&self, fd: BorrowedFd) -> Option<Which> {
        let stat = sys::fstat(fd).ok()?;
        let index = self.device_of(&stat)?;
        let plain = sys::fstat(self.devices[index].piece.memfd.as_fd()).ok()?;
        let number = sys::fcntl(fd, sys::F_GETSIG, 0).ok()?;
        let access = sys::fcntl(fd, libc::F_GETFL, 0).ok()? & libc::O_ACCMODE;
        let slot = usize::try_from(number).unwrap_or(0).min(SLOTS);
        Some(Which {
            index,
            slot,
            access,
            on_block: identity(&stat) != identity(&plain),
        })
    }

    /// What is behind a description. A description that came about without us
    /// (reopened past the filter) gets a handle of its own kind.
    pub fn get(&mut self, which: Which) -> Result<&mut Open, Errno> {
        let device = self.devices.get_mut(which.index).ok_or(Errno::BADF)?;
        if which.slot > 0 && device.slots[which.slot - 1].is_some() {
            return device.slots[which.slot - 1].as_mut().ok_or(Errno::BADF);
        }
        let key = (which.access, which.on_block);
        if let std::collections::hash_map::Entry::Vacant(e) = device.shared.entry(key) {
            let (index, block) = (which.index as u32, which.on_block);
            let node = if block {
                NodeId::mtdblock(index)
            } else {
                NodeId::mtd(index)
            };
            let open = Open {
                handle: self.system.open(node, access(which.access))?,
                on_block: block,
                node,
                inode: 0,
                exclusive: false,
                reads_through: self.exact || block,
            };
            e.insert(open);
        }
        device.shared.get_mut(&key).ok_or(Errno::BADF)
    }

    /// Works on a handle at the description's position, and leaves the
    /// description where the handle then stands.
    pub fn at_position<R>(
        &mut self,
        fd: BorrowedFd,
        which: Which,
        work: impl FnOnce(&mut Open) -> R,
    ) -> Result<R, Errno> {
        let before = sys::lseek(fd, 0, libc::SEEK_CUR)?;
        let open = self.get(which)?;
        open.handle.lseek(Seek::Set(before))?;
        let answer = work(open);
        let after = open.handle.lseek(Seek::Current(0))? as i64;
        if after != before {
            sys::lseek(fd, after, libc::SEEK_SET)?;
        }
        Ok(answer)
    }

    /// Puts into a block node's stand-in what its page cache holds, for calls
    /// in which the kernel reads from it; from then on writes show up in it.
    pub fn show_block(&mut self, which: Which) -> Result<(), Errno> {
        if which.on_block {
            self.devices[which.index].block_is_shown = true;
        }
        self.refresh_block(which)
    }

    /// After a change through a block node: shows it to who has it mapped.
    pub fn refresh_block(&mut self, which: Which) -> Result<(), Errno> {
        let device = &mut self.devices[which.index];
        let (true, Some(block)) = (which.on_block && device.block_is_shown, &mut device.block)
        else {
            return Ok(());
        };
        let node = NodeId::mtdblock(which.index as u32);
        let mut reader = self.system.open(node, OpenFlags::READ)?;
        let mut bytes = vec![0; block.size_bytes as usize];
        let count = reader.pread(0, &mut bytes)?;
        block.fill(&bytes[..count]);
        Ok(())
    }

    /// sync(2).
    pub fn sync(&self) {
        self.system.sync();
    }

    /// Whether a last close would change the flash.
    pub fn has_cached_writes(&self) -> bool {
        let open = |(device, slot): &(usize, usize)| self.devices[*device].slots[*slot].as_ref();
        let mut live = self.live.iter().filter_map(open);
        live.any(|open| open.on_block)
    }

    /// Whether any description may be open.
    pub fn is_any_open(&mut self) -> bool {
        self.sweep();
        !self.live.is_empty() || self.devices.iter().any(|device| !device.shared.is_empty())
    }

    /// Drops the handles whose last copy was closed; a block node's cache
    /// goes to flash then.
    pub fn sweep(&mut self) {
        let devices = &mut self.devices;
        self.live.retain(|&(index, slot)| {
            let device = &mut devices[index];
            let on_block = device.slots[slot]
                .as_ref()
                .is_some_and(|open| open.on_block);
            let file = device.stand_in(on_block);
            let at = LOCK_BASE + slot as i64 + 1;
            let closed = sys::is_byte_locked(file.memfd.as_fd(), at) == Ok(false);
            if closed {
                device.slots[slot] = None;
            }
            !closed
        });
    }

    /// Drops every handle: no program is left that could hold a description. A
    /// copy may still be in a process that another thread of ours is just
    /// making, which closes it before anything else.
    pub fn close_all(&mut self) {
        self.live.clear();
        for device in &mut self.devices {
            device.slots = [const { None }; SLOTS];
            device.shared.clear();
        }
    }
}

/// A new description of a piece. The flags that mean something else on a file
/// than on a node are left out.
fn reopen(piece: &Piece, flags: i32) -> Result<OwnedFd, Errno> {
    const FILE_ONLY: i32 =
        libc::O_CREAT | libc::O_EXCL | libc::O_TRUNC | libc::O_DIRECT | libc::O_NOFOLLOW;
    let path = format!("/proc/self/fd/{}", piece.memfd.as_raw_fd());
    sys::open(
        &crate::sandbox::kernel::process::c_string(path.as_bytes()),
        flags & !FILE_ONLY,
        0,
    )
}
