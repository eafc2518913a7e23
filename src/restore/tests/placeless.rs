//! Partitions that lie in one another on a kernel that tells no places (before Linux
//! 4.1, without a table on the command line): sizes have to do.

use super::disk::Disk;
use crate::backend::SimulatedBackend;
use crate::backend::hooked::HookedBackend;
use crate::backup::{self, Work};
use crate::mtd::MtdInfo;
use crate::restore::{self, Request};
use mtd_harness::chip::{Chip, Geometry};
use mtd_harness::layout::{ChipLayout, Layout, PartitionSpec};
use mtd_harness::profile::SimulatedDevice;
use rstest::rstest;

const BLOCK: u64 = 64;
/// A router: the firmware holds kernel and rootfs, which holds the overlay; and
/// something beside them. In erase blocks: name, start, length.
const PARTS: [(&str, u64, u64); 7] = [
    ("u-boot", 0, 1),
    ("firmware", 1, 6),
    ("kernel", 1, 2),
    ("rootfs", 3, 4),
    ("rootfs_data", 5, 2),
    ("art", 7, 1),
    ("spare", 8, 3),
];
/// As vendors have it: the whole chip first, then all of its parts.
const WHOLE: [(&str, u64, u64); 5] = [
    ("ALL", 0, 8),
    ("u-boot", 0, 1),
    ("kernel", 1, 2),
    ("rootfs", 3, 4),
    ("art", 7, 1),
];

fn device(parts: &[(&str, u64, u64)]) -> SimulatedDevice {
    let geometry = Geometry {
        size_bytes: 16 * BLOCK,
        erase_block_bytes: BLOCK as u32,
    };
    let spec =
        |(name, start, size): &(&str, _, _)| PartitionSpec::new(*name, start * BLOCK, size * BLOCK);
    let layout = Layout::new([ChipLayout::new(geometry, parts.iter().map(spec))]);
    let mut chip = Chip::new(geometry);
    let bytes: Vec<u8> = (0..16 * BLOCK).map(|at| (at * 7 % 251) as u8).collect();
    chip.load(0, &bytes).unwrap();
    SimulatedDevice::new("router", vec![chip], &layout)
}

#[rstest]
#[case::the_root_is_in_the_firmware(&PARTS, "firmware", Some(3), 4, Some("mtd3 (rootfs) has a part"))]
#[case::the_firmware_is_open(&PARTS, "kernel", Some(1), 2, Some("mtd1 (firmware) has a part"))]
#[case::itself(&PARTS, "kernel", Some(2), 2, Some("mtd2 (kernel) is in use: mounted"))]
#[case::what_lies_beside_it_is_not_in_it(&PARTS, "kernel", Some(3), 2, None)]
#[case::nor_is_what_comes_after(&PARTS, "firmware", Some(6), 4, None)]
#[case::the_boot_loader_in_the_whole(&WHOLE, "ALL", None, 4, Some("mtd1 (u-boot) differs"))]
#[case::a_part_alone(&WHOLE, "rootfs", None, 4, None)]
#[case::both_names_of_it(&PARTS, "", None, 4, Some("have a part of the same erase block"))]
fn what_lies_in_another(
    #[case] parts: &[(&str, u64, u64)],
    #[case] partition: &str,
    #[case] in_use: Option<u32>,
    #[case] damaged: u64,
    #[case] refused: Option<&str>,
) {
    let device = device(parts);
    // Its kernel tells no places, and somebody uses it.
    let forget = |devices: &mut Vec<MtdInfo>| devices.iter_mut().for_each(|d| d.offset = None);
    let backend = HookedBackend::new(SimulatedBackend::new(device.clone()))
        .on_devices(forget)
        .on_in_use(|| Some((in_use?, "mounted at /")));
    let (backup, journal, work) = (Disk::default(), Disk::default(), Work::default());
    backup::pipeline::backup(&backend, &backup, &backup::Request::default(), &work).unwrap();
    let spoil = |chip: &mut Chip| chip.load(damaged * BLOCK, &[0x11; 9]);
    device.system.with_chip(0, spoil).unwrap();
    let named = [partition.to_owned()];
    let request = Request {
        partitions: match partition {
            "" => &[],
            _ => &named,
        },
        allow: &["art".into()],
        // No `param` tells one router from another.
        other_device: true,
        at_once: false,
    };
    let plan = restore::plan(&backend, &backup, Some(&journal), &request, &work);
    match (plan, refused) {
        (Ok(plan), None) => assert!(plan.writes()),
        (Err(stopped), Some(why)) => {
            assert!(stopped.to_string().contains(why), "{stopped}");
            assert!(!stopped.changed);
        }
        (answer, _) => panic!("{answer:?}"),
    }
}
