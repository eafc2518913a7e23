//! The cases as calls of the harness's MTD layer, in this process.
//!
//! What Linux's virtual file system does before it asks MTD (finding a node by
//! its path, refusing a read on a write-only handle) is done by the MTD layer or
//! left to cases that need a real process; only paths are looked up here.

use super::ioctls::{Pointee, UserStruct, put_number};
use super::{Argument, Fd, Look, NodeKind, OpenRequest, Target};
use crate::Errno;
use mtd_harness::mtd::{Handle, MtdSystem, NodeId, OpenFlags, Seek, UserMemory};
use mtd_harness::profile::SimulatedDevice;
use std::collections::BTreeMap;

/// A simulated device, asked directly.
pub struct InProcess {
    system: MtdSystem,
    nodes: BTreeMap<String, NodeId>,
    handles: BTreeMap<i32, Handle>,
    pointer_bytes: usize,
}

impl InProcess {
    /// The device with its nodes; `pointer_bytes` (4 or 8) is the width of
    /// pointers of the program that it is to believe in.
    pub fn new(device: &SimulatedDevice, pointer_bytes: usize) -> Self {
        let absolute = |(path, node): (&String, &NodeId)| (format!("/{path}"), *node);
        Self {
            system: device.system.clone(),
            nodes: device.nodes.iter().map(absolute).collect(),
            handles: BTreeMap::new(),
            pointer_bytes,
        }
    }

    fn handle(&mut self, fd: Fd) -> Result<&mut Handle, Errno> {
        self.handles.get_mut(&fd.0).ok_or(Errno::BADF)
    }
}

/// Where an ioctl's structure stands in [`Memory`]; its buffers follow, far
/// enough apart that running over the end of one meets nothing.
const STRUCT_ADDRESS: u64 = 0x1_0000;
const BUFFER_STEP: u64 = 0x1000_0000;
const BAD_ADDRESS: u64 = 16;

/// The memory of a program that has nothing but an ioctl's argument.
struct Memory<'a> {
    argument: Option<&'a mut UserStruct>,
    pointer_bytes: usize,
}

impl Memory<'_> {
    /// `length` bytes at `address`; EFAULT where nothing is.
    fn place(&mut self, address: u64, length: usize) -> Result<&mut [u8], Errno> {
        let argument = self.argument.as_mut().ok_or(Errno::FAULT)?;
        let (bytes, start) = match (address / BUFFER_STEP) as usize {
            0 => {
                let start = address.checked_sub(STRUCT_ADDRESS).ok_or(Errno::FAULT)?;
                (&mut argument.bytes[..], start)
            }
            number => match argument.pointers.get_mut(number - 1).map(|p| &mut p.to) {
                Some(Pointee::Buffer(buffer)) => (&mut buffer[..], address % BUFFER_STEP),
                _ => return Err(Errno::FAULT),
            },
        };
        let start = start as usize;
        let end = start.checked_add(length).ok_or(Errno::FAULT)?;
        bytes.get_mut(start..end).ok_or(Errno::FAULT)
    }
}

impl UserMemory for Memory<'_> {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Errno> {
        let mut copy = Memory {
            argument: None,
            pointer_bytes: self.pointer_bytes,
        };
        let mut argument = self.argument.as_deref().cloned();
        copy.argument = argument.as_mut();
        buf.copy_from_slice(copy.place(address, buf.len())?);
        Ok(())
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.place(address, bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    fn pointer_bytes(&self) -> usize {
        self.pointer_bytes
    }
}

impl Target for InProcess {
    fn pointer_bytes(&self) -> usize {
        self.pointer_bytes
    }

    fn open(&mut self, path: &str, request: &OpenRequest) -> Result<Fd, Errno> {
        let node = *self.nodes.get(path).ok_or(Errno::NOENT)?;
        let flags = OpenFlags {
            read: request.read,
            write: request.write,
        };
        let mut handle = self.system.open(node, flags)?;
        let synchronous = |flag: &String| flag == "SYNC" || flag == "DSYNC";
        handle.set_synchronous(request.flags.iter().any(synchronous));
        let fd = (3..).find(|fd| !self.handles.contains_key(fd));
        let fd = fd.ok_or(Errno::MFILE)?;
        self.handles.insert(fd, handle);
        Ok(Fd(fd))
    }

    fn close(&mut self, fd: Fd) -> Result<(), Errno> {
        self.handles.remove(&fd.0).map(drop).ok_or(Errno::BADF)
    }

    fn read(&mut self, fd: Fd, buf: &mut [u8], offset: Option<i64>) -> Result<usize, Errno> {
        let handle = self.handle(fd)?;
        match offset {
            None => handle.read(buf),
            Some(offset) => handle.pread(offset, buf),
        }
    }

    fn write(&mut self, fd: Fd, data: &[u8], offset: Option<i64>) -> Result<usize, Errno> {
        let handle = self.handle(fd)?;
        match offset {
            None => handle.write(data),
            Some(offset) => handle.pwrite(offset, data),
        }
    }

    fn seek(&mut self, fd: Fd, whence: i32, offset: i64) -> Result<u64, Errno> {
        let to = match whence {
            0 => Seek::Set(offset),
            1 => Seek::Current(offset),
            2 => Seek::End(offset),
            _ => Seek::Other(offset),
        };
        self.handle(fd)?.lseek(to)
    }

    fn ioctl(&mut self, fd: Fd, command: u32, argument: Argument<'_>) -> Result<i32, Errno> {
        let pointer_bytes = self.pointer_bytes;
        let (address, argument) = match argument {
            Argument::Number(number) => (number, None),
            Argument::Bad => (BAD_ADDRESS, None),
            Argument::Struct(memory) => {
                for (number, field) in memory.pointers.iter().enumerate() {
                    let address = match field.to {
                        Pointee::Null => 0,
                        Pointee::Bad => BAD_ADDRESS,
                        Pointee::Buffer(_) => (number as u64 + 1) * BUFFER_STEP,
                    };
                    let place = &mut memory.bytes[field.at..field.at + field.width_bytes];
                    put_number(place, address);
                }
                (STRUCT_ADDRESS, Some(memory))
            }
        };
        let mut memory = Memory {
            argument,
            pointer_bytes,
        };
        self.handle(fd)?.ioctl(command, address, &mut memory)
    }

    fn fsync(&mut self, fd: Fd) -> Result<(), Errno> {
        self.handle(fd)?.fsync()
    }

    fn fdatasync(&mut self, fd: Fd) -> Result<(), Errno> {
        self.handle(fd)?.fsync()
    }

    fn sync(&mut self) {
        self.system.sync();
    }

    fn ftruncate(&mut self, fd: Fd, length: i64) -> Result<(), Errno> {
        self.handle(fd)?.ftruncate(length)
    }

    fn fallocate(&mut self, fd: Fd, mode: i32, offset: i64, length: i64) -> Result<(), Errno> {
        self.handle(fd)?.fallocate(mode as u32, offset, length)
    }

    fn fstat(&mut self, fd: Fd) -> Result<Look, Errno> {
        let stat = self.handle(fd)?.stat();
        let (kind, device) = match stat.node {
            NodeId::Character { major, minor } => ("char", (major, minor)),
            NodeId::Block { major, minor } => ("block", (major, minor)),
        };
        Ok(Look {
            kind,
            device,
            size_bytes: stat.size_bytes,
        })
    }

    fn mknod(&mut self, path: &str, kind: NodeKind, major: u32, minor: u32) -> Result<(), Errno> {
        if self.nodes.contains_key(path) {
            return Err(Errno::EXIST);
        }
        let node = match kind {
            NodeKind::Character => NodeId::Character { major, minor },
            NodeKind::Block => NodeId::Block { major, minor },
        };
        self.nodes.insert(path.into(), node);
        Ok(())
    }

    fn unlink(&mut self, path: &str) -> Result<(), Errno> {
        self.nodes.remove(path).map(drop).ok_or(Errno::NOENT)
    }

    fn text(&mut self, path: &str) -> Result<String, Errno> {
        if path == "/proc/mtd" {
            return Ok(self.system.proc_mtd());
        }
        let below = path
            .strip_prefix("/sys/class/mtd/mtd")
            .ok_or(Errno::NOENT)?;
        let (index, attribute) = below.split_once('/').ok_or(Errno::NOENT)?;
        let (index, twin) = match index.strip_suffix("ro") {
            Some(index) => (index, true),
            None => (index, false),
        };
        let index = index.parse().map_err(|_| Errno::NOENT)?;
        let attributes = match twin {
            true => self.system.sysfs_read_only_twin(index),
            false => self.system.sysfs(index),
        };
        let attributes = attributes.ok_or(Errno::NOENT)?;
        let mut texts = attributes.into_iter();
        let found = texts.find(|(name, _)| *name == attribute);
        found.map(|(_, text)| text).ok_or(Errno::NOENT)
    }
}
