//! Fixed jobs on the simulated iSpot, and what each costs its chip.
//!
//! Invariants: every job starts from the same bytes with counters and virtual
//! clock at zero; nothing depends on the machine, the time or the number of
//! processors, so that the figures are the same everywhere and for good. They
//! stand in `fixtures/device-time.json`; the test suite compares them exactly.
//!
//! The virtual clock is a model: typical times of a data sheet, added up. It
//! knows nothing of a processor, a bus or an operating system.

use mtd_harness::layout::Layout;
use mtd_harness::mtd::{NodeId, OpenFlags};
use mtd_harness::profile::{self, SimulatedDevice};
use mtdkeep::backend::SimulatedBackend;
use mtdkeep::backup::{self, DigestChoice, Folder, Request, Work};
use mtdkeep::mtd::{MtdBackend, MtdInfo, MtdRead, MtdWrite, WritePermit};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::SystemTime;

/// The contents' seed.
const SEED: u64 = 1;
/// The partition that is rewritten, and the one whose bytes it gets.
const REWRITTEN: &str = "linux_2";
const WITH_BYTES_OF: &str = "linux";
/// Every so manieth erase block differs in the jobs where a few differ.
const DIFFERENT_EVERY: usize = 3;
/// How much the article's script lets `dd` read at once.
const DD_BYTES: usize = 512;
const ERASE_BLOCK_BYTES: usize = 128 << 10;

/// What one job costs the chip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// What is done.
    pub job: String,
    /// The virtual clock.
    pub virtual_ns: u64,
    /// Read operations.
    pub reads: u64,
    /// Bytes that they returned.
    pub bytes_read: u64,
    /// Program operations.
    pub programs: u64,
    /// Bytes that they programmed.
    pub bytes_programmed: u64,
    /// Erases of an erase block.
    pub erases: u64,
    /// Lock bits set or cleared.
    pub lock_changes: u64,
    /// Operations that were refused or failed.
    pub failures: u64,
}

impl Cost {
    /// The figures by their names.
    pub fn figures(&self) -> [(&'static str, u64); 8] {
        [
            ("virtual_ns", self.virtual_ns),
            ("reads", self.reads),
            ("bytes_read", self.bytes_read),
            ("programs", self.programs),
            ("bytes_programmed", self.bytes_programmed),
            ("erases", self.erases),
            ("lock_changes", self.lock_changes),
            ("failures", self.failures),
        ]
    }
}

/// All jobs with the chip that they ran on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Costs {
    /// The device.
    pub device: String,
    /// The chip that the virtual clock describes.
    pub chip: String,
    /// Where its times come from.
    pub source: String,
    /// One entry per job.
    pub jobs: Vec<Cost>,
    /// The same for restores by the program itself, in the sandbox (`restores`).
    pub restores: Vec<Cost>,
}

impl Costs {
    /// The text of the fixture.
    #[allow(dead_code, reason = "the suite only compares")]
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("numbers and texts");
        text.push('\n');
        text
    }

    /// Every difference to what the fixture has, a sentence each.
    pub fn differences_to(&self, fixture: &Costs) -> Vec<String> {
        let mut found = Vec::new();
        let texts = [
            ("device", &self.device, &fixture.device),
            ("chip", &self.chip, &fixture.chip),
            ("source", &self.source, &fixture.source),
        ];
        for (what, now, before) in texts {
            if now != before {
                found.push(format!("{what}: now {now:?}, in the fixture {before:?}"));
            }
        }
        let (jobs, before) = (self.jobs.iter(), fixture.jobs.iter());
        let (jobs, before) = (jobs.chain(&self.restores), before.chain(&fixture.restores));
        for before in before.clone() {
            let Some(now) = jobs.clone().find(|cost| cost.job == before.job) else {
                found.push(format!("{}: in the fixture, but no such job", before.job));
                continue;
            };
            for ((what, now), (_, before_value)) in now.figures().into_iter().zip(before.figures())
            {
                if now != before_value {
                    found.push(format!(
                        "{}: {what} now {now}, in the fixture {before_value}",
                        before.job
                    ));
                }
            }
        }
        for now in jobs {
            if !before.clone().any(|before| before.job == now.job) {
                found.push(format!("{}: not in the fixture", now.job));
            }
        }
        found
    }
}

/// Runs all jobs.
pub fn run() -> Costs {
    let made = profile::ispot(SEED);
    let mut rig = Rig {
        pristine: made.chip_bytes(0),
        jobs: Vec::new(),
    };
    rig.reading();
    rig.backups();
    rig.rewriting();
    let timing = made.system.with_chip(0, |chip| chip.timing());
    Costs {
        device: made.description,
        chip: timing.name.into(),
        source: timing.source.into(),
        jobs: rig.jobs,
        restores: Vec::new(),
    }
}

/// What was counted on a device's chip since its counters were reset.
pub fn cost_of(job: &str, device: &SimulatedDevice) -> Cost {
    device.system.with_chip(0, |chip| {
        let counters = chip.counters();
        Cost {
            job: job.into(),
            virtual_ns: u64::try_from(chip.elapsed().as_nanos()).expect("below 584 years"),
            reads: counters.reads(),
            bytes_read: counters.bytes_read(),
            programs: counters.programs(),
            bytes_programmed: counters.bytes_programmed(),
            erases: counters.erases(),
            lock_changes: counters.lock_changes(),
            failures: counters.failures(),
        }
    })
}

struct Rig {
    pristine: Vec<u8>,
    jobs: Vec<Cost>,
}

impl Rig {
    /// Runs one job on a device of its own and keeps what it cost.
    fn job(&mut self, name: &str, work: impl FnOnce(&SimulatedDevice)) -> SimulatedDevice {
        let device = profile::from_bytes(&self.pristine, &Layout::ispot()).expect("16 MiB");
        device.system.with_chip(0, |chip| chip.reset_counters());
        work(&device);
        self.jobs.push(cost_of(name, &device));
        device
    }

    /// What a loop of `dd` asks of the eleven devices, without our pipeline.
    fn reading(&mut self) {
        for bytes in [DD_BYTES, 4096, ERASE_BLOCK_BYTES, 1 << 20] {
            self.job(
                &format!("read all partitions, {} a call", size(bytes)),
                |device| {
                    for info in devices(device) {
                        let mut calls = open_node(device, character(&info), false);
                        let mut buf = vec![0; bytes];
                        while calls.read(&mut buf).expect("reads") > 0 {}
                    }
                },
            );
        }
    }

    fn backups(&mut self) {
        for buffer_bytes in [
            DD_BYTES,
            4096,
            64 << 10,
            ERASE_BLOCK_BYTES,
            256 << 10,
            1 << 20,
        ] {
            let name = format!("backup, buffer {}", size(buffer_bytes));
            let folder = tempfile::tempdir().expect("a folder");
            self.job(&name, |device| {
                back_up(device, folder.path(), buffer_bytes, false);
            });
        }
        let folder = tempfile::tempdir().expect("a folder");
        self.job("backup --read-again", |device| {
            back_up(device, folder.path(), 256 << 10, true);
        });
        // The folder of the job before has the backup to compare with.
        self.job("verify --device", |device| {
            let backend = SimulatedBackend::new(device.clone());
            let work = Work {
                buffer_bytes: 256 << 10,
                workers: 1,
                ..Work::default()
            };
            let folder = Folder::open(folder.path(), backup::Access::Look).expect("a folder");
            let report = backup::verify(&folder, Some(&backend), &work).expect("checks");
            assert_eq!(report.images_right, 11, "{:?}", report.findings);
        });
    }

    fn rewriting(&mut self) {
        let source = profile::ispot(SEED);
        let bytes_of = |name: &str| {
            let device = info(&source, name);
            source.partition_bytes(device.index.0)
        };
        let old = bytes_of(REWRITTEN);
        let new = bytes_of(WITH_BYTES_OF);
        let mut few = old.clone();
        for block in few.chunks_mut(ERASE_BLOCK_BYTES).step_by(DIFFERENT_EVERY) {
            block[0] ^= 0xff;
        }
        let wishes = [
            ("the same bytes", &old),
            ("every third erase block changed", &few),
            ("another firmware", &new),
        ];
        for (what, wish) in wishes {
            let name = format!("rewrite {REWRITTEN} with {what}");
            self.rewrite(&format!("{name}, every erase block"), wish, every_block);
            self.rewrite(
                &format!("{name}, only where it differs"),
                wish,
                where_it_differs,
            );
        }
        let name = format!("rewrite {REWRITTEN} with another firmware");
        self.job(
            &format!("{name}, through mtdblock 512 B a call"),
            |device| {
                let info = info(device, REWRITTEN);
                let node = NodeId::Block {
                    major: 31,
                    minor: info.index.0,
                };
                let mut calls = open_node(device, node, true);
                for piece in new.chunks(DD_BYTES) {
                    assert_eq!(calls.write(piece), Ok(piece.len()));
                }
                calls.fsync().expect("stores");
                drop(calls);
                assert_eq!(device.partition_bytes(info.index.0), new);
            },
        );
    }

    fn rewrite(&mut self, name: &str, wish: &[u8], how: fn(&mut dyn MtdWrite, &[u8])) {
        let device = self.job(name, |device| {
            let permit = WritePermit::granted_because("a fixed job on a simulated chip");
            let mut open = SimulatedBackend::new(device.clone())
                .open_for_writing(&info(device, REWRITTEN), &permit)
                .expect("a writeable partition");
            how(open.as_mut(), wish);
        });
        // After the costs were taken: a job that leaves other bytes is no job.
        let index = info(&device, REWRITTEN).index.0;
        assert_eq!(device.partition_bytes(index), wish, "{name}");
    }
}

/// Erases and programs each erase block.
fn every_block(device: &mut dyn MtdWrite, wish: &[u8]) {
    for (at, block) in (0u64..).zip(wish.chunks(ERASE_BLOCK_BYTES)) {
        let offset_bytes = at * ERASE_BLOCK_BYTES as u64;
        device
            .erase(offset_bytes, ERASE_BLOCK_BYTES as u64)
            .expect("erases");
        device.program(offset_bytes, block).expect("programs");
    }
}

/// Reads first; leaves alone what is right already, and erases only where a bit
/// has to go from 0 to 1.
fn where_it_differs(device: &mut dyn MtdWrite, wish: &[u8]) {
    let mut there = vec![0; ERASE_BLOCK_BYTES];
    for (at, block) in (0u64..).zip(wish.chunks(ERASE_BLOCK_BYTES)) {
        let offset_bytes = at * ERASE_BLOCK_BYTES as u64;
        read_all(device, offset_bytes, &mut there);
        if there == block {
            continue;
        }
        if there.iter().zip(block).any(|(old, new)| !old & new != 0) {
            device
                .erase(offset_bytes, ERASE_BLOCK_BYTES as u64)
                .expect("erases");
        }
        device.program(offset_bytes, block).expect("programs");
    }
}

fn read_all(device: &mut dyn MtdWrite, offset_bytes: u64, buf: &mut [u8]) {
    let mut done = 0;
    while done < buf.len() {
        let count = MtdRead::read_at(device, offset_bytes + done as u64, &mut buf[done..]);
        done += count.expect("reads");
    }
}

fn back_up(device: &SimulatedDevice, folder: &Path, buffer_bytes: usize, read_again: bool) {
    let request = Request {
        partitions: &[],
        read_again,
        digests: DigestChoice::Both,
        now: SystemTime::UNIX_EPOCH,
    };
    let work = Work {
        buffer_bytes,
        workers: 1,
        ..Work::default()
    };
    let backend = SimulatedBackend::new(device.clone());
    let folder = Folder::open(folder, backup::Access::Look).expect("a folder");
    let summary = backup::backup(&backend, &folder, &request, &work).expect("backs up");
    assert_eq!(summary.manifest.images().len(), 11);
}

fn devices(device: &SimulatedDevice) -> Vec<MtdInfo> {
    let backend = SimulatedBackend::new(device.clone());
    backend.devices().expect("eleven partitions")
}

fn info(device: &SimulatedDevice, name: &str) -> MtdInfo {
    let mut all = devices(device).into_iter();
    all.find(|info| info.name == name).expect("a partition")
}

fn character(info: &MtdInfo) -> NodeId {
    NodeId::Character {
        major: 90,
        minor: info.index.0 * 2,
    }
}

fn open_node(device: &SimulatedDevice, node: NodeId, write: bool) -> mtd_harness::mtd::Handle {
    let flags = OpenFlags { read: true, write };
    device.system.open(node, flags).expect("opens")
}

fn size(bytes: usize) -> String {
    match bytes {
        bytes if bytes >= 1 << 20 => format!("{} MiB", bytes >> 20),
        bytes if bytes >= 1 << 10 => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} B"),
    }
}
