//! A place in a recorded run: the chip as it was before one of its operations.

use super::id::Step;
use crate::chip::Journal;
use crate::power::{Operation, OperationKind, Tear};
use crate::{Chip, Errno};

/// A place in a recorded run, from which going on is cheap. Each call is given the journal
/// of that same run.
#[derive(Clone)]
pub(crate) struct Cursor {
    start: Chip,
    /// The chip before `operation`.
    chip: Chip,
    operation: u64,
}

/// What a run does not have.
pub(crate) enum Missing {
    Operation,
    Tear(Operation),
}

/// An operation of a run with its data.
pub(super) fn entry(journal: &Journal, number: u64) -> Option<(Operation, &[u8])> {
    let operation = journal.operation(number)?;
    let data = journal.data(number)?;
    debug_assert!(operation.kind == OperationKind::Erase || !data.is_empty());
    Some((operation, data))
}

impl Cursor {
    /// Before the first operation of a run that started on `start`.
    pub(crate) fn new(start: &Chip) -> Self {
        Self {
            start: start.clone(),
            chip: start.clone(),
            operation: 1,
        }
    }

    /// The operation in hand, the first being 1; past the last one: the end.
    pub(super) fn operation(&self) -> u64 {
        self.operation
    }

    pub(super) fn word_bytes(&self) -> u32 {
        self.chip.programming().word_bytes
    }

    /// The chip before the operation in hand, or after the last one, as it was then.
    pub(super) fn before(&self, journal: &Journal) -> Chip {
        let mut chip = self.chip.clone();
        chip.restore_ambient(journal, self.operation);
        chip
    }

    pub(super) fn advance(&mut self, journal: &Journal) -> Result<(), Errno> {
        if let Some((operation, data)) = entry(journal, self.operation) {
            self.chip.repeat(operation, data)?;
        }
        self.operation += 1;
        Ok(())
    }

    /// What a tear leaves of the operation in hand; None where it has no such tear.
    pub(super) fn torn(&self, journal: &Journal, tear: Tear) -> Result<Option<Chip>, Errno> {
        let Some((operation, data)) = entry(journal, self.operation) else {
            return Ok((tear == Tear::BEFORE).then(|| self.before(journal)));
        };
        let mut chip = self.before(journal);
        Ok(chip.leave_torn(operation, data, tear)?.then_some(chip))
    }

    /// Goes to an operation; false: the run has no such one, and this is at its end.
    pub(super) fn go_to(&mut self, journal: &Journal, operation: u64) -> Result<bool, Errno> {
        if self.operation > operation {
            *self = Self::new(&self.start);
        }
        while self.operation < operation {
            if self.operation > journal.len() {
                return Ok(false);
            }
            self.advance(journal)?;
        }
        Ok(true)
    }

    /// The chip that one step leaves; [`Missing`] tells what the run does not have.
    pub(crate) fn reach(
        &mut self,
        journal: &Journal,
        step: Step,
    ) -> Result<Result<Chip, Missing>, Errno> {
        if !self.go_to(journal, step.operation)? {
            return Ok(Err(Missing::Operation));
        }
        let torn = self.torn(journal, step.tear)?;
        Ok(torn.ok_or_else(|| match entry(journal, step.operation) {
            Some((operation, _)) => Missing::Tear(operation),
            None => Missing::Operation,
        }))
    }
}
