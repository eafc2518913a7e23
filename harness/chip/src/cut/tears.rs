//! Which tears are tried, and on which operation which of them.

use crate::power::{Model, Operation, OperationKind, Tear, words};
use std::collections::BTreeSet;

/// The tears that an exploration tries on each operation.
///
/// ```
/// use mtd_chip::cut::{Model, Tears};
///
/// // All that this crate knows, but for bits that read differently each time.
/// let tears = Tears::all().without(Model::UnstableProgram).without(Model::UnstableErase);
/// assert_eq!(tears, Tears::stable());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tears {
    models: BTreeSet<Model>,
    seeds: u32,
    exhaustive_bits: u32,
}

impl Tears {
    /// Every model: three seeds where there are seeds, every subset of up to four bits.
    pub fn all() -> Self {
        Self {
            models: Model::ALL.into_iter().collect(),
            seeds: 3,
            exhaustive_bits: 4,
        }
    }

    /// Every model whose cells read the same each time.
    pub fn stable() -> Self {
        Self::all()
            .without(Model::UnstableProgram)
            .without(Model::UnstableErase)
    }

    /// An operation happens or does not: what simulations without torn operations try.
    pub fn atomic() -> Self {
        Self::only([Model::Before, Model::After])
    }

    /// These models alone.
    pub fn only(models: impl IntoIterator<Item = Model>) -> Self {
        Self {
            models: models.into_iter().collect(),
            ..Self::all()
        }
    }

    /// The same but for this model.
    #[must_use]
    pub fn without(mut self, model: Model) -> Self {
        self.models.remove(&model);
        self
    }

    /// So many variants of each model that has seeds.
    #[must_use]
    pub fn seeds(self, seeds: u32) -> Self {
        Self { seeds, ..self }
    }

    /// Every subset of the bits that a program clears, where it has at most so many
    /// zeros; 16 at most, which are 65534 states.
    #[must_use]
    pub fn exhaustive_bits(self, bits: u32) -> Self {
        Self {
            exhaustive_bits: bits.min(16),
            ..self
        }
    }

    /// The models.
    pub fn models(&self) -> impl Iterator<Item = Model> + '_ {
        self.models.iter().copied()
    }

    /// The variants of a model for an operation: the first one's number, and how many.
    /// Some may not exist after all, where cells held zeros already.
    fn variants(
        &self,
        model: Model,
        operation: Operation,
        data: &[u8],
        word_bytes: u32,
    ) -> (u32, u32) {
        let is_program = operation.kind == OperationKind::Program;
        let length = operation.length_bytes;
        let words = || words(operation.offset_bytes, length as usize, word_bytes);
        let zeros = || data.iter().map(|byte| byte.count_zeros()).sum::<u32>();
        match model {
            Model::Before | Model::After => (0, 1),
            Model::Bytes if is_program => (1, length.saturating_sub(1)),
            Model::Words if is_program => (1, words().saturating_sub(1)),
            Model::Subset if is_program => match zeros() {
                zeros if (2..=self.exhaustive_bits).contains(&zeros) => (1, (1 << zeros) - 2),
                _ => (0, 0),
            },
            Model::Bits if is_program => match zeros() {
                zeros if zeros <= self.exhaustive_bits && self.models.contains(&Model::Subset) => {
                    (0, 0)
                }
                _ => (0, self.seeds),
            },
            Model::WordsAndBits if is_program => (0, words()),
            Model::UnstableProgram if is_program => match words() {
                1 => (0, 1),
                words => (0, words + 1),
            },
            _ if is_program => (0, 0),
            Model::EraseForward
            | Model::EraseBackward
            | Model::ZerosForward
            | Model::ZerosBackward
            | Model::PulledForward => (0, 9),
            Model::Zeros => (0, 1),
            Model::Pulled | Model::Between | Model::UnstableErase => (0, self.seeds),
            _ => (0, 0),
        }
    }

    /// What is tried on an operation that programs `data` (an erase: nothing) on a chip
    /// with such words.
    pub fn of(
        &self,
        operation: Operation,
        data: &[u8],
        word_bytes: u32,
    ) -> impl Iterator<Item = Tear> {
        let ranges: Vec<_> = self
            .models()
            .map(|model| (model, self.variants(model, operation, data, word_bytes)))
            .collect();
        ranges.into_iter().flat_map(|(model, (first, count))| {
            (first..first + count).map(move |variant| Tear::new(model, variant))
        })
    }

    /// How many those are.
    pub fn count(&self, operation: Operation, data: &[u8], word_bytes: u32) -> u64 {
        let count = |model| self.variants(model, operation, data, word_bytes).1;
        self.models().map(|model| u64::from(count(model))).sum()
    }
}

impl Default for Tears {
    fn default() -> Self {
        Self::all()
    }
}
