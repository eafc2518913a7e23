//! Backing up, proving and cleaning, where nothing is in the way.

use super::{WATCH, assert_chip_untouched, assert_images, device, run, virtual_ispot};
use crate::cli::support::{mtdkeep, text};
use rstest::rstest;

const FOLDER: &str = "/var/wwwroot/mtd_backup";
const ALL: [u32; 11] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/// Everything in one boot, as its owner would do it; then the folder is taken to
/// the PC, whose program knows the same chip from the simulation.
#[rstest]
#[case::with_sysfs(true)]
#[case::without_sysfs(false)]
#[ignore = "needs what ci/virtual-ispot installs"]
fn the_images_are_the_chips_bytes(#[case] sysfs: bool) {
    let mut ispot = virtual_ispot();
    if !sysfs {
        ispot = ispot.without_sysfs();
    }
    let mut ispot = ispot.get(FOLDER);
    let steps = run(
        &mut ispot,
        "files() { find / -xdev | grep -v '^/var/wwwroot/mtd_backup' | sort; }
step before files
step sys ls /sys
step backup mtdkeep backup --read-again
step after files
step verify mtdkeep verify /var/wwwroot/mtd_backup
step device mtdkeep verify --device /var/wwwroot/mtd_backup
cd /var/wwwroot/mtd_backup; step sums sha256sum -c SHA256SUMS",
    );
    assert_eq!(!steps.expect("sys", 0).stdout.is_empty(), sysfs);
    let said = steps.expect("backup", 0).stdout;
    assert_eq!(said.lines().count(), 16, "{said}");
    assert!(said.contains(&format!(
        "11 partitions, 16 MiB, in {FOLDER}\nbackup digest: "
    )));

    let chip = device().chip_bytes(0);
    assert_images(&steps, FOLDER, &chip, &ALL);
    let files = |path: &&String| path.starts_with(&format!("{FOLDER}/"));
    assert_eq!(steps.outcome.files.keys().filter(files).count(), 11 + 3);
    steps
        .expect("verify", 0)
        .says(&["good: 11 of 11 images are right, 16 MiB"]);
    steps.expect("device", 0).says(&["good", "and the flash"]);
    assert_eq!(steps.expect("sums", 0).stdout.matches(": OK\n").count(), 12);
    // mtd10 was read through a private node, of which nothing is left.
    let (before, after) = (steps.expect("before", 0), steps.expect("after", 0));
    assert!(before.stdout.contains("\n/dev/mtd9\n"));
    assert!(!before.stdout.contains("/dev/mtd10"));
    assert_eq!(before.stdout, after.stdout, "files left behind");
    assert_chip_untouched(&ispot, &[]);

    let host = tempfile::tempdir().unwrap();
    let folder = host.path().join("b");
    steps.outcome.copy_out(FOLDER, &folder).unwrap();
    mtdkeep()
        .args(["verify", "--device", "--simulate", "--seed", "4"])
        .arg(&folder)
        .assert()
        .code(0)
        .stderr("");
    // The PC's program would have written the same, but for date and machine.
    let ours = host.path().join("ours");
    let output = mtdkeep()
        .args(["backup", "--simulate", "--seed", "4", "--read-again"])
        .arg("--output")
        .arg(&ours)
        .assert()
        .code(0)
        .get_output()
        .clone();
    let images = |said: &str| said.lines().take(11).map(String::from).collect::<Vec<_>>();
    assert_eq!(images(&said), images(text(&output.stdout)));
    // The manifest's own line is of its date as well.
    let sums = |folder: &std::path::Path| {
        let sums = std::fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
        let of_images = sums.lines().filter(|line| line.ends_with(".bin"));
        of_images.map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(sums(&ours).len(), 11);
    assert_eq!(sums(&folder), sums(&ours));
}

/// What a kernel of the device's machine counts for the program at its peak,
/// looked at again and again while it runs. 16 MiB of flash go through it.
#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn a_backup_holds_little_memory() {
    let mut ispot = virtual_ispot();
    let steps = run(
        &mut ispot,
        &format!(
            "mtdkeep backup -q --read-again & program=$!
{WATCH}
wait $program || exit 9
step peaks cat /tmp/peaks"
        ),
    );
    steps.assert_peak_below(1536);
}

#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn clean_takes_away_what_the_backup_made() {
    let mut ispot = virtual_ispot();
    let steps = run(
        &mut ispot,
        "step before find / -xdev
mtdkeep backup --quiet || exit 9
step again mtdkeep backup
step clean mtdkeep clean /var/wwwroot/mtd_backup
step after find / -xdev
mkdir /mnt/mine; mtdkeep backup -q -p param -p ver_1 -o /mnt/mine || exit 9
touch /mnt/mine/notes
step refused mtdkeep clean /mnt/mine
step kept ls /mnt/mine
rm /mnt/mine/notes
step clean2 mtdkeep clean /mnt/mine
step empty ls -A /mnt/mine",
    );
    steps
        .expect("again", 5)
        .says(&["nothing in it was changed"]);
    steps.expect("clean", 0).says(&["14 files removed"]);
    assert_eq!(
        steps.expect("before", 0).stdout,
        steps.expect("after", 0).stdout
    );
    steps.expect("refused", 5).says(&["notes"]);
    assert_eq!(steps.expect("kept", 0).stdout.lines().count(), 6);
    // A folder that was there before stays.
    steps.expect("clean2", 0).says(&["5 files removed"]);
    assert_eq!(steps.expect("empty", 0).stdout, "");
}

/// The script that the iSpot's owners use leaves mtdN.bin and index.html, and no
/// mtd10: its folder is cleaned too, and its images are the same bytes.
#[test]
#[ignore = "needs what ci/virtual-ispot installs"]
fn the_scripts_backup_is_the_same_and_is_cleaned() {
    let ispot = virtual_ispot();
    let mut ispot = ispot.get("/mnt/ours");
    let steps = run(
        &mut ispot,
        "mkdir /mnt/theirs
echo '<HTML><body>' >/mnt/theirs/index.html
echo '<br>Right-click and '\\''Save Target As...'\\'' on all of the following:<br>' >>/mnt/theirs/index.html
for n in 0 1 2 4 5 7 8 9 10; do
    [ -c /dev/mtd$n ] || continue
    dd if=/dev/mtd$n of=/mnt/theirs/mtd$n.bin 2>/dev/null || exit 9
    echo \"<br><A HREF=mtd$n.bin>mtd$n.bin</A>\" >>/mnt/theirs/index.html
done
mtdkeep backup -q -o /mnt/ours -p RedBoot -p param -p linux -p system -p linux_2 -p ver_1 \
    -p ver_2 -p mtd9 || exit 9
for n in 0 1 2 4 5 7 8 9; do cmp /mnt/theirs/mtd$n.bin /mnt/ours/mtd$n.bin || exit 8; done
step clean mtdkeep clean /mnt/theirs
step left find /mnt/theirs",
    );
    steps.expect("clean", 0).says(&["9 files removed"]);
    assert_eq!(steps.expect("left", 0).stdout, "/mnt/theirs\n");
    assert_images(
        &steps,
        "/mnt/ours",
        &device().chip_bytes(0),
        &[0, 1, 2, 4, 5, 7, 8, 9],
    );
}
