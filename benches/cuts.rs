//! What a search over power cuts costs beside what it searches: forks of chips against
//! memcpy, and a store's recoveries in the search against the same recoveries alone.
//!
//!     cargo bench --bench cuts                     Criterion's report, and the ratios
//!     cargo bench --bench cuts -- --json FILE      the ratios only, to FILE as well

// Criterion's macro makes a public function without documentation.
#![allow(missing_docs)]

#[path = "shared/mod.rs"]
mod shared;

use criterion::{Criterion, criterion_group};
use mtd_harness::chip::cut::{Ask, Explorer, Script, Scripted, States, Tears, Work};
use mtd_harness::chip::{Chip, EraseBlock, Errno, Geometry};
use serde::Serialize;
use shared::rounds::{Contest, Standing};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A store of 1 MiB in erase blocks of 4 KiB: each value goes to the next erase block,
/// with a number; the highest counts. Opening it looks at all 256.
const STORE: Geometry = Geometry {
    size_bytes: 1 << 20,
    erase_block_bytes: 4096,
};

fn newest(chip: &mut Chip) -> Result<(u64, Option<Vec<u8>>), Errno> {
    let mut found = (0, None);
    for block in 0..STORE.erase_blocks() {
        let mut cells = [0; 16];
        chip.read(block * 4096, &mut cells)?;
        let number = u64::from(cells[0]);
        let whole = cells[1] == !cells[0] && cells[15] == 0x5a && cells[0] != 0xff;
        if whole && number > found.0 {
            let length = usize::from(cells[2] & 7);
            found = (number, Some(cells[3..3 + length].to_vec()));
        }
    }
    Ok(found)
}

fn drive(chip: &mut Chip, script: &mut Script<'_>) -> Result<(), Errno> {
    let (mut number, mut value) = newest(chip)?;
    while let Some(ask) = script.next() {
        match ask {
            Ask::Set(_, new) => {
                number += 1;
                let mut cells = [0xff; 16];
                cells[..3].copy_from_slice(&[number as u8, !number as u8, new.len() as u8]);
                cells[3..3 + new.len()].copy_from_slice(&new);
                cells[15] = 0x5a;
                let block = number % STORE.erase_blocks();
                chip.erase(EraseBlock(block))?;
                chip.program(block * 4096, &cells)?;
                value = Some(new);
            }
            Ask::Get(_) => script.found(value.clone()),
            _ => {}
        }
    }
    Ok(())
}

fn work() -> Work {
    Work::key_value(1, 24, 1..=7, 1).without_removals()
}

/// Seconds for each state of the whole search, on one thread.
fn search() -> f64 {
    let (chip, store) = (Chip::new(STORE), Scripted::new(work(), drive));
    let search = Explorer::new(&chip, &store).threads(1);
    let report = search.tears(Tears::all()).run().expect("the store works");
    assert!(report.states() > 500, "{report}");
    report.took.as_secs_f64() / report.states() as f64
}

/// Seconds for each of the same recoveries, on states that are there already, without
/// record, model of what may be, or comparison of states.
fn recoveries() -> f64 {
    let chip = Chip::new(STORE);
    let mut run = chip.clone();
    run.record();
    // The work without its script: the same values, set one by one.
    for (number, ask) in (1..).zip(work().asks()) {
        if let Ask::Set(_, value) = ask {
            let mut cells = [0xff; 16];
            cells[..3].copy_from_slice(&[number, !number, value.len() as u8]);
            cells[3..3 + value.len()].copy_from_slice(value);
            cells[15] = 0x5a;
            let block = u64::from(number);
            run.erase(EraseBlock(block)).expect("an erase");
            run.program(block * 4096, &cells).expect("a program");
        }
    }
    let journal = run.take_journal();
    let states: Vec<Chip> = States::new(&chip, &journal, &Tears::all())
        .map(|state| state.expect("cells in memory").1)
        .collect();
    let count = states.len();
    let began = Instant::now();
    for mut state in states {
        // What a recovery does: open, look, set, look; open and look.
        let (number, value) = newest(&mut state).expect("a read");
        black_box(value);
        let block = (number + 1) % STORE.erase_blocks();
        state.erase(EraseBlock(block)).expect("an erase");
        state.program(block * 4096, &[0x55; 16]).expect("a program");
        black_box(newest(&mut state).expect("a read"));
    }
    began.elapsed().as_secs_f64() / count as f64
}

/// A full chip of 16 MiB, and as much plain memory.
struct Rig {
    chip: Chip,
    other: Chip,
    plain: Vec<u8>,
    copy: Vec<u8>,
}

impl Rig {
    fn new() -> Self {
        let mut chip = Chip::new(Geometry::INTEL_28F128J3);
        let plain: Vec<u8> = (0..16 << 20).map(|n: u32| (n * 7 % 251) as u8).collect();
        chip.load(0, &plain).expect("fits");
        Self {
            other: chip.clone(),
            chip,
            copy: plain.clone(),
            plain,
        }
    }

    fn memcpy_block(&mut self) {
        self.copy[..128 << 10].copy_from_slice(black_box(&self.plain[..128 << 10]));
        black_box(&mut self.copy);
    }

    fn snapshot(&mut self) {
        black_box(self.chip.clone());
    }

    fn snapshot_and_change(&mut self) {
        let mut fork = self.chip.clone();
        fork.program(77, &[0]).expect("a program");
        black_box(fork);
    }

    fn restore(&mut self) {
        self.chip.restore(&self.other);
    }
}

type Step = fn(&mut Rig);

const STEPS: [(&str, Step); 4] = [
    ("memcpy of 128 KiB", Rig::memcpy_block),
    ("snapshot of 16 MiB", Rig::snapshot),
    (
        "snapshot, one erase block changed",
        Rig::snapshot_and_change,
    ),
    ("restore of 16 MiB", Rig::restore),
];

fn cuts(criterion: &mut Criterion) {
    let mut rig = Rig::new();
    let mut group = criterion.benchmark_group("cuts/forks");
    group.sample_size(20);
    group.measurement_time(Duration::from_secs(1));
    for (name, step) in STEPS {
        group.bench_function(name, |bencher| bencher.iter(|| step(&mut rig)));
    }
    group.finish();
}

#[derive(Serialize)]
struct Figures {
    cuts: Vec<Standing>,
}

fn ratios(rounds: usize) -> Vec<Standing> {
    let rig = std::cell::RefCell::new(Rig::new());
    let mut forks = Contest::new("cuts/forks".to_owned(), None);
    for (name, step) in STEPS {
        let rig = &rig;
        forks.enter_timed(name, None, move || {
            let rig = &mut rig.borrow_mut();
            let began = Instant::now();
            (0..16).for_each(|_| step(rig));
            began.elapsed().as_secs_f64() / 16.0
        });
    }
    let mut found: Vec<_> = forks.run(rounds).into_iter().skip(1).collect();
    let mut states = Contest::new("cuts/states".to_owned(), None);
    states.enter_timed("the recoveries alone", None, recoveries);
    states.enter_timed("the search", None, search);
    found.extend(states.run(rounds.min(21)).into_iter().skip(1));
    found
}

criterion_group!(benches, cuts);

fn main() {
    shared::run(benches, 101, |rounds| Figures {
        cuts: ratios(rounds),
    });
}
