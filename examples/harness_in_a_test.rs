//! What a test of one's own MTD code looks like with `mtd-harness`: a device whose
//! every byte is known, a fault on request, and exact counts of what was done to the
//! chip. Copy `run` into a `#[test]`.
//!
//!     cargo run --example harness_in_a_test

use mtd_harness::Errno;
use mtd_harness::mtd::{Handle, NodeId, OpenFlags};
use mtd_harness::profile;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    run()
}

/// The code under test: reads a device to its end, and tries once more where a read
/// fails.
fn read_all(handle: &mut Handle) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 0x1_0000];
    loop {
        let offset = bytes.len() as i64;
        let read = handle
            .pread(offset, &mut piece)
            .or_else(|_| handle.pread(offset, &mut piece))?;
        if read == 0 {
            return Ok(bytes);
        }
        bytes.extend_from_slice(&piece[..read]);
    }
}

/// The test.
pub fn run() -> Result<(), Box<dyn Error>> {
    // The iSpot with seed 7; or profile::from_layout for any /proc/mtd.
    let device = profile::ispot(7);
    let mut param = device.system.open(NodeId::mtd(1), OpenFlags::READ)?;

    // A fault that strikes once is survived, and its text replays it. Offsets are the
    // chip's: param starts at 0x40000.
    device.set_faults(0, Some("read-error@0x50000:once".parse()?));
    assert_eq!(read_all(&mut param)?, device.partition_bytes(1));
    device.set_faults(0, None);

    // One that stays is an error, not wrong bytes.
    device.set_faults(0, Some("read-error@0x50000".parse()?));
    assert_eq!(read_all(&mut param), Err(Errno::IO));
    device.set_faults(0, None);

    // Nothing is read twice without need, and nothing is written.
    device.system.with_chip(0, |chip| chip.reset_counters());
    read_all(&mut param)?;
    device.system.with_chip(0, |chip| {
        assert_eq!(chip.counters().bytes_read(), 0x2_0000);
        assert_eq!(chip.counters().programs(), 0);
    });
    Ok(())
}
