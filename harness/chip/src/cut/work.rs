//! What a store is asked to do.

use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;

/// One thing that a store is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ask {
    /// Give a key this value.
    Set(u8, Vec<u8>),
    /// Tell a key's value.
    Get(u8),
    /// Take a key away.
    Remove(u8),
    /// Put things in order: collect garbage, or whatever the store has; it may do
    /// nothing.
    Compact,
    /// Put this at the queue's end.
    Push(Vec<u8>),
    /// Take what is first in the queue away, and tell it.
    Pop,
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(key, value) => write!(f, "set {key} ({} bytes)", value.len()),
            Self::Get(key) => write!(f, "get {key}"),
            Self::Remove(key) => write!(f, "remove {key}"),
            Self::Compact => f.write_str("compact"),
            Self::Push(value) => write!(f, "push ({} bytes)", value.len()),
            Self::Pop => f.write_str("pop"),
        }
    }
}

/// The work that is interrupted: asks in their order.
///
/// ```
/// use mtd_chip::cut::{Ask, Work};
///
/// // Of a seed, or asked one by one.
/// let random = Work::key_value(4, 40, 1..=16, 1);
/// assert_eq!(random.asks().len(), 40);
/// let own = Work::of([Ask::Set(0, b"old".to_vec()), Ask::Set(0, b"new".to_vec()), Ask::Remove(0)]);
/// assert_eq!(own.asks()[2].to_string(), "remove 0");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    asks: Vec<Ask>,
    value_bytes: RangeInclusive<usize>,
}

impl Work {
    /// These asks.
    pub fn of(asks: impl IntoIterator<Item = Ask>) -> Self {
        let asks: Vec<_> = asks.into_iter().collect();
        let lengths = asks.iter().filter_map(|ask| match ask {
            Ask::Set(_, value) | Ask::Push(value) => Some(value.len()),
            _ => None,
        });
        let (least, most) = lengths.fold((usize::MAX, 0), |(least, most), length| {
            (least.min(length), most.max(length))
        });
        Self {
            asks,
            value_bytes: least.min(most)..=most,
        }
    }

    /// So many asks on so many keys, by a seed: three sets for each removal, values of
    /// these lengths. No value is like another.
    pub fn key_value(
        keys: u8,
        count: usize,
        value_bytes: RangeInclusive<usize>,
        seed: u64,
    ) -> Self {
        let mut chance = Chance(SplitMix64::seed_from_u64(seed));
        let asks = (0..count).map(|_| {
            let key = chance.below(u64::from(keys.max(1))) as u8;
            match chance.below(4) {
                0 => Ask::Remove(key),
                _ => Ask::Set(key, chance.value(&value_bytes)),
            }
        });
        Self {
            asks: asks.collect(),
            value_bytes,
        }
    }

    /// The same, with nothing removed.
    #[must_use]
    pub fn without_removals(mut self) -> Self {
        let mut chance = Chance(SplitMix64::seed_from_u64(self.asks.len() as u64));
        for ask in &mut self.asks {
            if let Ask::Remove(key) = *ask {
                *ask = Ask::Set(key, chance.value(&self.value_bytes));
            }
        }
        self
    }

    /// So many asks of a queue, by a seed: three pushes for two pops.
    pub fn queue(count: usize, value_bytes: RangeInclusive<usize>, seed: u64) -> Self {
        let mut chance = Chance(SplitMix64::seed_from_u64(seed));
        let asks = (0..count).map(|_| match chance.below(5) {
            0 | 1 => Ask::Pop,
            _ => Ask::Push(chance.value(&value_bytes)),
        });
        Self {
            asks: asks.collect(),
            value_bytes,
        }
    }

    /// The asks.
    pub fn asks(&self) -> &[Ask] {
        &self.asks
    }

    pub(super) fn has_queue(&self) -> bool {
        let of_a_queue = |ask: &Ask| matches!(ask, Ask::Push(_) | Ask::Pop);
        self.asks.iter().any(of_a_queue)
    }

    fn keys(&self) -> BTreeSet<u8> {
        let key = |ask: &Ask| match ask {
            Ask::Set(key, _) | Ask::Get(key) | Ask::Remove(key) => Some(*key),
            _ => None,
        };
        self.asks.iter().filter_map(key).collect()
    }

    /// What a store is asked after a cut: everything it should have, and a little work,
    /// which must go well. (A queue is emptied before.)
    pub(super) fn after_a_cut(&self) -> Vec<Ask> {
        let mut chance = Chance(SplitMix64::seed_from_u64(0xaf7e));
        let keys: Vec<_> = self.keys().into_iter().collect();
        let mut asks: Vec<_> = keys.iter().map(|key| Ask::Get(*key)).collect();
        let removes = self.asks.iter().any(|ask| matches!(ask, Ask::Remove(_)));
        if let (Some(first), Some(last)) = (keys.first(), keys.last()) {
            // Once more: an answer that changes by itself is none.
            asks.extend([Ask::Get(*first), Ask::Get(*last)]);
            asks.push(Ask::Set(*first, chance.value(&self.value_bytes)));
            if removes && first != last {
                asks.push(Ask::Remove(*last));
            }
            asks.extend([Ask::Get(*first), Ask::Get(*last)]);
        }
        if self.has_queue() {
            let mut value = || Ask::Push(chance.value(&self.value_bytes));
            asks.extend([value(), value(), Ask::Pop]);
        }
        asks
    }

    /// What it is asked when it is opened once more.
    pub(super) fn look_again(&self) -> Vec<Ask> {
        self.keys().into_iter().map(Ask::Get).collect()
    }
}

struct Chance(SplitMix64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    fn value(&mut self, bytes: &RangeInclusive<usize>) -> Vec<u8> {
        let more = bytes.end().saturating_sub(*bytes.start()) as u64 + 1;
        let length = bytes.start() + self.below(more) as usize;
        (0..length).map(|_| self.0.next_u64() as u8).collect()
    }
}
