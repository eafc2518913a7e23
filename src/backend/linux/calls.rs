//! The system calls on an open device file.
//!
//! Invariants: positional reads and writes only; a plain file never changes its
//! length.
//!
//! Faults tolerated: none here; each call is made once and its errno handed on.

use super::super::ioctl::Request;
use super::super::open_device::{DeviceCalls, uninterrupted};
use crate::mtd::{Errno, SizeWitness};
use libc::c_long;
use rustix::fd::OwnedFd;
use rustix::fs::SeekFrom;
use std::os::fd::AsRawFd as _;

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
        // Not the C library's `ioctl`: musl's brings 1.3 KB for clocks and sockets.
        // SAFETY: a Request owns at least as many bytes as its command's structure
        // has, and none of the commands keeps the pointer.
        let answer = unsafe {
            let fd = c_long::from(self.0.as_raw_fd());
            let opcode = request.opcode() as c_long;
            libc::syscall(
                libc::SYS_ioctl,
                fd,
                opcode,
                request.bytes_mut().as_mut_ptr(),
            )
        };
        match answer {
            -1 => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
            answer => Ok(answer as i32),
        }
    }

    fn end_bytes(&mut self) -> Result<u64, Errno> {
        rustix::fs::seek(&self.0, SeekFrom::End(0))
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
