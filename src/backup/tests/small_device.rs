//! A device of three small partitions, so that every place in a backup of it can be tried.

use crate::backend::SimulatedBackend;
use mtd_harness::fault::FaultPlan;
use mtd_harness::layout::Layout;
use mtd_harness::profile;

const TABLE: &str = "dev:    size   erasesize  name
mtd0: 00000800 00000400 \"boot\"
mtd1: 00000400 00000400 \"param\"
mtd2: 00001000 00000400 \"data\"
";

pub(super) fn device(seed: u64, faults: &str) -> SimulatedBackend {
    let device = profile::from_layout(&Layout::from_proc_mtd(TABLE).unwrap(), seed);
    if !faults.is_empty() {
        device.set_faults(0, Some(faults.parse::<FaultPlan>().unwrap()));
    }
    SimulatedBackend::new(device)
}
