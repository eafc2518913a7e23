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
        use OperationKind::{Erase, Program};
        let length = operation.length_bytes;
        let words = || words(operation.offset_bytes, length as usize, word_bytes);
        let zeros = || data.iter().map(|byte| byte.count_zeros()).sum::<u32>();
        // Each model is named with both kinds: a new one does not compile until somebody
        // has said what it tears.
        match (model, operation.kind) {
            (Model::Before | Model::After, Program | Erase) => (0, 1),
            (Model::Bytes, Program) => (1, length.saturating_sub(1)),
            (Model::Words, Program) => (1, words().saturating_sub(1)),
            (Model::Subset, Program) => match zeros() {
                zeros if (2..=self.exhaustive_bits).contains(&zeros) => (1, (1 << zeros) - 2),
                _ => (0, 0),
            },
            (Model::Bits, Program) => match zeros() {
                zeros if zeros <= self.exhaustive_bits && self.models.contains(&Model::Subset) => {
                    (0, 0)
                }
                _ => (0, self.seeds),
            },
            (Model::WordsAndBits, Program) => (0, words()),
            (Model::UnstableProgram, Program) => match words() {
                1 => (0, 1 + self.seeds),
                words => (0, words + 1 + self.seeds),
            },
            (
                Model::EraseForward
                | Model::EraseBackward
                | Model::ZerosForward
                | Model::ZerosBackward
                | Model::PulledForward,
                Erase,
            ) => (0, 9),
            (Model::Zeros, Erase) => (0, 1),
            (Model::Pulled | Model::Between | Model::UnstableErase, Erase) => (0, self.seeds),
            (
                Model::Bytes
                | Model::Words
                | Model::Subset
                | Model::Bits
                | Model::WordsAndBits
                | Model::UnstableProgram,
                Erase,
            )
            | (
                Model::EraseForward
                | Model::EraseBackward
                | Model::ZerosForward
                | Model::ZerosBackward
                | Model::PulledForward
                | Model::Zeros
                | Model::Pulled
                | Model::Between
                | Model::UnstableErase,
                Program,
            ) => (0, 0),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::{torn_erase, torn_program};
    use rstest::rstest;

    /// Past every variant of the models that have so many and no more.
    const PAST_ALL: u32 = 64;

    fn tried(operation: Operation, data: &[u8], word_bytes: u32, model: Model) -> Vec<Tear> {
        let tears = Tears::only([model]);
        tears.of(operation, data, word_bytes).collect()
    }

    /// Of a model with a certain number of variants, each one that exists is tried: one
    /// that is left out is a state that nobody would miss.
    #[rstest]
    fn what_is_tried_of_a_program_is_all_there_is(
        #[values(1, 2, 3, 4, 5, 8, 9)] length: usize,
        #[values(0, 1, 2, 3)] offset_bytes: u64,
        #[values(1, 2, 4)] word_bytes: u32,
    ) {
        let operation = Operation {
            kind: OperationKind::Program,
            offset_bytes,
            length_bytes: length as u32,
        };
        // Two bits to clear where there are two bytes: few enough for every subset.
        let mut data = vec![0xff; length];
        (data[0], data[length - 1]) = (0xfe, 0xdf);
        let exists =
            |tear: &Tear| torn_program(*tear, offset_bytes, word_bytes, &vec![0xff; length], &data);
        for model in [
            Model::Before,
            Model::After,
            Model::Bytes,
            Model::Words,
            Model::Subset,
            Model::WordsAndBits,
            Model::UnstableProgram,
        ] {
            let several = !matches!(model, Model::Before | Model::After);
            let all = (0..if several { PAST_ALL } else { 1 }).map(|n| Tear::new(model, n));
            let mut all: Vec<Tear> = all.filter(|tear| exists(tear).is_some()).collect();
            let mut tried = tried(operation, &data, word_bytes, model);
            if model == Model::UnstableProgram {
                // Behind these come weak bits, of which there are as many as seeds.
                let words = words(offset_bytes, length, word_bytes) as usize;
                let settled = if words == 1 { 1 } else { words + 1 };
                assert_eq!(tried.len(), settled + 3);
                all.truncate(settled);
                tried.truncate(settled);
            }
            assert_eq!(tried, all, "{model}");
        }
    }

    /// A model that tears neither is one that nobody tries.
    #[test]
    fn every_model_tears_a_program_or_an_erase() {
        let of = |kind| Operation {
            kind,
            offset_bytes: 0,
            length_bytes: 8,
        };
        let data = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xdf];
        for model in Model::ALL {
            let torn = |tear: &Tear| torn_program(*tear, 0, 4, &[0xff; 8], &data).is_some();
            let programs = tried(of(OperationKind::Program), &data, 4, model);
            let torn = programs.iter().any(torn) || {
                let torn = |tear: &Tear| torn_erase(*tear, 4, &[0x5a; 8]).is_some();
                let erases = tried(of(OperationKind::Erase), &[], 4, model);
                erases.iter().any(torn)
            };
            assert!(torn, "{model}");
        }
    }

    #[test]
    fn what_is_tried_of_an_erase_is_all_there_is() {
        let operation = Operation {
            kind: OperationKind::Erase,
            offset_bytes: 64,
            length_bytes: 64,
        };
        for model in [
            Model::EraseForward,
            Model::EraseBackward,
            Model::ZerosForward,
            Model::ZerosBackward,
            Model::PulledForward,
        ] {
            let all = (0..PAST_ALL).map(|n| Tear::new(model, n));
            let all: Vec<Tear> = all
                .filter(|tear| torn_erase(*tear, 4, &[0x5a; 64]).is_some())
                .collect();
            assert_eq!(tried(operation, &[], 4, model), all, "{model}");
        }
        for model in [Model::Before, Model::After, Model::Zeros] {
            assert_eq!(tried(operation, &[], 4, model), [Tear::new(model, 0)]);
        }
        for model in [Model::Pulled, Model::Between, Model::UnstableErase] {
            assert_eq!(tried(operation, &[], 4, model).len(), 3, "{model}");
        }
    }
}
