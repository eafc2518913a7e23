//! Subjects that cannot be explored.

use super::run::Run;
use crate::Errno;

/// Why there was nothing to explore.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExploreError {
    /// The work fails even without a cut.
    #[error("without any power cut, {what} failed: {why}; there is nothing to explore")]
    Broken {
        /// The work, or the recovery after it.
        what: &'static str,
        /// What it said.
        why: String,
    },
    /// Two runs of the same were not the same.
    #[error(
        "two runs of the same were not alike (it is not deterministic): {first} operations in \
         one, {second} in the other; \
         no id could replay what it does"
    )]
    OtherCount {
        /// Operations of the first run.
        first: u64,
        /// Operations of the second.
        second: u64,
    },
    /// Two runs of the same did other operations.
    #[error(
        "two runs of the same were not alike (it is not deterministic): operation {operation} of \
         one was another in the next; no id could replay what it does"
    )]
    OtherOperation {
        /// The first that differs, counted from 1; one past the last: the end was another.
        operation: u64,
    },
    /// The chip's cells cannot be read.
    #[error("the chip's cells: {0}")]
    Cells(#[from] Errno),
}

/// Two runs of the same subject did the same.
pub(super) fn same<P>(first: &Run<P>, second: &Run<P>) -> Result<(), ExploreError> {
    let (one, other) = (&first.journal, &second.journal);
    if one.len() != other.len() {
        return Err(ExploreError::OtherCount {
            first: one.len(),
            second: other.len(),
        });
    }
    let differs = |number: &u64| {
        one.operation(*number) != other.operation(*number)
            || one.data(*number) != other.data(*number)
    };
    match (1..=one.len()).find(differs) {
        Some(operation) => Err(ExploreError::OtherOperation { operation }),
        None if first.end.state_hash()? != second.end.state_hash()? => {
            let operation = one.len() + 1;
            Err(ExploreError::OtherOperation { operation })
        }
        None => Ok(()),
    }
}
