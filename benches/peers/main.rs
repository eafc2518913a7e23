//! Whole processes against what people use instead: interleaved, with medians
//! and spread, and against chips of several sizes.
//!
//! Every round runs all contenders one right after the other, beginning with
//! another one each time, so that a machine that slows down slows all of them;
//! ratios to `cp` are taken within each round. What a round needs beforehand
//! (an empty folder) is made outside the measured time. Everything lies in
//! memory (`/dev/shm`) where that exists, so that no disk is measured.
//!
//! What is not installed is named and left out. Wall time decides nothing here:
//! the only failure is a contender that does not do its work.
//!
//!     cargo bench --bench peers                        prints
//!     cargo bench --bench peers -- --json FILE         writes FILE
//!     cargo bench --bench peers -- --rounds N          41 otherwise
//!     cargo bench --bench peers -- --short             two rounds, small chips: does it run?
//!
//! On a busy machine run it with real-time priority: `chrt -f 50 cargo bench …`
//! (after a build without).

mod contenders;
#[path = "../shared/mod.rs"]
mod shared;
mod sizes;

use contenders::{Contender, Missing};
use serde::Serialize;
use shared::machine::Machine;
use shared::process::{self, Run};
use shared::{Options, Spread};
use std::path::Path;

/// Everything that was measured; the charts are drawn from it.
#[derive(Serialize)]
struct Report {
    machine: Machine,
    rounds: usize,
    peers: Vec<Peer>,
    missing: Vec<Missing>,
    sizes: Vec<sizes::SizeResult>,
    sizes_left_out: Vec<String>,
}

#[derive(Serialize)]
struct Peer {
    name: String,
    /// What of a backup it does: digests, checks.
    does: String,
    version: String,
    wall_ms: Spread,
    cpu_ms: Spread,
    peak_kib: u64,
    /// Wall time by that of `cp` in the same round.
    of_cp: Spread,
    /// Where the project has set itself a limit.
    aim_of_cp: Option<f64>,
}

fn main() {
    let options = Options::of_process();
    let rounds = options.rounds(41);
    let scratch = shared::scratch();
    let (contenders, missing) = contenders::all(scratch.path());
    for what in &missing {
        println!("missing: {} ({})", what.name, what.install);
    }
    let runs = interleave(&contenders, &scratch.path().join("target"), rounds);
    let peers: Vec<Peer> = contenders
        .iter()
        .enumerate()
        .map(|(at, contender)| peer(contender, &runs[at], &runs[0]))
        .collect();
    print(&peers, rounds);
    let (sizes, sizes_left_out) = sizes::measure(scratch.path(), options.short);
    let report = Report {
        machine: Machine::now(),
        rounds,
        peers,
        missing,
        sizes,
        sizes_left_out,
    };
    options.write_json(&report);
}

/// By contender, a run per round.
fn interleave(contenders: &[Contender], target: &Path, rounds: usize) -> Vec<Vec<Run>> {
    let mut runs = vec![Vec::with_capacity(rounds); contenders.len()];
    // The first round warms caches and is not counted.
    for round in 0..=rounds {
        for turn in 0..contenders.len() {
            let at = (round + turn) % contenders.len();
            let contender = &contenders[at];
            contender.prepare(target);
            let run = process::run(&contender.program, &contender.arguments);
            contender.check(target);
            if round > 0 {
                runs[at].push(run);
            }
        }
    }
    runs
}

fn peer(contender: &Contender, runs: &[Run], cp: &[Run]) -> Peer {
    let spread = |of: &dyn Fn(&Run) -> f64| Spread::of(runs.iter().map(of));
    let ratios = runs
        .iter()
        .zip(cp)
        .map(|(run, cp)| run.wall_ms / cp.wall_ms);
    Peer {
        name: contender.name.into(),
        does: contender.does.into(),
        version: contender.version.clone(),
        wall_ms: spread(&|run| run.wall_ms),
        cpu_ms: spread(&|run| run.cpu_ms),
        peak_kib: runs.iter().map(|run| run.peak_kib).max().unwrap_or(0),
        of_cp: Spread::of(ratios),
        aim_of_cp: contender.aim_of_cp,
    }
}

fn print(peers: &[Peer], rounds: usize) {
    println!("16 MiB in eleven files, whole processes, {rounds} rounds; less is faster");
    println!(
        "{:>7} {:>7} {:>7}  {:>8} {:>8}  {:>7}  contender",
        "of cp", "low", "high", "wall ms", "cpu ms", "KiB"
    );
    for peer in peers {
        let aim = peer
            .aim_of_cp
            .map_or_else(String::new, |aim| format!(" (aim {aim:.2})"));
        println!(
            "{:>7.2} {:>7.2} {:>7.2}  {:>8.2} {:>8.2}  {:>7}  {}{aim}: {}",
            peer.of_cp.median,
            peer.of_cp.low,
            peer.of_cp.high,
            peer.wall_ms.median,
            peer.cpu_ms.median,
            peer.peak_kib,
            peer.name,
            peer.does
        );
    }
}
