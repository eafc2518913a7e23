//! Devices and buffers that are unlike the usual ones.

use super::memory_folder::MemoryFolder;
use crate::backend::SimulatedBackend;
use crate::backup::{self, Request, Summary, Work};
use mtd_harness::fault::FaultPlan;
use mtd_harness::layout::Layout;
use mtd_harness::profile;
use rstest::rstest;

fn back_up(lines: &str, faults: &str, buffer_bytes: usize) -> Summary {
    let table = format!("dev:    size   erasesize  name\n{lines}");
    let device = profile::from_layout(&Layout::from_proc_mtd(&table).unwrap(), 7);
    if !faults.is_empty() {
        device.set_faults(0, Some(faults.parse::<FaultPlan>().unwrap()));
    }
    let work = Work {
        buffer_bytes,
        workers: 1,
        ..Work::default()
    };
    let backend = SimulatedBackend::new(device);
    let folder = MemoryFolder::default();
    backup::pipeline::backup(&backend, &folder, &Request::default(), &work).unwrap()
}

/// A piece of flash ends where an erase block does, however large the buffer is.
#[rstest]
fn an_erase_block_is_given_up_as_a_whole(
    #[values(0x400, 0x500, 0x7ff, 0x900, 0x1000)] buffer_bytes: usize,
) {
    let line = "mtd0: 00001000 00000400 \"data\"\n";
    let summary = back_up(line, "read-error@0x410", buffer_bytes);
    let holes = &summary.manifest.images[0].unreadable;
    let places: Vec<_> = holes
        .iter()
        .map(|hole| (hole.offset_bytes, hole.length_bytes))
        .collect();
    assert_eq!(places, [(0x400, 0x400)]);
}

/// A `param` without a byte is the same on every device of its kind.
#[rstest]
#[case("00000400", true)]
#[case("00000000", false)]
fn an_empty_param_tells_no_devices_apart(#[case] size: &str, #[case] tells: bool) {
    let lines = format!("mtd0: 00000800 00000400 \"boot\"\nmtd1: {size} 00000400 \"param\"\n");
    let summary = back_up(&lines, "", 4096);
    assert_eq!(summary.manifest.device.identity.is_some(), tells);
}
