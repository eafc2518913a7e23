//! What must hold before and while erase blocks are written, and the ways round it:
//! another name of the same flash, somebody who comes late, locks, a backup that
//! changes, another device's old bytes.

use super::disk::{Disk, Loss};
use super::world::{BLOCK, BLOCKS, device};
use crate::backend::SimulatedBackend;
use crate::backend::hooked::HookedBackend;
use crate::backup::{self, Directory as _, Work};
use crate::mtd::{MtdBackend, WritePermit};
use crate::restore::{self, Plan, Request, RestoreError, Restored, Stopped};
use mtd_harness::chip::cut::{PowerCut, Tear};
use mtd_harness::chip::{EraseBlock, UnlockScope};
use mtd_harness::fault::FaultPlan;
use mtd_harness::profile::SimulatedDevice;
use rstest::rstest;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A device that differs from its backup in some erase blocks.
pub(super) struct Bench {
    pub(super) device: SimulatedDevice,
    pub(super) backup: Disk,
    pub(super) journal: Disk,
    pub(super) old: Vec<u8>,
    pub(super) good: Vec<u8>,
}

/// The bytes of a device's flash.
fn contents() -> Vec<u8> {
    let mut state = 7u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..BLOCK * BLOCKS).map(next).collect()
}

impl Bench {
    pub(super) fn new(damaged: &[usize]) -> Self {
        let good = contents();
        let backup = Disk::default();
        let source = SimulatedBackend::new(device(&good));
        let (request, work) = (backup::Request::default(), Work::default());
        backup::pipeline::backup(&source, &backup, &request, &work).unwrap();
        let mut old = good.clone();
        for block in damaged {
            old[block * BLOCK..(block + 1) * BLOCK].fill(0x5A);
        }
        Self {
            device: device(&old),
            backup,
            journal: Disk::default(),
            old,
            good,
        }
    }

    pub(super) fn backend(&self) -> SimulatedBackend {
        SimulatedBackend::new(self.device.clone())
    }

    pub(super) fn plan(
        &self,
        partitions: &[&str],
        allow: &[&str],
        other: bool,
    ) -> Result<Plan, Stopped> {
        let words = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        let (partitions, allow) = (words(partitions), words(allow));
        let request = Request {
            partitions: &partitions,
            allow: &allow,
            other_device: other,
            at_once: false,
        };
        let (backend, work) = (self.backend(), Work::default());
        restore::plan(&backend, &self.backup, Some(&self.journal), &request, &work)
    }

    pub(super) fn carry_out(
        &self,
        plan: &Plan,
        backend: &dyn MtdBackend,
    ) -> Result<Restored, Stopped> {
        let permit = WritePermit::granted_because("a test");
        let work = Work::default();
        restore::restore(plan, backend, &self.backup, &self.journal, &permit, &work)
    }

    /// `data`, all of it.
    fn restore(&self) -> Result<Restored, Stopped> {
        let plan = self.plan(&["data"], &[], false)?;
        self.carry_out(&plan, &self.backend())
    }

    pub(super) fn cells(&self) -> Vec<u8> {
        self.device.chip_bytes(0)
    }

    pub(super) fn locks(&self) -> Vec<bool> {
        let of = |chip: &mut mtd_harness::chip::Chip| {
            (0..BLOCKS as u64)
                .map(|n| chip.is_locked(EraseBlock(n)))
                .collect()
        };
        self.device.system.with_chip(0, of)
    }

    pub(super) fn lock(&self, blocks: &[u64]) {
        self.device.system.with_chip(0, |chip| {
            chip.set_unlock_scope(UnlockScope::EraseBlock);
            for block in blocks {
                chip.set_locked(EraseBlock(*block), true).unwrap();
            }
        });
    }
}

/// `all` is the whole chip: what it would write of others counts as theirs.
#[rstest]
#[case::nothing_of_others(&[2], &["all"], &[], false, None)]
#[case::the_boot_loader(&[0], &["all"], &[], false, Some("mtd0 (RedBoot) differs, and is the boot"))]
#[case::by_number(&[0], &["mtd8"], &[], false, Some("mtd0 (RedBoot) differs, and is the boot"))]
#[case::allowed(&[0], &["all"], &["RedBoot"], false, None)]
#[case::allowed_by_number(&[0], &["all"], &["mtd0"], false, None)]
#[case::itself_is_not_enough(&[0], &["all"], &["all"], false, Some("mtd0 (RedBoot) differs"))]
#[case::half_a_block(&[11], &["all"], &["FIS directory"], false, Some("mtd7 (RedBoot config) differs"))]
#[case::both_banks(&[3, 6], &["all"], &[], false, Some("different banks"))]
#[case::banks_in_parts(&[3, 6], &["data", "data_2"], &[], false, Some("different banks"))]
#[case::the_factory_s(&[1], &["all"], &["param"], true, Some("of another device it is never"))]
#[case::tables_of_another(&[10], &["all"], &["FIS directory"], true, Some("never written"))]
#[case::a_neighbour_is_kept(&[11], &["RedBoot config"], &["RedBoot config"], false, None)]
fn other_names_of_the_same_flash(
    #[case] damaged: &[usize],
    #[case] partitions: &[&str],
    #[case] allow: &[&str],
    #[case] other: bool,
    #[case] refused: Option<&str>,
) {
    let bench = Bench::new(damaged);
    match (bench.plan(partitions, allow, other), refused) {
        (Ok(plan), None) => {
            bench.carry_out(&plan, &bench.backend()).unwrap();
        }
        (Err(stopped), Some(why)) => {
            assert!(stopped.to_string().contains(why), "{stopped}");
            assert!(stopped.error.help().is_some(), "{stopped}");
            assert!(!stopped.changed);
            assert_eq!(bench.cells(), bench.old);
        }
        (answer, _) => panic!("{answer:?}"),
    }
}

/// Whoever comes between the plan and the writing is seen, also where it is by way of
/// another device on the same flash; and whoever comes meanwhile, at the next look.
#[rstest]
#[case::itself(2, 0, Some(2))]
#[case::of_the_second_partition(4, 0, Some(2))]
#[case::all_of_the_chip(8, 0, Some(2))]
#[case::another(3, 0, None)]
#[case::in_the_middle_of_a_partition(2, 1, Some(5))]
#[case::before_the_second_partition(4, 2, Some(8))]
#[case::of_the_second_while_the_first_is_written(4, 1, Some(5))]
fn who_comes_late_is_seen(
    #[case] index: u32,
    #[case] free_looks: usize,
    #[case] untouched_from: Option<usize>,
) {
    // A look before the first, the third and the fifth erase block.
    let bench = Bench::new(&[3, 4, 5, 2, 8]);
    let plan = bench.plan(&["data", "ver_1"], &[], false).unwrap();
    let looks = AtomicUsize::new(0);
    let used = HookedBackend::new(bench.backend()).on_in_use(|| {
        let look = looks.fetch_add(1, Ordering::Relaxed);
        (look >= free_looks).then_some((index, "open in process 17"))
    });
    match bench.carry_out(&plan, &used) {
        Ok(_) => assert_eq!(untouched_from, None),
        Err(stopped) => {
            let block = untouched_from.unwrap_or_else(|| panic!("{stopped}"));
            assert!(stopped.to_string().contains("is in use"), "{stopped}");
            assert_eq!(stopped.changed, free_looks > 0);
            assert_eq!(bench.cells()[block * BLOCK..], bench.old[block * BLOCK..]);
            assert!(bench.journal.after(Loss::Nothing).is_empty());
        }
    }
}

#[test]
fn locked_blocks_are_written_and_locked_again() {
    let bench = Bench::new(&[2, 3, 4]);
    bench.lock(&[2, 4, 5]);
    let locks = bench.locks();
    let plan = bench.plan(&["data"], &[], false).unwrap();
    assert_eq!(plan.partitions[0].locked, 2);
    assert!(
        plan.notes
            .iter()
            .any(|note| note.contains("2 erase blocks locked"))
    );
    bench.carry_out(&plan, &bench.backend()).unwrap();
    assert_eq!(bench.cells(), bench.good);
    assert_eq!(bench.locks(), locks);
}

/// Where one unlock opens all of the chip (28F128J3A), those that are written are
/// locked again all the same.
#[test]
fn what_an_unlock_opened_beside_is_locked_where_it_is_written() {
    let bench = Bench::new(&[2, 3, 4]);
    bench.lock(&[2, 3, 4]);
    bench
        .device
        .system
        .with_chip(0, |chip| chip.set_unlock_scope(UnlockScope::WholeChip));
    bench.restore().unwrap();
    assert_eq!(bench.cells(), bench.good);
    // The header comes last, and opens the others again.
    assert!(bench.locks()[2]);
}

#[test]
fn a_block_that_fails_is_locked_again() {
    let bench = Bench::new(&[3]);
    bench.lock(&[3]);
    let spec = format!("program-error@{:#x}", 3 * BLOCK);
    let faults: FaultPlan = spec.parse().unwrap();
    bench.device.set_faults(0, Some(faults));
    let stopped = bench.restore().unwrap_err();
    assert!(stopped.changed, "{stopped}");
    assert!(bench.locks()[3]);
    bench.device.set_faults(0, None);
    bench.restore().unwrap();
    assert_eq!(bench.cells(), bench.good);
    assert!(bench.locks()[3]);
}

/// Whenever the power goes, the next run knows that the erase block was locked.
#[test]
fn a_lock_outlives_the_power() {
    let mut cuts = 0;
    for operation in 1..20 {
        let bench = Bench::new(&[3]);
        bench.lock(&[3]);
        bench.device.system.with_chip(0, |chip| {
            chip.record();
            chip.cut_power(PowerCut::new(operation, Tear::BEFORE));
        });
        if bench.restore().is_ok() {
            break;
        }
        cuts += 1;
        bench.device.system.with_chip(0, |chip| chip.power_on());
        bench.restore().unwrap();
        assert_eq!(bench.cells(), bench.good, "operation {operation}");
        assert!(bench.locks()[3], "operation {operation}");
    }
    assert!(cuts >= 2, "{cuts}");
}

/// Writes over an image of the backup.
fn change_image(bench: &Bench, name: &str) {
    let mut file = bench.backup.create(name).unwrap();
    let other: Vec<u8> = contents().iter().map(|byte| !byte).collect();
    file.write_all(&other[..4 * BLOCK]).unwrap();
    file.sync().unwrap();
}

#[test]
fn a_backup_that_changes_after_the_plan_is_not_written() {
    let bench = Bench::new(&[3]);
    let plan = bench.plan(&["data"], &[], false).unwrap();
    change_image(&bench, "mtd2.bin");
    let stopped = bench.carry_out(&plan, &bench.backend()).unwrap_err();
    assert!(
        matches!(*stopped.error, RestoreError::Changed { .. }),
        "{stopped}"
    );
    assert!(!stopped.changed);
    assert_eq!(bench.cells(), bench.old);
    assert!(bench.journal.after(Loss::Nothing).is_empty());
}

/// The flash changes after the plan: what was planned comes of it all the same, or it is
/// told.
#[rstest]
#[case::in_the_plan(3, true)]
#[case::beside_it(4, false)]
fn flash_that_changes_after_the_plan(#[case] block: usize, #[case] ends_well: bool) {
    let bench = Bench::new(&[3]);
    let plan = bench.plan(&["data"], &[], false).unwrap();
    let change =
        |chip: &mut mtd_harness::chip::Chip| chip.load((block * BLOCK) as u64, &[0x11; BLOCK]);
    bench.device.system.with_chip(0, change).unwrap();
    match bench.carry_out(&plan, &bench.backend()) {
        Ok(_) => {
            assert!(ends_well);
            assert_eq!(bench.cells(), bench.good);
        }
        Err(stopped) => {
            assert!(!ends_well && stopped.changed, "{stopped}");
            assert!(
                stopped.to_string().contains("reads differently"),
                "{stopped}"
            );
        }
    }
}

/// Old bytes of one device are never put into another, and an unfinished flash is called
/// that whatever keeps the next run from its plan.
#[test]
fn old_bytes_of_another_device_are_not_used() {
    let bench = Bench::new(&[3]);
    let spec = format!("program-error@{:#x}", 3 * BLOCK);
    let faults: FaultPlan = spec.parse().unwrap();
    bench.device.set_faults(0, Some(faults));
    bench.restore().unwrap_err();
    // Another `param`, the same folder.
    let other = Bench {
        journal: bench.journal.clone(),
        ..Bench::new(&[1, 3])
    };
    let stopped = other.plan(&["data"], &[], true).unwrap_err();
    assert!(
        stopped.to_string().contains("of another device"),
        "{stopped}"
    );
    assert_eq!(other.cells(), other.old);
    let stopped = bench.plan(&["linux"], &[], false).unwrap_err();
    assert!(stopped.changed, "{stopped}");
    // The device itself goes on.
    bench.device.set_faults(0, None);
    bench.restore().unwrap();
    assert_eq!(bench.cells(), bench.good);
}

/// Neither memory nor room is found missing with an erase block in hand.
#[test]
fn what_a_restore_needs_is_there_before_anything_is_touched() {
    let bench = Bench::new(&[3]);
    let mut plan = bench.plan(&["data"], &[], false).unwrap();
    let is_refused = |stopped: Stopped, why: &str, changed: bool| {
        assert!(stopped.to_string().contains(why), "{stopped}");
        assert!(stopped.error.help().is_some(), "{stopped}");
        assert_eq!(stopped.changed, changed, "{stopped}");
        assert_eq!(bench.cells(), bench.old);
    };
    bench.journal.fill(true);
    let stopped = bench.carry_out(&plan, &bench.backend()).unwrap_err();
    is_refused(stopped, "not enough free space in memory", false);
    let stopped = bench.plan(&["data"], &[], false).unwrap_err();
    is_refused(stopped, "not enough free space in memory", false);
    bench.journal.fill(false);

    let block_bytes = std::mem::replace(&mut plan.block_bytes, usize::MAX);
    let stopped = bench.carry_out(&plan, &bench.backend()).unwrap_err();
    is_refused(stopped, "memory", false);
    plan.block_bytes = block_bytes;
    bench.carry_out(&plan, &bench.backend()).unwrap();
    assert_eq!(bench.cells(), bench.good);
}
