//! A plain loop over the devices with reads and writes of several sizes: what a
//! backup would cost if it asked for so much at once and did nothing else.

use super::shared::rounds::Contest;
use super::{CHIP_BYTES, DIGESTS};
use criterion::{BenchmarkId, Criterion, Throughput};
use mtdkeep::backend::SimulatedBackend;
use mtdkeep::backup::{DigestChoice, Digests};
use mtdkeep::mtd::MtdBackend as _;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

const READ_BYTES: [usize; 6] = [512, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];

/// Reads every device into a file of its own, `read_bytes` a call.
fn copy(device: &SimulatedBackend, folder: &Path, read_bytes: usize, choice: Option<DigestChoice>) {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir(folder).expect("the folder is made");
    let mut buffer = vec![0; read_bytes];
    for info in device.devices().expect("the simulation's devices") {
        let mut from = device.open(&info).expect("it opens");
        let file = folder.join(info.index.to_string());
        let mut to = File::create(file).expect("the file is made");
        let mut digests = choice.map(Digests::new);
        let mut offset_bytes = 0;
        loop {
            let count = from.read_at(offset_bytes, &mut buffer).expect("it reads");
            if count == 0 {
                break;
            }
            if let Some(digests) = &mut digests {
                digests.update(&buffer[..count]);
            }
            to.write_all(&buffer[..count]).expect("it is stored");
            offset_bytes += count as u64;
        }
        black_box(digests.map(Digests::finish));
    }
}

pub fn group(criterion: &mut Criterion) {
    let (device, scratch) = (super::device(), super::shared::scratch());
    let folder = scratch.path().join("loop");
    let mut group = criterion.benchmark_group("pipeline/loop");
    group.throughput(Throughput::Bytes(CHIP_BYTES));
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    for (name, choice) in DIGESTS {
        for read_bytes in READ_BYTES {
            group.bench_function(BenchmarkId::new(name, read_bytes), |bencher| {
                bencher.iter(|| copy(&device, &folder, read_bytes, choice));
            });
        }
    }
    group.finish();
}

/// The largest reads without a digest first: the limit.
pub fn enter<'a>(contest: &mut Contest<'a>, device: &'a SimulatedBackend, scratch: &Path) {
    for (name, choice) in DIGESTS {
        for read_bytes in READ_BYTES.into_iter().rev() {
            let folder = scratch.join("loop");
            contest.enter(format!("loop, {name}, {read_bytes}"), None, move || {
                copy(device, &folder, read_bytes, choice);
            });
        }
    }
}
