//! The cells of a chip in shared memory, one piece per MTD device.
//!
//! Each MTD device of a chip has its bytes in a memfd of its own, so that a
//! read-only re-open of that memfd can stand in for the node: the kernel serves
//! the program's reads, at full speed, from the very bytes that the chip works
//! on. The memfds are sealed: nobody but this mapping can write to them, not
//! even a descriptor that is open for writing.
//!
//! Partitions may overlap (a layout may list the whole chip beside its parts):
//! a change goes to every piece that covers it. Stretches that no MTD device
//! covers have a piece without a device.

use crate::Errno;
use crate::chip::Storage;
use crate::sandbox::kernel::sys;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

/// Shared memory that only its mapping can write to.
pub(in crate::sandbox) struct Piece {
    /// Where it starts on its chip.
    pub offset_bytes: u64,
    pub size_bytes: u64,
    pub memfd: OwnedFd,
    base: *mut u8,
}

// SAFETY: the mapping belongs to no thread; who writes to it is decided by the
// one `Cells` that owns it, which asks for `&mut`.
unsafe impl Send for Piece {}
// SAFETY: as above; shared use of a `Piece` only looks at the descriptor.
unsafe impl Sync for Piece {}

impl Piece {
    /// An all-zero piece. `name` shows up in /proc/PID/fd.
    pub fn new(name: &str, offset_bytes: u64, size_bytes: u64) -> Result<Self, Errno> {
        let name = crate::sandbox::kernel::process::c_string(name.as_bytes());
        let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
        // SAFETY: the name is a C string.
        let fd = unsafe { libc::memfd_create(name.as_ptr(), flags) };
        if fd < 0 {
            return Err(sys::last_errno());
        }
        // SAFETY: the kernel just made this descriptor for us.
        let memfd = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: plain numbers.
        if unsafe { libc::ftruncate(fd, size_bytes as i64) } != 0 {
            return Err(sys::last_errno());
        }
        let base = if size_bytes == 0 {
            std::ptr::null_mut()
        } else {
            map(&memfd, size_bytes)?
        };
        let piece = Self {
            offset_bytes,
            size_bytes,
            memfd,
            base,
        };
        let seals =
            libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SEAL;
        sys::fcntl(piece.memfd.as_fd(), libc::F_ADD_SEALS, seals)?;
        Ok(piece)
    }

    /// Makes all pages at once, before every byte is written: that costs a fraction of
    /// a fault for each. A kernel before 5.14 cannot, and takes the faults.
    fn populate(&self) {
        if !self.base.is_null() {
            let length = self.size_bytes as usize;
            // SAFETY: the mapping is that long; its contents stay.
            unsafe { libc::madvise(self.base.cast(), length, libc::MADV_POPULATE_WRITE) };
        }
    }

    /// Replaces the contents from the start on, for whoever has it mapped.
    pub fn fill(&mut self, bytes: &[u8]) {
        let length = bytes.len().min(self.size_bytes as usize);
        if length > 0 {
            // SAFETY: the mapping is `size_bytes` long; programs only read it,
            // and `&mut self` makes this the only writer.
            let cells = unsafe { std::slice::from_raw_parts_mut(self.base, length) };
            cells.copy_from_slice(&bytes[..length]);
        }
    }

    /// The part of a range of the chip that lies in this piece: (start in the
    /// range, start in the piece, length).
    fn overlap(&self, offset_bytes: u64, length_bytes: u64) -> Option<(usize, usize, usize)> {
        let start = offset_bytes.max(self.offset_bytes);
        let end = (offset_bytes + length_bytes).min(self.offset_bytes + self.size_bytes);
        (start < end).then(|| {
            (
                (start - offset_bytes) as usize,
                (start - self.offset_bytes) as usize,
                (end - start) as usize,
            )
        })
    }
}

fn map(memfd: &OwnedFd, size_bytes: u64) -> Result<*mut u8, Errno> {
    // SAFETY: a fresh shared mapping of our own file, nothing is replaced.
    let base = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            size_bytes as usize,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            memfd.as_raw_fd(),
            0,
        )
    };
    if base == libc::MAP_FAILED {
        return Err(sys::last_errno());
    }
    Ok(base.cast())
}

impl Drop for Piece {
    fn drop(&mut self) {
        if !self.base.is_null() {
            // SAFETY: the mapping was made with this length and nobody else
            // keeps a pointer into it.
            unsafe { libc::munmap(self.base.cast(), self.size_bytes as usize) };
        }
    }
}

/// A chip's cells over pieces that cover all of it.
pub(in crate::sandbox) struct Cells {
    pieces: Vec<Arc<Piece>>,
}

impl Cells {
    /// Cells over these pieces, which together cover the chip.
    pub fn new(pieces: Vec<Arc<Piece>>) -> Self {
        Self { pieces }
    }

    /// Copies a chip's contents, whatever it stored them in.
    pub fn copy_from(&mut self, chip: &crate::chip::Chip) -> Result<(), Errno> {
        let size_bytes = chip.geometry().size_bytes;
        let mut answer = Ok(());
        for piece in &self.pieces {
            piece.populate();
            let (at, length) = (piece.offset_bytes, piece.size_bytes.min(size_bytes));
            self.each_of(piece, at, length, |_, cells, length| {
                // SAFETY: as in `program`.
                let cells = unsafe { std::slice::from_raw_parts_mut(cells, length) };
                answer = answer.and(chip.peek(at, cells));
            });
        }
        answer
    }

    /// Calls `work` with (start in the range, first byte, length) for every
    /// piece that covers part of the range.
    fn each(
        &self,
        offset_bytes: u64,
        length_bytes: u64,
        mut work: impl FnMut(usize, *mut u8, usize),
    ) {
        for piece in &self.pieces {
            self.each_of(piece, offset_bytes, length_bytes, &mut work);
        }
    }

    fn each_of(
        &self,
        piece: &Piece,
        offset_bytes: u64,
        length_bytes: u64,
        mut work: impl FnMut(usize, *mut u8, usize),
    ) {
        if let Some((from, at, length)) = piece.overlap(offset_bytes, length_bytes) {
            // SAFETY: `overlap` keeps `at + length` inside the mapping.
            work(from, unsafe { piece.base.add(at) }, length);
        }
    }
}

impl Storage for Cells {
    fn read(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), Errno> {
        self.each(offset_bytes, buf.len() as u64, |from, at, length| {
            // SAFETY: `at` has `length` mapped bytes; programs only read them,
            // and only this `Cells` writes, which `&self` excludes here.
            let cells = unsafe { std::slice::from_raw_parts(at, length) };
            buf[from..from + length].copy_from_slice(cells);
        });
        Ok(())
    }
    fn program(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        self.each(offset_bytes, data.len() as u64, |from, at, length| {
            // SAFETY: as in `read`; `&mut self` makes this the only writer.
            let cells = unsafe { std::slice::from_raw_parts_mut(at, length) };
            for (cell, new) in cells.iter_mut().zip(&data[from..from + length]) {
                *cell &= new;
            }
        });
        Ok(())
    }
    fn erase(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<(), Errno> {
        self.each(offset_bytes, length_bytes, |_, at, length| {
            // SAFETY: as in `program`.
            unsafe { std::slice::from_raw_parts_mut(at, length) }.fill(0xff);
        });
        Ok(())
    }
    fn load(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        self.each(offset_bytes, data.len() as u64, |from, at, length| {
            // SAFETY: as in `program`.
            let cells = unsafe { std::slice::from_raw_parts_mut(at, length) };
            cells.copy_from_slice(&data[from..from + length]);
        });
        Ok(())
    }
}
