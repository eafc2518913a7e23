//! What `timed` tells of a command, by both clocks.

use crate::ispot;
use mtd_virtual_device::{BootFrom, Clock, Timed, boards::ISPOT};

/// Reads a partition in small pieces and in large ones, and fails once.
const COMMANDS: &str = "timed small dd if=/dev/mtd6 of=/dev/null bs=512 2>/dev/null
timed large dd if=/dev/mtd6 of=/dev/null bs=65536 2>/dev/null
timed 'it fails' sh -c 'exit 7'; echo $?";

fn run(clock: Clock) -> Vec<Timed> {
    let mut ispot = ispot().boot_from(BootFrom::Ram).timed_by(clock);
    let outcome = ispot.run(COMMANDS).unwrap().expect_success();
    // A command that is timed ends as it does by itself.
    assert_eq!(outcome.stdout_text(), "7\n");
    assert!(outcome.files.is_empty(), "{:?}", outcome.files.keys());
    let times = outcome.times;
    let told: Vec<_> = times.iter().map(|t| (t.name.as_str(), t.status)).collect();
    assert_eq!(told, [("small", 0), ("large", 0), ("it fails", 7)]);
    times
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn instructions_are_the_same_every_time() {
    let times = run(Clock::Instructions);
    assert_eq!(times, run(Clock::Instructions));
    // Six MiB through two buffers: at least an instruction for each 16 bytes, and
    // no more than twenty for each byte. In small pieces it is far more work.
    let [small, large, _] = &times[..] else {
        unreachable!("compared above")
    };
    let bytes = ISPOT.chip_bytes as u64 / 16 * 6;
    let (small, large) = (small.instructions.unwrap(), large.instructions.unwrap());
    assert!(large > bytes / 16, "{large}");
    assert!(small < bytes * 20, "{small}");
    assert!(small > 2 * large, "{small} {large}");
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn the_hosts_time_is_told_as_well() {
    // How long it is depends on the host; that it is not nothing does not.
    let times = run(Clock::Host);
    for timed in times {
        assert!(!timed.elapsed.is_zero(), "{timed:?}");
        assert_eq!(timed.instructions, None);
    }
}
