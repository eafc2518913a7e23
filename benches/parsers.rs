//! Everything that reads text from outside: `/proc/mtd`, a manifest,
//! `SHA256SUMS`, against what any reader of such text has to do at least.
//!
//! The limit is checking that the same bytes are UTF-8 and finding their line
//! ends; for the manifest it is parsing the same JSON without looking at it.
//! Ratios are printed at the end, each from rounds that time limit and parser
//! one right after the other. 1.00 is as fast as the limit, more is slower.
//!
//!     cargo bench --bench parsers                  Criterion's report, and the ratios
//!     cargo bench --bench parsers -- --json FILE   the ratios only, to FILE as well

// Criterion's macro makes a public function without documentation.
#![allow(missing_docs)]

#[path = "shared/mod.rs"]
mod shared;

use criterion::{Criterion, Throughput, criterion_group};
use mtdkeep::backend::SimulatedBackend;
use mtdkeep::backup::{self, DigestChoice, Folder, Manifest, Request, Work};
use mtdkeep::mtd::parse_proc_mtd;
use serde::Serialize;
use shared::rounds::{Contest, Standing};
use std::hint::black_box;
use std::time::{Duration, SystemTime};

/// One parser, its limit, and what both read.
struct Case {
    name: &'static str,
    limit_name: &'static str,
    text: Vec<u8>,
    parse: fn(&[u8]) -> usize,
    limit: fn(&[u8]) -> usize,
}

fn lines(text: &[u8]) -> usize {
    let text = std::str::from_utf8(text).expect("UTF-8");
    text.lines().map(str::len).max().unwrap_or(0)
}

fn json(text: &[u8]) -> usize {
    let value: serde_json::Value = serde_json::from_slice(text).expect("JSON");
    value.as_object().map_or(0, serde_json::Map::len)
}

fn proc_mtd(text: &[u8]) -> usize {
    parse_proc_mtd(text).expect("a table").len()
}

fn manifest(text: &[u8]) -> usize {
    Manifest::parse(text).expect("a manifest").images().len()
}

fn sums(text: &[u8]) -> usize {
    let text = std::str::from_utf8(text).expect("UTF-8");
    mtdkeep::fuzz::sums(text).expect("digests")
}

fn cases() -> Vec<Case> {
    let device = mtd_harness::profile::ispot(1);
    let table = device.system.proc_mtd().into_bytes();
    let folder = tempfile::tempdir().expect("a folder");
    let request = Request {
        partitions: &[],
        read_again: false,
        digests: DigestChoice::Both,
        now: SystemTime::UNIX_EPOCH,
    };
    let work = Work {
        buffer_bytes: 128 << 10,
        workers: 1,
        ..Work::default()
    };
    let destination = Folder::open(folder.path(), backup::Access::Change).expect("a folder");
    backup::backup(
        &SimulatedBackend::new(device),
        &destination,
        &request,
        &work,
    )
    .map_err(|failure| failure.error)
    .expect("the backup is made");
    let made = |name: &str| std::fs::read(folder.path().join(name)).expect("the backup's file");
    let mut long = b"dev:    size   erasesize  name\n".to_vec();
    for n in 0..1000 {
        long.extend(format!("mtd{n}: 00020000 00020000 \"part {n}\"\n").bytes());
    }
    let case = |name, text, parse, limit_name, limit| Case {
        name,
        limit_name,
        text,
        parse,
        limit,
    };
    vec![
        case(
            "proc_mtd, 11 lines",
            table,
            proc_mtd as fn(&[u8]) -> usize,
            "lines",
            lines as fn(&[u8]) -> usize,
        ),
        case("proc_mtd, 1000 lines", long, proc_mtd, "lines", lines),
        case(
            "manifest",
            made("manifest.json"),
            manifest,
            "any JSON",
            json,
        ),
        case("SHA256SUMS", made("SHA256SUMS"), sums, "lines", lines),
    ]
}

fn parsers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parsers");
    group.sample_size(20);
    group.measurement_time(Duration::from_secs(1));
    for case in cases() {
        group.throughput(Throughput::Bytes(case.text.len() as u64));
        group.bench_function(case.name, |bencher| {
            bencher.iter(|| (case.parse)(black_box(&case.text)))
        });
        group.bench_function(
            format!("{}, limit: {}", case.name, case.limit_name),
            |bencher| bencher.iter(|| (case.limit)(black_box(&case.text))),
        );
    }
    group.finish();
}

#[derive(Serialize)]
struct Figures {
    parsers: Vec<Standing>,
}

/// Each parser in a contest of its own: they have different limits.
fn ratios(rounds: usize) -> Vec<Standing> {
    let mut found = Vec::new();
    for case in &cases() {
        let mut contest = Contest::new(
            format!("parsers/{}", case.name),
            Some(50 * case.text.len() as u64),
        );
        for (name, work) in [(case.limit_name, case.limit), (case.name, case.parse)] {
            contest.enter(name, None, move || {
                for _ in 0..50 {
                    black_box(work(black_box(&case.text)));
                }
            });
        }
        found.extend(contest.run(rounds).into_iter().skip(1));
    }
    found
}

criterion_group!(benches, parsers);

fn main() {
    shared::run(benches, 101, |rounds| Figures {
        parsers: ratios(rounds),
    });
}
