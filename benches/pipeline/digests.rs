//! Each digest of 1 MiB in memory against memcpy.

use super::DIGESTS;
use super::shared::rounds::Contest;
use criterion::{Criterion, Throughput};
use mtdkeep::backup::{DigestChoice, Digests};
use std::hint::black_box;

pub const BYTES: usize = 1 << 20;

fn data() -> Vec<u8> {
    (0..BYTES as u32).map(|n| ((n * 31) >> 3) as u8).collect()
}

/// Digests the data; without a digest, moves it once: the limit.
fn digest(choice: Option<DigestChoice>, data: &[u8], copy: &mut [u8]) {
    match choice {
        None => black_box(copy).copy_from_slice(black_box(data)),
        Some(choice) => {
            let mut digests = Digests::new(choice);
            digests.update(black_box(data));
            black_box(digests.finish());
        }
    }
}

pub fn group(criterion: &mut Criterion) {
    // Not zero: the first write would pay for the memory.
    let (data, mut copy) = (data(), vec![1; BYTES]);
    let mut group = criterion.benchmark_group("pipeline/digests");
    group.throughput(Throughput::Bytes(BYTES as u64));
    group.sample_size(20);
    for (name, choice) in DIGESTS {
        group.bench_function(name, |bencher| {
            bencher.iter(|| digest(choice, &data, &mut copy));
        });
    }
    group.finish();
}

pub fn enter(contest: &mut Contest<'_>) {
    for (name, choice) in DIGESTS {
        let (data, mut copy) = (data(), vec![1; BYTES]);
        let name = choice.map_or("memcpy", |_| name);
        contest.enter(name, None, move || digest(choice, &data, &mut copy));
    }
}
