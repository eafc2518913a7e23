//! `mtdkeep fetch` with all its digests, against what moves the same bytes without:
//! `curl -o` from the same web server, and `ssh` with `cat`, piped to sha256sum, from the
//! same OpenSSH on this machine, behind which is the sandbox.
//!
//! What is not installed is named and left out. Over ssh `fetch` has the device make its
//! own digest as well; so has the limit, and without that it is told beside it.
//!
//!     cargo bench --bench fetch                  prints
//!     cargo bench --bench fetch -- --json FILE   writes FILE
//!     cargo bench --bench fetch -- --rounds N    11 otherwise

mod ssh;
mod web;

#[path = "../shared/mod.rs"]
mod shared;

use serde::Serialize;
use shared::Options;
use shared::machine::Machine;
use shared::rounds::Standing;
use shared::servers::Programs;
use std::path::Path;
use std::process::{Command, Stdio};

#[derive(Serialize)]
struct Report {
    machine: Machine,
    rounds: usize,
    missing: Vec<String>,
    standings: Vec<Standing>,
}

/// Runs to its end, which must be a good one.
fn run(command: &mut Command) {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null());
    let status = command.stderr(Stdio::null()).status().expect("it starts");
    assert!(status.success(), "{command:?}: {status}");
}

/// Fetches into a folder, and removes it again: a removal is none of the work.
fn fetch(source: &str, folder: &Path, prepare: &dyn Fn(&mut Command)) -> f64 {
    let target = folder.join("fetched");
    let mut command = Command::new(env!("CARGO_BIN_EXE_mtdkeep"));
    command.args(["fetch", "-q", source]).arg(&target);
    prepare(&mut command);
    let began = std::time::Instant::now();
    run(&mut command);
    let seconds = began.elapsed().as_secs_f64();
    std::fs::remove_dir_all(&target).expect("the backup goes");
    seconds
}

fn main() {
    let options = Options::of_process();
    let rounds = options.rounds(11);
    let scratch = shared::scratch();
    let mut programs = Programs::default();
    let mut standings = Vec::new();
    let megabytes = if options.short { 2 } else { 96 };
    standings.extend(web::standings(
        scratch.path(),
        megabytes,
        rounds,
        &mut programs,
    ));
    standings.extend(ssh::standings(
        scratch.path(),
        megabytes,
        rounds,
        &mut programs,
    ));
    options.write_json(&Report {
        machine: Machine::now(),
        rounds,
        missing: programs.missing,
        standings,
    });
}
