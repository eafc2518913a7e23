//! The power fails while a backup is made.
//!
//! What is in RAM is lost then, so these back up into a JFFS2 on `rootfs_2`, in
//! the same chip: the one place of the device that keeps what it is given.

use super::{
    ROOTFS_2, assert_chip_untouched, assert_images, device, run, virtual_ispot, with_step, words,
};
use mtd_virtual_device::{Cut, Error, VirtualDevice};
use rstest::rstest;

const MOUNT: &str = "mount -t jffs2 /dev/mtdblock6 /mnt || exit 9";
const FOLDER: &str = "/mnt/backup";
/// Near the end, where JFFS2 begins on an erased partition: in its eighth erase
/// block from there.
const IN_A_WRITE: usize = ROOTFS_2.end - 8 * 0x2_0000 + 0x8000;
const BACKED_UP: [u32; 9] = [0, 1, 2, 4, 5, 7, 8, 9, 10];

/// Backs up everything that is not a root file system: 4 MiB.
fn backup() -> String {
    let mut line = vec!["mtdkeep", "backup", "--output", FOLDER];
    let names = BACKED_UP.map(|index| format!("mtd{index}"));
    for name in &names {
        line.extend(["--partition", name]);
    }
    words(&line)
}

/// Cuts the power in the middle of a backup; gives the number of images that were
/// reported until then. The emulator goes on until this machine finds the time to
/// stop it: where that was after the end, it is done again.
fn cut_off(ispot: &mut VirtualDevice, cut: &Cut) -> usize {
    const ATTEMPTS: usize = 5;
    let script = with_step(&format!("{MOUNT}\n{} || exit 7", backup()));
    for _ in 0..ATTEMPTS {
        ispot.chip_mut()[ROOTFS_2].fill(0xFF);
        let done = match ispot.run_until(&script, cut) {
            Ok(left) => String::from_utf8_lossy(&left.stdout).lines().count(),
            Err(Error::EndedBeforeCut { status: 0, .. }) => usize::MAX,
            Err(error) => panic!("{error}"),
        };
        if done < BACKED_UP.len() {
            println!("cut {cut}: {done} images were reported");
            return done;
        }
        println!("cut {cut}: too late, again");
    }
    panic!("too late {ATTEMPTS} times");
}

#[rstest]
#[case::at_the_first_image(Cut::Stdout("mtd0 ".into()))]
#[case::in_the_middle(Cut::Stdout("mtd2 ".into()))]
#[case::in_a_write(Cut::ChipChanged { offset_bytes: IN_A_WRITE as u64 })]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_backup_that_lost_its_power_is_known_and_completed(#[case] cut: Cut) {
    let ispot = virtual_ispot();
    let mut ispot = ispot.get(FOLDER);
    let done = cut_off(&mut ispot, &cut);

    // The next boot: each image with its name is whole, nothing claims to be a
    // backup, and the same command completes it.
    let steps = run(&mut ispot, MOUNT);
    let name = |path: &String| path.strip_prefix("/mnt/backup/").map(String::from);
    let found: Vec<String> = steps.outcome.files.keys().filter_map(name).collect();
    println!("found {found:?}");
    assert!(!found.iter().any(|name| name == "manifest.json"));
    let images: Vec<u32> = BACKED_UP
        .into_iter()
        .filter(|index| found.contains(&format!("mtd{index}.bin")))
        .collect();
    assert!(images.len() >= done, "a reported image is lost");
    assert_images(&steps, FOLDER, &device().chip_bytes(0), &images);

    let steps = run(
        &mut ispot,
        &format!(
            "{MOUNT}
step verify mtdkeep verify {FOLDER}
step again {again}
step device mtdkeep verify --device {FOLDER}
step sums sh -c 'cd {FOLDER} && sha256sum -c SHA256SUMS'
umount /mnt",
            again = backup(),
        ),
    );
    steps.expect("verify", 3).says(&["never finished"]);
    let again = steps.expect("again", 0);
    assert_eq!(again.stdout.matches("(kept)").count(), images.len());
    steps
        .expect("device", 0)
        .says(&["good: 9 of 9 images are right", "and the flash"]);
    let _ = steps.expect("sums", 0);

    // And it is still there, and clean, after another boot.
    let steps = run(
        &mut ispot,
        &format!(
            "{MOUNT}\nstep device mtdkeep verify --device {FOLDER}\nstep clean mtdkeep clean {FOLDER}\nstep left ls -A /mnt"
        ),
    );
    let _ = steps.expect("device", 0);
    steps.expect("clean", 0).says(&["12 files removed"]);
    assert_eq!(steps.expect("left", 0).stdout, "");
    assert_chip_untouched(&ispot, &[ROOTFS_2]);
}

/// Just before and after its end, where the manifest gets its name: finished, or
/// completed by the same command, and nothing between.
#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_cut_at_the_end_leaves_a_backup_or_an_unfinished_one() {
    let mut ispot = virtual_ispot();
    ispot.chip_mut()[ROOTFS_2].fill(0xFF);
    let script = with_step(&format!("{MOUNT}\n{}\nsleep 1000", backup()));
    ispot
        .run_until(&script, &Cut::Stdout("mtd10 ".into()))
        .unwrap();
    let steps = run(
        &mut ispot,
        &format!(
            "{MOUNT}
step verify mtdkeep verify --device {FOLDER}
step again {}
step device mtdkeep verify --device {FOLDER}",
            backup()
        ),
    );
    let (verify, again) = (steps.step("verify"), steps.step("again"));
    println!("found {}, then {}", verify.status, again.status);
    match verify.status {
        // A finished backup is not made twice.
        0 => assert_eq!(again.status, 5, "{again:#?}"),
        3 => assert_eq!(again.status, 0, "{again:#?}"),
        _ => panic!("{verify:#?}"),
    }
    let _ = steps.expect("device", 0);
}

/// In RAM nothing survives, and nothing of it is in the way.
#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_backup_into_ram_is_gone_and_can_be_made() {
    let mut ispot = virtual_ispot();
    let line = with_step("mtdkeep backup");
    ispot
        .run_until(&line, &Cut::Stdout("mtd2 ".into()))
        .unwrap();
    assert_chip_untouched(&ispot, &[]);
    let steps = run(
        &mut ispot,
        "step nothing ls -A /var/wwwroot
step backup mtdkeep backup
step device mtdkeep verify --device /var/wwwroot/mtd_backup",
    );
    assert_eq!(steps.expect("nothing", 0).stdout, "");
    let _ = steps.expect("backup", 0);
    let _ = steps.expect("device", 0);
}
