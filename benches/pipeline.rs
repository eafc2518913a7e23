//! The backup pipeline against the machine's own limits: as a library for several
//! read sizes, and as a whole process against `cp` of the same eleven files and
//! against the loop of eleven `dd` at 512 bytes that people use.
//!
//! Everything goes to a folder in memory (`/dev/shm`) where there is one. Wall
//! time on a shared machine is noise, so what counts are the ratios printed at the
//! end: each round runs all contenders one right after the other, and both the
//! median and the fastest of the rounds are compared.
//!
//!     cargo bench --bench pipeline

// Criterion's macro makes a public function without documentation.
#![allow(missing_docs)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use mtd_harness::profile;
use mtdkeep::backend::SimulatedBackend;
use mtdkeep::backup::{self, DigestChoice, Digests, Folder, Request, Silent};
use sha2::Digest as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

const CHIP_BYTES: u64 = 16 << 20;

fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    made.expect("a temporary folder")
}

type Digest = fn(&[u8], &mut [u8]);

/// What the pipeline does to bytes that it has read; none is the limit: moving
/// them once.
const DIGESTS: [(&str, Digest); 4] = [
    ("none", |data, copy| {
        copy[..data.len()].copy_from_slice(data)
    }),
    ("crc32", |data, _| {
        black_box(crc32fast::hash(data));
    }),
    ("sha256", |data, _| {
        black_box(sha2::Sha256::digest(data));
    }),
    ("crc32 and sha256", |data, _| {
        let mut digests = Digests::new(DigestChoice::Both);
        digests.update(data);
        black_box(digests.finish());
    }),
];

fn digests(criterion: &mut Criterion) {
    let data: Vec<u8> = (0..1u32 << 20).map(|n| ((n * 31) >> 3) as u8).collect();
    // Not zero: the first write would pay for the memory.
    let mut copy = vec![1; data.len()];
    let mut group = criterion.benchmark_group("pipeline/digests");
    group.throughput(Throughput::Bytes(data.len() as u64));
    group.sample_size(20);
    for (name, digest) in DIGESTS {
        group.bench_function(name, |bencher| {
            bencher.iter(|| digest(black_box(&data), black_box(&mut copy)))
        });
    }
    group.finish();
}

/// Each digest of 1 MiB against moving it, in the same rounds.
fn digest_ratios(rounds: usize) {
    let data: Vec<u8> = (0..1u32 << 20).map(|n| ((n * 31) >> 3) as u8).collect();
    // Not zero: the first write would pay for the memory.
    let mut copy = vec![1; data.len()];
    let mut fastest = [f64::MAX; DIGESTS.len()];
    for _ in 0..rounds {
        for (at, (_, digest)) in DIGESTS.iter().enumerate() {
            let began = Instant::now();
            digest(black_box(&data), black_box(&mut copy));
            fastest[at] = fastest[at].min(began.elapsed().as_secs_f64());
        }
    }
    println!("ratios: {rounds} rounds of 1 MiB, fastest (less is faster)");
    for (at, (name, _)) in DIGESTS.iter().enumerate() {
        println!(
            "ratio pipeline/digests {name}: {:.2} of memcpy ({:.2} GB/s)",
            fastest[at] / fastest[0],
            data.len() as f64 / fastest[at] / 1e9
        );
    }
}

fn library(criterion: &mut Criterion) {
    let folder = scratch();
    // The contents are made before, so that only the pipeline is measured.
    let bytes = profile::ispot(1).chip_bytes(0);
    let device = profile::from_bytes(&bytes, &mtd_harness::layout::Layout::ispot());
    let device = SimulatedBackend::new(device.expect("the image fits"));
    let mut group = criterion.benchmark_group("pipeline/backup");
    group.throughput(Throughput::Bytes(CHIP_BYTES));
    group.sample_size(10);
    group.measurement_time(Duration::from_secs(3));
    for workers in [1, 2] {
        for buffer_bytes in [512, 4 << 10, 64 << 10, 256 << 10, 1 << 20] {
            let id = BenchmarkId::new(format!("{workers} workers"), buffer_bytes);
            group.bench_function(id, |bencher| {
                bencher.iter(|| back_up(&device, &folder.path().join("b"), workers, buffer_bytes))
            });
        }
    }
    group.finish();
}

fn back_up(device: &SimulatedBackend, path: &Path, workers: usize, buffer_bytes: usize) {
    let _ = std::fs::remove_dir_all(path);
    let folder = Folder::open_or_create(path).expect("the folder is made");
    let request = Request {
        partitions: &[],
        read_again: false,
        digests: DigestChoice::Both,
        now: SystemTime::UNIX_EPOCH,
        buffer_bytes,
        workers,
        folder_created: true,
        interrupt: &AtomicBool::new(false),
    };
    backup::backup(device, &folder, &request, &Silent)
        .map_err(|failure| failure.error)
        .expect("the backup is made");
}

/// One way to get eleven files, as a whole process.
struct Contender {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    /// At most so many times `cp`.
    aim: Option<f64>,
    milliseconds: Vec<f64>,
}

fn contenders(scratch: &Path) -> Vec<Contender> {
    let mtdkeep = || PathBuf::from(env!("CARGO_BIN_EXE_mtdkeep"));
    let path = |name: &str| scratch.join(name).display().to_string();
    let (source, target, chip) = (path("source"), path("target"), path("chip.bin"));
    let files = (0..11).map(|n| format!("{source}/mtd{n}.bin"));
    let dd = |block: &str| {
        format!(
            "x=0; while [ $x -le 10 ]; do dd if={source}/mtd$x.bin of={target}/mtd$x.bin \
             {block} 2>/dev/null || exit 1; x=$((x+1)); done"
        )
    };
    let sh = |script: String| vec!["-c".to_owned(), script];
    let contender = |name, program: PathBuf, arguments, aim| Contender {
        name,
        program,
        arguments,
        aim,
        milliseconds: Vec::new(),
    };
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    let simulate = words(&["backup", "--simulate", "--output", &target]);
    let image = words(&["backup", "--image", &chip, "--output", &target]);
    vec![
        contender(
            "cp",
            "cp".into(),
            files.chain([target.clone()]).collect(),
            None,
        ),
        contender("backup --simulate", mtdkeep(), simulate, Some(1.5)),
        contender("backup --image", mtdkeep(), image, Some(1.25)),
        contender("eleven dd, 512 bytes", "sh".into(), sh(dd("")), None),
        contender("eleven dd, 128 KiB", "sh".into(), sh(dd("bs=128k")), None),
    ]
}

fn ratios(rounds: usize) {
    let folder = scratch();
    let mtdkeep = env!("CARGO_BIN_EXE_mtdkeep");
    let path = |name: &str| folder.path().join(name);
    must(
        Command::new(mtdkeep)
            .args(["backup", "--simulate", "-o"])
            .arg(path("source")),
    );
    must(
        Command::new(mtdkeep)
            .args(["image", "--simulate", "-o"])
            .arg(path("chip.bin")),
    );
    let mut contenders = contenders(folder.path());
    for _ in 0..rounds {
        for contender in &mut contenders {
            let target = path("target");
            let _ = std::fs::remove_dir_all(&target);
            std::fs::create_dir(&target).expect("the folder is made");
            let mut command = Command::new(&contender.program);
            command.args(&contender.arguments);
            let began = Instant::now();
            must(&mut command);
            contender
                .milliseconds
                .push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    println!("ratios: {rounds} rounds, 16 MiB in eleven files, whole processes (less is faster)");
    for contender in &mut contenders {
        contender.milliseconds.sort_by(f64::total_cmp);
    }
    let figures = |c: &Contender| (c.milliseconds[0], c.milliseconds[c.milliseconds.len() / 2]);
    let (cp_fastest, cp_median) = figures(&contenders[0]);
    for contender in &contenders {
        let (fastest, median) = figures(contender);
        let aim = contender
            .aim
            .map_or_else(String::new, |aim| format!("; aim {aim:.2}"));
        println!(
            "ratio pipeline/{}: {:.2} of cp (fastest, {fastest:.1} ms; median {:.2}, {median:.1} ms{aim})",
            contender.name,
            fastest / cp_fastest,
            median / cp_median,
        );
    }
}

fn must(command: &mut Command) {
    let status = command.stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "{command:?}");
}

criterion_group!(benches, digests, library);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    // `cargo test --benches` only wants to know that it runs.
    let rounds = if std::env::args().any(|argument| argument == "--test") {
        1
    } else {
        41
    };
    digest_ratios(rounds);
    ratios(rounds);
}
