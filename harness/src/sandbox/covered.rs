//! The numbers under which a process ever had flash.

use std::collections::BTreeSet;

/// With more numbers than these, all are covered.
const NUMBERS_MAX: usize = 12;

/// The covered numbers of one process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Covered {
    numbers: BTreeSet<i32>,
    all: bool,
}

impl Covered {
    /// Whether calls on this number stop.
    pub fn has(&self, number: i32) -> bool {
        self.all || self.numbers.contains(&number)
    }

    /// One more; with too many it is all.
    pub fn add(&mut self, number: i32) {
        self.numbers.insert(number);
        self.all |= self.numbers.len() > NUMBERS_MAX;
    }

    /// What this covers and that does not; none where that is nothing.
    pub fn beyond(&self, before: &Self) -> Option<Self> {
        let numbers: BTreeSet<i32> = self.numbers.difference(&before.numbers).copied().collect();
        let all = self.all && !before.all;
        (all || !before.all && !numbers.is_empty()).then_some(Self { numbers, all })
    }

    /// The numbers; none means all.
    pub fn numbers(&self) -> Option<Vec<i32>> {
        (!self.all).then(|| self.numbers.iter().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_grows_until_it_is_all() {
        let mut covered = Covered::default();
        assert!(!covered.has(3));
        for number in 3..3 + NUMBERS_MAX as i32 {
            let before = covered.clone();
            covered.add(number);
            let more = covered.beyond(&before).unwrap();
            assert_eq!(more.numbers(), Some(vec![number]));
            assert_eq!(covered.beyond(&covered), None);
        }
        assert!(!covered.has(1000));
        let before = covered.clone();
        covered.add(1000);
        assert!(covered.has(7) && covered.has(99_999));
        assert_eq!(covered.beyond(&before).unwrap().numbers(), None);
        let all = covered.clone();
        covered.add(2000);
        assert_eq!(covered.beyond(&all), None);
    }
}
