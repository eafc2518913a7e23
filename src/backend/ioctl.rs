//! The MTD ioctls that this program makes: their numbers and their structures.
//!
//! Shapes are those of Linux 6.1, include/uapi/mtd/mtd-abi.h; all integers are in
//! the CPU's byte order. The numbers are computed for the target, because MIPS,
//! PowerPC and SPARC encode the direction in other bits. They have 32 bits; the type
//! that the system call takes is wider on some targets.
//!
//! Invariant: a [`Request`] owns as many bytes as its command's structure has, so
//! a system call on it cannot touch foreign memory.

#[cfg(all(test, feature = "full"))]
mod tests;

use rustix::ioctl::opcode;

const GROUP: u8 = b'M';
const MTD_INFO_USER_BYTES: usize = 32;
const ECC_STATS_BYTES: usize = 16;
const ERASE_INFO_USER_BYTES: usize = 8;
const ERASE_INFO_USER64_BYTES: usize = 16;

/// MEMGETINFO: what the device is.
pub(crate) const MEMGETINFO: u32 = opcode::read::<[u8; MTD_INFO_USER_BYTES]>(GROUP, 1) as u32;
/// ECCGETSTATS: what ECC came to in all reads so far.
pub(crate) const ECCGETSTATS: u32 = opcode::read::<[u8; ECC_STATS_BYTES]>(GROUP, 18) as u32;
/// MEMERASE: erase, 32-bit.
pub(crate) const MEMERASE: u32 = opcode::write::<[u8; ERASE_INFO_USER_BYTES]>(GROUP, 2) as u32;
/// MEMLOCK: lock erase blocks.
pub(crate) const MEMLOCK: u32 = opcode::write::<[u8; ERASE_INFO_USER_BYTES]>(GROUP, 5) as u32;
/// MEMUNLOCK: unlock erase blocks.
pub(crate) const MEMUNLOCK: u32 = opcode::write::<[u8; ERASE_INFO_USER_BYTES]>(GROUP, 6) as u32;
/// MEMISLOCKED: whether erase blocks are locked (Linux 2.6.36 and later).
pub(crate) const MEMISLOCKED: u32 = opcode::read::<[u8; ERASE_INFO_USER_BYTES]>(GROUP, 23) as u32;
/// MEMERASE64: erase, 64-bit (Linux 2.6.31 and later).
pub(crate) const MEMERASE64: u32 = opcode::write::<[u8; ERASE_INFO_USER64_BYTES]>(GROUP, 20) as u32;

/// MTD_WRITEABLE in `flags` of MEMGETINFO and in sysfs.
pub(crate) const FLAG_WRITEABLE: u32 = 0x400;
/// MTD_BIT_WRITEABLE, likewise: single bits can be programmed, as on NOR.
pub(crate) const FLAG_BIT_WRITEABLE: u32 = 0x800;

/// One ioctl with its argument.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    opcode: u32,
    bytes: [u8; MTD_INFO_USER_BYTES],
}

impl Request {
    /// Asks what the device is; see [`Request::info`].
    pub(crate) fn get_info() -> Self {
        Self {
            opcode: MEMGETINFO,
            bytes: [0; MTD_INFO_USER_BYTES],
        }
    }

    /// Asks what ECC came to; see [`Request::ecc_failed`].
    pub(crate) fn get_ecc_stats() -> Self {
        Self {
            opcode: ECCGETSTATS,
            bytes: [0; MTD_INFO_USER_BYTES],
        }
    }

    /// Erases, with 32-bit offset and length in bytes.
    pub(crate) fn erase(offset_bytes: u32, length_bytes: u32) -> Self {
        Self::on_range(MEMERASE, offset_bytes, length_bytes)
    }

    /// Locks or unlocks, with offset and length in bytes.
    pub(crate) fn set_locked(offset_bytes: u32, length_bytes: u32, locked: bool) -> Self {
        let opcode = if locked { MEMLOCK } else { MEMUNLOCK };
        Self::on_range(opcode, offset_bytes, length_bytes)
    }

    /// Asks whether a range is locked; the answer is the call's.
    pub(crate) fn is_locked(offset_bytes: u32, length_bytes: u32) -> Self {
        Self::on_range(MEMISLOCKED, offset_bytes, length_bytes)
    }

    fn on_range(opcode: u32, offset_bytes: u32, length_bytes: u32) -> Self {
        let mut request = Self {
            opcode,
            bytes: [0; MTD_INFO_USER_BYTES],
        };
        request.bytes[0..4].copy_from_slice(&offset_bytes.to_ne_bytes());
        request.bytes[4..8].copy_from_slice(&length_bytes.to_ne_bytes());
        request
    }

    /// Erases, with 64-bit offset and length in bytes.
    pub(crate) fn erase64(offset_bytes: u64, length_bytes: u64) -> Self {
        let mut request = Self {
            opcode: MEMERASE64,
            bytes: [0; MTD_INFO_USER_BYTES],
        };
        request.bytes[0..8].copy_from_slice(&offset_bytes.to_ne_bytes());
        request.bytes[8..16].copy_from_slice(&length_bytes.to_ne_bytes());
        request
    }

    /// The command's number.
    pub(crate) fn opcode(&self) -> u32 {
        self.opcode
    }

    /// The argument's bytes, at least as many as the command's structure has.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8; MTD_INFO_USER_BYTES] {
        &mut self.bytes
    }

    /// Offset and length in bytes, where the request erases.
    pub(crate) fn erase_range(&self) -> Option<(u64, u64)> {
        match self.opcode {
            MEMERASE => Some((self.word(0).into(), self.word(4).into())),
            MEMERASE64 => Some((self.double_word(0), self.double_word(8))),
            _ => None,
        }
    }

    fn word(&self, at: usize) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&self.bytes[at..at + 4]);
        u32::from_ne_bytes(word)
    }

    fn double_word(&self, at: usize) -> u64 {
        let mut word = [0; 8];
        word.copy_from_slice(&self.bytes[at..at + 8]);
        u64::from_ne_bytes(word)
    }

    /// How many ECC errors could not be corrected, by an answered
    /// [`Request::get_ecc_stats`].
    pub(crate) fn ecc_failed(&self) -> u32 {
        self.word(4)
    }

    /// What an answered [`Request::get_info`] says.
    pub(crate) fn info(&self) -> InfoUser {
        InfoUser {
            flags: self.word(4),
            size_bytes_low: self.word(8),
            erase_block_bytes: self.word(12),
        }
    }
}

/// The parts of `struct mtd_info_user` that this program uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InfoUser {
    /// MTD_WRITEABLE and others.
    pub(crate) flags: u32,
    /// The low 32 bits of the size in bytes.
    pub(crate) size_bytes_low: u32,
    /// The erase-block size in bytes.
    pub(crate) erase_block_bytes: u32,
}
