//! The memory that an ioctl's argument points into.

use crate::Errno;

/// The memory that an ioctl argument points into: a process's, or a slice of
/// our own.
pub trait UserMemory {
    /// Copies `buf.len()` bytes at `address` out of that memory.
    ///
    /// # Errors
    /// EFAULT for an address that is not there.
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Errno>;
    /// Copies `bytes` into that memory at `address`.
    ///
    /// # Errors
    /// As [`UserMemory::read`].
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno>;
    /// 4 or 8: the width of a pointer inside an ioctl's structure.
    fn pointer_bytes(&self) -> usize {
        8
    }
}

/// A slice of our own that plays a process's memory; for tests in one process.
///
/// ```
/// use mtd_harness::Errno;
/// use mtd_harness::mtd::{SliceMemory, UserMemory};
/// let mut memory = SliceMemory::new(vec![0; 8]);
/// memory.write(memory.base() + 4, b"flash"[..4].into()).unwrap();
/// assert_eq!(memory.bytes(), b"\0\0\0\0flas");
/// assert_eq!(memory.write(memory.base() + 5, &[0; 4]), Err(Errno::FAULT));
/// assert_eq!(memory.write(0, &[0]), Err(Errno::FAULT));
/// ```
#[derive(Debug, Clone)]
pub struct SliceMemory {
    bytes: Vec<u8>,
    pointer_bytes: usize,
}

impl SliceMemory {
    /// Memory of a process with 64-bit pointers.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            pointer_bytes: 8,
        }
    }

    /// The same memory as a process with 32-bit pointers has it.
    pub fn with_32_bit_pointers(self) -> Self {
        Self {
            pointer_bytes: 4,
            ..self
        }
    }

    /// Address of the first byte. Not 0, so that a null pointer faults; small
    /// enough for 32-bit pointers.
    pub fn base(&self) -> u64 {
        0x1_0000
    }

    /// The bytes, from [`SliceMemory::base`] on.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn index(&self, address: u64, length: usize) -> Result<usize, Errno> {
        let start = address.checked_sub(self.base()).ok_or(Errno::FAULT)?;
        let start = usize::try_from(start).map_err(|_| Errno::FAULT)?;
        match start.checked_add(length) {
            Some(end) if end <= self.bytes.len() => Ok(start),
            _ => Err(Errno::FAULT),
        }
    }
}

impl UserMemory for SliceMemory {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Errno> {
        let start = self.index(address, buf.len())?;
        buf.copy_from_slice(&self.bytes[start..start + buf.len()]);
        Ok(())
    }
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Errno> {
        let start = self.index(address, bytes.len())?;
        self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
    fn pointer_bytes(&self) -> usize {
        self.pointer_bytes
    }
}

/// EFAULT unless that many bytes are there.
pub(super) fn there(memory: &dyn UserMemory, address: u64, length: usize) -> Result<(), Errno> {
    memory.read(address, &mut vec![0; length])
}

pub(super) fn u32_at(memory: &dyn UserMemory, address: u64) -> Result<u32, Errno> {
    let mut bytes = [0; 4];
    memory.read(address, &mut bytes)?;
    Ok(u32::from_ne_bytes(bytes))
}

pub(super) fn u64_at(memory: &dyn UserMemory, address: u64) -> Result<u64, Errno> {
    let mut bytes = [0; 8];
    memory.read(address, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}
