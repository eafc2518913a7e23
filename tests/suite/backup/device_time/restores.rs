//! What restores cost the chip: the program as it is, in the sandbox, on a device in
//! which some erase blocks of `system` differ from the backup.

use super::jobs::{Cost, cost_of};
use crate::cli::support::{mtdkeep, program_words, text};
use mtd_harness::profile::{self, SimulatedDevice};
use mtd_harness::sandbox::Sandbox;
use std::path::Path;
use std::process::{Command, Stdio};

const SYSTEM: u64 = 0x78_0000;
const ERASE_BLOCK_BYTES: u64 = 128 << 10;
const SEED: u64 = 1;

/// Runs all of them, each on a device of its own.
pub fn run() -> Vec<Cost> {
    let outer = tempfile::tempdir().expect("a folder");
    mtdkeep()
        .current_dir(&outer)
        .args(["backup", "--simulate", "-q", "-o", "backup"])
        .args(["-p", "system", "-p", "param"])
        .assert()
        .code(0);
    let differing = |blocks: &[u64], with: u8| {
        let device = profile::ispot(SEED);
        device.system.with_chip(0, |chip| {
            for block in blocks {
                let offset_bytes = SYSTEM + block * ERASE_BLOCK_BYTES;
                let mut bytes = vec![0; ERASE_BLOCK_BYTES as usize];
                chip.peek(offset_bytes, &mut bytes).expect("cells");
                // Bits that were cleared have to be set again, or the other way round.
                bytes.iter_mut().for_each(|byte| match with {
                    0 => *byte &= 0x55,
                    _ => *byte |= with,
                });
                chip.load(offset_bytes, &bytes).expect("cells");
            }
            chip.reset_counters();
        });
        device
    };
    let all: Vec<u64> = (0..8).collect();
    [
        ("nothing differs", &[][..], 0),
        ("one file's erase block differs", &[3], 0),
        ("one file's two erase blocks differ", &[3, 4], 0),
        ("one erase block has bits to clear only", &[3], 0xFF),
        ("all of it differs", &all, 0),
    ]
    .into_iter()
    .map(|(what, blocks, with)| {
        let device = differing(blocks, with);
        restore(&device, outer.path());
        let cost = cost_of(&format!("restore system, {what}"), &device);
        // After the costs were taken: a restore that leaves other bytes is none.
        let expected = profile::ispot(SEED).chip_bytes(0);
        assert!(device.chip_bytes(0) == expected, "{what}");
        cost
    })
    .collect()
}

fn restore(device: &SimulatedDevice, folder: &Path) {
    // Exact: reads are counted as well.
    let sandbox = Sandbox::builder(device.clone()).exact(true).build();
    let program = program_words();
    let mut command = Command::new(&program[0]);
    command
        .args(&program[1..])
        // Temporary folders lie in memory on many systems.
        .args(["restore", "--yes", "-q", "--journal-in-memory"])
        .args(["-p", "system", "backup"])
        .current_dir(folder)
        .stdin(Stdio::null());
    let outcome = sandbox.expect("a sandbox").output(&mut command);
    let outcome = outcome.expect("it runs");
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(0), "{said}");
}
