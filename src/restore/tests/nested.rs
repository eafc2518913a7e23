//! Partitions of the plan that lie in each other, as OpenWrt's `firmware` holds `kernel`
//! and `rootfs`. (The cuts of such a restore are the last of [`ASKED`](super::world::ASKED).)

use super::disk::{Disk, Loss};
use super::ways::Bench;
use super::world::BLOCK;
use crate::backup::{self, Directory as _};
use std::io::Write as _;

/// What lies in what is written as well is written once, with that, and its header after
/// the rest; where the backup's images of both differ, nothing is.
#[test]
fn partitions_in_each_other_are_written_once() {
    let bench = Bench::new(&[12, 13, 14, 15]);
    let plan = bench
        .plan(&["firmware", "kernel", "rootfs"], &[], false)
        .unwrap();
    for note in [
        "mtd10 (kernel) is a part of mtd9 (firmware)",
        "mtd11 (rootfs) is a part",
    ] {
        assert!(
            plan.notes.iter().any(|told| told.contains(note)),
            "{:?}",
            plan.notes
        );
    }
    let firmware = &plan.partitions[0];
    let order = firmware
        .in_order()
        .map(|block| block.offset_bytes as usize / BLOCK);
    assert_eq!(order.collect::<Vec<_>>(), [1, 3, 2, 0]);
    let done = bench.carry_out(&plan, &bench.backend()).unwrap();
    assert_eq!((done.erased, bench.cells()), (4, bench.good.clone()));

    let bench = Bench::new(&[13]);
    let good = bench.good[12 * BLOCK..].to_vec();
    let mut other = good.clone();
    other[2 * BLOCK + 5] ^= 1;
    put_other_image(&bench.backup, "mtd9.bin", &good, &other);
    let stopped = bench.plan(&["firmware", "rootfs"], &[], false).unwrap_err();
    let is = stopped.to_string();
    assert!(
        is.contains("mtd11 (rootfs) lies in mtd9 (firmware)") && is.contains("first at 0x5"),
        "{is}"
    );
    assert!(stopped.error.help().is_some() && !stopped.changed);
    assert_eq!(bench.cells(), bench.old);
}

/// Puts another image into a backup, of which all of it knows nothing else.
fn put_other_image(backup: &Disk, name: &str, was: &[u8], is: &[u8]) {
    let digests = |bytes: &[u8]| {
        let mut digests = backup::Digests::new(backup::DigestChoice::Both);
        digests.update(bytes);
        let values = digests.finish();
        [values.sha256.unwrap(), values.crc32.unwrap()]
    };
    let text = |name| String::from_utf8(backup.after(Loss::Nothing)[name].clone()).unwrap();
    let (old, new) = (digests(was), digests(is));
    let renew = |text: &str| text.replace(&old[0], &new[0]).replace(&old[1], &new[1]);
    let (manifest, sums) = (text("manifest.json"), text("SHA256SUMS"));
    let after = renew(&manifest);
    let sha256 = |text: &str| backup::sha256(text.as_bytes());
    let sums = renew(&sums).replace(&sha256(&manifest), &sha256(&after));
    for (name, bytes) in [
        (name, is),
        ("manifest.json", after.as_bytes()),
        ("SHA256SUMS", sums.as_bytes()),
    ] {
        let mut file = backup.create(name).unwrap();
        file.write_all(bytes).unwrap();
        file.sync().unwrap();
    }
}
