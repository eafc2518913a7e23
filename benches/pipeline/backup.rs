//! The pipeline itself: a whole backup, with manifest and names, by workers,
//! digests and the size of its buffer. It never reads less than an erase block at
//! once, so buffers below 128 KiB make no difference.

use super::shared::rounds::Contest;
use super::{CHIP_BYTES, DIGESTS};
use criterion::{BenchmarkId, Criterion, Throughput};
use mtdkeep::backend::SimulatedBackend;
use mtdkeep::backup::{self, DigestChoice, Folder, Request, Work};
use std::path::Path;
use std::time::{Duration, SystemTime};

const BUFFER_BYTES: [usize; 4] = [512, 128 << 10, 256 << 10, 1 << 20];
const WORKERS: [usize; 2] = [1, 2];

fn back_up(
    device: &SimulatedBackend,
    path: &Path,
    workers: usize,
    buffer_bytes: usize,
    digests: DigestChoice,
) {
    let _ = std::fs::remove_dir_all(path);
    let folder = Folder::open_or_create(path).expect("the folder is made");
    let request = Request {
        partitions: &[],
        read_again: false,
        digests,
        now: SystemTime::UNIX_EPOCH,
    };
    let work = Work {
        buffer_bytes,
        workers,
        ..Work::default()
    };
    backup::backup(device, &folder, &request, &work)
        .map_err(|failure| failure.error)
        .expect("the backup is made");
}

/// Every combination, with what it is called.
fn all() -> impl Iterator<Item = (String, usize, usize, DigestChoice)> {
    let digests = DIGESTS
        .into_iter()
        .filter_map(|(name, choice)| Some((name, choice?)));
    digests.flat_map(|(name, choice)| {
        WORKERS.into_iter().flat_map(move |workers| {
            BUFFER_BYTES.into_iter().map(move |buffer_bytes| {
                let plural = if workers > 1 { "s" } else { "" };
                let of = format!("backup, {name}, {workers} worker{plural}");
                (of, workers, buffer_bytes, choice)
            })
        })
    })
}

pub fn group(criterion: &mut Criterion) {
    let (device, scratch) = (super::device(), super::shared::scratch());
    let folder = scratch.path().join("backup");
    let mut group = criterion.benchmark_group("pipeline/backup");
    group.throughput(Throughput::Bytes(CHIP_BYTES));
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    for (of, workers, buffer_bytes, digests) in all() {
        group.bench_function(BenchmarkId::new(of, buffer_bytes), |bencher| {
            bencher.iter(|| back_up(&device, &folder, workers, buffer_bytes, digests));
        });
    }
    group.finish();
}

pub fn enter<'a>(contest: &mut Contest<'a>, device: &'a SimulatedBackend, scratch: &Path) {
    for (of, workers, buffer_bytes, digests) in all() {
        let folder = scratch.join("backup");
        contest.enter(format!("{of}, {buffer_bytes}"), None, move || {
            back_up(device, &folder, workers, buffer_bytes, digests);
        });
    }
}
