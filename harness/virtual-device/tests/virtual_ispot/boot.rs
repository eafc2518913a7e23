//! Booting, and what comes back from a run.

use super::{PARTITIONS, assert_same, image, ispot};
use mtd_virtual_device::{BootFrom, Error, VirtualDevice, boards::ISPOT};

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn the_kernel_finds_the_eleven_partitions() {
    let outcome = ispot().run("cat /proc/mtd").unwrap().expect_success();
    let expected = "\
dev:    size   erasesize  name
mtd0: 00040000 00020000 \"RedBoot\"
mtd1: 00020000 00020000 \"param\"
mtd2: 00120000 00020000 \"linux\"
mtd3: 00600000 00020000 \"rootfs\"
mtd4: 00100000 00020000 \"system\"
mtd5: 00120000 00020000 \"linux_2\"
mtd6: 00600000 00020000 \"rootfs_2\"
mtd7: 00020000 00020000 \"ver_1\"
mtd8: 00020000 00020000 \"ver_2\"
mtd9: 0001f000 00020000 \"FIS directory\"
mtd10: 00001000 00020000 \"RedBoot config\"
";
    assert_eq!(outcome.stdout_text(), expected);
    assert_eq!(outcome.stderr_text(), "");
    for message in [
        "11 RedBoot partitions found",
        "partition \"FIS directory\" doesn't end on an erase/write block -- force read-only",
        "partition \"RedBoot config\" doesn't start on an erase/write block boundary -- force read-only",
    ] {
        assert!(outcome.console.contains(message), "{message}");
    }
    assert_eq!(outcome.console.matches("force read-only").count(), 2);
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn status_and_both_outputs_come_back_byte_for_byte() {
    let mut ispot = ispot()
        .put(
            "/opt/deep/er/all bytes",
            (0..=255).collect::<Vec<u8>>(),
            0o640,
        )
        .unwrap()
        .env("GREETING", "it's \"two\"\nlines");
    let outcome = ispot
        .run(
            "cat '/opt/deep/er/all bytes' '/opt/deep/er/all bytes'; cat /dev/mtd1 >&2
             printf %s \"$GREETING\"; [ -t 1 ] && echo terminal; cat; exit 42",
        )
        .unwrap();
    let all_bytes: Vec<u8> = (0..=255).collect();
    let expected = [&all_bytes[..], &all_bytes, b"it's \"two\"\nlines"].concat();
    assert_eq!(outcome.status, 42);
    assert_same(&outcome.stdout, &expected, "standard output");
    assert_same(
        &outcome.stderr,
        &ispot.chip()[PARTITIONS[1].clone()],
        "standard error",
    );
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_signal_is_a_status() {
    assert_eq!(ispot().run("kill -9 $$").unwrap().status, 128 + 9);
}

/// What the iSpot's owners do by hand: dd, one partition after the other, into
/// the web server's folder, as far as there are nodes.
#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_loop_of_dd_backs_up_the_chip() {
    let folder = "/var/wwwroot/backup";
    let mut ispot = ispot().get(folder);
    let outcome = ispot
        .run(&format!(
            "mkdir {folder} && for n in 0 1 2 3 4 5 6 7 8 9 10; do
                 [ -c /dev/mtd$n ] || continue
                 dd if=/dev/mtd$n of={folder}/mtd$n.bin || exit 1
             done"
        ))
        .unwrap()
        .expect_success();
    for (index, partition) in PARTITIONS[..10].iter().enumerate() {
        let copy = outcome.file(&format!("{folder}/mtd{index}.bin")).unwrap();
        assert_same(
            copy,
            &ispot.chip()[partition.clone()],
            &format!("mtd{index}"),
        );
    }
    assert_eq!(outcome.file(&format!("{folder}/mtd10.bin")), None);
    let host = tempfile::tempdir().unwrap();
    outcome
        .copy_out(folder, &host.path().join("backup"))
        .unwrap();
    let copied = std::fs::read_dir(host.path().join("backup")).unwrap();
    assert_eq!(copied.count(), 10);
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn mtd10_and_sysfs_are_there_or_not_as_asked() {
    let look = "ls /dev/mtd10 /dev/mtdblock10 2>/dev/null; ls /sys | grep class; cat /dev/mtd10 2>/dev/null";
    let outcome = ispot().run(look).unwrap();
    assert_eq!(outcome.stdout_text(), "class\n");
    let mut other = ispot().without_sysfs().with_all_nodes();
    let outcome = other.run(look).unwrap();
    let expected = [
        b"/dev/mtd10\n/dev/mtdblock10\n",
        &other.chip()[PARTITIONS[10].clone()],
    ]
    .concat();
    assert_same(&outcome.stdout, &expected, "nodes and contents of mtd10");
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn boot_from_flash_changes_the_two_places_it_says() {
    let before = image();
    let mut ispot = ispot();
    assert_same(ispot.chip(), &before, "the chip before the first run");
    let _ = ispot.run("true").unwrap().expect_success();
    let after = ispot.chip().to_vec();
    for (index, partition) in PARTITIONS.iter().enumerate() {
        let changed = before[partition.clone()] != after[partition.clone()];
        assert_eq!(changed, index == 0 || index == 2, "mtd{index}");
    }
    // The next boot takes it as it is: without a boot loader, nothing starts.
    ispot.chip_mut()[..4].fill(0xFF);
    let mut broken = ispot.time_limit(std::time::Duration::from_secs(2));
    assert!(broken.run("true").is_err());
    assert_eq!(broken.chip()[..4], [0xFF; 4]);
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn boot_from_ram_leaves_every_byte_alone() {
    let mut ispot = ispot().boot_from(BootFrom::Ram);
    let outcome = ispot.run("cat /dev/mtd0").unwrap().expect_success();
    assert_same(&outcome.stdout, &image()[PARTITIONS[0].clone()], "mtd0");
    assert_same(ispot.chip(), &image(), "the chip");
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn what_the_guest_writes_is_in_the_chip_and_in_the_next_run() {
    let mut expected = image();
    let settings = PARTITIONS[4].clone();
    let mut ispot = ispot().boot_from(BootFrom::Ram);
    // A block node erases by itself before it programs.
    let _ = ispot
        .run("printf settings | dd of=/dev/mtdblock4 conv=notrunc && sync")
        .unwrap()
        .expect_success();
    expected[settings.start..settings.start + 8].copy_from_slice(b"settings");
    assert_same(ispot.chip(), &expected, "the chip");
    let again = ispot.run("head -c 8 /dev/mtd4").unwrap().expect_success();
    assert_eq!(again.stdout_text(), "settings");
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn more_than_there_is_room_for_is_refused_not_cut() {
    let mut ispot = ispot().get("/tmp/big");
    let error = ispot
        .run("head -c 22000000 /dev/zero >/tmp/big")
        .unwrap_err();
    assert!(matches!(error, Error::HandedBack { .. }), "{error}");
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn an_image_of_another_size_is_refused() {
    let error = VirtualDevice::new(&ISPOT, vec![0xFF; ISPOT.chip_bytes - 1]).unwrap_err();
    assert!(matches!(error, Error::ImageSize { .. }), "{error}");
}
