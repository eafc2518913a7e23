//! The open file descriptions that the sandbox handed out, and what is behind
//! each of them.
//!
//! A program holds a description of a stand-in; this table holds the [`Handle`].
//! Which belongs to which is written into the description itself, as the signal
//! number of F_SETSIG (1 to 64), so it survives dup, fork, exec and passing
//! through a socket; programs that ask for it get an answer of ours. Whether any
//! description of a stand-in is still open tells the kernel
//! ([`StandIn::is_alone`]): a block node's last close is then.
//!
//! Invariants: the supervisor keeps no duplicate of a description beyond one
//! call, so that the last close is the program's; the position lives in the
//! kernel's description alone.
//!
//! Tolerates: more than 64 descriptions of one MTD device before all of them are
//! closed; the further ones share a handle with one that was opened alike.

use crate::Errno;
use crate::mtd::{Handle, MtdDevice, MtdSystem, NodeId, OpenFlags, Seek};
use crate::sandbox::call::Level;
use crate::sandbox::flash::mirror::{BlockView, Cells, Refusal};
use crate::sandbox::flash::stand_in::StandIn;
use crate::sandbox::kernel::process::Process;
use crate::sandbox::kernel::sys;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// How many descriptions of one MTD device can be told apart (signal numbers).
const SLOTS: usize = 64;
/// After so many questions on descriptors it is looked at what was closed.
const SWEEP_EVERY: u32 = 64;

/// Names an open description: MTD device, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::sandbox) struct OpenId {
    pub index: usize,
    slot: usize,
    access: i32,
    on_block: bool,
}

/// One open description, or several that were opened alike.
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
    /// O_SYNC.
    synchronous: bool,
    /// What F_SETSIG set, as far as the program knows.
    pub signal: i32,
}

/// One MTD device. Its stand-ins are made when they are first needed.
struct Device {
    cells: Option<Arc<Cells>>,
    /// Stands in for the block node when its reads come from the handle: a file
    /// of its own, so that locks on one node leave the other alone.
    block: Option<Arc<BlockView>>,
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
    /// By MTD number.
    devices: BTreeMap<usize, Device>,
    /// The MTD device of a stand-in, and whether it is that of the block node.
    by_inode: HashMap<(u64, u64), (usize, bool)>,
    /// The stand-ins that may be open.
    live: BTreeSet<(usize, bool)>,
    asked: u32,
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
    fn stand_in(&self, on_block: bool) -> Option<&StandIn> {
        match on_block {
            true => self.block.as_ref().map(|block| &block.stand_in),
            false => self.cells.as_ref().map(|cells| &cells.stand_in),
        }
    }

    /// A place for a new description: its own, or that of one opened alike.
    fn slot_for(&self, open: &Open) -> Option<usize> {
        let alike = |known: &Open| {
            known.node == open.node
                && known.inode == open.inode
                && known.exclusive == open.exclusive
                && known.on_block == open.on_block
                && known.handle.flags() == open.handle.flags()
                && known.synchronous == open.synchronous
        };
        let free = self.slots.iter().position(Option::is_none);
        free.or_else(|| {
            let mut slots = self.slots.iter();
            slots.position(|slot| slot.as_ref().is_some_and(alike))
        })
    }
}

impl Handles {
    /// A table in which nothing is open.
    pub fn new(system: MtdSystem, exact: bool) -> Self {
        let new = || Device {
            cells: None,
            block: None,
            slots: [const { None }; SLOTS],
            shared: HashMap::new(),
            ever_writeable: false,
        };
        let devices = system.devices().into_iter();
        Self {
            devices: devices
                .map(|device| (device.index as usize, new()))
                .collect(),
            system,
            by_inode: HashMap::new(),
            live: BTreeSet::new(),
            asked: 0,
            exact,
        }
    }

    /// The MTD device whose bytes this file holds.
    pub fn device_of(&self, stat: &libc::stat) -> Option<usize> {
        self.by_inode.get(&identity(stat)).map(|known| known.0)
    }

    /// Opens this node and closes it again, for the error that an open would answer;
    /// without one, says what has to be traced in a process that opens it.
    pub fn try_open(&mut self, node: NodeId, want: OpenFlags) -> Result<Option<Level>, Errno> {
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

    fn reads_through(&self, node: NodeId, writes: bool) -> bool {
        let (index, is_block) = place(node);
        let device = self.devices.get(&index);
        self.is_exact(index)
            || is_block && (writes || device.is_some_and(|device| device.ever_writeable))
    }

    fn about(&self, index: usize) -> Option<MtdDevice> {
        self.system.device(u32::try_from(index).ok()?)
    }

    /// What has to be traced in a process that is handed a description.
    pub fn level_of_open(&mut self) -> Option<Level> {
        self.sweep();
        let devices = self.live.iter().filter_map(|it| self.devices.get(&it.0));
        let opens = devices.flat_map(|it| it.slots.iter().flatten().chain(it.shared.values()));
        let writes = |open: &Open| open.handle.flags().write.then_some(Level::Writes);
        let level = |open: &Open| match open.reads_through {
            true => Some(Level::ReadsAndWrites),
            false => writes(open),
        };
        opens.filter_map(level).max()
    }

    /// Whether reads of this MTD device go through the chip: because all are to be
    /// counted, or because there are faults, which strike nowhere else.
    pub fn is_exact(&self, index: usize) -> bool {
        self.exact
            || self.about(index).is_some_and(|device| {
                self.system
                    .with_chip(device.chip, |chip| chip.distorts_reads())
            })
    }

    /// Whether somebody holds a block device for himself (block/bdev.c,
    /// bd_prepare_to_claim).
    pub fn is_claimed(&mut self, node: NodeId) -> bool {
        self.sweep();
        let (index, _) = place(node);
        let Some(device) = self.devices.get_mut(&index) else {
            return false;
        };
        let identities = [false, true].map(|on_block| {
            let stand_in = device.stand_in(on_block);
            stand_in.and_then(|stand_in| stand_in.identity().ok())
        });
        for (slot, open) in device.slots.iter_mut().enumerate() {
            let Some(open) = open.as_mut().filter(|open| open.exclusive) else {
                continue;
            };
            // Its stand-in is open, but perhaps by others alone.
            let identity = identities[usize::from(open.on_block)];
            open.exclusive = identity.is_some_and(|it| is_held(it, slot as i32 + 1));
            if open.exclusive {
                return true;
            }
        }
        false
    }

    /// Opens a node, whose inode number that is, with open(2)'s flags.
    pub fn open(&mut self, node: NodeId, inode: u64, flags: i32) -> Result<OwnedFd, Refusal> {
        let want = access(flags);
        let mut handle = self.system.open(node, want)?;
        // O_SYNC contains O_DSYNC.
        let synchronous = flags & libc::O_DSYNC != 0;
        handle.set_synchronous(synchronous);
        let reads_through = self.reads_through(node, want.write);
        let (index, is_block) = place(node);
        let on_block = is_block && reads_through;
        self.prepare(index, on_block, want.read)?;
        let device = self.devices.get_mut(&index).ok_or(Errno::NODEV)?;
        device.ever_writeable |= want.write;
        let fd = device.stand_in(on_block).ok_or(Errno::IO)?.open(flags)?;
        let open = Open {
            handle,
            on_block,
            node,
            inode,
            exclusive: is_block && flags & libc::O_EXCL != 0,
            reads_through,
            synchronous,
            signal: 0,
        };
        match device.slot_for(&open) {
            Some(slot) => {
                sys::fcntl(fd.as_fd(), sys::F_SETSIG, slot as i32 + 1)?;
                device.slots[slot].get_or_insert(open);
            }
            None => {
                let access = flags & libc::O_ACCMODE;
                device.shared.entry((access, on_block)).or_insert(open);
            }
        }
        self.live.insert((index, on_block));
        Ok(fd)
    }

    /// Sees to it that a stand-in is there, and holds what it should where
    /// somebody is going to read it.
    fn prepare(&mut self, index: usize, on_block: bool, reads: bool) -> Result<(), Refusal> {
        let about = self.about(index).ok_or(Errno::NODEV)?;
        let device = self.devices.get_mut(&index).ok_or(Errno::NODEV)?;
        if device.stand_in(on_block).is_none() {
            if on_block {
                device.block = Some(BlockView::new(&self.system, about.clone())?);
            } else {
                device.cells = Some(Cells::new(&self.system, about.clone())?);
            }
            let stand_in = device.stand_in(on_block).ok_or(Errno::IO)?;
            self.by_inode
                .insert(stand_in.identity()?, (index, on_block));
        }
        match (&device.block, &device.cells) {
            (Some(block), _) if on_block => block.refresh()?,
            (_, Some(cells)) if reads => cells.fill()?,
            _ => {}
        }
        Ok(())
    }

    /// Which description a duplicate is; none if it is no flash.
    pub fn which(&self, fd: BorrowedFd) -> Option<OpenId> {
        let stat = sys::fstat(fd).ok()?;
        let (index, on_block) = *self.by_inode.get(&identity(&stat))?;
        let number = sys::fcntl(fd, sys::F_GETSIG, 0).ok()?;
        let access = sys::fcntl(fd, libc::F_GETFL, 0).ok()? & libc::O_ACCMODE;
        let slot = usize::try_from(number).unwrap_or(0).min(SLOTS);
        Some(OpenId {
            index,
            slot,
            access,
            on_block,
        })
    }

    /// What is behind a description. A description that came about without us
    /// (reopened past the filter) gets a handle of its own kind.
    pub fn get(&mut self, which: OpenId) -> Result<&mut Open, Errno> {
        let device = self.devices.get_mut(&which.index).ok_or(Errno::BADF)?;
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
                synchronous: false,
                signal: 0,
            };
            e.insert(open);
            self.live.insert((which.index, block));
        }
        device.shared.get_mut(&key).ok_or(Errno::BADF)
    }

    /// Works on a handle at the description's position, and leaves the
    /// description where the handle then stands.
    pub fn at_position<R>(
        &mut self,
        fd: BorrowedFd,
        which: OpenId,
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

    /// After a call that may have changed something: block nodes that are open
    /// show it to whom the kernel reads them for.
    pub fn refresh(&self) -> Result<(), Errno> {
        let open = self.live.iter().filter(|(_, on_block)| *on_block);
        let mut views = open.filter_map(|(index, _)| self.devices.get(index)?.block.as_ref());
        views.try_for_each(|view| view.refresh())
    }

    /// sync(2).
    pub fn sync(&self) {
        self.system.sync();
    }

    /// Whether a last close would change the flash.
    pub fn has_cached_writes(&self) -> bool {
        self.live.iter().any(|(_, on_block)| *on_block)
    }

    /// Whether any description may be open.
    pub fn is_any_open(&mut self) -> bool {
        self.asked = self.asked.wrapping_add(1);
        if self.asked % SWEEP_EVERY == 0 {
            self.sweep();
        }
        !self.live.is_empty()
    }

    /// Drops the handles of stand-ins that are no longer open; a block node's
    /// cache goes to flash then.
    pub fn sweep(&mut self) {
        let devices = &mut self.devices;
        self.live.retain(|&(index, on_block)| {
            let Some(device) = devices.get_mut(&index) else {
                return false;
            };
            let is_open = device.stand_in(on_block).is_some_and(|it| !it.is_alone());
            if !is_open {
                device.close(on_block);
            }
            is_open
        });
    }

    /// Drops every handle: no program is left that could hold a description. A
    /// copy may still be in a process that another thread of ours is just
    /// making, which closes it before anything else.
    pub fn close_all(&mut self) {
        for (index, on_block) in std::mem::take(&mut self.live) {
            if let Some(device) = self.devices.get_mut(&index) {
                device.close(on_block);
            }
        }
    }
}

impl Device {
    fn close(&mut self, on_block: bool) {
        for slot in &mut self.slots {
            slot.take_if(|open| open.on_block == on_block);
        }
        self.shared.retain(|key, _| key.1 != on_block);
    }
}

/// The MTD device of a node, and whether it is the block node.
fn place(node: NodeId) -> (usize, bool) {
    match node {
        NodeId::Character { minor, .. } => (minor as usize / 2, false),
        NodeId::Block { minor, .. } => (minor as usize, true),
    }
}

/// Whether any process holds the description of this file with this signal number.
fn is_held(file: (u64, u64), number: i32) -> bool {
    let entries = |path: &str| std::fs::read_dir(path).into_iter().flatten().flatten();
    let number_of = |entry: &std::fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    entries("/proc")
        .filter_map(|entry| number_of(&entry))
        .any(|pid| {
            let process = Process { tid: pid };
            let fds = entries(&format!("/proc/{pid}/fd")).filter_map(|entry| number_of(&entry));
            let mut ours = fds.filter(|fd| {
                let stat = process.fd_stat(*fd as i32);
                stat.is_ok_and(|stat| identity(&stat) == file)
            });
            ours.any(|fd| {
                let duplicate =
                    sys::pidfd_open(pid).and_then(|process| sys::pidfd_getfd(&process, fd as i32));
                duplicate.is_ok_and(|it| sys::fcntl(it.as_fd(), sys::F_GETSIG, 0) == Ok(number))
            })
        })
}
