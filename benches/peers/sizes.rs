//! `backup --simulate=FILE` of chips from 16 MiB to 4 GiB: time per byte must
//! stay flat, and memory must not grow.

use super::shared::{Spread, process};
use serde::Serialize;
use std::fs;
use std::path::Path;

const ERASE_BLOCK_BYTES: u64 = 128 << 10;
const MIB: u64 = 1 << 20;

#[derive(Serialize)]
pub struct SizeResult {
    pub size_mib: u64,
    pub wall_ms: Spread,
    pub cpu_ms: Spread,
    pub wall_ms_per_mib: f64,
    pub cpu_ms_per_mib: f64,
    pub peak_kib: u64,
}

/// What was measured, and a sentence for each size that was left out.
pub fn measure(scratch: &Path, short: bool) -> (Vec<SizeResult>, Vec<String>) {
    let sizes_mib: &[u64] = if short {
        &[16, 64]
    } else {
        &[16, 64, 256, 1024, 4096]
    };
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    println!("\nbackup --simulate=FILE, chips of several sizes");
    println!(
        "{:>6} {:>10} {:>10} {:>10} {:>8}",
        "MiB", "wall ms", "per MiB", "cpu/MiB", "KiB"
    );
    for &size_mib in sizes_mib {
        // Twice the size: a machine at its limit measures its limit.
        let free_mib = free_bytes(scratch) / MIB;
        if free_mib < 2 * size_mib {
            let why = format!("{size_mib} MiB: only {free_mib} MiB free");
            println!("left out: {why}");
            left_out.push(why);
            continue;
        }
        let result = one(scratch, size_mib, if short { 1 } else { runs(size_mib) });
        println!(
            "{:>6} {:>10.1} {:>10.3} {:>10.3} {:>8}",
            size_mib,
            result.wall_ms.median,
            result.wall_ms_per_mib,
            result.cpu_ms_per_mib,
            result.peak_kib
        );
        found.push(result);
    }
    (found, left_out)
}

fn runs(size_mib: u64) -> usize {
    if size_mib > 256 { 3 } else { 9 }
}

fn one(scratch: &Path, size_mib: u64, runs: usize) -> SizeResult {
    let table = scratch.join("layout.proc_mtd");
    fs::write(&table, layout(size_mib * MIB)).expect("the layout is written");
    let target = scratch.join("sized");
    let mut simulate = std::ffi::OsString::from("--simulate=");
    simulate.push(&table);
    let arguments = [
        "backup".into(),
        simulate,
        "--output".into(),
        target.clone().into(),
    ];
    let all: Vec<_> = (0..runs)
        .map(|_| {
            let run = process::run(env!("CARGO_BIN_EXE_mtdkeep").as_ref(), &arguments);
            fs::remove_dir_all(&target).expect("the backup was made");
            run
        })
        .collect();
    let wall_ms = Spread::of(all.iter().map(|run| run.wall_ms));
    let cpu_ms = Spread::of(all.iter().map(|run| run.cpu_ms));
    SizeResult {
        size_mib,
        wall_ms_per_mib: wall_ms.median / size_mib as f64,
        cpu_ms_per_mib: cpu_ms.median / size_mib as f64,
        wall_ms,
        cpu_ms,
        peak_kib: all.iter().map(|run| run.peak_kib).max().unwrap_or(0),
    }
}

/// As `/proc/mtd` of a device with that much flash: a small partition, and two
/// of equal size, so that both workers have the same to do.
fn layout(size_bytes: u64) -> String {
    let boot = MIB;
    let half = (size_bytes - boot) / 2 / ERASE_BLOCK_BYTES * ERASE_BLOCK_BYTES;
    let mut text = "dev:    size   erasesize  name\n".to_owned();
    let sizes = [
        ("boot", boot),
        ("system", half),
        ("data", size_bytes - boot - half),
    ];
    for (index, (name, bytes)) in sizes.into_iter().enumerate() {
        text += &format!("mtd{index}: {bytes:08x} {ERASE_BLOCK_BYTES:08x} \"{name}\"\n");
    }
    text
}

fn free_bytes(folder: &Path) -> u64 {
    let stat = rustix::fs::statvfs(folder);
    stat.map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}
