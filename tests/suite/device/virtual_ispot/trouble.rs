//! What can go wrong on a device: no space, flash that changed, a user who
//! stops it, words that make no sense.

use super::{SYSTEM, assert_chip_untouched, assert_images, device, run, virtual_ispot};

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn no_space_is_said_before_anything_is_made() {
    let mut ispot = virtual_ispot();
    let steps = run(
        &mut ispot,
        "mount -t tmpfs -o size=1m small /mnt
step all mtdkeep backup -o /mnt/b
step left ls -A /mnt
step some mtdkeep backup -q -p param -p ver_1 -o /mnt/b",
    );
    steps.expect("all", 4).says(&[
        "not enough free space in /mnt/b: 16 MiB needed",
        "1 MiB free (1048576 bytes)",
        "--partition",
    ]);
    assert_eq!(steps.expect("left", 0).stdout, "");
    let _ = steps.expect("some", 0);
}

/// A file system that runs out of files half way, which nobody can know before.
#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_destination_that_fills_up_is_named_and_completed_later() {
    let ispot = virtual_ispot();
    let mut ispot = ispot.get("/mnt/b");
    let steps = run(
        &mut ispot,
        "mount -t tmpfs -o nr_inodes=6 few /mnt
step full mtdkeep backup -o /mnt/b
step left ls /mnt/b
step verify mtdkeep verify /mnt/b
mount -o remount,nr_inodes=100 /mnt
step again mtdkeep backup -o /mnt/b
step device mtdkeep verify --device /mnt/b",
    );
    steps.expect("full", 4).says(&[
        "cannot create mtd3.bin.part in /mnt/b: No space left on device",
        "/mnt/b holds an unfinished backup: 3 of 11 images, each of them whole",
        "start the same command again",
    ]);
    assert_eq!(
        steps.expect("left", 0).stdout,
        "mtd0.bin\nmtd1.bin\nmtd2.bin\nunfinished.json\n"
    );
    steps.expect("verify", 3).says(&["never finished"]);
    let again = steps.expect("again", 0);
    assert_eq!(again.stdout.matches("(kept)").count(), 3, "{again:#?}");
    let _ = steps.expect("device", 0);
    assert_images(
        &steps,
        "/mnt/b",
        &device().chip_bytes(0),
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    );
}

/// One byte through mtdblock, which erases and programs, and one through the
/// character node, which only programs.
#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn flash_that_changed_is_found_to_the_byte() {
    let mut ispot = virtual_ispot();
    let block_write = 0x4_93E0;
    let steps = run(
        &mut ispot,
        &format!(
            "mtdkeep backup -q -o /mnt/b -p system -p linux_2 -p ver_2 || exit 9
step same mtdkeep verify --device /mnt/b
# The complement of what is there: a change, whatever it is.
byte=$(dd if=/dev/mtd4 bs=1 skip={block_write} count=1 2>/dev/null | od -An -tu1)
printf \"\\\\$(printf %o $((byte ^ 255)))\" |
    dd of=/dev/mtdblock4 bs=1 seek={block_write} conv=notrunc 2>/dev/null && sync
head -c 65536 /dev/zero | dd of=/dev/mtd8 bs=65536 seek=1 2>/dev/null || exit 8
step changed mtdkeep verify --device /mnt/b
step files mtdkeep verify /mnt/b"
        ),
    );
    let _ = steps.expect("same", 0);
    steps.expect("changed", 1).says(&[
        "mtd4.bin (system) differs from the flash, first at 0x493e0 (erase block 2)",
        "mtd8.bin (ver_2) differs from the flash, first at 0x",
        "(erase block 0)",
        "1 of 3 images are right",
    ]);
    let _ = steps.expect("files", 0);
    assert_chip_untouched(
        &ispot,
        &[
            SYSTEM.start + block_write..SYSTEM.start + block_write + 1,
            0xFD_0000..0xFE_0000,
        ],
    );
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_user_who_stops_it_can_go_on() {
    let ispot = virtual_ispot();
    let mut ispot = ispot.get("/mnt/b");
    // Nine megabytes are still to come when mtd3's image is there.
    let steps = run(
        &mut ispot,
        "stopped() {
    mtdkeep backup -o /mnt/b &
    until [ -e /mnt/b/mtd3.bin ]; do :; done
    kill -TERM $!
    wait $!
}
step stop stopped
step verify mtdkeep verify --device /mnt/b
step again mtdkeep backup -o /mnt/b
step device mtdkeep verify --device /mnt/b",
    );
    // It dies of the signal, so that its shell knows.
    steps.expect("stop", 143).says(&[
        "interrupted",
        "unfinished backup",
        "start the same command again",
    ]);
    steps.expect("verify", 3).says(&["never finished"]);
    steps.expect("again", 0).says(&["(kept)"]);
    let _ = steps.expect("device", 0);
    assert_chip_untouched(&ispot, &[]);
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn wrong_usage_touches_nothing() {
    let mut ispot = virtual_ispot();
    let steps = run(
        &mut ispot,
        "step command mtdkeep frobnicate
step option mtdkeep backup --frobnicate
step partition mtdkeep backup -p frobnicate -o /mnt/b
step full mtdkeep list --simulate
step folder mtdkeep backup -o /proc/none/b
step verify mtdkeep verify /mnt
step version mtdkeep --version
step help mtdkeep --help
list_to_full() { mtdkeep list >/dev/full; }
step unheard list_to_full
step left ls -A /mnt",
    );
    for wrong in ["command", "option", "partition", "full"] {
        let step = steps.expect(wrong, 2);
        assert_eq!(step.stdout, "", "{wrong}");
    }
    steps.expect("full", 2).says(&["not in this build"]);
    steps.expect("folder", 4).says(&["/proc/none"]);
    steps.expect("verify", 4).says(&["no manifest.json"]);
    steps
        .expect("version", 0)
        .says(&[concat!("mtdkeep ", env!("CARGO_PKG_VERSION"))]);
    assert!(!steps.expect("help", 0).stdout.contains("--simulate"));
    steps
        .expect("unheard", 4)
        .says(&["cannot write the output"]);
    assert_eq!(steps.expect("left", 0).stdout, "");
}
