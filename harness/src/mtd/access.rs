//! Linux's MTD core: what every way in (character node, block node) goes
//! through to reach the chip, with the core's checks.
//!
//! Source of behaviour: Linux 6.1 drivers/mtd/mtdcore.c, and for the chip
//! driver drivers/mtd/chips/cfi_cmdset_0001.c.
//!
//! Invariant: no offset beyond the device's size reaches the chip, and nothing
//! changes a device that is not writeable.

use super::device::{EccStats, MtdDevice};
use super::state::State;
use crate::Errno;
use crate::chip::{Chip, EraseBlock, Geometry};

/// One registered MTD device, at the size it has while a call runs.
#[derive(Clone, Copy)]
pub(super) struct Mtd<'a> {
    pub(super) device: &'a MtdDevice,
    pub(super) size_bytes: u64,
    pub(super) state: &'a State,
}

impl Mtd<'_> {
    /// mtd_read: how much was read; less than asked only by a fault.
    pub(super) fn read(&self, from: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        self.check_oob_ops(from, buf.len() as u64)?;
        let at = self.on_chip(from, buf.len() as u64)?;
        let answer = self.with_chip(|chip| chip.read(at, buf));
        if let Err(error @ (Errno::BADMSG | Errno::UCLEAN)) = answer {
            self.state.count_ecc(self.device.index, error);
        }
        answer
    }

    /// What ECC came to so far.
    pub(super) fn ecc(&self) -> EccStats {
        let registered = self.state.registered(self.device.index);
        registered.map_or_else(EccStats::default, |registered| registered.now().ecc)
    }

    /// The pristine bytes, uncounted.
    pub(super) fn peek(&self, from: u64, buf: &mut [u8]) -> Result<(), Errno> {
        let at = self.on_chip(from, buf.len() as u64)?;
        self.with_chip(|chip| chip.peek(at, buf))
    }

    /// mtd_write. What was programmed before an error stays programmed.
    pub(super) fn write(&self, to: u64, data: &[u8]) -> Result<(), Errno> {
        if !self.device.writeable {
            return Err(Errno::ROFS);
        }
        self.check_oob_ops(to, data.len() as u64)?;
        let at = self.on_chip(to, data.len() as u64)?;
        self.with_chip(|chip| chip.program(at, data))
    }

    /// mtd_erase: stops at the first erase block that fails.
    pub(super) fn erase(&self, start: u64, length: u64) -> Result<(), Errno> {
        self.check_range(start, length)?;
        if !self.device.writeable {
            return Err(Errno::ROFS);
        }
        if length == 0 {
            return Ok(());
        }
        self.each_erase_block(start, length, Chip::erase)
    }

    /// mtd_lock and mtd_unlock.
    pub(super) fn set_locked(&self, start: u64, length: u64, locked: bool) -> Result<(), Errno> {
        self.check_range(start, length)?;
        if length == 0 {
            return Ok(());
        }
        self.each_erase_block(start, length, |chip, block| chip.set_locked(block, locked))
    }

    /// mtd_is_locked. The Intel driver answers "locked" for whatever ends its
    /// walk, a locked erase block as well as a range off the boundaries
    /// (cfi_intelext_is_locked).
    pub(super) fn is_locked(&self, start: u64, length: u64) -> Result<bool, Errno> {
        self.check_range(start, length)?;
        if length == 0 {
            return Ok(false);
        }
        let walk =
            self.each_erase_block(start, length, |chip, block| match chip.is_locked(block) {
                true => Err(Errno::ROFS),
                false => Ok(()),
            });
        Ok(walk.is_err())
    }

    /// cfi_varsize_frob: the range lies on the boundaries of the chip's erase blocks, of
    /// whatever sizes they are there.
    fn each_erase_block(
        &self,
        start: u64,
        length: u64,
        mut work: impl FnMut(&mut Chip, EraseBlock) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let first = self.on_chip(start, length)?;
        let end = first + length;
        self.with_chip(|chip| {
            let starts = |chip: &Chip, at: u64| chip.range_of(chip.block_of(at)).start == at;
            if !starts(chip, first) || !starts(chip, end) {
                return Err(Errno::INVAL);
            }
            let mut blocks = chip.block_of(first).0..chip.block_of(end).0;
            blocks.try_for_each(|block| work(chip, EraseBlock(block)))
        })
    }

    fn with_chip<R>(&self, work: impl FnOnce(&mut Chip) -> R) -> R {
        self.state.with_chip(self.device.chip, work)
    }

    fn geometry(&self) -> Geometry {
        self.state.chips[self.device.chip].geometry
    }

    /// An offset on the chip. EIO past its end, where only a device that was
    /// made larger than its partition can reach.
    fn on_chip(&self, offset: u64, length: u64) -> Result<u64, Errno> {
        let end = self.geometry().size_bytes;
        match self.device.offset_bytes.checked_add(offset) {
            Some(at) if at <= end && length <= end - at => Ok(at),
            _ => Err(Errno::IO),
        }
    }

    /// mtd_check_oob_ops without OOB.
    fn check_oob_ops(&self, offset: u64, length: u64) -> Result<(), Errno> {
        match offset.checked_add(length) {
            Some(end) if end <= self.size_bytes => Ok(()),
            _ => Err(Errno::INVAL),
        }
    }

    /// The check that erase and the locks share: the start lies inside.
    fn check_range(&self, start: u64, length: u64) -> Result<(), Errno> {
        match start < self.size_bytes && length <= self.size_bytes - start {
            true => Ok(()),
            false => Err(Errno::INVAL),
        }
    }
}

/// How far a transfer moved the position, and what the call answers. The two
/// part ways where Linux answers an error although earlier chunks landed.
pub(super) struct Transfer {
    pub(super) moved_bytes: u64,
    pub(super) answer: Result<usize, Errno>,
}

impl From<Result<usize, Errno>> for Transfer {
    fn from(answer: Result<usize, Errno>) -> Self {
        Transfer {
            moved_bytes: answer.unwrap_or(0) as u64,
            answer,
        }
    }
}
