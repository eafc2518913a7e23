//! Compared with reality: what the emulator's chip holds when the board loses its power in
//! the middle of a program's work is among what the engine of `mtd_chip::cut` says a cut
//! in the same work can leave.
//!
//! A start of the board for each cut takes a second. So most cuts here are looks: the whole
//! emulator stands still, its chip's file is what a kill would leave, and it goes on. The
//! difference to a kill is told at [`Work::is_within_an_erase`]; some kills are real.

use super::{PARTITIONS, SEED, image};
use mtd_harness::chip::cut::{Journal, OperationKind, States, Step, Tears};
use mtd_harness::chip::{Chip, Geometry, Programming};
use mtd_harness::profile;
use mtd_harness::sandbox::UnderCuts;
use mtd_virtual_device::{BootFrom, Cut, VirtualDevice, boards::ISPOT};
use rand::{Rng, RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::{BTreeSet, HashMap};
use std::process::Command;
use std::time::Duration;

/// What QEMU's pflash_cfi01 writes to its file at once for a program command: the write
/// buffer that it announces (CFI 0x2A), 2 KiB.
const WRITE_BUFFER_BYTES: u32 = 2048;
/// What a kill can tear a write to a memory file into.
const PAGE_BYTES: usize = 4096;
const BLOCK_BYTES: usize = 0x2_0000;
/// Erase blocks of `system`, which are written through the block device, and how often.
const BLOCKS: usize = 8;
const ROUNDS: usize = 2;

/// The same line for BusyBox in the guest and for the host's shell in the sandbox: whole
/// erase blocks through the block device (erased, then programmed), and an erased
/// partition programmed through the character device.
const LINE: &str = "n=0
    while [ $n -lt 16 ]; do
        dd if=/cuts/data of=/dev/mtdblock4 bs=131072 count=1 skip=$n seek=$((n % 8)) \
            conv=fsync,notrunc 2>/dev/null || exit 1
        n=$((n + 1))
    done
    dd if=/cuts/data of=/dev/mtd7 bs=4096 count=32 2>/dev/null";

/// What the line writes: no byte is 0xFF, so that each shows whether it was written.
fn data() -> Vec<u8> {
    let mut data = vec![0; ROUNDS * BLOCKS * BLOCK_BYTES];
    Xoshiro256PlusPlus::seed_from_u64(SEED + 1).fill_bytes(&mut data);
    data.iter_mut().for_each(|byte| *byte &= 0x7f);
    data
}

/// The line's work on a simulated chip, and every state that a cut in it can leave, if each
/// operation happens or does not.
struct Work {
    bytes: Vec<u8>,
    start: Chip,
    journal: Journal,
    states: HashMap<u128, Step>,
}

impl Work {
    fn new() -> Self {
        let mut bytes = image();
        bytes[PARTITIONS[7].clone()].fill(0xff);
        let mut start = Chip::new(Geometry::INTEL_28F128J3);
        start.load(0, &bytes).unwrap();
        start.set_programming(Programming::INTEL_28F128J3A.buffers(WRITE_BUFFER_BYTES));
        let device = profile::ispot(SEED);
        device.system.with_chip(0, |chip| chip.restore(&start));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("data"), data()).unwrap();
        let shared = folder.path().to_owned();
        let subject = UnderCuts::new(device, || {
            let mut command = Command::new("sh");
            command.args(["-c", LINE]);
            command
        })
        .sandbox(move |builder| builder.map("/cuts", &shared));
        let journal = subject.journal().unwrap();
        // Each erase block is erased and programmed in write buffers.
        let buffers = BLOCK_BYTES as u64 / u64::from(WRITE_BUFFER_BYTES);
        let expected = (ROUNDS * BLOCKS) as u64 * (1 + buffers) + buffers;
        assert_eq!(journal.len(), expected, "operations");
        let states = States::new(&start, &journal, &Tears::atomic())
            .map(|state| {
                let (step, chip) = state.unwrap();
                (chip.state_hash().unwrap(), step)
            })
            .collect();
        Self {
            bytes,
            start,
            journal,
            states,
        }
    }

    /// A chip with these contents.
    fn chip(&self, bytes: &[u8]) -> Chip {
        let mut chip = self.start.clone();
        let pairs = bytes
            .chunks(BLOCK_BYTES)
            .zip(self.bytes.chunks(BLOCK_BYTES));
        for (number, (now, before)) in pairs.enumerate() {
            if now != before {
                chip.load((number * BLOCK_BYTES) as u64, now).unwrap();
            }
        }
        chip
    }

    /// The state that these contents are.
    fn find(&self, bytes: &[u8]) -> Option<Step> {
        let hash = self.chip(bytes).state_hash().unwrap();
        self.states.get(&hash).copied()
    }

    /// The emulator erases by one write of 128 KiB to its file, which a kill (not a look)
    /// can end between two pages: 0xFF up to there, and old data after it. That is the
    /// engine's "erase forward", at a place of its own. Answers the place.
    fn is_within_an_erase(&self, bytes: &[u8]) -> Option<usize> {
        let found = self.chip(bytes);
        let mut before = self.start.clone();
        for number in 1..=self.journal.len() {
            let operation = self.journal.operation(number).unwrap();
            let at = operation.offset_bytes as usize;
            if operation.kind == OperationKind::Erase {
                let mut cells = vec![0; BLOCK_BYTES];
                before.peek(operation.offset_bytes, &mut cells).unwrap();
                let now = &bytes[at..at + BLOCK_BYTES];
                let place = now.iter().take_while(|byte| **byte == 0xff).count();
                let place = place / PAGE_BYTES * PAGE_BYTES;
                if now[place..] == cells[place..] {
                    let mut torn = before.clone();
                    torn.load(operation.offset_bytes, now).unwrap();
                    if torn.differences(&found).unwrap().is_empty() {
                        return Some(place);
                    }
                }
            }
            let data = self.journal.data(number).unwrap();
            before.repeat(operation, data).unwrap();
        }
        None
    }

    fn board(&self) -> VirtualDevice {
        VirtualDevice::new(&ISPOT, self.bytes.clone())
            .unwrap_or_else(|error| panic!("{error}"))
            .boot_from(BootFrom::Ram)
            .put("/cuts/data", data(), 0o644)
            .unwrap()
    }
}

/// How many cuts are wanted: `MTDKEEP_CUTS`, or few.
fn wanted() -> usize {
    let told = std::env::var("MTDKEEP_CUTS").ok();
    told.map_or(100, |text| text.parse().expect("MTDKEEP_CUTS is a number"))
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn what_a_cut_leaves_is_among_what_the_engine_says() {
    let work = Work::new();
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let (mut cuts, mut met) = (0, BTreeSet::new());
    let (mut boots, mut erased) = (0, 0);
    while cuts < wanted() {
        boots += 1;
        assert!(boots < 40, "only {cuts} cuts in {boots} runs");
        let outcome = work.board().run_looking(LINE, |chip| {
            // Until the program begins, nothing is seen.
            if chip == work.bytes {
                return Duration::from_millis(5);
            }
            if cuts < wanted() {
                let step = work.find(chip);
                let step = step.unwrap_or_else(|| {
                    panic!("cut {cuts}: no state of the engine (seed {SEED:#x})")
                });
                let operation = work.journal.operation(step.operation);
                erased += usize::from(operation.is_some_and(|it| it.kind == OperationKind::Erase));
                met.insert(step.operation);
                cuts += 1;
            }
            Duration::from_micros(chance.random_range(0..6_000))
        });
        let _ = outcome.unwrap().expect_success();
    }
    println!(
        "{cuts} cuts in {boots} runs of {} operations: each is one of {} states; they fell \
         into {} different operations, {erased} beside an erase",
        work.journal.len(),
        work.states.len(),
        met.len()
    );
    assert!(
        met.len() * 3 > cuts.min(work.states.len()),
        "cuts fell together"
    );

    // The canary: a chip that no cut leaves is not found.
    let mut other = work.bytes.clone();
    other[PARTITIONS[4].start] ^= 1;
    assert!(work.find(&other).is_none() && work.is_within_an_erase(&other).is_none());
    let mut later = work.bytes.clone();
    later[PARTITIONS[7].clone()].copy_from_slice(&data()[..BLOCK_BYTES]);
    assert!(
        work.find(&later).is_none(),
        "the last write without the first"
    );
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn so_is_what_a_real_kill_leaves() {
    let work = Work::new();
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(SEED + 2);
    for kill in 0..wanted().div_ceil(50) {
        let offset_bytes =
            (PARTITIONS[4].start + chance.random_range(0..BLOCKS * BLOCK_BYTES)) as u64;
        let mut board = work.board();
        let cut = Cut::ChipChanged { offset_bytes };
        let left = board.run_until(LINE, &cut).unwrap();
        assert!(!left.console.contains("Restarting"), "it was not cut");
        match (
            work.find(board.chip()),
            work.is_within_an_erase(board.chip()),
        ) {
            (Some(step), _) => println!("kill {kill}: as {step} leaves it"),
            (None, Some(place)) => println!("kill {kill}: an erase that stands at {place:#x}"),
            (None, None) => panic!("kill {kill}: no state of the engine (seed {SEED:#x})"),
        }
    }
}
