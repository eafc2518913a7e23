//! Restoring on a real kernel: what the README shows, and what it takes.

use super::{ROOTFS_2, SYSTEM, WATCH, run, virtual_ispot, with_step};
use mtd_virtual_device::{BootFrom, VirtualDevice, quote};
use rstest::rstest;
use std::time::Duration;

const LINUX: std::ops::Range<usize> = 0x6_0000..0x18_0000;
const MEDIUM: &str = "mount -t jffs2 /dev/mtdblock6 /mnt || exit 9\ncd /mnt";

/// What a kernel of the device's machine counts for the program at its peak, looked at
/// again and again while all of `system` and of `linux` is written.
#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_restore_holds_little_memory() {
    let mut ispot = virtual_ispot();
    let chip = ispot.chip().to_vec();
    let steps = run(
        &mut ispot,
        &format!(
            "mtdkeep backup -q -o /tmp/backup || exit 9
tr '\\0-\\377' '\\1-\\377\\0' </tmp/backup/mtd4.bin >/dev/mtdblock4 || exit 8
tr '\\0-\\377' '\\1-\\377\\0' </tmp/backup/mtd2.bin >/dev/mtdblock2 || exit 8
mtdkeep restore --yes --journal-in-memory /tmp/backup >/steps/restore.out & program=$!
{WATCH}
wait $program || exit 7
step peaks cat /tmp/peaks"
        ),
    );
    let said = steps.outcome.file("/steps/restore.out").unwrap();
    let said = String::from_utf8_lossy(said);
    assert!(said.contains("17 erase blocks"), "{said}");
    assert_eq!(ispot.chip()[SYSTEM], chip[SYSTEM]);
    assert_eq!(ispot.chip()[LINUX], chip[LINUX]);
    steps.assert_peak_below(1536);
}

/// Who has the flash mounted or open is seen on a real kernel, by whatever name.
#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn what_is_in_use_is_refused() {
    let mut ispot = virtual_ispot();
    let steps = run(
        &mut ispot,
        "mtdkeep backup -q -p system -p param -o /tmp/b || exit 9
printf spoilt >/dev/mtdblock4
restore='mtdkeep restore --yes -p system --journal-in-memory /tmp/b'
mkdir /mnt4; mount -t jffs2 /dev/mtdblock4 /mnt4 || exit 8
step mounted $restore
umount /mnt4
step open sh -c \"exec 5</dev/mtd4ro; $restore; exit \\$?\"
step block sh -c \"exec 5</dev/mtdblock4; $restore; exit \\$?\"
mtdkeep backup -q -p system -o - | { read -r line; sleep 1000; } & reader=$!
while ! ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q '/dev/mtd4'; do :; done
step backup $restore
killall sleep mtdkeep; wait $reader
step free $restore",
    );
    for (name, how) in [
        ("mounted", "mounted at /mnt4 (jffs2)"),
        ("open", "open in process"),
        ("block", "open in process"),
        ("backup", "open in process"),
    ] {
        let step = steps.expect(name, 5);
        step.says(&[
            "mtd4 (system) is in use: ",
            how,
            "nothing on the flash was changed",
        ]);
    }
    steps.expect("free", 0).says(&["and is right"]);
}

/// A block of the README: its commands, and what each prints.
fn block(name: &str) -> Vec<(String, String)> {
    let readme = std::fs::read_to_string("README.md").unwrap();
    let mark = format!("<!-- the virtual iSpot prints this: {name} -->\n```console\n");
    let start = readme.find(&mark).expect("the README has that block") + mark.len();
    let text = readme[start..].split("```").next().unwrap();
    let mut lines: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("device# "), lines.last_mut()) {
            (Some(command), _) => lines.push((command.into(), String::new())),
            (None, Some((_, printed))) => *printed += &format!("{line}\n"),
            (None, None) => panic!("{line:?} stands before a command"),
        }
    }
    assert!(lines.len() >= 3, "{lines:?}");
    lines
}

/// Digests are of the day's manifest, which has the time in it. The README goes on with a
/// long line on the next one, behind two blanks.
fn without_digests(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(' ') {
        Some((what @ ("plan:" | "backup digest:"), digest)) if digest.len() == 64 => {
            format!("{what} DIGEST\n")
        }
        _ => format!("{line}\n"),
    };
    text.replace("\n  ", " ").lines().map(line).collect()
}

/// Runs the block's commands in the guest: each prints what the README says, but for the
/// plan's digest.
fn prints_what_the_readme_says(ispot: &mut VirtualDevice, name: &str) {
    let lines = block(name);
    let mut script = format!("{MEDIUM}\n");
    for (number, (command, _)) in lines.iter().enumerate() {
        // The plan that is agreed to is the one that was printed last, as on a terminal,
        // where both outputs go to the same place.
        let command = match command.split_once("--plan ") {
            Some((start, rest)) => {
                let rest = rest.split_once(' ').expect("a digest, then the backup").1;
                format!("{start} --plan $(sed -n 's/^plan: //p' /steps/*.out) {rest}")
            }
            None => command.clone(),
        };
        let both = quote(&format!("{{ {command}; }} 2>&1"));
        script += &format!("step {number} sh -c {both}\n");
    }
    let steps = run(ispot, &format!("{script}cd /; umount /mnt"));
    let (mut printed, mut expected) = (String::new(), String::new());
    for (number, (command, shown)) in lines.iter().enumerate() {
        let step = steps.step(&number.to_string());
        printed += &format!("device# {command}\n{}", step.stdout);
        expected += &format!("device# {command}\n{shown}");
    }
    println!("{printed}");
    assert_eq!(without_digests(&printed), without_digests(&expected));
}

/// A device that made its backup in its own flash, where there is room.
fn backed_up(place: BootFrom) -> VirtualDevice {
    let mut ispot = virtual_ispot().boot_from(place);
    ispot.chip_mut()[ROOTFS_2].fill(0xFF);
    let made = ispot.run(&with_step(&format!(
        "{MEDIUM}\nmtdkeep backup -q -p system -p linux -p ver_1 -p param -o yesterday || exit 7
cd /; umount /mnt"
    )));
    let _ = made.unwrap().expect_success();
    ispot
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn yesterdays_system_as_the_readme_has_it() {
    let mut ispot = backed_up(BootFrom::Ram);
    let good = ispot.chip().to_vec();
    ispot.chip_mut()[SYSTEM.start + 0x2_0000..][..6].copy_from_slice(b"spoilt");
    ispot.chip_mut()[SYSTEM.start + 0x4_0000..][..1000].fill(0);
    prints_what_the_readme_says(&mut ispot, "yesterday's system");
    assert_eq!(ispot.chip()[..ROOTFS_2.start], good[..ROOTFS_2.start]);
}

/// The kernel in the flash is spoilt, and the board does not start from it; another that
/// was loaded into RAM restores it; and it starts again.
#[rstest]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_device_that_does_not_boot_as_the_readme_has_it() {
    let mut ispot = backed_up(BootFrom::Flash);
    let good = ispot.chip().to_vec();
    // An update was cut off in an erase: zeros at an erase block's end.
    ispot.chip_mut()[LINUX.start + 0x3_0000..LINUX.start + 0x4_0000].fill(0);
    let mut dead = ispot.clone().time_limit(Duration::from_secs(8));
    let started = dead.run("true");
    assert!(started.is_err(), "it starts all the same");

    let mut rescued = ispot.clone().boot_from(BootFrom::Ram);
    prints_what_the_readme_says(&mut rescued, "it does not boot");
    assert_eq!(rescued.chip()[..ROOTFS_2.start], good[..ROOTFS_2.start]);
    ispot.chip_mut().copy_from_slice(rescued.chip());
    let _ = ispot.run("true").unwrap().expect_success();
}
