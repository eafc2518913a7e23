//! The simulated chip against the machine's own limits: memcpy for reading,
//! memset for erasing, an AND loop for programming, 128 KiB at a time over
//! 16 MiB.
//!
//! Criterion keeps the history and the HTML report. Wall time on a shared
//! machine is noise, so what counts are the ratios printed at the end: each
//! round times the limit and the chip one right after the other over the whole
//! 16 MiB. 1.00 is as fast as the limit, less is faster.
//!
//! Erasing is so far below its limit because the chip hands the erase block's
//! memory back instead of filling it; the program after it pays for the
//! filling, which is why the two are compared together as well.
//!
//!     cargo bench --bench chip                     Criterion's report, and the ratios
//!     cargo bench --bench chip -- --json FILE      the ratios only, to FILE as well

// Criterion's macro makes a public function without documentation.
#![allow(missing_docs)]

#[path = "shared/mod.rs"]
mod shared;

use criterion::{Criterion, Throughput, criterion_group};
use mtd_harness::chip::{Chip, EraseBlock, Geometry};
use serde::Serialize;
use shared::rounds::{Contest, Standing};
use std::cell::RefCell;
use std::hint::black_box;
use std::time::{Duration, Instant};

const BLOCK_BYTES: usize = 128 << 10;
const BLOCKS: usize = 128;

/// The limit and the chip over the same amount of data.
struct Rig {
    chip: Chip,
    image: tempfile::NamedTempFile,
    image_chip: Chip,
    plain: Vec<u8>,
    data: Vec<u8>,
    buf: Vec<u8>,
}

impl Rig {
    fn new() -> Self {
        let geometry = Geometry::INTEL_28F128J3;
        // A cheap generator: the contents only have to be neither all ones nor
        // all zeroes.
        let mut state = 1u64;
        let mut byte = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            (state >> 56) as u8
        };
        let plain: Vec<u8> = (0..BLOCKS * BLOCK_BYTES).map(|_| byte()).collect();
        let image = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(image.path(), &plain).expect("the image is written");
        let image_chip = Chip::from_image(geometry, image.path()).expect("the image opens");
        let mut rig = Self {
            chip: Chip::new(geometry),
            image,
            image_chip,
            data: plain[..BLOCK_BYTES].to_vec(),
            plain,
            buf: vec![0; BLOCK_BYTES],
        };
        rig.fill();
        rig
    }

    /// Gives every erase block contents, as a chip in use has.
    fn fill(&mut self) {
        self.chip.load(0, &self.plain).expect("fits");
    }

    fn block(&mut self, n: usize) -> &mut [u8] {
        &mut self.plain[n * BLOCK_BYTES..][..BLOCK_BYTES]
    }

    fn memcpy(&mut self, n: usize) {
        let block = &self.plain[n * BLOCK_BYTES..][..BLOCK_BYTES];
        self.buf.copy_from_slice(black_box(block));
        black_box(&mut self.buf);
    }

    fn read(&mut self, n: usize) {
        let answer = self.chip.read((n * BLOCK_BYTES) as u64, &mut self.buf);
        assert_eq!(answer, Ok(BLOCK_BYTES));
        black_box(&mut self.buf);
    }

    fn read_image(&mut self, n: usize) {
        let at = (n * BLOCK_BYTES) as u64;
        let answer = self.image_chip.read(at, &mut self.buf);
        assert_eq!(answer, Ok(BLOCK_BYTES));
        black_box(&mut self.buf);
    }

    fn memset(&mut self, n: usize) {
        black_box(self.block(n)).fill(0xff);
        black_box(self.block(n));
    }

    fn erase(&mut self, n: usize) {
        self.chip.erase(EraseBlock(n as u64)).expect("erases");
    }

    fn and_loop(&mut self, n: usize) {
        let cells = &mut self.plain[n * BLOCK_BYTES..][..BLOCK_BYTES];
        for (cell, new) in black_box(&mut *cells).iter_mut().zip(black_box(&self.data)) {
            *cell &= *new;
        }
        black_box(cells);
    }

    fn program(&mut self, n: usize) {
        let answer = self.chip.program((n * BLOCK_BYTES) as u64, &self.data);
        answer.expect("programs");
    }

    fn memset_and_loop(&mut self, n: usize) {
        self.memset(n);
        self.and_loop(n);
    }

    fn erase_and_program(&mut self, n: usize) {
        self.erase(n);
        self.program(n);
    }
}

type Step = fn(&mut Rig, usize);

/// One comparison: what is done, its limit, and how it is got ready.
struct Comparison {
    name: &'static str,
    limit: (&'static str, Step),
    ours: Step,
    prepare: fn(&mut Rig),
    /// At most so many times the limit's time; None where nothing was promised.
    aim: Option<f64>,
}

const COMPARISONS: [Comparison; 5] = [
    Comparison {
        name: "read",
        limit: ("memcpy", Rig::memcpy),
        ours: Rig::read,
        prepare: |_| {},
        aim: Some(1.11),
    },
    Comparison {
        name: "erase",
        limit: ("memset", Rig::memset),
        ours: Rig::erase,
        prepare: Rig::fill,
        aim: Some(1.11),
    },
    Comparison {
        name: "program",
        limit: ("an AND loop", Rig::and_loop),
        ours: Rig::program,
        prepare: Rig::fill,
        aim: Some(1.25),
    },
    Comparison {
        name: "erase and program",
        limit: ("memset and an AND loop", Rig::memset_and_loop),
        ours: Rig::erase_and_program,
        prepare: Rig::fill,
        aim: None,
    },
    Comparison {
        name: "read from an image file",
        limit: ("memcpy", Rig::memcpy),
        ours: Rig::read_image,
        prepare: |_| {},
        aim: None,
    },
];

fn over_all_blocks(rig: &mut Rig, step: Step) -> Duration {
    let began = Instant::now();
    for n in 0..BLOCKS {
        step(rig, n);
    }
    began.elapsed()
}

fn chip(criterion: &mut Criterion) {
    let mut rig = Rig::new();
    for comparison in &COMPARISONS {
        let mut group = criterion.benchmark_group(format!("chip/{}", comparison.name));
        group.throughput(Throughput::Bytes((BLOCKS * BLOCK_BYTES) as u64));
        group.sample_size(20);
        group.measurement_time(Duration::from_secs(2));
        for (name, step) in [comparison.limit, ("chip", comparison.ours)] {
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|times| {
                    let mut total = Duration::ZERO;
                    for _ in 0..times {
                        (comparison.prepare)(&mut rig);
                        total += over_all_blocks(&mut rig, step);
                    }
                    total
                })
            });
        }
        group.finish();
    }
    rig.image.close().expect("the image is removed");
}

#[derive(Serialize)]
struct Figures {
    chip: Vec<Standing>,
}

/// Each comparison in a contest of its own: they have different limits.
fn ratios(rounds: usize) -> Vec<Standing> {
    let rig = RefCell::new(Rig::new());
    let bytes = (BLOCKS * BLOCK_BYTES) as u64;
    let mut found = Vec::new();
    for comparison in &COMPARISONS {
        let mut contest = Contest::new(format!("chip/{}", comparison.name), Some(bytes));
        let (limit_name, limit) = comparison.limit;
        let ours = (comparison.name, comparison.ours, comparison.aim);
        for (name, step, aim) in [(limit_name, limit, None), ours] {
            let rig = &rig;
            contest.enter_timed(name, aim, move || {
                let rig = &mut rig.borrow_mut();
                (comparison.prepare)(rig);
                over_all_blocks(rig, step).as_secs_f64()
            });
        }
        found.extend(contest.run(rounds).into_iter().skip(1));
    }
    found
}

criterion_group!(benches, chip);

fn main() {
    shared::run(benches, 101, |rounds| Figures {
        chip: ratios(rounds),
    });
}
