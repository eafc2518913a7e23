//! Safeguards that faults planted by hand had got past: each of these tests fails without
//! the one that it is about.

use super::disk::{Disk, Loss};
use super::odd::{Device, Odd};
use super::ways::Bench;
use super::world::{BLOCK, BLOCKS, device};
use crate::backend::SimulatedBackend;
use crate::backend::hooked::HookedBackend;
use crate::backup::{self, Directory as _, Work};
use crate::restore::{self, Request, RestoreError, Stopped};
use mtd_harness::fault::FaultPlan;
use rstest::rstest;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

fn words(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The whole command on such a device.
fn restored(
    bench: &Bench,
    odd: Odd,
    partitions: &[&str],
    allow: &[&str],
) -> Result<restore::Restored, Stopped> {
    let (partitions, allow) = (words(partitions), words(allow));
    let request = Request {
        partitions: &partitions,
        allow: &allow,
        ..Request::default()
    };
    let (odd, work) = (Device::of(bench, odd), Work::default());
    let plan = restore::plan(&odd, &bench.backup, Some(&bench.journal), &request, &work)?;
    bench.carry_out(&plan, &odd)
}

/// The last reading has all of each partition, and what is another's in the erase blocks
/// that were written; what reads well the next time was wrong all the same.
#[rstest]
#[case::a_second_partition(&["data", "rootfs"], &[3, 14], Odd::Changes(15 * 64), "mtd11 (rootfs)", 0x40)]
#[case::a_neighbour(&["FIS directory"], &[11], Odd::Changes(11 * 64 + 50), "mtd6 (FIS", 0x2c0)]
#[case::once(&["data"], &[3], Odd::ReadsWrongOnce, "mtd2 (data)", 0)]
fn the_last_reading_sees(
    #[case] partitions: &[&str],
    #[case] damaged: &[usize],
    #[case] odd: Odd,
    #[case] of: &str,
    #[case] at: u64,
) {
    let bench = Bench::new(damaged);
    let stopped = restored(&bench, odd, partitions, &["FIS directory"]).unwrap_err();
    let said = stopped.to_string();
    assert!(
        said.contains("reads differently in the end") && said.contains(of),
        "{said}"
    );
    assert!(said.ends_with(&format!("first at {at:#x}")), "{said}");
    assert!(stopped.changed && stopped.error.help().is_some());
}

/// Where a backup has no SHA-256, its bytes are compared, and the end is as good.
#[test]
fn a_backup_with_crc_32_alone_is_restored() {
    let mut bench = Bench::new(&[3, 4]);
    bench.backup = Disk::default();
    let request = backup::Request {
        digests: backup::DigestChoice::Crc32,
        ..backup::Request::default()
    };
    let (good, work) = (SimulatedBackend::new(device(&bench.good)), Work::default());
    backup::pipeline::backup(&good, &bench.backup, &request, &work).unwrap();
    let changed = Odd::Changes(5 * 64);
    let stopped = restored(&bench, changed, &["data"], &[]).unwrap_err();
    assert!(stopped.to_string().ends_with("first at 0xc0"), "{stopped}");
    let stopped = restored(&bench, Odd::ReadsWrongOnce, &["data"], &[]).unwrap_err();
    assert!(stopped.to_string().ends_with("first at 0x0"), "{stopped}");
    bench
        .carry_out(
            &bench.plan(&["data"], &[], false).unwrap(),
            &bench.backend(),
        )
        .unwrap();
    assert_eq!(bench.cells(), bench.good);
}

#[test]
fn a_lock_that_nobody_told_of_is_opened_and_closed() {
    let bench = Bench::new(&[3]);
    bench.lock(&[3]);
    restored(&bench, Odd::NoLocksTold, &["data"], &[]).unwrap();
    assert_eq!(bench.cells(), bench.good);
    assert!(bench.locks()[3] && !bench.locks()[4]);
}

#[test]
fn a_node_that_cannot_be_written_is_told() {
    let bench = Bench::new(&[3]);
    let stopped = restored(&bench, Odd::Fixed, &["data"], &[]).unwrap_err();
    let said = stopped.to_string();
    assert!(
        said.contains("differs and cannot be written: read-only"),
        "{said}"
    );
    assert_eq!(bench.cells(), bench.old);
}

/// An erase block that cannot be read and is all in the backup is written.
#[test]
fn an_unreadable_erase_block_is_written() {
    let bench = Bench::new(&[3]);
    let done = restored(&bench, Odd::Unreadable(64), &["data"], &[]).unwrap();
    assert_eq!((done.erased, bench.cells()), (1, bench.good));
}

#[test]
fn signals_interrupt_reads_and_nothing_else() {
    let bench = Bench::new(&[3]);
    restored(&bench, Odd::Interrupted, &["data"], &[]).unwrap();
    assert_eq!(bench.cells(), bench.good);
    // Bytes that a device does not have are not made up.
    let bench = Bench::new(&[3]);
    let stopped = restored(&bench, Odd::EndsEarly, &["data"], &[]).unwrap_err();
    assert!(stopped.to_string().contains("ended at 0x40"), "{stopped}");
}

#[test]
fn a_wish_to_stop_is_heard_by_the_plan() {
    let bench = Bench::new(&[3]);
    let (backend, stop) = (bench.backend(), AtomicBool::new(true));
    let work = Work {
        interrupt: &stop,
        ..Work::default()
    };
    let request = Request::default();
    let stopped = restore::plan(&backend, &bench.backup, None, &request, &work).unwrap_err();
    assert!(stopped.to_string().contains("interrupted"), "{stopped}");
}

/// What is right by then is not written.
#[test]
fn an_erase_block_that_has_become_right_is_left() {
    let bench = Bench::new(&[3, 4]);
    let plan = bench.plan(&["data"], &[], false).unwrap();
    let right = &bench.good[3 * BLOCK..4 * BLOCK];
    let change = |chip: &mut mtd_harness::chip::Chip| chip.load(3 * BLOCK as u64, right);
    bench.device.system.with_chip(0, change).unwrap();
    let done = bench.carry_out(&plan, &bench.backend()).unwrap();
    assert_eq!((done.erased, bench.cells()), (1, bench.good));
}

/// Where nothing was touched, nothing is told as changed, and no old bytes as kept.
#[test]
fn what_was_not_touched_is_not_told_as_changed() {
    let bench = Bench::new(&[3]);
    let faults: FaultPlan = format!("erase-error@{:#x}", 3 * BLOCK).parse().unwrap();
    bench.device.set_faults(0, Some(faults));
    let plan = bench.plan(&["data"], &[], false).unwrap();
    let stopped = bench.carry_out(&plan, &bench.backend()).unwrap_err();
    let said = stopped.to_string();
    assert!(said.contains("it holds its old bytes"), "{said}");
    assert!(
        matches!(*stopped.error, RestoreError::Block { kept: None, .. }),
        "{said}"
    );
    assert!(!stopped.changed, "{said}");
    assert!(bench.journal.after(Loss::Nothing).is_empty());
}

/// Others have put two right since the plan, and are there at the second look.
#[test]
fn what_has_become_right_is_not_told_as_changed() {
    let bench = Bench::new(&[3, 4, 5]);
    let plan = bench.plan(&["data"], &[], false).unwrap();
    let right = &bench.good[3 * BLOCK..5 * BLOCK];
    let change = |chip: &mut mtd_harness::chip::Chip| chip.load(3 * BLOCK as u64, right);
    bench.device.system.with_chip(0, change).unwrap();
    let (cells, looks) = (bench.cells(), AtomicU32::new(0));
    let used = HookedBackend::new(bench.backend()).on_in_use(|| {
        let is_first = looks.fetch_add(1, Ordering::Relaxed) == 0;
        (!is_first).then_some((2, "open in process 17"))
    });
    let stopped = bench.carry_out(&plan, &used).unwrap_err();
    assert!(stopped.to_string().contains("is in use"), "{stopped}");
    assert!(!stopped.changed, "{stopped}");
    assert_eq!(bench.cells(), cells);
}

/// What was in hand is erased in any case, also where no bit has to be set: what reads
/// well after a cut may read otherwise later.
#[test]
fn what_was_in_hand_is_erased() {
    let bench = Bench::new(&[]);
    let old: Vec<u8> = bench.good[3 * BLOCK..4 * BLOCK]
        .iter()
        .map(|byte| byte | 0x0F)
        .collect();
    let change = |chip: &mut mtd_harness::chip::Chip| chip.load(3 * BLOCK as u64, &old);
    bench.device.system.with_chip(0, change).unwrap();
    let faults: FaultPlan = format!("program-error@{:#x}", 3 * BLOCK).parse().unwrap();
    bench.device.set_faults(0, Some(faults));
    let plan = bench.plan(&["data"], &[], false).unwrap();
    assert_eq!(plan.totals().0, 1);
    bench.carry_out(&plan, &bench.backend()).unwrap_err();
    bench.device.set_faults(0, None);
    let plan = bench.plan(&["data"], &[], false).unwrap();
    assert_eq!((plan.totals().0, plan.totals().1), (0, 1));
    let done = bench.carry_out(&plan, &bench.backend()).unwrap();
    assert_eq!(
        (done.erased, done.programmed, bench.cells()),
        (1, 0, bench.good)
    );
}

/// What an interrupted restore keeps of the erase block at 0x40 of `data`.
fn in_hand() -> (Bench, BTreeMap<String, Vec<u8>>) {
    let bench = Bench::new(&[3, 8]);
    let faults: FaultPlan = format!("program-error@{:#x}", 3 * BLOCK).parse().unwrap();
    bench.device.set_faults(0, Some(faults));
    let plan = bench.plan(&["data"], &[], false).unwrap();
    bench.carry_out(&plan, &bench.backend()).unwrap_err();
    bench.device.set_faults(0, None);
    let kept = bench.journal.after(Loss::All);
    assert_eq!(kept.len(), 1);
    (bench, kept)
}

/// A kept file that is not what was written is never put into the flash, nor passed over.
#[rstest]
#[case::torn_head("torn head", "it is torn, or no such file")]
#[case::torn("torn", "its length is wrong")]
#[case::longer("longer", "its length is wrong")]
#[case::other_bytes("other bytes", "not those that were kept")]
#[case::another_name("another name", "it is torn, or no such file")]
#[case::another_length("another length", "another erase-block size")]
fn a_kept_file_that_is_not_right_is_refused(#[case] change: &str, #[case] why: &str) {
    let (mut bench, kept) = in_hand();
    let (mut name, mut bytes) = kept.into_iter().next().unwrap();
    match change {
        "torn head" => bytes.truncate(40),
        "torn" => drop(bytes.pop()),
        "longer" => bytes.push(0),
        "other bytes" => *bytes.last_mut().unwrap() ^= 1,
        "another name" => name = "mtd2-0x80.old".into(),
        _ => {
            let text = String::from_utf8_lossy(&bytes);
            let at = text.find("\nlength 64").unwrap();
            bytes[at + 9] = b'5';
        }
    }
    bench.journal = Disk::holding(&[(name, bytes)].into(), None);
    let cells = bench.cells();
    let stopped = bench.plan(&["data"], &[], false).unwrap_err();
    assert!(stopped.to_string().contains(why), "{stopped}");
    assert!(stopped.changed && stopped.error.help().is_some());
    assert_eq!(bench.cells(), cells);
}

/// Nothing else is begun while an erase block is in hand, and others' files are no such.
#[test]
fn an_erase_block_in_hand_comes_first() {
    let (mut bench, kept) = in_hand();
    let stopped = bench.plan(&["ver_1"], &[], false).unwrap_err();
    let said = stopped.to_string();
    assert!(
        said.contains("stopped in the erase block at 0x40 of mtd2"),
        "{said}"
    );
    assert!(stopped.changed);
    let others = ["mtd02-0x40.old", "mtd2-64.old", "notes.old"];
    let others = others.map(|name| (name.to_owned(), b"something".to_vec()));
    // What an earlier run had not finished writing goes.
    let part = ("mtd2-0xc0.old.part".to_owned(), vec![1]);
    let files = kept.into_iter().chain(others.clone()).chain([part]);
    let files = files.collect();
    bench.journal = Disk::holding(&files, None);
    let plan = bench.plan(&["data"], &[], false).unwrap();
    // Whatever keeps it from being begun, the flash is unfinished.
    bench.journal.fill(true);
    let stopped = bench.carry_out(&plan, &bench.backend()).unwrap_err();
    assert!(stopped.changed, "{stopped}");
    bench.journal.fill(false);
    bench.carry_out(&plan, &bench.backend()).unwrap();
    assert_eq!(bench.journal.after(Loss::Nothing), others.into());
}

/// What was in hand is written also where its old bytes are wanted again.
#[test]
fn old_bytes_that_are_wanted_again_are_written() {
    let (mut bench, _) = in_hand();
    bench.backup = Disk::default();
    let (before, work) = (SimulatedBackend::new(device(&bench.old)), Work::default());
    let request = backup::Request::default();
    backup::pipeline::backup(&before, &bench.backup, &request, &work).unwrap();
    let plan = bench.plan(&["data"], &[], false).unwrap();
    assert_eq!(plan.totals().1, 1);
    bench.carry_out(&plan, &bench.backend()).unwrap();
    assert_eq!(bench.cells(), bench.old);
}

/// The plan's digest binds the backup and what was allowed, not what is there already.
#[test]
fn what_a_plan_s_digest_binds() {
    let bench = Bench::new(&[3]);
    let digest = |bench: &Bench, other| bench.plan(&["data"], &[], other).unwrap().digest;
    let first = digest(&bench, false);
    let mut other = Bench::new(&[3, 4, 5]);
    other.backup = bench.backup.clone();
    assert_eq!(digest(&other, false), first);
    assert_ne!(digest(&bench, true), first);
    edit_manifest(&bench.backup, |_| {});
    assert_ne!(digest(&bench, false), first);
}

/// Writes the manifest anew, in another form, with its own digest.
pub(super) fn edit_manifest(backup: &Disk, edit: impl FnOnce(&mut serde_json::Value)) {
    let text = |name| String::from_utf8(backup.after(Loss::Nothing)[name].clone()).unwrap();
    let (manifest, sums) = (text("manifest.json"), text("SHA256SUMS"));
    let mut value = serde_json::from_str(&manifest).unwrap();
    edit(&mut value);
    let after = value.to_string();
    let sha256 = |text: &str| backup::sha256(text.as_bytes());
    let sums = sums.replace(&sha256(&manifest), &sha256(&after));
    for (name, text) in [("manifest.json", after), ("SHA256SUMS", sums)] {
        let mut file = backup.create(name).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.sync().unwrap();
    }
}

/// Where what lies inside has all its bytes and what holds it has not, they are not
/// written as one.
#[test]
fn a_whole_with_a_hole_is_not_written_with_its_part() {
    let mut bench = Bench::new(&[14]);
    let source = device(&bench.good);
    let faults: FaultPlan = format!("read-error@{:#x}", 13 * BLOCK).parse().unwrap();
    source.set_faults(0, Some(faults));
    bench.backup = Disk::default();
    let (request, work) = (backup::Request::default(), Work::default());
    let source = SimulatedBackend::new(source);
    backup::pipeline::backup(&source, &bench.backup, &request, &work).unwrap();
    let stopped = bench.plan(&["firmware", "rootfs"], &[], false).unwrap_err();
    let said = stopped.to_string();
    assert!(
        said.contains("have a part of the same erase block"),
        "{said}"
    );
    assert_eq!(
        (stopped.changed, bench.cells().len()),
        (false, BLOCK * BLOCKS)
    );
}
