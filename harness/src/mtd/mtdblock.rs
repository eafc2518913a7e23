//! mtdblock: a copy of one erase block between 512-byte units and flash.
//!
//! Source of behaviour: Linux 6.1 drivers/mtd/mtdblock.c.
//!
//! Invariant: flash changes by whole erase blocks, erased before they are
//! programmed. A cut between the two loses the erase block, as on the device.

use super::Mtd;
use crate::Errno;

/// The unit in which Linux hands data to mtdblock.
pub(super) const SECTOR_BYTES: usize = 512;

/// Takes a line for the kernel's messages.
pub(super) type Note<'a> = &'a mut dyn FnMut(String);

/// The cached erase block of one mtdblockN.
#[derive(Default)]
pub(super) struct MtdBlock {
    copy: Option<Copy>,
}

struct Copy {
    start: u64,
    data: Vec<u8>,
    dirty: bool,
}

impl MtdBlock {
    /// Reads, from the copy where that holds the erase block.
    pub(super) fn read(&self, mtd: Mtd<'_>, at: u64, buf: &mut [u8]) -> Result<(), Errno> {
        let block_bytes = u64::from(mtd.device.erase_block_bytes);
        let mut done = 0;
        while done < buf.len() {
            let from = at + done as u64;
            let inside = from % block_bytes;
            let length = ((block_bytes - inside) as usize).min(buf.len() - done);
            let out = &mut buf[done..done + length];
            match &self.copy {
                Some(copy) if copy.start == from - inside => {
                    let inside = inside as usize;
                    out.copy_from_slice(&copy.data[inside..inside + length]);
                }
                _ => read_whole(mtd, from, out)?,
            }
            done += length;
        }
        Ok(())
    }

    /// Writes, a sector at a time: into the copy of the erase block,
    /// or at once where a sector is a whole erase block.
    pub(super) fn write(
        &mut self,
        mtd: Mtd<'_>,
        at: u64,
        data: &[u8],
        note: Note<'_>,
    ) -> Result<(), Errno> {
        let block_bytes = u64::from(mtd.device.erase_block_bytes);
        for (number, sector) in (0..).zip(data.chunks(SECTOR_BYTES)) {
            let to = at + number * SECTOR_BYTES as u64;
            let mut done = 0;
            while done < sector.len() {
                let from = to + done as u64;
                let inside = from % block_bytes;
                let length = ((block_bytes - inside) as usize).min(sector.len() - done);
                let part = &sector[done..done + length];
                if length as u64 == block_bytes {
                    erase_and_write(mtd, from, part, note)?;
                } else {
                    self.take_copy(mtd, from - inside, note)?;
                    let copy = self.copy.as_mut().ok_or(Errno::IO)?;
                    let inside = inside as usize;
                    copy.data[inside..inside + length].copy_from_slice(part);
                    copy.dirty = true;
                }
                done += length;
            }
        }
        Ok(())
    }

    /// Where the copy differs from the flash: start and length.
    pub(super) fn copied(&self) -> Option<(u64, u64)> {
        let copy = self.copy.as_ref().filter(|copy| copy.dirty)?;
        Some((copy.start, copy.data.len() as u64))
    }

    /// Puts what the copy holds over what was read from flash.
    pub(super) fn lay_over(&self, at: u64, buf: &mut [u8]) {
        if let Some(copy) = &self.copy {
            lay_over(copy.start, &copy.data, at, buf);
        }
    }

    /// Makes the copy that of the erase block at `start`.
    fn take_copy(&mut self, mtd: Mtd<'_>, start: u64, note: Note<'_>) -> Result<(), Errno> {
        if self.copy.as_ref().is_some_and(|copy| copy.start == start) {
            return Ok(());
        }
        self.flush(mtd, note)?;
        self.copy = None;
        let mut data = vec![0; mtd.device.erase_block_bytes as usize];
        read_whole(mtd, start, &mut data)?;
        self.copy = Some(Copy {
            start,
            data,
            dirty: false,
        });
        Ok(())
    }

    /// write_cached_data: erases the block and programs the copy. The copy is
    /// dropped when that worked or failed with EIO, and kept on other errors
    /// (a lock, say), so that it is tried again.
    pub(super) fn flush(&mut self, mtd: Mtd<'_>, note: Note<'_>) -> Result<(), Errno> {
        let Some(copy) = self.copy.as_ref().filter(|copy| copy.dirty) else {
            return Ok(());
        };
        let result = erase_and_write(mtd, copy.start, &copy.data, note);
        if matches!(result, Ok(()) | Err(Errno::IO)) {
            self.copy = None;
        }
        result
    }
}

/// A read that must not be short.
fn read_whole(mtd: Mtd<'_>, from: u64, buf: &mut [u8]) -> Result<(), Errno> {
    match mtd.read(from, buf) {
        Ok(length) if length == buf.len() => Ok(()),
        Err(Errno::UCLEAN) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(Errno::IO),
    }
}

fn erase_and_write(mtd: Mtd<'_>, at: u64, data: &[u8], note: Note<'_>) -> Result<(), Errno> {
    if let Err(error) = mtd.erase(at, data.len() as u64) {
        note(format!(
            "mtdblock: erase of region [0x{at:x}, 0x{:x}] on \"{}\" failed",
            data.len(),
            mtd.device.name
        ));
        return Err(error);
    }
    mtd.write(at, data)
}

/// Copies what of `data`, which is for `start`, falls into `buf`, which is for `at`.
pub(super) fn lay_over(start: u64, data: &[u8], at: u64, buf: &mut [u8]) {
    let from = start.max(at);
    let to = (start + data.len() as u64).min(at + buf.len() as u64);
    if from < to {
        let (source, length) = ((from - start) as usize, (to - from) as usize);
        buf[(from - at) as usize..][..length].copy_from_slice(&data[source..source + length]);
    }
}
