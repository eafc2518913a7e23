//! The simulated chip against the machine's own limits: memcpy for reading,
//! memset for erasing, an AND loop for programming, 128 KiB at a time over
//! 16 MiB.
//!
//! Criterion keeps the history and the HTML report. Wall time on a shared
//! machine is noise, so what counts are the ratios printed at the end: each
//! round times the limit and the chip one right after the other over the whole
//! 16 MiB. Two figures come of it: the median of the rounds' ratios, and the
//! ratio of the fastest round of each, which a busy machine disturbs least.
//! 1.00 is as fast as the limit, more is faster.
//!
//! Erasing is so far above its limit because the chip hands the erase block's
//! memory back instead of filling it; the program after it pays for the
//! filling, which is why the two are compared together as well.
//!
//!     cargo bench --bench chip

// Criterion's macro makes a public function without documentation.
#![allow(missing_docs)]

use criterion::{Criterion, Throughput, criterion_group};
use mtd_harness::chip::{Chip, EraseBlock, Geometry};
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
    /// What the chip is meant to reach; None where nothing was promised.
    aim: Option<f64>,
}

const COMPARISONS: [Comparison; 5] = [
    Comparison {
        name: "read",
        limit: ("memcpy", Rig::memcpy),
        ours: Rig::read,
        prepare: |_| {},
        aim: Some(0.9),
    },
    Comparison {
        name: "erase",
        limit: ("memset", Rig::memset),
        ours: Rig::erase,
        prepare: Rig::fill,
        aim: Some(0.9),
    },
    Comparison {
        name: "program",
        limit: ("an AND loop", Rig::and_loop),
        ours: Rig::program,
        prepare: Rig::fill,
        aim: Some(0.8),
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

/// Prints one line for each comparison: the ratio, and what it aims at.
fn ratios(rounds: usize) {
    println!("ratios: {rounds} rounds, 128 KiB at a time over 16 MiB (1.00 = the limit)");
    let mut rig = Rig::new();
    for comparison in &COMPARISONS {
        let (limit_name, limit) = comparison.limit;
        let times: Vec<[f64; 2]> = (0..rounds)
            .map(|_| {
                [limit, comparison.ours].map(|step| {
                    (comparison.prepare)(&mut rig);
                    over_all_blocks(&mut rig, step).as_secs_f64()
                })
            })
            .collect();
        let [limit, ours] = [0, 1].map(|n| times.iter().map(|t| t[n]).fold(f64::MAX, f64::min));
        let fastest = limit / ours;
        let mut found: Vec<f64> = times.iter().map(|[limit, ours]| limit / ours).collect();
        found.sort_by(f64::total_cmp);
        let median = found[rounds / 2];
        let aim = match comparison.aim {
            Some(aim) => format!("; aim {aim:.2}"),
            None => String::new(),
        };
        println!(
            "ratio chip/{}: {fastest:.2} of {limit_name} (fastest rounds; median {median:.2}{aim})",
            comparison.name
        );
    }
}

criterion_group!(benches, chip);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    // `cargo test --benches` only wants to know that it runs; one round would
    // print figures that mean nothing.
    if std::env::args().any(|argument| argument == "--test") {
        println!("ratios: skipped, this is a test run");
    } else {
        ratios(101);
    }
}
