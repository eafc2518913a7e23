//! What each tear leaves, cell by cell.

use super::*;
use rstest::rstest;

/// Words of 2 bytes.
fn program(tear: &str, offset: u64, old: &[u8], data: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let torn = torn_program(tear.parse().unwrap(), offset, 2, old, data)?;
    Some((torn.cells, torn.unstable))
}

#[rstest]
#[case::before("b", 0, [0xff, 0xff, 0xff, 0xff, 0xff])]
#[case::after("a", 0, [0x11, 0x22, 0x33, 0x44, 0x55])]
#[case::bytes("p1", 0, [0x11, 0xff, 0xff, 0xff, 0xff])]
#[case::all_bytes_but_one("p4", 0, [0x11, 0x22, 0x33, 0x44, 0xff])]
#[case::words("w1", 0, [0x11, 0x22, 0xff, 0xff, 0xff])]
#[case::words_count_from_the_bus_s_boundaries("w1", 1, [0x11, 0xff, 0xff, 0xff, 0xff])]
#[case::two_words("w2", 1, [0x11, 0x22, 0x33, 0xff, 0xff])]
fn a_torn_program(#[case] tear: &str, #[case] offset: u64, #[case] left: [u8; 5]) {
    let data = [0x11, 0x22, 0x33, 0x44, 0x55];
    let (cells, unstable) = program(tear, offset, &[0xff; 5], &data).unwrap();
    assert_eq!(cells, left);
    assert!(unstable.is_empty());
}

#[rstest]
#[case("p0")]
#[case("p5")]
#[case("w0")]
#[case("w3")]
#[case("e3")]
#[case("x0")]
#[case("f1")]
#[case("n")]
fn a_program_has_no_such_tear(#[case] tear: &str) {
    assert!(program(tear, 0, &[0xff; 5], &[0x11; 5]).is_none());
}

#[test]
fn old_zeros_stay_whatever_is_programmed() {
    let (cells, _) = program("p1", 0, &[0x0f, 0x0f], &[0x3c, 0x3c]).unwrap();
    assert_eq!(cells, [0x0c, 0x0f]);
}

#[test]
fn subsets_are_each_one_once_without_none_and_all() {
    let (old, data) = ([0xf0, 0x01], [0x30, 0xf0]);
    let mut seen = std::collections::BTreeSet::new();
    for mask in 1..7 {
        let (cells, _) = program(&format!("x{mask}"), 0, &old, &data).unwrap();
        seen.insert(cells);
    }
    assert_eq!(seen.len(), 6);
    assert!(program("x7", 0, &old, &data).is_none());
    assert!(!seen.contains(old.as_slice()) && !seen.contains(&vec![0x30, 0x00]));
}

#[test]
fn seeded_bits_lie_between_old_and_new() {
    let (old, data) = ([0xf5; 32], [0x5f; 32]);
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let (cells, _) = program(&format!("s{seed}"), 0, &old, &data).unwrap();
        for cell in &cells {
            assert_eq!(cell & !0xf5, 0, "a bit was set");
            assert_eq!(
                cell & 0x55,
                0x55,
                "a bit that is not programmed was cleared"
            );
        }
        seen.insert(cells);
    }
    assert_eq!(seen.len(), 20);
    let same = program("s7", 0, &old, &data);
    assert_eq!(
        same,
        program("s7", 0, &old, &data),
        "the same seed is the same tear"
    );
}

/// Words before the one in hand are done, those behind it as they were.
#[rstest]
#[case("e0", 0)]
#[case("e1", 2)]
#[case("e2", 4)]
fn words_are_done_and_some_bits_of_the_next(#[case] tear: &str, #[case] done: usize) {
    let (cells, unstable) = program(tear, 0, &[0xff; 6], &[0; 6]).unwrap();
    assert_eq!(cells[..done], vec![0; done]);
    assert_eq!(cells[done + 2..], vec![0xff; 6 - done - 2]);
    let torn = &cells[done..done + 2];
    assert!(*torn != [0; 2] && *torn != [0xff; 2], "{torn:02x?}");
    assert!(unstable.is_empty());
}

/// One, two or three, by seed, of those that were to be cleared; all was done.
#[rstest]
fn weak_bits_of_a_program_are_few(#[values(0, 1, 2, 5)] seed: u32) {
    let (cells, unstable) = program(&format!("u{}", 4 + seed), 0, &[0xff; 6], &[0x0f; 6]).unwrap();
    assert_eq!(cells, [0x0f; 6]);
    let count: u32 = unstable.iter().map(|mask| mask.count_ones()).sum();
    assert!((1..=1 + seed % 3).contains(&count), "{unstable:?}");
    assert!(unstable.iter().all(|mask| mask & 0x0f == 0), "{unstable:?}");
    // A single word has no "all words".
    assert!(program("u1", 0, &[0xff; 2], &[0x0f; 2]).is_some());
    assert!(program("u1", 0, &[0; 2], &[0x0f; 2]).is_none());
}

#[test]
fn unstable_bits_are_those_that_were_to_be_cleared_in_the_word_in_hand() {
    let (cells, unstable) = program("u1", 0, &[0xff; 6], &[0x0f; 6]).unwrap();
    assert_eq!(cells, [0x0f, 0x0f, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(unstable, [0, 0, 0xf0, 0xf0, 0, 0]);
    let (_, all) = program("u3", 0, &[0xff; 6], &[0x0f; 6]).unwrap();
    assert_eq!(all, [0xf0; 6]);
}

#[rstest]
#[case::before("b", [0x5a; 16])]
#[case::after("a", [0xff; 16])]
#[case::zeros("n", [0; 16])]
#[case::forward("f4", halves(0xff, 0x5a))]
#[case::backward("r4", halves(0x5a, 0xff))]
#[case::zeros_forward("y4", halves(0, 0x5a))]
#[case::zeros_backward("z4", halves(0x5a, 0))]
#[case::pulled_forward("q4", halves(0xff, 0))]
#[case::first_word("f0", places(2, 0xff, 0x5a))]
#[case::all_but_the_last_word("z8", places(14, 0x5a, 0))]
fn a_torn_erase(#[case] tear: &str, #[case] left: [u8; 16]) {
    let torn = torn_erase(tear.parse().unwrap(), 2, &[0x5a; 16]).unwrap();
    assert_eq!(torn.cells, left);
}

fn halves(first: u8, last: u8) -> [u8; 16] {
    places(8, first, last)
}

fn places(place: usize, first: u8, last: u8) -> [u8; 16] {
    std::array::from_fn(|n| if n < place { first } else { last })
}

#[test]
fn an_erase_between_keeps_ones() {
    let torn = torn_erase("m3".parse().unwrap(), 2, &[0x5a; 64]).unwrap();
    assert!(torn.cells.iter().all(|cell| cell & 0x5a == 0x5a));
    assert!(torn.cells.iter().any(|cell| *cell != 0x5a && *cell != 0xff));
}

/// Each bit for itself, whatever it was.
#[test]
fn an_erase_partly_pulled_has_bits_of_both_kinds_everywhere() {
    let torn = torn_erase("h1".parse().unwrap(), 2, &[0x5a; 4096]).unwrap();
    for bit in 0..8 {
        let ones = torn.cells.iter().filter(|cell| *cell >> bit & 1 == 1);
        let ones = ones.count();
        assert!((1800..2300).contains(&ones), "{ones} of 4096 at bit {bit}");
    }
}

#[test]
fn an_erase_that_nearly_took_place_can_leave_every_bit_unstable() {
    let torn = torn_erase("v0".parse().unwrap(), 2, &[0; 64]).unwrap();
    assert_eq!(
        (torn.cells, torn.unstable),
        (vec![0xff; 64], vec![0xff; 64])
    );
}

#[test]
fn weak_bits_of_an_erase_are_few_but_there() {
    let torn = torn_erase("v1".parse().unwrap(), 2, &[0; 4096]).unwrap();
    assert!(torn.cells.iter().all(|cell| *cell == 0xff));
    let bits: u32 = torn.unstable.iter().map(|mask| mask.count_ones()).sum();
    assert!((300..800).contains(&bits), "{bits} of 32768");
}

#[rstest]
#[case("b")]
#[case("a")]
#[case("n")]
#[case("w12")]
#[case("v0")]
fn a_tear_is_its_text(#[case] text: &str) {
    assert_eq!(text.parse::<Tear>().unwrap().to_string(), text);
}

#[rstest]
fn no_tear(#[values("", "w", "b1", "1w", "w-1", "w1x", "k2", "w99999999999", "é1")] text: &str) {
    let error = text.parse::<Tear>().unwrap_err().to_string();
    assert!(error.contains(&format!("`{text}` is no tear")), "{error}");
}

/// Two states with the same unstable bits are two if these will read otherwise.
#[test]
fn what_unstable_bits_read_as_is_part_of_a_state() {
    use std::hash::{DefaultHasher, Hasher};
    let hash = |seed, mask| {
        let mut unstable = Unstable::new(seed);
        unstable.add(16, 3, &[mask]);
        let mut hasher = DefaultHasher::new();
        unstable.hash_into(&mut hasher);
        hasher.finish()
    };
    assert_eq!(hash(1, 0x40), hash(1, 0x40));
    assert_ne!(hash(1, 0x40), hash(2, 0x40));
    assert_ne!(hash(1, 0x40), hash(1, 0x20));
}
