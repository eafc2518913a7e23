//! A table with one entry per erase block that costs nothing where every entry
//! still has its default, so that a chip of gigabytes stays cheap; and that shares its
//! leaves with its copies, so that a copy is cheap too.
//!
//! Invariants: an absent entry and a default entry mean the same. A leaf that
//! somebody else holds as well is copied before it changes.

use std::sync::Arc;

/// Entries per leaf; a leaf is made when its first entry is touched.
const LEAF_ENTRIES: usize = 64;

/// One `T` per erase block, in leaves that are made on demand.
#[derive(Debug, Clone, Default)]
pub(crate) struct SparseTable<T> {
    leaves: Vec<Option<Arc<[T; LEAF_ENTRIES]>>>,
}

impl<T: Default + Clone> SparseTable<T> {
    /// A table whose entries all have their default.
    pub(crate) fn new() -> Self {
        Self { leaves: Vec::new() }
    }

    /// The entry, or None where it still has its default.
    pub(crate) fn get(&self, index: u64) -> Option<&T> {
        let (leaf, entry) = split(index);
        self.leaves.get(leaf)?.as_ref().map(|leaf| &leaf[entry])
    }

    /// The entry, made if it was absent.
    pub(crate) fn entry(&mut self, index: u64) -> &mut T {
        let (leaf, entry) = split(index);
        if leaf >= self.leaves.len() {
            self.leaves.resize_with(leaf + 1, || None);
        }
        let leaf = self.leaves[leaf]
            .get_or_insert_with(|| Arc::new(std::array::from_fn(|_| T::default())));
        &mut Arc::make_mut(leaf)[entry]
    }

    /// All entries of the leaves that exist, with their index, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.leaves
            .iter()
            .enumerate()
            .filter_map(|(number, leaf)| Some((number, leaf.as_ref()?)))
            .flat_map(|(number, leaf)| {
                let first = (number * LEAF_ENTRIES) as u64;
                leaf.iter()
                    .enumerate()
                    .map(move |(entry, value)| (first + entry as u64, value))
            })
    }
}

fn split(index: u64) -> (usize, usize) {
    let leaf = index / LEAF_ENTRIES as u64;
    let entry = index % LEAF_ENTRIES as u64;
    let leaf = usize::try_from(leaf).expect("a chip has fewer erase blocks than memory has bytes");
    (leaf, entry as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_entries_cost_no_leaf() {
        let mut table = SparseTable::<u64>::new();
        assert_eq!(table.get(1_000_000), None);
        *table.entry(1_000_000) = 7;
        assert_eq!(table.get(1_000_000), Some(&7));
        assert_eq!(table.get(1_000_001), Some(&0));
        assert_eq!(table.get(3), None);
        assert_eq!(table.leaves.iter().flatten().count(), 1);
        assert_eq!(table.leaves.len(), 1_000_000 / LEAF_ENTRIES + 1);
        let set: Vec<_> = table.iter().filter(|(_, n)| **n != 0).collect();
        assert_eq!(set, [(1_000_000, &7)]);
    }

    #[test]
    fn a_copy_is_independent_and_shares_what_neither_changed() {
        let mut table = SparseTable::<u64>::new();
        *table.entry(3) = 7;
        *table.entry(100) = 8;
        let mut copy = table.clone();
        *copy.entry(3) = 9;
        assert_eq!((table.get(3), copy.get(3)), (Some(&7), Some(&9)));
        let leaf =
            |table: &SparseTable<u64>, n: usize| Arc::as_ptr(table.leaves[n].as_ref().unwrap());
        assert_ne!(leaf(&table, 0), leaf(&copy, 0));
        assert_eq!(leaf(&table, 1), leaf(&copy, 1));
    }
}
