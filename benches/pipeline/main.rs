//! The backup pipeline as a library: what each digest costs, what the size of a
//! read costs, and what the pipeline adds to both.
//!
//! Wall time on a shared machine is noise, so what counts are the ratios printed at
//! the end: each round runs everything one after the other, and each result is
//! divided by the limit of its own round. Everything goes to a folder in memory
//! (`/dev/shm`) where there is one. Whole processes are in `peers`.
//!
//!     cargo bench --bench pipeline                 Criterion's report, and the ratios
//!     cargo bench --bench pipeline -- --json FILE  the ratios only, to FILE as well

// Criterion's macro makes a public function without documentation.
#![allow(missing_docs)]

mod backup;
mod digests;
mod reads;
#[path = "../shared/mod.rs"]
mod shared;

use criterion::{Criterion, criterion_group};
use mtd_harness::layout::Layout;
use mtd_harness::profile;
use mtdkeep::backend::SimulatedBackend;
use mtdkeep::backup::DigestChoice;
use serde::Serialize;
use shared::rounds::{Contest, Standing};

const CHIP_BYTES: u64 = 16 << 20;

/// What is done to bytes that were read, besides moving them.
const DIGESTS: [(&str, Option<DigestChoice>); 4] = [
    ("none", None),
    ("crc32", Some(DigestChoice::Crc32)),
    ("sha256", Some(DigestChoice::Sha256)),
    ("both", Some(DigestChoice::Both)),
];

/// The simulated iSpot with its contents made before, so that only the pipeline is
/// measured.
fn device() -> SimulatedBackend {
    let bytes = profile::ispot(1).chip_bytes(0);
    let device = profile::from_bytes(&bytes, &Layout::ispot());
    SimulatedBackend::new(device.expect("the image fits"))
}

#[derive(Serialize)]
struct Figures {
    /// 1 MiB in memory; the limit is memcpy.
    digests: Vec<Standing>,
    /// The iSpot's chip into eleven files; the limit is moving it, 1 MiB a call.
    files: Vec<Standing>,
}

fn groups(criterion: &mut Criterion) {
    digests::group(criterion);
    reads::group(criterion);
    backup::group(criterion);
}

criterion_group!(benches, groups);

/// The contests, run one after the other.
fn figures(rounds: usize) -> Figures {
    let mut in_memory = Contest::new("pipeline/digests", Some(digests::BYTES as u64));
    digests::enter(&mut in_memory);
    let scratch = shared::scratch();
    let device = device();
    let mut files = Contest::new("pipeline/files", Some(CHIP_BYTES));
    reads::enter(&mut files, &device, scratch.path());
    backup::enter(&mut files, &device, scratch.path());
    Figures {
        digests: in_memory.run(rounds * 20),
        files: files.run(rounds),
    }
}

fn main() {
    shared::run(benches, 15, figures);
}
