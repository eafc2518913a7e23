//! An open MTD device over a handful of system calls, whoever answers them.
//!
//! Invariants: nothing is read, erased or programmed outside the size that the
//! table told; a device whose own word contradicts the table is not handed out;
//! flash is changed only through [`OpenDevice`]s that were opened for writing.
//!
//! Faults tolerated: interrupted calls (repeated, but for reads), short and
//! interrupted reads (handed on), a system without MTD ioctls (ENOTTY, ENOSYS, EINVAL: "not here"), a device that
//! ends early or goes on past its size (errors, never a silent end), a kernel without memory
//! for a large piece (smaller ones), bytes that ECC could
//! not correct (an error, EBADMSG).

use super::ioctl::{FLAG_BIT_WRITEABLE, FLAG_WRITEABLE, InfoUser, Request};
use crate::mtd::{
    Errno, MtdErase, MtdError, MtdInfo, MtdProgram, MtdRead, MtdWrite, Operation, SizeWitness,
};

/// The system calls on one open device, each made once.
pub(super) trait DeviceCalls: Send {
    /// pread(2).
    fn pread(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, Errno>;
    /// pwrite(2), with NOR's meaning: bits are cleared.
    fn pwrite(&mut self, offset_bytes: u64, data: &[u8]) -> Result<usize, Errno>;
    /// ioctl(2).
    fn ioctl(&mut self, request: &mut Request) -> Result<i32, Errno>;
    /// Where the device ends, in bytes.
    fn end_bytes(&mut self) -> Result<u64, Errno>;
    /// How [`DeviceCalls::end_bytes`] knows.
    fn end_witness(&self) -> SizeWitness {
        SizeWitness::End
    }
}

/// The kernel copies what is read or written into memory in one piece; a device that has
/// little of that left says ENOMEM before anything is done, and may have as much as this.
const SMALL_PIECE_BYTES: usize = 16 << 10;

/// Whether a call is worth another try with less, and with how much.
fn smaller<T>(answer: &Result<T, Errno>, length: usize) -> Option<usize> {
    let is_large = length > SMALL_PIECE_BYTES;
    (is_large && matches!(answer, Err(Errno::NOMEM))).then_some(SMALL_PIECE_BYTES)
}

/// Linux's two kinds of file share one [`OpenDevice`], which is most of the code.
impl DeviceCalls for Box<dyn DeviceCalls> {
    fn pread(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        (**self).pread(offset_bytes, buf)
    }

    fn pwrite(&mut self, offset_bytes: u64, data: &[u8]) -> Result<usize, Errno> {
        (**self).pwrite(offset_bytes, data)
    }

    fn ioctl(&mut self, request: &mut Request) -> Result<i32, Errno> {
        (**self).ioctl(request)
    }

    fn end_bytes(&mut self) -> Result<u64, Errno> {
        (**self).end_bytes()
    }

    fn end_witness(&self) -> SizeWitness {
        (**self).end_witness()
    }
}

/// An open device.
pub(super) struct OpenDevice<C> {
    calls: C,
    info: MtdInfo,
    has_erase64: bool,
    /// Errors that ECC could not correct, up to the last read; none where nobody tells.
    ecc_failed: Option<u32>,
}

impl<C: DeviceCalls> OpenDevice<C> {
    /// Takes over an open device after comparing its own word with the table.
    pub(super) fn new(calls: C, info: &MtdInfo) -> Result<Self, MtdError> {
        let mut device = Self {
            calls,
            info: info.clone(),
            has_erase64: true,
            ecc_failed: None,
        };
        let answer = device.get_info()?;
        if let Some(answer) = answer {
            device.compare(answer)?;
            let writeable = answer.flags & FLAG_WRITEABLE != 0;
            device.info.writeable.get_or_insert(writeable);
            device.ecc_failed = device.get_ecc_failed();
            let bits = answer.flags & FLAG_BIT_WRITEABLE != 0;
            device.info.bit_writeable.get_or_insert(bits);
        }
        // MEMGETINFO's word is whole up to 32 bits. Beyond, or where there is no
        // such ioctl, the end of the device is the second opinion.
        if answer.is_none() || device.info.size_bytes > u64::from(u32::MAX) {
            device.compare_end()?;
        }
        Ok(device)
    }

    /// Refuses a device that turned out to be read-only only when it was open.
    pub(super) fn must_be_writeable(self, reason: &'static str) -> Result<Self, MtdError> {
        if self.info.writeable == Some(false) {
            return Err(MtdError::ReadOnly {
                device: self.info.id(),
                reason,
            });
        }
        Ok(self)
    }

    fn get_info(&mut self) -> Result<Option<InfoUser>, MtdError> {
        let mut request = Request::get_info();
        match uninterrupted(|| self.calls.ioctl(&mut request)) {
            Ok(_) => Ok(Some(request.info())),
            Err(errno) if means_no_ioctl(errno) => Ok(None),
            Err(errno) => Err(self.failed(Operation::Query, None, None, errno)),
        }
    }

    fn get_ecc_failed(&mut self) -> Option<u32> {
        let mut request = Request::get_ecc_stats();
        let answer = uninterrupted(|| self.calls.ioctl(&mut request));
        answer.ok().map(|_| request.ecc_failed())
    }

    /// Whether ECC could not correct what was just read: a character node hands such
    /// bytes out as if they were right, and counts (Linux, drivers/mtd/mtdchar.c). Somebody
    /// else's read at the same time counts as well; it is then read again.
    fn was_uncorrectable(&mut self) -> bool {
        let Some(before) = self.ecc_failed else {
            return false;
        };
        self.ecc_failed = self.get_ecc_failed();
        self.ecc_failed.is_some_and(|now| now != before)
    }

    fn compare(&self, answer: InfoUser) -> Result<(), MtdError> {
        if u64::from(answer.size_bytes_low) != self.info.size_bytes & u64::from(u32::MAX) {
            return Err(MtdError::SizeDisagrees {
                device: self.info.id(),
                table_bytes: self.info.size_bytes,
                witness: SizeWitness::MemGetInfo,
                witness_bytes: answer.size_bytes_low.into(),
            });
        }
        if u64::from(answer.erase_block_bytes) != self.info.erase_block_bytes {
            return Err(MtdError::EraseBlockDisagrees {
                device: self.info.id(),
                table_bytes: self.info.erase_block_bytes,
                witness: SizeWitness::MemGetInfo,
                witness_bytes: answer.erase_block_bytes.into(),
            });
        }
        Ok(())
    }

    fn compare_end(&mut self) -> Result<(), MtdError> {
        match uninterrupted(|| self.calls.end_bytes()) {
            Ok(witness_bytes) if witness_bytes != self.info.size_bytes => {
                Err(MtdError::SizeDisagrees {
                    device: self.info.id(),
                    table_bytes: self.info.size_bytes,
                    witness: self.calls.end_witness(),
                    witness_bytes,
                })
            }
            Ok(_) | Err(Errno::SPIPE) => Ok(()),
            Err(errno) if means_no_ioctl(errno) => Ok(()),
            Err(errno) => Err(self.failed(Operation::Query, None, None, errno)),
        }
    }

    /// Sees that nothing comes after the end: a device that grew since it was
    /// opened is not whole with the bytes up to its old size. An error of the
    /// system here says that there is nothing, which is as it should be.
    fn confirm_end(&mut self) -> Result<usize, MtdError> {
        let size_bytes = self.info.size_bytes;
        match uninterrupted(|| self.calls.pread(size_bytes, &mut [0])) {
            Ok(1..) => Err(MtdError::GoesOn {
                device: self.info.id(),
                size_bytes,
            }),
            Ok(0) | Err(_) => Ok(0),
        }
    }

    fn failed(
        &self,
        operation: Operation,
        offset_bytes: Option<u64>,
        length_bytes: Option<u64>,
        source: Errno,
    ) -> MtdError {
        MtdError::Device {
            operation,
            device: self.info.id(),
            offset_bytes,
            length_bytes,
            source,
        }
    }

    /// Refuses a range that leaves the device.
    fn check_range(
        &self,
        operation: Operation,
        offset_bytes: u64,
        length_bytes: u64,
        unit_bytes: u64,
    ) -> Result<(), MtdError> {
        let inside = offset_bytes
            .checked_add(length_bytes)
            .is_some_and(|end| end <= self.info.size_bytes);
        let problem = if !inside {
            "it leaves the device"
        } else if unit_bytes == 0 {
            "the device has no erase blocks"
        } else if offset_bytes % unit_bytes != 0 || length_bytes % unit_bytes != 0 {
            "it is off the erase-block boundaries"
        } else {
            return Ok(());
        };
        Err(MtdError::BadRange {
            operation,
            device: self.info.id(),
            offset_bytes,
            length_bytes,
            problem,
        })
    }

    /// Erases one range with the ioctl that this kernel has.
    fn erase_range(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<(), Errno> {
        if self.has_erase64 {
            let mut request = Request::erase64(offset_bytes, length_bytes);
            match uninterrupted(|| self.calls.ioctl(&mut request)) {
                Err(Errno::NOTTY | Errno::NOSYS) => self.has_erase64 = false,
                answer => return answer.map(drop),
            }
        }
        let (Ok(offset_bytes), Ok(length_bytes)) =
            (u32::try_from(offset_bytes), u32::try_from(length_bytes))
        else {
            return Err(Errno::OVERFLOW);
        };
        let mut request = Request::erase(offset_bytes, length_bytes);
        uninterrupted(|| self.calls.ioctl(&mut request)).map(drop)
    }
}

/// The 32 bits that MTD's locks are told in.
fn lock_range(offset_bytes: u64, length_bytes: u64) -> Result<(u32, u32), Errno> {
    match (u32::try_from(offset_bytes), u32::try_from(length_bytes)) {
        (Ok(offset), Ok(length)) => Ok((offset, length)),
        _ => Err(Errno::OVERFLOW),
    }
}

impl<C: DeviceCalls> MtdRead for OpenDevice<C> {
    fn info(&self) -> &MtdInfo {
        &self.info
    }

    fn read_at(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, MtdError> {
        if buf.is_empty() || offset_bytes > self.info.size_bytes {
            return Ok(0);
        }
        if offset_bytes == self.info.size_bytes {
            return self.confirm_end();
        }
        let left_bytes = self.info.size_bytes - offset_bytes;
        let length = buf
            .len()
            .min(usize::try_from(left_bytes).unwrap_or(usize::MAX));
        let buf = &mut buf[..length];
        // An interruption is the caller's affair: he knows whether to stop.
        let mut answer = self.calls.pread(offset_bytes, buf);
        if let Some(less) = smaller(&answer, length) {
            answer = self.calls.pread(offset_bytes, &mut buf[..less]);
        }
        match answer {
            Ok(0) => Err(MtdError::EndedEarly {
                device: self.info.id(),
                offset_bytes,
                size_bytes: self.info.size_bytes,
            }),
            Ok(_) if self.was_uncorrectable() => Err(self.failed(
                Operation::Read,
                Some(offset_bytes),
                Some(length as u64),
                Errno::BADMSG,
            )),
            Ok(count) => Ok(count),
            Err(errno) => Err(self.failed(
                Operation::Read,
                Some(offset_bytes),
                Some(length as u64),
                errno,
            )),
        }
    }

    fn is_locked(&mut self, offset_bytes: u64, length_bytes: u64) -> Option<bool> {
        let (offset, length) = lock_range(offset_bytes, length_bytes).ok()?;
        let mut request = Request::is_locked(offset, length);
        let answer = uninterrupted(|| self.calls.ioctl(&mut request));
        answer.ok().map(|answer| answer > 0)
    }
}

impl<C: DeviceCalls> MtdErase for OpenDevice<C> {
    fn erase(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<(), MtdError> {
        let block_bytes = self.info.erase_block_bytes;
        self.check_range(Operation::Erase, offset_bytes, length_bytes, block_bytes)?;
        // One erase block a call: the ioctl stops at the first that fails without
        // telling which, and the caller must know what is gone.
        let mut done_bytes = 0;
        while done_bytes < length_bytes {
            self.erase_range(offset_bytes + done_bytes, block_bytes)
                .map_err(|source| MtdError::Unfinished {
                    operation: Operation::Erase,
                    device: self.info.id(),
                    offset_bytes,
                    length_bytes,
                    done_bytes,
                    source,
                })?;
            done_bytes += block_bytes;
        }
        Ok(())
    }
}

impl<C: DeviceCalls> MtdProgram for OpenDevice<C> {
    fn program(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), MtdError> {
        let length_bytes = data.len() as u64;
        self.check_range(Operation::Program, offset_bytes, length_bytes, 1)?;
        let (mut done, mut most) = (0, usize::MAX);
        while done < data.len() {
            let at = offset_bytes + done as u64;
            let piece = &data[done..done.saturating_add(most).min(data.len())];
            let answer = uninterrupted(|| self.calls.pwrite(at, piece));
            if let Some(less) = smaller(&answer, piece.len()) {
                most = less;
                continue;
            }
            let answer = match answer {
                Ok(0) => Err(Errno::NOSPC),
                answer => answer,
            };
            done += answer.map_err(|source| MtdError::Unfinished {
                operation: Operation::Program,
                device: self.info.id(),
                offset_bytes,
                length_bytes,
                done_bytes: done as u64,
                source,
            })?;
        }
        Ok(())
    }
}

impl<C: DeviceCalls> MtdWrite for OpenDevice<C> {
    fn set_locked(
        &mut self,
        offset_bytes: u64,
        length_bytes: u64,
        locked: bool,
    ) -> Result<(), MtdError> {
        let call = |(offset, length)| {
            let mut request = Request::set_locked(offset, length, locked);
            uninterrupted(|| self.calls.ioctl(&mut request)).map(drop)
        };
        lock_range(offset_bytes, length_bytes)
            .and_then(call)
            .map_err(|errno| {
                let operation = if locked {
                    Operation::Lock
                } else {
                    Operation::Unlock
                };
                self.failed(operation, Some(offset_bytes), Some(length_bytes), errno)
            })
    }
}

/// Whether an answer means that this system has no such call for MTD: real
/// kernels say ENOTTY, QEMU user mode ENOSYS or ENOTTY, other emulators EINVAL.
pub(super) fn means_no_ioctl(errno: Errno) -> bool {
    matches!(errno, Errno::NOTTY | Errno::NOSYS | Errno::INVAL)
}

/// Repeats a call that a signal interrupts, but not one that never answers
/// anything else.
pub(super) fn uninterrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    for _ in 0..1000 {
        match call() {
            Err(Errno::INTR) => {}
            answer => return answer,
        }
    }
    Err(Errno::INTR)
}

#[cfg(test)]
mod tests;
