//! How cells change: operation by operation where a power cut may strike or somebody
//! takes notes, all at once where not.

use super::Chip;
use crate::memory::pieces;
use crate::power::{
    Operation, OperationKind, Strike, Tear, Torn, Unstable, torn_erase, torn_program,
};
use crate::{EraseBlock, Errno};

impl Chip {
    /// Programs within one erase block.
    pub(super) fn program_cells(&mut self, at: u64, data: &[u8]) -> Result<(), Errno> {
        let in_one_go = self.power.armed.is_none()
            && self.journal.is_none()
            && !self.faults.as_ref().is_some_and(|plan| plan.cuts_power());
        if in_one_go {
            self.power.operations += self.programming.operations(at, data.len() as u64);
            return self.program_storage(at, data);
        }
        let buffer = self.programming.buffer_bytes as usize;
        for piece in pieces(buffer, at, data.len()) {
            let operation = Operation {
                kind: OperationKind::Program,
                offset_bytes: at + piece.done as u64,
                length_bytes: piece.length as u32,
            };
            self.begin(operation, &data[piece.done..piece.done + piece.length])?;
            self.program_storage(
                operation.offset_bytes,
                &data[piece.done..piece.done + piece.length],
            )?;
        }
        Ok(())
    }

    fn program_storage(&mut self, at: u64, data: &[u8]) -> Result<(), Errno> {
        let programmed = self.storage.program(at, data);
        let block_bytes = self.geometry.erase_block_bytes as usize;
        if let Some(unstable) = &mut self.unstable {
            unstable.on_program(block_bytes, at, data);
        }
        self.settle();
        self.tell(at, data.len() as u64);
        programmed
    }

    /// Forgets that there were unstable bits once there are none.
    fn settle(&mut self) {
        if self.unstable.as_ref().is_some_and(Unstable::is_empty) {
            self.unstable = None;
        }
    }

    /// Erases one erase block.
    pub(super) fn erase_storage(&mut self, block: EraseBlock) -> Result<(), Errno> {
        let operation = self.erase_of(block);
        self.begin(operation, &[])?;
        self.erase_whole(operation)
    }

    fn erase_of(&self, block: EraseBlock) -> Operation {
        let range = self.regions.range_of(block);
        Operation {
            kind: OperationKind::Erase,
            offset_bytes: range.start,
            length_bytes: (range.end - range.start) as u32,
        }
    }

    fn erase_whole(&mut self, operation: Operation) -> Result<(), Errno> {
        let (start, length) = (operation.offset_bytes, u64::from(operation.length_bytes));
        let erased = self.storage.erase(start, length);
        if let Some(unstable) = &mut self.unstable {
            let block_bytes = self.geometry.erase_block_bytes as usize;
            unstable.on_erase(block_bytes, start, length as usize);
        }
        self.settle();
        self.tell(start, length);
        erased
    }

    /// An operation is about to happen: it is noted, or power goes in it.
    fn begin(&mut self, operation: Operation, data: &[u8]) -> Result<(), Errno> {
        let planned = match &mut self.faults {
            Some(plan) => {
                plan.on_operation(operation.offset_bytes, u64::from(operation.length_bytes))
            }
            None => None,
        };
        if let Some(tear) = self.power.strikes().or(planned) {
            self.tear(operation, data, tear)?;
            return Err(Errno::NODEV);
        }
        self.power.operations += 1;
        if self.journal.is_some() {
            let ambient = self.ambient();
            if let Some(journal) = &mut self.journal {
                journal.note(operation, data, ambient);
            }
        }
        Ok(())
    }

    /// Power goes in the middle of an operation.
    fn tear(&mut self, operation: Operation, data: &[u8], tear: Tear) -> Result<(), Errno> {
        let fits = self.leave_torn(operation, data, tear)?;
        self.power.operations += 1;
        self.power.armed = None;
        self.lose_power(Some(Strike {
            operation,
            tear,
            fits,
        }));
        Ok(())
    }

    pub(super) fn lose_power(&mut self, strike: Option<Strike>) {
        self.power.is_off = true;
        self.power.strike = strike;
        self.watchers.tell_power_gone();
    }

    /// Test control: leaves the cells of an operation as a cut in it would, power and
    /// counters apart. Answers false, and leaves all as it is, where the operation has
    /// no such tear.
    ///
    /// # Errors
    /// EINVAL for an operation past the chip's end or with other data than its length
    /// says; what the storage answers.
    pub fn leave_torn(
        &mut self,
        operation: Operation,
        data: &[u8],
        tear: Tear,
    ) -> Result<bool, Errno> {
        match tear {
            Tear::BEFORE => return Ok(true),
            Tear::AFTER => return self.repeat(operation, data).map(|()| true),
            _ => {}
        }
        let (at, length) = (operation.offset_bytes, operation.length_bytes as usize);
        self.check_range(at, length as u64)?;
        let mut old = vec![0; length];
        self.storage.read(at, &mut old)?;
        let word_bytes = self.programming.word_bytes;
        let torn = match operation.kind {
            OperationKind::Program if data.len() != length => return Err(Errno::INVAL),
            OperationKind::Program => torn_program(tear, at, word_bytes, &old, data),
            OperationKind::Erase => torn_erase(tear, word_bytes, &old),
        };
        let Some(Torn { cells, unstable }) = torn else {
            return Ok(false);
        };
        self.storage.load(at, &cells)?;
        if unstable.iter().any(|mask| *mask != 0) {
            let block_bytes = self.geometry.erase_block_bytes as usize;
            self.unstable
                .get_or_insert_with(|| Unstable::new(u64::from(tear.variant)))
                .add(block_bytes, at, &unstable);
        }
        self.tell(at, length as u64);
        Ok(true)
    }

    /// Test control: does an operation that another run of this chip noted, uncounted.
    ///
    /// # Errors
    /// As [`Chip::leave_torn`].
    pub fn repeat(&mut self, operation: Operation, data: &[u8]) -> Result<(), Errno> {
        let length = u64::from(operation.length_bytes);
        self.check_range(operation.offset_bytes, length)?;
        match operation.kind {
            OperationKind::Program if data.len() as u64 != length => Err(Errno::INVAL),
            OperationKind::Program => self.program_storage(operation.offset_bytes, data),
            OperationKind::Erase => self.erase_whole(operation),
        }
    }

    /// The rules of [`Programming`], for a program within one erase block.
    pub(super) fn check_programming(&self, at: u64, data: &[u8]) -> Result<(), Errno> {
        let unit = u64::from(self.programming.unit_bytes);
        if at % unit != 0 || data.len() as u64 % unit != 0 {
            return Err(Errno::INVAL);
        }
        if self.programming.is_once {
            let mut cells = vec![0; data.len()];
            self.storage.read(at, &mut cells)?;
            let unit = unit as usize;
            let mut units = cells.chunks(unit).zip(data.chunks(unit));
            if units.any(|(old, new)| !crate::storage::is_erased(old) && old != new) {
                return Err(Errno::IO);
            }
        }
        Ok(())
    }
}
