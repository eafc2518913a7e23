//! Seeded backups of a small simulated chip, with faults of the flash, faults of
//! the destination and interruptions: none may end in "done" and not be byte-equal,
//! and whatever a failure leaves can be completed. As many as seconds allow, and
//! thousands where there are minutes.
//!
//! Each case is one number; a failure prints it with both plans.

mod device;

use crate::backend::hooked::HookedBackend;
use crate::backup::pipeline::backup;
use crate::backup::tests::memory_folder::MemoryFolder;
use crate::backup::verify::verify;
use crate::backup::{
    DigestChoice, ErrorKind, MANIFEST, Manifest, Observer, Request, Summary, UNFINISHED, Work,
};
use device::{Lie, backend, contents, device};
use mtd_harness::fault::{FaultPlan, random_destination};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rstest::rstest;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::UNIX_EPOCH;

/// What backups take turns with.
const DIGESTS: [DigestChoice; 3] = [
    DigestChoice::Both,
    DigestChoice::Crc32,
    DigestChoice::Sha256,
];

/// Sets the flag after so many pieces.
struct Interrupter<'a> {
    pieces_left: AtomicU32,
    flag: &'a AtomicBool,
}

impl Observer for Interrupter<'_> {
    fn progress(&self, _: u64) {
        if self.pieces_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.flag.store(true, Ordering::Relaxed);
        }
    }
}

/// How a case ended, counted to see that the suite reaches everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    Done,
    DoneInSpiteOfFaults,
    Changed,
    Partial,
    Failed,
    Interrupted,
}

/// A plan with one fault more.
fn and(plan: &FaultPlan, fault: &str) -> FaultPlan {
    let both = [plan.to_string(), fault.into()].into_iter();
    let both: Vec<String> = both.filter(|spec| !spec.is_empty()).collect();
    both.join(",").parse().unwrap()
}

struct Case {
    seed: u64,
    faults: FaultPlan,
    may_change_data: bool,
    read_again: bool,
    digests: DigestChoice,
    buffer_bytes: usize,
    workers: usize,
    interrupt_after: u32,
}

impl Case {
    fn new(seed: u64, geometry: mtd_harness::chip::Geometry) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut pick = |count: u64| rng.next_u64() % count;
        let random = FaultPlan::random(seed, geometry);
        let mut faults = random.plan;
        if pick(8) == 0 {
            let (index, size) = (pick(6), pick(0x2400));
            let after = 1 + pick(40);
            faults = and(&faults, &format!("size@mtd{index}={size}:after={after}"));
        }
        let mut case = Self {
            seed,
            faults,
            may_change_data: random.may_change_data,
            read_again: pick(3) == 0,
            buffer_bytes: [100, 1024, 3000, 4096, 65536][pick(5) as usize],
            workers: if pick(4) == 0 { 2 } else { 1 },
            // Mostly never.
            interrupt_after: if pick(4) == 0 {
                1 + pick(20) as u32
            } else {
                u32::MAX
            },
            digests: DIGESTS[pick(3) as usize],
        };
        // Bits that age while they are read: no plan of a seed has those.
        if pick(8) == 0 {
            let age = ["read-disturb:reads", "bit-rot:every"][pick(2) as usize];
            case.faults = and(&case.faults, &format!("{age}={}", 1 + pick(20)));
            case.may_change_data = true;
        }
        case
    }

    fn run(
        &self,
        backend: &HookedBackend<'_>,
        folder: &MemoryFolder,
    ) -> Result<Summary, ErrorKind> {
        let flag = AtomicBool::new(false);
        let observer = Interrupter {
            pieces_left: AtomicU32::new(self.interrupt_after),
            flag: &flag,
        };
        let request = Request {
            partitions: &[],
            read_again: self.read_again,
            digests: self.digests,
            now: UNIX_EPOCH,
        };
        let work = Work {
            buffer_bytes: self.buffer_bytes,
            workers: self.workers,
            interrupt: &flag,
            observer: &observer,
        };
        backup(backend, folder, &request, &work).map_err(|failure| failure.error.kind())
    }
}

/// Runs one case and says what is wrong with its end.
fn check(seed: u64, lie: Lie, lying_folder: bool) -> Result<Ending, String> {
    let simulated = device(seed);
    let geometry = simulated.system.with_chip(0, |chip| chip.geometry());
    let case = Case::new(seed, geometry);
    let destination = random_destination(seed ^ 0x5EED, 0x6000);
    let plans = format!(
        "seed {seed}, flash {:?}, folder \"{destination}\"",
        case.faults.to_string()
    );
    let mut folder = MemoryFolder::with_faults(destination);
    if lying_folder {
        folder = folder.lying();
    }
    simulated.set_faults(0, Some(case.faults.clone()));
    let backend = backend(simulated.clone(), lie);
    let expected = &contents(seed).partitions;
    let result = case.run(&backend, &folder);
    let struck = simulated.system.with_chip(0, |chip| {
        chip.faults().is_some_and(|plan| plan.struck() > 0)
    });
    let ending = match &result {
        Ok(summary) => {
            check_finished(summary, &folder, expected, case.may_change_data)
                .map_err(|what| format!("{what}; {plans}"))?;
            match (summary.manifest.is_partial(), summary.changed_while_read()) {
                (true, _) => Ending::Partial,
                (_, true) => Ending::Changed,
                _ if struck => Ending::DoneInSpiteOfFaults,
                _ => Ending::Done,
            }
        }
        Err(kind) => {
            check_left_behind(&folder, expected, case.may_change_data)
                .map_err(|what| format!("{what}; {plans}"))?;
            if *kind == ErrorKind::Interrupted {
                Ending::Interrupted
            } else {
                Ending::Failed
            }
        }
    };
    if lie == Lie::None && !lying_folder {
        check_completion(&case, &folder, expected)
            .map_err(|what| format!("completing: {what}; {plans}"))?;
    }
    Ok(ending)
}

/// "Done" means byte-equal; "partial" means byte-equal but for what is named.
fn check_finished(
    summary: &Summary,
    folder: &MemoryFolder,
    expected: &BTreeMap<u32, Vec<u8>>,
    may_change_data: bool,
) -> Result<(), String> {
    let files = folder.files();
    let text = files.get(MANIFEST).ok_or("no manifest")?;
    let manifest = Manifest::parse(text).map_err(|error| error.to_string())?;
    if manifest != summary.manifest {
        return Err("the manifest is not what was returned".into());
    }
    let left_out = manifest.missing().count();
    if manifest.images.len() + left_out != expected.len() {
        return Err("a partition has neither image nor reason".into());
    }
    for image in &manifest.images {
        let mut bytes = files.get(&image.file).ok_or("no image")?.clone();
        let mut flash = expected[&image.mtd].clone();
        if bytes.len() != flash.len() {
            return Err(format!("{} has another length", image.file));
        }
        for range in &image.unreadable {
            let start = range.offset_bytes as usize;
            let range = start..start + range.length_bytes as usize;
            if bytes[range.clone()].iter().any(|byte| *byte != 0xFF) {
                return Err(format!("{}: an unreadable range is not 0xFF", image.file));
            }
            bytes[range.clone()].fill(0);
            flash[range].fill(0);
        }
        // A bit flip is what the flash gives: no reader can know better.
        if bytes != flash && !may_change_data {
            return Err(format!("{} is not what the flash holds", image.file));
        }
    }
    let flag = AtomicBool::new(false);
    let work = Work {
        buffer_bytes: 1000,
        workers: 1,
        interrupt: &flag,
        ..Work::default()
    };
    let report = verify(folder, None, &work).map_err(|f| f.error.to_string())?;
    if report.images_right != manifest.images.len() {
        return Err(format!("verify finds {:?}", report.findings));
    }
    Ok(())
}

/// A failure leaves no manifest, no half image, nothing under way.
fn check_left_behind(
    folder: &MemoryFolder,
    expected: &BTreeMap<u32, Vec<u8>>,
    may_change_data: bool,
) -> Result<(), String> {
    let files = folder.files();
    if files.contains_key(MANIFEST) {
        // Only the very last step, syncing the folder, can fail after that.
        let manifest = Manifest::parse(&files[MANIFEST]).map_err(|error| error.to_string())?;
        let there = |image: &crate::backup::Image| files.contains_key(&image.file);
        if !manifest.images.iter().all(there) {
            return Err("a manifest without its images".into());
        }
    }
    for (name, bytes) in &files {
        if let Some(index) = image_index(name) {
            if bytes.len() != expected[&index].len() {
                return Err(format!("{name} is half an image under its final name"));
            }
            // What was read is true; what was not is 0xFF.
            let fits = |(byte, flash): (&u8, &u8)| byte == flash || *byte == 0xFF;
            if !may_change_data && !bytes.iter().zip(&expected[&index]).all(fits) {
                return Err(format!("{name} holds what the flash does not"));
            }
        } else if name.ends_with(".part") && name.starts_with("mtd") {
            return Err(format!("{name} was left behind"));
        }
    }
    Ok(())
}

fn image_index(name: &str) -> Option<u32> {
    name.strip_prefix("mtd")?.strip_suffix(".bin")?.parse().ok()
}

/// Without faults, the same command completes what is there.
fn check_completion(
    case: &Case,
    folder: &MemoryFolder,
    expected: &BTreeMap<u32, Vec<u8>>,
) -> Result<(), String> {
    let files = folder.files();
    if let Some(text) = files.get(MANIFEST) {
        // A finished backup stays as it is, unless it is partial.
        if !Manifest::parse(text)
            .map_err(|e| e.to_string())?
            .is_partial()
        {
            return Ok(());
        }
    }
    match complete(case.seed, folder, expected) {
        // Where a flipped bit changed what tells devices apart, the folder is
        // taken for another device's, and kept as it is.
        Err(what) if case.may_change_data && what.ends_with("Refused") => Ok(()),
        other => other,
    }
}

fn complete(
    seed: u64,
    folder: &MemoryFolder,
    expected: &BTreeMap<u32, Vec<u8>>,
) -> Result<(), String> {
    let backend = backend(device(seed), Lie::None);
    let case = Case {
        seed,
        faults: FaultPlan::default(),
        may_change_data: false,
        read_again: false,
        // Often others than the cut-off run's.
        digests: DIGESTS[(seed / 3 % 3) as usize],
        buffer_bytes: 4096,
        workers: 1,
        interrupt_after: u32::MAX,
    };
    let folder = MemoryFolder::holding(folder.files());
    let summary = case
        .run(&backend, &folder)
        .map_err(|kind| format!("starting again ends in {kind:?}"))?;
    if summary.manifest.is_partial() {
        return Err("starting again without faults is still partial".into());
    }
    check_finished(&summary, &folder, expected, false)
}

/// Checks these seeds side by side, and that each ending came up at least so often:
/// a suite that never reaches an ending proves nothing about it.
fn check_all(seeds: std::ops::Range<u64>, at_least: u64) {
    const THREADS: u64 = 4;
    let endings = std::sync::Mutex::new(BTreeMap::<Ending, u64>::new());
    std::thread::scope(|scope| {
        for part in 0..THREADS {
            let (seeds, endings) = (seeds.clone(), &endings);
            scope.spawn(move || {
                for seed in seeds.filter(|seed| seed % THREADS == part) {
                    let ending =
                        check(seed, Lie::None, false).unwrap_or_else(|what| panic!("{what}"));
                    *endings.lock().unwrap().entry(ending).or_default() += 1;
                }
            });
        }
    });
    let endings = endings.into_inner().unwrap();
    for ending in [
        Ending::Done,
        Ending::DoneInSpiteOfFaults,
        Ending::Changed,
        Ending::Partial,
        Ending::Failed,
        Ending::Interrupted,
    ] {
        let count = endings.get(&ending).copied().unwrap_or(0);
        assert!(
            count >= at_least,
            "{ending:?} came up {count} times: {endings:?}"
        );
    }
}

#[test]
fn no_backup_ends_in_done_and_not_byte_equal() {
    check_all(0..1200, 8);
}

#[test]
#[ignore = "needs minutes"]
fn none_of_twelve_thousand_does() {
    check_all(1200..13_200, 80);
}

#[rstest]
#[case(Lie::WrongByte, false)]
#[case(Lie::ErrorAsErased, false)]
#[case(Lie::HalfAsWhole, false)]
#[case(Lie::None, true)]
fn a_lie_is_caught(#[case] lie: Lie, #[case] lying_folder: bool) {
    let caught = (0..200).filter(|seed| check(*seed, lie, lying_folder).is_err());
    let count = caught.count();
    assert!(
        count >= 10,
        "{lie:?}, {lying_folder}: caught {count} times of 200"
    );
}

/// A power cut at every single operation on the folder: what a reader sees at
/// that moment, and what is surely on the medium, are both completed.
#[test]
fn a_cut_at_any_operation_can_be_completed() {
    let expected = &contents(3).partitions;
    let backend = backend(device(3), Lie::None);
    let case = Case {
        seed: 3,
        faults: FaultPlan::default(),
        may_change_data: false,
        read_again: false,
        digests: DigestChoice::Both,
        buffer_bytes: 4096,
        workers: 1,
        interrupt_after: u32::MAX,
    };
    let whole = MemoryFolder::default();
    case.run(&backend, &whole).unwrap();
    let operations = whole.operations();
    assert!(operations > 50, "{operations}");
    for cut_at in 0..operations {
        let folder = MemoryFolder::default().with_cut_at(cut_at);
        case.run(&backend, &folder).unwrap_err();
        for (state, files) in [
            ("seen", folder.files()),
            ("durable", folder.durable_files()),
        ] {
            for (name, bytes) in &files {
                if let Some(index) = image_index(name) {
                    assert!(*bytes == expected[&index], "cut {cut_at}, {state}: {name}");
                }
            }
            let finished = files.contains_key(MANIFEST);
            assert!(
                !(finished && files.contains_key(UNFINISHED)),
                "cut {cut_at}, {state}: finished and unfinished"
            );
            if finished {
                assert_eq!(
                    files[MANIFEST],
                    whole.files()[MANIFEST],
                    "cut {cut_at}, {state}"
                );
                continue;
            }
            complete(3, &MemoryFolder::holding(files), expected)
                .unwrap_or_else(|what| panic!("cut {cut_at}, {state}: {what}"));
        }
    }
}
