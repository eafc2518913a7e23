//! What must hold before anything is written, one case each: its own error, its own help,
//! and flash, backup and folder for old bytes as they were. In the order of the list:
//! the backup; the device; the layout; what needs a word of its own; one bank; nobody else;
//! what can be written; what is needed. Beside these, elsewhere: a stream, an agreed plan
//! (`cli::restore`, `cli::restore_consent`, which has old bytes in memory as well), memory
//! ([`super::ways`]), partitions in each other
//! ([`super::nested`], [`super::placeless`]), who comes late and locks ([`super::ways`]).

use super::disk::{Disk, Loss};
use super::safeguards::edit_manifest;
use super::ways::Bench;
use super::world::{self, BLOCK, BLOCKS};
use crate::backend::SimulatedBackend;
use crate::backend::hooked::HookedBackend;
use crate::backup::{self, Directory as _, Work};
use crate::mtd::{MtdBackend as _, MtdIndex, MtdInfo, PartitionOffset, WritePermit};
use crate::restore::{self, Plan, Request, Stopped};
use mtd_harness::chip::{Chip, Geometry};
use mtd_harness::fault::FaultPlan;
use mtd_harness::layout::{ChipLayout, Layout, PartitionSpec};
use mtd_harness::profile::SimulatedDevice;
use rstest::rstest;
use std::io::Write as _;

/// One case: what is damaged, what is asked, and what is otherwise than it should be.
struct Case {
    bench: Bench,
    partitions: &'static [&'static str],
    allow: &'static [&'static str],
    other_device: bool,
    edit: fn(&mut Vec<MtdInfo>),
    in_use: Option<(u32, &'static str)>,
}

impl Case {
    fn of(damaged: &[usize], partitions: &'static [&'static str]) -> Self {
        Self {
            bench: Bench::new(damaged),
            partitions,
            allow: &[],
            other_device: false,
            edit: |_| {},
            in_use: None,
        }
    }

    fn data() -> Self {
        Self::of(&[3], &["data"])
    }

    fn told(edit: fn(&mut Vec<MtdInfo>)) -> Self {
        Self {
            edit,
            ..Self::data()
        }
    }

    fn used(index: u32, how: &'static str) -> Self {
        Self {
            in_use: Some((index, how)),
            ..Self::data()
        }
    }

    fn allowing(self, allow: &'static [&'static str]) -> Self {
        Self { allow, ..self }
    }

    fn of_another(self) -> Self {
        Self {
            other_device: true,
            ..self
        }
    }

    fn put(self, name: &str, bytes: &[u8]) -> Self {
        let mut file = self.bench.backup.create(name).unwrap();
        file.write_all(bytes).unwrap();
        file.sync().unwrap();
        self
    }

    fn plan(&self) -> Result<Plan, Stopped> {
        // Of which the system tells something else, or somebody makes use; and which fails
        // where it is opened for writing.
        let backend = HookedBackend::new(self.bench.backend())
            .on_devices(self.edit)
            .on_open(|inner, device| inner.open(device))
            .on_in_use(|| self.in_use);
        let words = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
        let (partitions, allow): (Vec<String>, Vec<String>) =
            (words(self.partitions), words(self.allow));
        let request = Request {
            partitions: &partitions,
            allow: &allow,
            other_device: self.other_device,
            at_once: false,
        };
        let (bench, work) = (&self.bench, Work::default());
        restore::plan(
            &backend,
            &bench.backup,
            Some(&bench.journal),
            &request,
            &work,
        )
    }
}

fn unfinished() -> Case {
    let case = Case::data();
    case.bench
        .backup
        .rename("manifest.json", "unfinished.json")
        .unwrap();
    case
}

fn doubtful() -> Case {
    let case = Case::data();
    edit_manifest(&case.bench.backup, |manifest| {
        manifest["images"][2]["doubt"] = "it changed".into();
    });
    case
}

fn without_data() -> Case {
    let mut case = Case::data();
    case.bench.backup = Disk::default();
    let source = SimulatedBackend::new(world::device(&case.bench.good));
    let named = ["param".to_owned(), "ver_1".to_owned()];
    let request = backup::Request {
        partitions: &named,
        ..backup::Request::default()
    };
    backup::pipeline::backup(&source, &case.bench.backup, &request, &Work::default()).unwrap();
    case
}

fn full() -> Case {
    let case = Case::data();
    case.bench.journal.fill(true);
    case
}

/// The erase block that two share cannot be read, and the backup's image has a part of it.
fn lost() -> Case {
    let case = Case::of(&[11], &["FIS directory"]).allowing(&["FIS directory"]);
    let spec = format!("read-error@{:#x}", 11 * BLOCK);
    let faults: FaultPlan = spec.parse().unwrap();
    case.bench.device.set_faults(0, Some(faults));
    case
}

fn moved(devices: &mut [MtdInfo]) {
    let offset = devices[2].offset.as_mut().unwrap();
    *offset = PartitionOffset {
        bytes: offset.bytes + BLOCK as u64,
        ..*offset
    };
}

#[rstest]
// The backup is complete and every digest right: of what is restored, and of the rest.
#[case::unfinished(unfinished(), "never finished", "")]
#[case::an_image_differs(Case::data().put("mtd2.bin", &[1; 4 * BLOCK]), "mtd2.bin (data): damaged", "use another copy")]
#[case::another_image_differs(Case::data().put("mtd3.bin", &[1; 2 * BLOCK]), "mtd3.bin (data_2): damaged", "use another copy")]
#[case::an_image_is_short(Case::data().put("mtd2.bin", &[1; BLOCK]), "mtd2.bin (data): damaged", "use another copy")]
#[case::in_doubt(
    doubtful(),
    "image of mtd2 (data) is in doubt: it changed",
    "use another backup"
)]
#[case::not_in_it(
    without_data(),
    "the backup has no image of mtd2 (data)",
    "leave it away"
)]
// The same device.
#[case::another_device(Case::of(&[1, 3], &["data"]), "not known to be the device", "--other-device")]
#[case::what_is_its_own(Case::of(&[1], &["param"]).allowing(&["param"]).of_another(), "mtd1 (param) differs and stays", "choose the others")]
#[case::its_table(Case::of(&[10], &["FIS directory"]).allowing(&["FIS directory"]).of_another(), "mtd6 (FIS directory) differs and stays", "choose the others")]
#[case::its_config(Case::of(&[11], &["RedBoot config"]).allowing(&["RedBoot config"]).of_another(), "mtd7 (RedBoot config) differs and stays", "choose the others")]
// The same layout.
#[case::number(Case::told(|d| drop(d.pop())), "it has no mtd11 (rootfs)", "bytes would land elsewhere")]
#[case::one_more(Case::told(|d| d.push(MtdInfo { index: MtdIndex(12), ..d[3].clone() })), "the backup has no mtd12", "bytes would land elsewhere")]
#[case::name(Case::told(|d| d[3].name = "other".into()), "mtd3 has the name other, in the backup data_2", "bytes would land elsewhere")]
#[case::size(Case::told(|d| d[3].size_bytes += 64), "mtd3 has the size 0xc0, in the backup 0x80", "bytes would land elsewhere")]
#[case::offset(
    Case::told(|d| moved(d)),
    "mtd2 has the offset 0xc0, in the backup 0x80",
    "bytes would land elsewhere"
)]
#[case::erase_block(Case::told(|d| d[3].erase_block_bytes = 32), "mtd3 has the erase-block size 0x20", "bytes would land elsewhere")]
// What needs a word of its own each time.
#[case::boot_loader(Case::of(&[0], &["RedBoot"]), "mtd0 (RedBoot) differs, and is the boot loader", "--allow 'RedBoot'")]
#[case::table(Case::of(&[10], &["FIS directory"]), "mtd6 (FIS directory) differs, and is", "--allow 'FIS directory'")]
#[case::config(Case::of(&[11], &["RedBoot config"]), "mtd7 (RedBoot config) differs, and is", "--allow 'RedBoot config'")]
#[case::another_s_word(Case::of(&[0], &["RedBoot"]).allowing(&["FIS directory"]), "mtd0 (RedBoot) differs, and is", "--allow 'RedBoot'")]
// Never both banks.
#[case::both_banks(Case::of(&[3, 6], &["data", "data_2"]), "different banks", "restore one bank, see that the device starts")]
// Nobody else.
#[case::mounted(
    Case::used(2, "mounted at /etc (jffs2)"),
    "mtd2 (data) is in use: mounted at /etc (jffs2)",
    "unmount it"
)]
#[case::attached(
    Case::used(2, "attached as ubi0"),
    "is in use: attached as ubi0",
    "unmount it"
)]
#[case::open(
    Case::used(2, "open in process 17"),
    "is in use: open in process 17",
    "end that process"
)]
#[case::by_another_name(
    Case::used(8, "open in process 17"),
    "mtd8 (all) has a part of its flash",
    "end that process"
)]
// What can be written.
#[case::read_only(Case::told(|d| d[2].writeable = Some(false)), "mtd2 (data) differs and cannot be written: read-only", "choose the others")]
#[case::nand(Case::told(|d| d[2].bit_writeable = Some(false)), "mtd2 (data) differs and cannot be written: its flash is no NOR", "choose the others")]
#[case::shared(Case { edit: |d| d[8].writeable = Some(false), ..Case::of(&[10], &["FIS directory"]) }, "shares an erase block with mtd7 (RedBoot config)", "choose the others")]
#[case::lost(
    lost(),
    "mtd6 (FIS directory): the erase block at 0x2c0 cannot be read",
    "its other bytes are nowhere"
)]
// Room for what is kept.
#[case::no_room(full(), "not enough free space in memory", "free some space")]
fn is_an_error_of_its_own(#[case] case: Case, #[case] says: &str, #[case] help: &str) {
    let (backup, cells) = (case.bench.backup.after(Loss::Nothing), case.bench.cells());
    let stopped = case.plan().unwrap_err();
    assert!(stopped.to_string().contains(says), "{stopped}");
    let told = stopped.error.help();
    assert!(
        told.as_ref().is_some_and(|told| told.contains(help)),
        "{told:?}"
    );
    assert!(!stopped.changed);
    assert_eq!(case.bench.cells(), cells);
    assert_eq!(case.bench.backup.after(Loss::Nothing), backup);
    assert!(case.bench.journal.after(Loss::Nothing).is_empty());
}

/// What stays is never silently nothing: it is told, and the end is no "done". (What has
/// all of the chip would be written with it, and cannot be here.)
#[rstest]
#[case::read_only(|d: &mut Vec<MtdInfo>| for at in [2, 8] { d[at].writeable = Some(false) }, "read-only")]
#[case::nand(|d: &mut Vec<MtdInfo>| for at in [2, 8] { d[at].bit_writeable = Some(false) }, "no NOR")]
fn what_stays_is_told(#[case] edit: fn(&mut Vec<MtdInfo>), #[case] why: &str) {
    let case = Case {
        edit,
        ..Case::of(&[3, 8], &[])
    };
    let plan = case.plan().unwrap();
    assert!(plan.is_partial() && plan.writes());
    let says = |note: &String| note.starts_with("mtd2 (data) differs in 1 erase block and stays: ");
    let note = plan.notes.iter().find(|note| says(note)).unwrap();
    assert!(note.contains(why), "{note}");
}

/// What belongs to one device alone stays where another's backup is restored as a whole.
#[test]
fn what_is_another_device_s_own_is_told_and_stays() {
    let case = Case {
        edit: |d| d[8].writeable = Some(false),
        ..Case::of(&[1, 3], &[]).of_another()
    };
    let plan = case.plan().unwrap();
    assert!(plan.is_partial() && plan.writes());
    let says = "mtd1 (param) differs in 1 erase block and stays: it belongs to this device alone";
    assert!(
        plan.notes.iter().any(|note| note == says),
        "{:?}",
        plan.notes
    );
}

/// A device of two chips, the second with the same offsets; and a partition of no size.
fn two_chips(first: &[u8], second: &[u8]) -> SimulatedDevice {
    let geometry = Geometry {
        size_bytes: (BLOCK * BLOCKS) as u64,
        erase_block_bytes: BLOCK as u32,
    };
    let (block, end) = (BLOCK as u64, (BLOCK * BLOCKS) as u64);
    let parts = |names: [&str; 3]| {
        let places = [(0, 2 * block), (2 * block, 6 * block), (end, block)];
        let spec = |(name, (at, size)): (&str, (u64, u64))| PartitionSpec::new(name, at, size);
        names.into_iter().zip(places).map(spec).collect::<Vec<_>>()
    };
    let layout = Layout::new([
        ChipLayout::new(geometry, parts(["param", "data", "nothing"])),
        ChipLayout::new(geometry, parts(["RedBoot", "data_2", "none"])),
    ]);
    let chip = |bytes: &[u8]| {
        let mut chip = Chip::new(geometry);
        chip.load(0, bytes).unwrap();
        chip
    };
    SimulatedDevice::new("two chips", vec![chip(first), chip(second)], &layout)
}

/// Offsets count on their own chip alone: what lies at the same place of another one is
/// neither changed, nor asked for, nor in the way. What has no size is there and holds
/// nothing.
#[test]
fn several_chips_and_a_partition_of_no_size() {
    let good = world::device(&[0x5A; BLOCK * BLOCKS]).chip_bytes(0);
    let other: Vec<u8> = good.iter().map(|byte| byte ^ 0x33).collect();
    let source = SimulatedBackend::new(two_chips(&good, &other));
    let sizes: Vec<_> = source
        .devices()
        .unwrap()
        .iter()
        .map(|d| d.size_bytes)
        .collect();
    assert_eq!((sizes[2], sizes[5]), (0, 0));
    let (backup, work) = (Disk::default(), Work::default());
    backup::pipeline::backup(&source, &backup, &backup::Request::default(), &work).unwrap();
    let mut torn = good.clone();
    torn[3 * BLOCK..4 * BLOCK].fill(0);
    let device = two_chips(&torn, &other);
    let journal = Disk::of(&device);
    let request = Request::default();
    // In use is the second chip's.
    let backend = HookedBackend::new(SimulatedBackend::new(device.clone()))
        .on_in_use(|| Some((4, "open in process 17")));
    let plan = restore::plan(&backend, &backup, Some(&journal), &request, &work).unwrap();
    assert_eq!((plan.totals().1, plan.partitions.len()), (1, 6));
    let permit = WritePermit::granted_because("a test");
    restore::restore(&plan, &backend, &backup, &journal, &permit, &work).unwrap();
    assert_eq!((device.chip_bytes(0), device.chip_bytes(1)), (good, other));
}
