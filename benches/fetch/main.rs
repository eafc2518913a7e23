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
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

#[derive(Serialize)]
struct Report {
    machine: Machine,
    rounds: usize,
    missing: Vec<String>,
    standings: Vec<Standing>,
}

/// Something that runs beside the measurement, and ends with it.
struct Beside(Child);

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Programs that are there, and the names of those that are not.
#[derive(Default)]
struct Programs {
    missing: Vec<String>,
}

impl Programs {
    fn find(&mut self, program: &str, package: &str) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let found = folders
            .map(|folder| folder.join(program))
            .find(|file| file.is_file());
        if found.is_none() {
            println!("missing: {program} (apt-get install {package})");
            self.missing.push(program.to_owned());
        }
        found
    }
}

/// The layout of a device with a partition of so many MiB, and a small one, because one
/// alone is no layout.
fn table(folder: &Path, megabytes: u64) -> PathBuf {
    let path = folder.join("table");
    let bytes = megabytes << 20;
    let text = format!(
        "dev:    size   erasesize  name\nmtd0: {bytes:08x} 00020000 \"all\"\n\
         mtd1: 00020000 00020000 \"rest\"\n"
    );
    std::fs::write(&path, text).expect("the table");
    path
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
