//! What time, reads and erases do to cells, as overlays: the pristine cells stay.

use super::trigger::below;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::BTreeMap;
use std::ops::Range;

/// What an erase block does once it is worn out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum WornOut {
    /// Erasing it fails.
    #[default]
    Error,
    /// Erasing it goes well, but one more of its bits reads as 0 after each time.
    Stuck,
    /// Erasing it does nothing and says that it went well.
    Silent,
}

impl WornOut {
    /// Each with its word in a SPEC.
    pub(super) const WORDS: [(&'static str, Self); 3] = [
        ("error", Self::Error),
        ("stuck", Self::Stuck),
        ("silent", Self::Silent),
    ];

    pub(super) fn word(self) -> &'static str {
        let known = Self::WORDS.iter().find(|(_, end)| *end == self);
        known.map_or("", |(word, _)| word)
    }
}

/// What a fault has done to cells so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Age {
    /// Erases by the start of the erase block.
    erases: BTreeMap<u64, u64>,
    /// Bits that read inverted until their erase block is erased.
    flipped: BTreeMap<u64, u8>,
    /// Bits that read as 0 for good.
    stuck: BTreeMap<u64, u8>,
}

impl Age {
    /// An erase block is about to be erased: how often it was before.
    pub(super) fn erase(&mut self, start: u64) -> u64 {
        let erases = self.erases.entry(start).or_default();
        *erases += 1;
        *erases - 1
    }

    /// The erase took place.
    pub(super) fn erased(&mut self, range: &Range<u64>) {
        self.flipped.retain(|at, _| !range.contains(at));
    }

    /// One more bit of a range reads inverted.
    pub(super) fn flip(&mut self, range: &Range<u64>, rng: &mut Xoshiro256PlusPlus) {
        let (at, mask) = bit(range, rng);
        *self.flipped.entry(at).or_default() ^= mask;
    }

    /// One more bit of a range reads as 0.
    pub(super) fn stick(&mut self, range: &Range<u64>, rng: &mut Xoshiro256PlusPlus) {
        let (at, mask) = bit(range, rng);
        *self.stuck.entry(at).or_default() |= mask;
    }

    /// What a read gives; how many bytes are not what they were.
    pub(super) fn show(&self, offset_bytes: u64, buf: &mut [u8]) -> u64 {
        if self.flipped.is_empty() && self.stuck.is_empty() {
            return 0;
        }
        let range = offset_bytes..offset_bytes + buf.len() as u64;
        let mut changed = 0;
        let mut change = |at: u64, to: &dyn Fn(u8) -> u8| {
            let byte = &mut buf[(at - offset_bytes) as usize];
            changed += u64::from(*byte != to(*byte));
            *byte = to(*byte);
        };
        for (at, mask) in self.flipped.range(range.clone()) {
            change(*at, &|byte| byte ^ mask);
        }
        for (at, mask) in self.stuck.range(range) {
            change(*at, &|byte| byte & !mask);
        }
        changed
    }
}

fn bit(range: &Range<u64>, rng: &mut Xoshiro256PlusPlus) -> (u64, u8) {
    let bit = below(rng, (range.end - range.start) * 8);
    (range.start + bit / 8, 1 << (bit % 8))
}
