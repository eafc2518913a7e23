//! Texts and tables that are nearly right: an answer for each, in time, and never two
//! answers. A few thousand of each form by default, half a million in CI's
//! long run, two and a half over the five; `MTDKEEP_TEXTS` says another number.

use super::agree::in_its_words;
use super::model::{FORMS, Model, pasted};
use crate::layout::{self, LayoutTextError, merge};
use mtd_harness::layout::ReportedLayout;
use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus as SmallRng;
use rstest::rstest;

const FEW: u64 = 1_000;

fn many() -> u64 {
    std::env::var("MTDKEEP_TEXTS").map_or(500_000, |text| text.parse().unwrap())
}

/// What makes a difference in some form.
const PIECES: [&str; 50] = [
    "0x",
    "-",
    "@",
    "(",
    ")",
    ",",
    ";",
    ":",
    "\"",
    " : \"",
    "k",
    "M",
    "ro",
    "mtd",
    "in mtd0,",
    "chip 0,",
    "ffffffffffffffff",
    "7fffffffffffffff",
    "8000000000000000",
    "\n",
    "\u{1b}[1m",
    "name \"",
    "Creating 2 MTD partitions on \"",
    "* nor0\n",
    "&quot;",
    "0×",
    "–",
    "[    1.0] -(0)[1:swapper/0]",
    "\nmtd: partition \"",
    "\" doesn't end on an erase block boundary -- force read-only\n",
    "\" extends beyond the end of device \"spi0.0\" -- size truncated to 0x1000\n",
    "\" is out of reach -- disabled\n",
    "\nspi-nor spi0.0: w25q128 (64 Kbytes)\n",
    "\nspi-nand spi0.0: 1 MiB, block size: 4 KiB, page size: 2048, OOB size: 64\n",
    "\nnand: 1 MiB, SLC, erase size: 128 KiB, page size: 2048, OOB size: 64\n",
    "\nnand: 2 chips detected\n",
    "nand",
    "\n> ",
    "&gt; ",
    "\u{ab}\u{a0}",
    "\u{bb}",
    "\u{2019}",
    "'",
    "\\\"",
    "\u{1b}(B",
    "\u{1b}]0;x\u{7}",
    "[0;32m",
    "Feb 22 23:37:30 ",
    "[Thu Feb 22 23:37:30 2024] ",
    "net size",
];

/// The same text with a few changes.
fn mutated(text: &str, rng: &mut SmallRng) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..=chars.len());
        let end = (at + rng.random_range(0..12)).min(chars.len());
        match rng.random_range(0..5) {
            0 => drop(chars.drain(at..end)),
            1 => {
                let again: Vec<char> = chars[at..end].to_vec();
                chars.splice(at..at, again);
            }
            2 => {
                let piece = PIECES[rng.random_range(0..PIECES.len())];
                chars.splice(at..at, piece.chars());
            }
            3 => {
                if let Some(c) = chars.get_mut(at) {
                    *c = char::from(rng.random_range(b' '..=b'~'));
                }
            }
            _ => {
                let lines: String = chars.iter().collect();
                let mut lines: Vec<&str> = lines.split_inclusive('\n').collect();
                let (a, b) = (
                    rng.random_range(0..lines.len().max(1)),
                    rng.random_range(0..lines.len().max(1)),
                );
                if !lines.is_empty() {
                    lines.swap(a, b);
                }
                chars = lines.concat().chars().collect();
            }
        }
    }
    chars.into_iter().collect()
}

fn texts_of_form(form: usize, count: u64) {
    let mut both = 0;
    for seed in 0..count {
        let mut rng = SmallRng::seed_from_u64(seed ^ (form as u64) << 40);
        // One layout gives many texts.
        let model = Model::random(&mut SmallRng::seed_from_u64(seed / 64));
        let text = mutated(&pasted(&model.text(FORMS[form]), &mut rng), &mut rng);
        let (ours, theirs) = (
            layout::read_each(text.as_bytes()),
            ReportedLayout::each(&text),
        );
        assert_eq!(ours.len(), theirs.len(), "seed {seed}:\n{text}");
        both += u64::from(merge::merged(ours.clone()).is_ok());
        for pair in ours.into_iter().zip(theirs) {
            match pair {
                (Ok(ours), Ok(theirs)) => {
                    assert_eq!(in_its_words(&ours), theirs, "seed {seed}:\n{text}");
                }
                (Err(_), Err(_)) => {}
                (ours, theirs) => panic!("seed {seed}: {ours:?} against {theirs:?}:\n{text}"),
            }
        }
    }
    assert!(both > count / 10, "{both} of {count} were layouts");
}

/// The lines of a kernel that say from where others count, in any order: short texts, so that
/// many of them are tried.
fn log_of_lines(rng: &mut SmallRng) -> String {
    let mut text = String::new();
    for _ in 0..rng.random_range(1..10) {
        let name = ["spi0.0", "a", "b", "c", ""][rng.random_range(0..5)];
        let count = rng.random_range(0..4);
        text += &match rng.random_range(0..9) {
            0 => format!("Creating {count} MTD partitions on \"{name}\":\n"),
            1 | 2 => {
                let parser = ["ofpart", "cmdlinepart", "uimage-fw", "4 x", ""];
                let parser = parser[rng.random_range(0..5)];
                format!("{count} {parser} partitions found on MTD device {name}\n")
            }
            3 => format!("mtd: partition \"{name}\" created automatically, ofs=1\n"),
            4 => format!("mtd: partition \"{name}\" is out of reach -- disabled\n"),
            _ => {
                let start = rng.random_range(0..6_u32);
                let end = start + rng.random_range(0..6);
                format!("{start:#x}-{end:#x} : \"{name}\"\n")
            }
        };
    }
    text
}

fn logs_of_lines(count: u64) {
    let (mut both, mut lost) = (0, 0);
    for seed in 0..count {
        let text = log_of_lines(&mut SmallRng::seed_from_u64(seed));
        match (layout::read(text.as_bytes()), ReportedLayout::parse(&text)) {
            (Ok(ours), Ok(theirs)) => {
                both += 1;
                lost += u64::from(ours.partitions.iter().any(|p| p.offset.is_none()));
                assert_eq!(in_its_words(&ours), theirs, "seed {seed}:\n{text}");
            }
            (Err(_), Err(_)) => {}
            (ours, theirs) => panic!("seed {seed}: {ours:?} against {theirs:?}:\n{text}"),
        }
    }
    assert!(
        both > count / 10 && lost > count / 100,
        "{both}, {lost} of {count}"
    );
}

#[test]
fn both_readers_count_alike() {
    logs_of_lines(20 * FEW);
}

#[test]
#[ignore = "needs minutes: MTDKEEP_TEXTS texts (CI's stage long)"]
fn both_readers_count_alike_many_times() {
    logs_of_lines(many());
}

/// Rust reads numbers with a sign; people's texts have none.
#[rstest]
#[case("List of MTD devices:\n* n\n  - block size: 0x+000 bytes\n  - 0x0-0x27000 : \"n\"\n")]
#[case("device n <n>, # parts = 1\n #: name size offset mask_flags\n 0: a 0x+100 0x0 0\n")]
#[case("Size: +16 MB in 128 Sectors\n")]
#[case("Size: 16 MB in +128 Sectors\n")]
fn a_sign_is_no_part_of_a_number(#[case] text: &str) {
    assert!(layout::read(text.as_bytes()).is_err());
    assert!(ReportedLayout::parse(text).is_err());
    let (unsigned, _) = text.split_once('+').unwrap();
    let unsigned = unsigned.to_owned() + &text[unsigned.len() + 1..];
    let read = layout::read(unsigned.as_bytes());
    assert_eq!(
        read.is_ok(),
        ReportedLayout::parse(&unsigned).is_ok(),
        "{read:?}"
    );
}

#[rstest]
fn both_readers_answer_alike(#[values(0, 1, 2, 3, 4)] form: usize) {
    texts_of_form(form, FEW);
}

#[rstest]
#[ignore = "needs minutes: MTDKEEP_TEXTS of each form (CI's stage long)"]
fn both_readers_answer_alike_many_times(#[values(0, 1, 2, 3, 4)] form: usize) {
    texts_of_form(form, many());
}

/// A device tree and a dump with RedBoot's table, with some of their bytes changed.
fn tables(whole: &[u8], interesting: std::ops::Range<usize>, count: u64) {
    let mut read = 0;
    for seed in 0..count {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut bytes = whole.to_vec();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(interesting.clone());
            bytes[at] = match rng.random_range(0..3) {
                0 => 0xff,
                1 => 0,
                _ => rng.random(),
            };
        }
        if rng.random_range(0..8) == 0 {
            bytes.truncate(rng.random_range(0..bytes.len()));
        }
        match layout::read(&bytes) {
            Ok(found) => {
                read += 1;
                // Nothing is told that lies past 63 bits or, in a dump, past the chip.
                for partition in &found.partitions {
                    let end = partition.end_bytes().unwrap();
                    let limit = found.chips[0].size_bytes.unwrap_or(i64::MAX as u64);
                    assert!(end <= limit, "seed {seed}: {partition:?}");
                }
            }
            Err(
                LayoutTextError::BadTable { .. }
                | LayoutTextError::BadLine { .. }
                | LayoutTextError::Unknown,
            ) => {}
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert!(read > 0, "none of {count} could be read");
}

/// RedBoot's table, alone, of a chip that it fills.
fn fis() -> Vec<u8> {
    let rows = [
        ("RedBoot", 0, 0x2_0000),
        ("Kernel", 0x2_0000, 0xc_0000),
        ("FIS directory", 0xe_0000, 0x2_0000_u32),
    ];
    let mut table = Vec::new();
    for (name, offset, size) in rows {
        let mut record = [0_u8; 256];
        record[..name.len()].copy_from_slice(name.as_bytes());
        record[16..20].copy_from_slice(&(0x5000_0000_u32 + offset).to_be_bytes());
        record[24..28].copy_from_slice(&size.to_be_bytes());
        table.extend(record);
    }
    table.resize(0x1000, 0xff);
    table
}

/// The tree of a router with a partition in a partition.
fn device_tree() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/layout/router.dtb");
    std::fs::read(path).unwrap()
}

#[test]
fn tables_of_bytes_are_answered() {
    tables(&fis(), 0..0x300, FEW);
    let tree = device_tree();
    tables(&tree, 0..tree.len(), FEW);
}

#[rstest]
#[ignore = "needs minutes: MTDKEEP_TEXTS of each form (CI's stage long)"]
fn tables_of_bytes_are_answered_many_times(#[values(false, true)] tree: bool) {
    if tree {
        let tree = device_tree();
        tables(&tree, 0..tree.len(), many());
    } else {
        tables(&fis(), 0..0x300, many());
    }
}
