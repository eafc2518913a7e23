//! The system calls on an open device file.
//!
//! Invariants: positional reads and writes only; a plain file never changes its
//! length.
//!
//! Faults tolerated: none here; each call is made once and its errno handed on.

use super::super::ioctl::Request;
use super::super::open_device::{DeviceCalls, uninterrupted};
use crate::mtd::{Errno, SizeWitness};
use rustix::fd::OwnedFd;
use rustix::fs::SeekFrom;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode};
use std::ffi::c_void;

/// A character node of a real MTD device.
pub(super) struct CharDevice(pub(super) OwnedFd);

impl DeviceCalls for CharDevice {
    fn pread(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::pread(&self.0, buf, offset_bytes)
    }

    fn pwrite(&mut self, offset_bytes: u64, data: &[u8]) -> Result<usize, Errno> {
        rustix::io::pwrite(&self.0, data, offset_bytes)
    }

    fn ioctl(&mut self, request: &mut Request) -> Result<i32, Errno> {
        // SAFETY: a Request owns at least as many bytes as its command's structure
        // has, and none of the commands keeps the pointer.
        unsafe { rustix::ioctl::ioctl(&self.0, MtdIoctl(request)) }
    }

    fn end_bytes(&mut self) -> Result<u64, Errno> {
        rustix::fs::seek(&self.0, SeekFrom::End(0))
    }
}

struct MtdIoctl<'a>(&'a mut Request);

// SAFETY: the opcode and the bytes come from one Request, which pairs them rightly;
// the kernel may write to the bytes, and they are borrowed mutably.
unsafe impl Ioctl for MtdIoctl<'_> {
    type Output = i32;
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        self.0.opcode() as Opcode
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.0.bytes_mut().as_mut_ptr().cast()
    }

    unsafe fn output_from_ptr(answer: IoctlOutput, _: *mut c_void) -> rustix::io::Result<i32> {
        Ok(answer)
    }
}

/// A plain file of a copied tree that stands for an MTD device, with NOR's
/// meaning of programming and erasing.
pub(super) struct PlainFile(pub(super) OwnedFd);

/// How much of a plain file is changed at a time.
const CHUNK_BYTES: usize = 4096;

impl PlainFile {
    fn erase(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<(), Errno> {
        let mut done_bytes = 0;
        while done_bytes < length_bytes {
            let left = usize::try_from(length_bytes - done_bytes).unwrap_or(usize::MAX);
            let chunk = &[0xFF; CHUNK_BYTES][..left.min(CHUNK_BYTES)];
            let at = offset_bytes + done_bytes;
            done_bytes += uninterrupted(|| rustix::io::pwrite(&self.0, chunk, at))? as u64;
        }
        Ok(())
    }
}

impl DeviceCalls for PlainFile {
    fn pread(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::pread(&self.0, buf, offset_bytes)
    }

    fn pwrite(&mut self, offset_bytes: u64, data: &[u8]) -> Result<usize, Errno> {
        let mut cells = [0; CHUNK_BYTES];
        let wanted = data.len().min(CHUNK_BYTES);
        // As much as is there: writing more would make the file longer.
        let count =
            uninterrupted(|| rustix::io::pread(&self.0, &mut cells[..wanted], offset_bytes))?;
        for (cell, new) in cells[..count].iter_mut().zip(data) {
            *cell &= new;
        }
        rustix::io::pwrite(&self.0, &cells[..count], offset_bytes)
    }

    fn ioctl(&mut self, request: &mut Request) -> Result<i32, Errno> {
        let (offset_bytes, length_bytes) = request.erase_range().ok_or(Errno::NOTTY)?;
        self.erase(offset_bytes, length_bytes).map(|()| 0)
    }

    fn end_bytes(&mut self) -> Result<u64, Errno> {
        let stat = rustix::fs::fstat(&self.0)?;
        Ok(u64::try_from(stat.st_size).unwrap_or(0))
    }

    fn end_witness(&self) -> SizeWitness {
        SizeWitness::FileLength
    }
}
