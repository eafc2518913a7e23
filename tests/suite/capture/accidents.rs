//! `mtdkeep import` of captures that met with accidents, as a property.

use crate::capture::import::{Captured, words};
use crate::cli::support::mtdkeep;
use proptest::prelude::*;
use std::fs;

/// One accident that can happen to the files.
#[derive(Debug, Clone)]
enum Accident {
    Flip(usize, usize),
    Cut(usize, usize),
    Swap(usize, usize),
    Lose(usize),
    Grow(usize),
}

const FILES: [&str; 6] = [
    "mtd0.bin",
    "mtd1.bin",
    "mtd2.bin",
    "mtd3.bin",
    "proc_mtd.txt",
    "capture.txt",
];

fn accident() -> impl Strategy<Value = Accident> {
    let file = 0..FILES.len();
    prop_oneof![
        (file.clone(), any::<usize>()).prop_map(|(f, at)| Accident::Flip(f, at)),
        (file.clone(), any::<usize>()).prop_map(|(f, at)| Accident::Cut(f, at)),
        (file.clone(), file.clone()).prop_map(|(a, b)| Accident::Swap(a, b)),
        file.clone().prop_map(Accident::Lose),
        file.prop_map(Accident::Grow),
    ]
}

impl Accident {
    fn happen(&self, captured: &Captured) {
        let path = |file: usize| captured.at(FILES[file]);
        let change = |file: usize, how: &dyn Fn(&mut Vec<u8>)| {
            if let Ok(mut bytes) = fs::read(path(file)) {
                how(&mut bytes);
                fs::write(path(file), bytes).unwrap();
            }
        };
        match *self {
            Self::Flip(file, at) => change(file, &|bytes| {
                let length = bytes.len();
                if length > 0 {
                    bytes[at % length] ^= 1 << (at % 8);
                }
            }),
            Self::Cut(file, at) => change(file, &|bytes| bytes.truncate(at % (bytes.len() + 1))),
            Self::Grow(file) => change(file, &|bytes| bytes.push(b'\n')),
            Self::Lose(file) => drop(fs::remove_file(path(file))),
            Self::Swap(a, b) => {
                if let (Ok(x), Ok(y)) = (fs::read(path(a)), fs::read(path(b))) {
                    fs::write(path(a), y).unwrap();
                    fs::write(path(b), x).unwrap();
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Where the device made digests, no accident to its files becomes a backup
    /// with a wrong byte, and none with a missing one is called done.
    #[test]
    fn no_accident_becomes_a_wrong_backup(
        accidents in prop::collection::vec(accident(), 0..4),
        sums_accident in prop::option::of(any::<usize>()),
    ) {
        let captured = Captured::with(&[]);
        for accident in &accidents {
            accident.happen(&captured);
        }
        if let Some(at) = sums_accident {
            let mut sums = fs::read(captured.at("MD5SUMS")).unwrap();
            let length = sums.len();
            sums[at % length] ^= 1 << (at % 7);
            fs::write(captured.at("MD5SUMS"), sums).unwrap();
        }
        let output = captured.import(&[]);
        let code = output.status.code();
        prop_assert!(matches!(code, Some(0..=4)), "{}", words(&output));
        if !captured.target().exists() {
            prop_assert!(!matches!(code, Some(0 | 3)), "{}", words(&output));
            return Ok(());
        }
        let mut images = 0;
        for mtd in 0..4 {
            if let Ok(image) = fs::read(captured.target().join(format!("mtd{mtd}.bin"))) {
                images += 1;
                let right = image == captured.bench.device.partition_bytes(mtd);
                prop_assert!(right, "mtd{mtd}: {}", words(&output));
            }
        }
        prop_assert!(code == Some(3) || images == 4, "{}", words(&output));
        mtdkeep().arg("verify").arg(captured.target()).assert().code(code.unwrap_or(-1));
    }
}
