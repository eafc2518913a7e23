//! Runs that do not end well: time limits, restarts, power cuts.

use super::{PARTITIONS, SEED, assert_same, image, ispot};
use mtd_virtual_device::{BootFrom, Cut, Error, VirtualDevice, boards::ISPOT};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::time::Duration;

/// The emulator programs in buffers of at most this size, each whole or not at
/// all; silicon may stop within one.
const BUFFER_BYTES: usize = 4096;

/// A dd to an erased partition is cut half way: what was programmed stays, what
/// was not is still erased, in one piece each; the next boot sees the same.
///
/// QEMU's chip stores what is written instead of clearing bits. On erased flash
/// the two are the same, which is why this partition is erased.
#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_dd_that_is_cut_leaves_the_first_part_programmed_and_the_rest_erased() {
    let target = PARTITIONS[6].clone();
    let mut before = image();
    before[target.clone()].fill(0xFF);
    let mut data = vec![0; target.len()];
    Xoshiro256PlusPlus::seed_from_u64(SEED).fill_bytes(&mut data);
    // Every byte shows whether it was programmed.
    for byte in &mut data {
        *byte &= 0x7F;
    }
    let half = target.len() / 2;
    let mut ispot = VirtualDevice::new(&ISPOT, before.clone())
        .unwrap()
        .boot_from(BootFrom::Ram)
        .put("/root/data", data.clone(), 0o644)
        .unwrap();
    let cut = Cut::ChipChanged {
        offset_bytes: (target.start + half) as u64,
    };
    let command = "dd if=/root/data of=/dev/mtd6 bs=4096";
    let left = ispot.run_until(command, &cut).unwrap();
    assert!(!left.console.contains("Restarting"), "it was not cut");

    let found = ispot.chip()[target.clone()].to_vec();
    let programmed = found.iter().take_while(|byte| **byte != 0xFF).count();
    println!("cut after {programmed:#x} of {:#x} bytes", target.len());
    assert!(
        programmed > half && programmed < target.len(),
        "{programmed:#x}"
    );
    assert_same(
        &found[..programmed],
        &data[..programmed],
        "the programmed part",
    );
    let erased = vec![0xFF; target.len() - programmed];
    assert_same(&found[programmed..], &erased, "the erased part");
    assert_same(
        &ispot.chip()[..target.start],
        &before[..target.start],
        "below",
    );
    assert_same(&ispot.chip()[target.end..], &before[target.end..], "above");

    // The kernel of the next boot reads the same, and can finish the work.
    let at = programmed / BUFFER_BYTES * BUFFER_BYTES;
    let rest = format!(
        "dd if=/dev/mtd6 bs=4096 skip={skip} count=2 &&
         dd if=/root/data of=/dev/mtd6 bs=4096 skip={skip} seek={skip}",
        skip = at / 4096
    );
    let outcome = ispot.run(&rest).unwrap().expect_success();
    let seen = &found[at..(at + 8192).min(found.len())];
    assert_same(&outcome.stdout, seen, "around the cut, after the next boot");
    assert_same(&ispot.chip()[target], &data, "the partition in the end");
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn cuts_at_a_text_and_at_a_time() {
    let mut ispot = ispot().boot_from(BootFrom::Ram);
    let forever = "echo out; echo err >&2; echo now >/dev/console; sleep 1000";
    let left = ispot
        .run_until(forever, &Cut::Console("now\n".into()))
        .unwrap();
    assert!(left.console.ends_with("now\n"));
    let left = ispot
        .run_until("printf 'out\\n'; sleep 1000", &Cut::Stdout("out\n".into()))
        .unwrap();
    assert_eq!(left.stdout, b"out\n");
    let moment = Duration::from_millis(100);
    let left = ispot.run_until("sleep 1000", &Cut::After(moment)).unwrap();
    assert!(left.elapsed >= moment);
    assert_same(ispot.chip(), &image(), "the chip, which nobody wrote to");
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_cut_that_does_not_come_is_an_error() {
    let never = Cut::Console("this text does not come".into());
    let error = ispot().run_until("exit 3", &never).unwrap_err();
    assert!(
        matches!(error, Error::EndedBeforeCut { status: 3, .. }),
        "{error}"
    );
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_command_that_hangs_meets_its_time_limit() {
    let mut ispot = ispot().time_limit(Duration::from_secs(4));
    let error = ispot.run("sleep 1000").unwrap_err();
    let limit = Duration::from_secs(4);
    assert!(
        matches!(error, Error::TimeLimit { limit: said, .. } if said == limit),
        "{error}"
    );
    // It can be used again.
    let mut ispot = ispot.time_limit(Duration::from_secs(600));
    let _ = ispot.run("true").unwrap().expect_success();
}

/// The guest's clock runs, and with the calls that old programs make. (A kernel
/// without them lets a sleep return at once, and no hang above would hang.)
#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn the_guest_sleeps_as_long_as_asked() {
    let outcome = ispot()
        .run("cut -d. -f1 /proc/uptime; sleep 3; cut -d. -f1 /proc/uptime")
        .unwrap()
        .expect_success();
    let text = outcome.stdout_text();
    let seconds: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
    assert!(seconds[1] - seconds[0] >= 2, "{text}");
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_restart_in_the_middle_is_not_taken_for_the_end() {
    let error = ispot().run("reboot -f").unwrap_err();
    assert!(matches!(error, Error::GuestDied { .. }), "{error}");
}
