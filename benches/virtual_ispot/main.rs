//! The same jobs as ARM code, on a real Linux with the simulated iSpot's flash:
//! the program for the device against the article's script and its kin.
//!
//! Each job runs in two sessions of the virtual iSpot. In one the guest's clock
//! counts instructions: exact, independent of the host, and blind for caches, wait
//! states and how slow flash is. In the other it is the host's time, in rounds,
//! with ratios taken within each round: an emulator's speed, not a processor's.
//! Neither is the device's speed; both are ratios between jobs.
//!
//! The only failure is a job that does not do its work: every image is compared
//! with the flash, every digest with the chip's. What is missing on this machine
//! is said, and what to do about it.
//!
//!     cargo bench --bench virtual_ispot                  prints
//!     cargo bench --bench virtual_ispot -- --json FILE   writes FILE
//!     cargo bench --bench virtual_ispot -- --rounds N    of the host's time; 9 otherwise
//!     cargo bench --bench virtual_ispot -- --short       one round: does it run?
//!
//! `MTDKEEP_DEVICE_BINARY` names the program (`target/device/mtdkeep` otherwise); the
//! example `digest-cost` lies beside it.

mod jobs;
#[path = "../shared/mod.rs"]
mod shared;

use jobs::{Expected, Job, LOOP};
use mtd_harness::profile;
use mtd_virtual_device::{BootFrom, Clock, Error, Outcome, Toolbox, VirtualDevice, boards::ISPOT};
use mtdkeep::backup::{DigestChoice, Digests};
use serde::Serialize;
use shared::machine::Machine;
use shared::{Options, Spread};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Of the chip's contents.
const SEED: u64 = 1;
/// Rounds that are counted by instructions. One would do; the second shows how
/// much it depends on what memory is free.
const COUNTED: usize = 2;

/// Everything that was measured; the chart is drawn from it.
#[derive(Serialize)]
struct Report {
    machine: Machine,
    emulator: String,
    guest_kernel: String,
    busybox: String,
    program_bytes: usize,
    rounds: usize,
    /// The largest part by which two rounds differ in a job's instructions.
    instructions_differ_by: f64,
    jobs: Vec<Measured>,
    left_out: Vec<String>,
}

#[derive(Serialize)]
struct Measured {
    name: &'static str,
    does: &'static str,
    instructions: u64,
    of_loop: f64,
    aim_of_loop: Option<f64>,
    /// By the host's time.
    seconds: Spread,
    /// The same by that of the loop in the same round.
    seconds_of_loop: Spread,
}

/// The programs for the guest.
struct Programs {
    mtdkeep: Vec<u8>,
    digest_cost: Option<Vec<u8>>,
}

fn main() {
    let options = Options::of_process();
    let (toolbox, programs) = match ready() {
        Ok(ready) => ready,
        Err(reason) => {
            println!("skipped: the virtual iSpot's benchmark: {reason}");
            return;
        }
    };
    let chip = profile::ispot(SEED).chip_bytes(0);
    let jobs = jobs::all(programs.digest_cost.is_some(), &digests_of(&chip));
    // The first round of each finds other memory free, and is not counted, but where
    // it is only to see whether it runs.
    let (warm_up, counted, rounds) = match options.short {
        true => (0, 1, 1),
        false => (1, COUNTED, options.rounds(9)),
    };
    let session = |clock, rounds| session(&toolbox, &programs, &chip, &jobs, clock, rounds);
    let counted = session(Clock::Instructions, warm_up + counted);
    let timed = session(Clock::Host, warm_up + rounds);
    let report = report(&jobs, &programs, (warm_up, rounds), &counted, &timed);
    print(&report);
    options.write_json(&report);
}

/// What is needed, or what is missing and what to do.
fn ready() -> Result<(Toolbox, Programs), String> {
    let path = std::env::var_os("MTDKEEP_DEVICE_BINARY").filter(|path| !path.is_empty());
    let path = path.map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/device/mtdkeep"),
        PathBuf::from,
    );
    let mtdkeep = std::fs::read(&path).map_err(|error| {
        let path = path.display();
        format!("because {path} cannot be read ({error}); do this: bash tools/device-build")
    })?;
    let toolbox = Toolbox::ready(&ISPOT, &mut |what| eprintln!("virtual iSpot: {what}"));
    let toolbox = toolbox.map_err(|error| match error {
        Error::Missing(_) => {
            format!("because {error}\ndo this, as root: bash ci/virtual-ispot packages")
        }
        other => panic!("{other}"),
    })?;
    let digest_cost = std::fs::read(path.with_file_name("digest-cost")).ok();
    Ok((
        toolbox,
        Programs {
            mtdkeep,
            digest_cost,
        },
    ))
}

fn digests_of(chip: &[u8]) -> Expected {
    let mut digests = Digests::new(DigestChoice::Both);
    digests.update(chip);
    let values = digests.finish();
    Expected {
        crc32: values.crc32.expect("chosen"),
        sha256: values.sha256.expect("chosen"),
    }
}

/// Runs all jobs so many times in one boot.
///
/// # Panics
/// If a job fails or does not do its work, or the flash changes.
fn session(
    toolbox: &Toolbox,
    programs: &Programs,
    chip: &[u8],
    jobs: &[Job],
    clock: Clock,
    rounds: usize,
) -> Outcome {
    // Nodes for mtd10, so that every job copies the same eleven partitions.
    let ispot = VirtualDevice::with_toolbox(&ISPOT, chip.to_vec(), toolbox.clone())
        .expect("a chip of its size")
        .boot_from(BootFrom::Ram)
        .with_all_nodes()
        .timed_by(clock)
        // It ends when the jobs have ended; this is for a guest that hangs.
        .time_limit(Duration::from_secs(3600));
    let mut files = vec![("/bin/mtdkeep", programs.mtdkeep.clone())];
    files.extend(
        programs
            .digest_cost
            .clone()
            .map(|f| ("/bin/digest-cost", f)),
    );
    files.extend(jobs::scripts());
    let put = |ispot: VirtualDevice, (path, bytes): (&str, Vec<u8>)| ispot.put(path, bytes, 0o755);
    let mut ispot = files.into_iter().try_fold(ispot, put).expect("paths");
    let outcome = ispot.run(&jobs::guest_script(jobs, rounds));
    let outcome = outcome.unwrap_or_else(|error| panic!("{error}"));
    let outcome = outcome.expect_success();
    assert!(ispot.chip() == chip, "a job changed the flash");
    outcome
}

fn report(
    jobs: &[Job],
    programs: &Programs,
    (warm_up, rounds): (usize, usize),
    counted: &Outcome,
    timed: &Outcome,
) -> Report {
    let counts = |job: &Job| -> Vec<u64> {
        let own = counted.times.iter().filter(|timed| timed.name == job.name);
        own.filter_map(|timed| timed.instructions)
            .skip(warm_up)
            .collect()
    };
    let seconds = |job: &Job| -> Vec<f64> {
        let own = timed.times.iter().filter(|timed| timed.name == job.name);
        own.map(|timed| timed.elapsed.as_secs_f64())
            .skip(warm_up)
            .collect()
    };
    let (loop_counts, loop_seconds) = (counts(&jobs[0]), seconds(&jobs[0]));
    let (mut measured, mut left_out, mut differ_by) = (Vec::new(), Vec::new(), 0.0_f64);
    if programs.digest_cost.is_none() {
        left_out.push("the digests alone: no digest-cost beside the program".into());
    }
    for job in jobs {
        let (counts, seconds) = (counts(job), seconds(job));
        let (Some(least), Some(most)) = (counts.iter().min(), counts.iter().max()) else {
            let applet = job.needs.expect("every other job runs");
            left_out.push(format!("{}: BusyBox has no {applet}", job.name));
            continue;
        };
        differ_by = differ_by.max((most - least) as f64 / *least as f64);
        let ratios = seconds.iter().zip(&loop_seconds).map(|(own, of)| own / of);
        measured.push(Measured {
            name: job.name,
            does: job.does,
            instructions: counts[0],
            of_loop: counts[0] as f64 / loop_counts[0] as f64,
            aim_of_loop: job.aim_of_loop,
            seconds_of_loop: Spread::of(ratios),
            seconds: Spread::of(seconds.into_iter()),
        });
    }
    let said = counted.stdout_text();
    let mut said = said.lines().map(String::from);
    Report {
        machine: Machine::now(),
        emulator: emulator(),
        guest_kernel: format!("Linux {}", said.next().unwrap_or_default()),
        busybox: said.next().unwrap_or_default(),
        program_bytes: programs.mtdkeep.len(),
        rounds,
        instructions_differ_by: differ_by,
        jobs: measured,
        left_out,
    }
}

/// What QEMU says of its version.
fn emulator() -> String {
    let program = std::env::var_os("MTDKEEP_QEMU").filter(|path| !path.is_empty());
    let program = program.unwrap_or_else(|| "qemu-system-arm".into());
    let output = Command::new(program).arg("--version").output();
    let text = output.map_or_else(|_| Vec::new(), |output| output.stdout);
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().next().unwrap_or("unknown");
    line.split(" (").next().unwrap_or(line).into()
}

fn print(report: &Report) {
    println!(
        "16 MiB in the virtual iSpot: {}, {}, {}; the program has {} bytes",
        report.emulator, report.guest_kernel, report.busybox, report.program_bytes
    );
    println!(
        "{:>14} {:>8}   {:>8} {:>8} {:>7} {:>7}  job",
        "instructions", "of loop", "host s", "of loop", "low", "high"
    );
    for job in &report.jobs {
        let aim = job.aim_of_loop.map_or_else(String::new, |aim| {
            let reached = |ratio: f64| {
                if ratio <= aim {
                    "reached"
                } else {
                    "not reached"
                }
            };
            format!(
                " (aim: at most {aim:.2}; by instructions {}, by time {})",
                reached(job.of_loop),
                reached(job.seconds_of_loop.median)
            )
        });
        println!(
            "{:>14} {:>8.2}   {:>8.3} {:>8.2} {:>7.2} {:>7.2}  {}{aim}",
            job.instructions,
            job.of_loop,
            job.seconds.median,
            job.seconds_of_loop.median,
            job.seconds_of_loop.low,
            job.seconds_of_loop.high,
            job.name,
        );
    }
    println!(
        "of {LOOP}; {} rounds of the host's time: medians, quartiles; two rounds differ by at \
         most {:.2} % in instructions",
        report.rounds,
        100.0 * report.instructions_differ_by
    );
    for what in &report.left_out {
        println!("left out: {what}");
    }
}
