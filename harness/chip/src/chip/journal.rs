//! The operations of a run, to be done again one by one.

use crate::fault::FaultPlan;
use crate::power::{Operation, OperationKind, Unstable};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The operations that a chip carried out while it was recording, in order, with what
/// was programmed.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    operations: Vec<(Operation, usize)>,
    data: Vec<u8>,
    /// What the chip was besides its cells when the operation began, where that is not
    /// nothing.
    ambient: Vec<Option<Box<Ambient>>>,
    count: Arc<AtomicUsize>,
}

impl Journal {
    /// How many operations.
    pub fn len(&self) -> u64 {
        self.operations.len() as u64
    }

    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// An operation, the first being 1.
    pub fn operation(&self, number: u64) -> Option<Operation> {
        self.entry(number).map(|(operation, _)| *operation)
    }

    /// What an operation programmed; empty for an erase.
    pub fn data(&self, number: u64) -> Option<&[u8]> {
        let (operation, start) = self.entry(number)?;
        Some(match operation.kind {
            OperationKind::Program => &self.data[*start..*start + operation.length_bytes as usize],
            OperationKind::Erase => &[],
        })
    }

    /// A count of its operations that can be read while the chip is lent to others.
    pub(crate) fn count(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.count)
    }

    fn entry(&self, number: u64) -> Option<&(Operation, usize)> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.operations.get(index)
    }

    /// See [`Ambient`].
    pub(super) fn ambient(&self, number: u64) -> Option<&Ambient> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.ambient.get(index)?.as_deref()
    }

    /// What the chip is besides its cells behind the last operation, where power may go
    /// as well.
    pub(super) fn end(&mut self, ambient: Option<Box<Ambient>>) {
        if ambient.is_some() || !self.ambient.is_empty() {
            self.ambient.resize_with(self.operations.len(), || None);
            self.ambient.push(ambient);
        }
    }

    pub(super) fn note(
        &mut self,
        operation: Operation,
        data: &[u8],
        ambient: Option<Box<Ambient>>,
    ) {
        self.end(ambient);
        self.operations.push((operation, self.data.len()));
        self.data.extend_from_slice(data);
        self.count.store(self.operations.len(), Ordering::Relaxed);
    }
}

/// What else than cells and locks decides how a chip will answer.
#[derive(Debug, Clone)]
pub(super) struct Ambient {
    pub(super) faults: Option<FaultPlan>,
    pub(super) unstable: Option<Unstable>,
}
