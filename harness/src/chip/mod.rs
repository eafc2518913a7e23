//! The silicon: a NOR flash chip of the 28F128J3 kind.

use crate::Errno;

/// Size and erase-block size of a chip, both in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Size of the whole chip.
    pub size_bytes: u64,
    /// Size of one erase block; divides `size_bytes`.
    pub erase_block_bytes: u32,
}

/// Index of an erase block within its chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EraseBlock(pub u64);

/// Where the cells live. The chip checks ranges before it calls.
pub trait Storage: Send {
    /// Copies cells into `buf`.
    fn read(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), Errno>;
    /// Clears bits: every cell becomes old AND new.
    fn program(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno>;
    /// Sets cells to 0xFF.
    fn erase(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<(), Errno>;
    /// Replaces cells whatever they held, as a factory programmer does.
    fn load(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno>;
}

/// A chip: storage, erase-block locks, counters, virtual clock, fault overlay.
pub struct Chip {
    geometry: Geometry,
}

impl Chip {
    /// An erased chip with its cells in (sparse) memory.
    pub fn new(geometry: Geometry) -> Self {
        Self { geometry }
    }
    /// A chip over the given storage.
    pub fn with_storage(geometry: Geometry, storage: Box<dyn Storage>) -> Self {
        let _ = storage;
        Self { geometry }
    }
    /// Size and erase-block size.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }
    /// Reads; counted and timed; subject to faults.
    pub fn read(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, Errno> {
        let _ = (offset_bytes, buf);
        todo!()
    }
    /// Programs (old AND new); counted and timed. EROFS on a locked erase block.
    pub fn program(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        let _ = (offset_bytes, data);
        todo!()
    }
    /// Erases one erase block to 0xFF; counted and timed. EROFS if locked.
    pub fn erase(&mut self, block: EraseBlock) -> Result<(), Errno> {
        let _ = block;
        todo!()
    }
    /// Locks or unlocks one erase block.
    pub fn set_locked(&mut self, block: EraseBlock, locked: bool) -> Result<(), Errno> {
        let _ = (block, locked);
        todo!()
    }
    /// Whether an erase block is locked.
    pub fn is_locked(&self, block: EraseBlock) -> bool {
        let _ = block;
        todo!()
    }
    /// Test control: puts contents in place, uncounted, whatever the cells held.
    pub fn load(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        let _ = (offset_bytes, data);
        todo!()
    }
    /// Test control: looks at the pristine cells, uncounted, past any fault.
    pub fn peek(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), Errno> {
        let _ = (offset_bytes, buf);
        todo!()
    }
    /// Puts a fault overlay in front of the cells, or takes it away.
    pub fn set_faults(&mut self, faults: Option<crate::fault::FaultPlan>) {
        let _ = faults;
        todo!()
    }
    // counters(), reset_counters(), elapsed() (virtual clock), timing() … follow.
}
