//! `restore` as a user meets it: the plan, consent, what keeps it from being done, and
//! that the same command goes on.

use crate::capture::import::manifest;
use crate::cli::support::{mtdkeep, program, snapshot, text};
use rstest::rstest;
use std::fs;
use std::path::Path;

/// Where partitions of the iSpot start on its chip.
const LINUX: usize = 0x6_0000;
pub(super) const SYSTEM: usize = 0x78_0000;
const LINUX_2: usize = 0x88_0000;
pub(super) const FIS: usize = 0xfe_0000;
const ERASE_BLOCK: usize = 0x2_0000;

/// A backup of the iSpot, and its chip's image.
pub(super) fn furnished() -> tempfile::TempDir {
    let outer = tempfile::tempdir().unwrap();
    run(&outer, "backup --simulate -o backup -q", 0);
    run(&outer, "image --simulate --output whole -q", 0);
    outer
}

/// Runs a command line there; answers what it printed, and what it said beside it.
pub(super) fn run(outer: &tempfile::TempDir, line: &str, code: i32) -> (String, String) {
    let words = line.split_whitespace();
    let output = mtdkeep().current_dir(outer).args(words).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{line}: {output:?}");
    let both = [&output.stdout, &output.stderr].map(|bytes| text(bytes).to_owned());
    let [printed, said] = both;
    (printed, said)
}

/// Another image in which bytes are turned round.
pub(super) fn damage(outer: &tempfile::TempDir, name: &str, places: &[usize]) {
    let mut bytes = fs::read(outer.path().join("whole")).unwrap();
    for place in places {
        bytes[*place] ^= 0xFF;
    }
    fs::write(outer.path().join(name), bytes).unwrap();
}

pub(super) fn read(outer: &tempfile::TempDir, name: &str) -> Vec<u8> {
    fs::read(outer.path().join(name)).unwrap()
}

/// What it says must not be taken for its error before the first erase, after which the
/// flash is as it was.
#[test]
fn a_restore_that_could_not_tell_of_its_end_was_done() {
    let outer = furnished();
    damage(&outer, "torn", &[SYSTEM + 5]);
    let line = "restore --image torn --save after --yes backup >/dev/full";
    let assert = assert_cmd::Command::new("sh")
        .current_dir(&outer)
        .args(["-c", &format!("exec \"$0\" {line}")])
        .arg(program().get_program())
        .assert()
        .code(4);
    let said = text(&assert.get_output().stderr).to_owned();
    assert!(
        said.contains("all was done, but not all was shown"),
        "{said}"
    );
    assert!(read(&outer, "after") == read(&outer, "whole"));
    assert!(tidy(&outer));
}

/// Half a chip under the name of a whole one is worse than none.
#[test]
fn a_chip_that_cannot_be_saved_leaves_nothing() {
    let outer = furnished();
    damage(&outer, "torn", &[SYSTEM + 5]);
    // Less than a chip, more than an erase block's old bytes.
    let line = "ulimit -f 4096; exec \"$0\" restore --image torn --save after --yes backup";
    let assert = assert_cmd::Command::new("sh")
        .current_dir(&outer)
        .args(["-c", line])
        .arg(program().get_program())
        .assert()
        .code(4);
    let said = text(&assert.get_output().stderr).to_owned();
    assert!(said.contains("nothing of it was left behind"), "{said}");
    assert!(said.contains("help: name a place"), "{said}");
    let left = fs::read_dir(&outer).unwrap();
    let names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.filter(|name| name.starts_with("after")).count() == 0);
}

/// Nothing of an earlier or a finished run lies beside the backup.
fn tidy(outer: &tempfile::TempDir) -> bool {
    let names = ["backup.restore", "backup.rehearsal"];
    names.iter().all(|name| !outer.path().join(name).exists())
}

#[test]
fn a_damaged_chip_holds_the_backup_again() {
    let outer = furnished();
    damage(
        &outer,
        "torn",
        &[SYSTEM + 5, SYSTEM + 3 * ERASE_BLOCK, LINUX],
    );
    let before = snapshot(&outer.path().join("backup"));
    let (printed, _) = run(&outer, "restore backup --image torn --yes --save after", 0);
    assert!(printed.contains("and is right"), "{printed}");
    assert_eq!(read(&outer, "after"), read(&outer, "whole"));
    assert_eq!(snapshot(&outer.path().join("backup")), before);
    assert!(tidy(&outer));
    let line = "restore backup --image after";
    let (printed, _) = run(&outer, line, 0);
    assert!(
        printed.contains("already; nothing was changed"),
        "{printed}"
    );
}

#[test]
fn the_image_itself_is_never_written_and_a_saved_chip_replaces_nothing() {
    let outer = furnished();
    damage(&outer, "torn", &[SYSTEM]);
    let torn = read(&outer, "torn");
    run(&outer, "restore backup --image torn --yes", 0);
    assert_eq!(read(&outer, "torn"), torn);
    let (_, said) = run(&outer, "restore backup --image torn --yes --save torn", 5);
    assert!(said.contains("is there already"), "{said}");
    assert_eq!(read(&outer, "torn"), torn);
    run(&outer, "restore backup --root . --save x", 2);
}

#[test]
fn nothing_happens_before_somebody_agrees() {
    let outer = furnished();
    damage(&outer, "torn", &[SYSTEM]);
    let (plan, _) = run(&outer, "restore backup --image torn --dry-run", 0);
    let digest = plan.lines().find_map(|line| line.strip_prefix("plan: "));
    let digest = digest.unwrap();
    let (_, said) = run(&outer, "restore backup --image torn", 5);
    assert!(said.contains("nobody has agreed"), "{said}");
    assert!(said.contains(&digest[..16]), "{said}");
    let wrong = format!("restore backup --image torn --plan {}", "0".repeat(16));
    let (_, said) = run(&outer, &wrong, 5);
    assert!(said.contains("nothing on the flash was changed"), "{said}");
    assert!(tidy(&outer));
    let right = format!(
        "restore backup --image torn --save after --plan {}",
        &digest[..16]
    );
    run(&outer, &right, 0);
    assert_eq!(read(&outer, "after"), read(&outer, "whole"));
    // The plan is what the flash will hold, not how much of it is there.
    damage(&outer, "other", &[SYSTEM + ERASE_BLOCK]);
    run(
        &outer,
        &right.replace("torn", "other").replace("after", "again"),
        0,
    );
    // Of other partitions it is another plan.
    run(&outer, &right.replace("--save after", "-p system"), 5);
}

#[rstest]
#[case::the_boot_loader(&[0], "", "mtd0 (RedBoot) differs, and is the boot loader")]
#[case::both_banks(&[LINUX, LINUX_2], "", "belong to different banks")]
#[case::read_only(&[FIS], "-p mtd9", "no writeable device has all of that")]
#[case::another_device(&[0x4_0000], "", "not known to be the device")]
#[case::the_factory_s(&[0x4_0000], "-p param", "not known to be the device")]
#[case::the_factory_s_elsewhere(
    &[0x4_0000],
    "-p param --allow param --other-device",
    "of another device it is never written"
)]
fn what_is_refused(#[case] places: &[usize], #[case] more: &str, #[case] why: &str) {
    let outer = furnished();
    damage(&outer, "torn", places);
    let line = format!("restore backup --image torn --yes --save after {more}");
    let (_, said) = run(&outer, &line, 5);
    assert!(said.contains(why), "{said}");
    assert!(said.contains("nothing on the flash was changed"), "{said}");
    assert!(said.contains("mtdkeep: help: "), "{said}");
    assert!(!outer.path().join("after").exists());
    assert!(tidy(&outer));
}

#[rstest]
#[case(&[0], "--allow RedBoot")]
#[case(&[LINUX, LINUX_2], "-p linux_2")]
#[case(&[0x4_0000], "-p param --allow param")]
fn what_is_asked_for_by_name_is_done(#[case] places: &[usize], #[case] more: &str) {
    let outer = furnished();
    damage(&outer, "torn", places);
    let line = format!("restore backup --image torn --yes --save after {more}");
    run(&outer, &line, 0);
    let (after, mut expected) = (read(&outer, "after"), read(&outer, "whole"));
    if more == "-p linux_2" {
        expected[LINUX] ^= 0xFF;
    }
    assert_eq!(after, expected);
}

#[test]
fn what_cannot_be_written_is_told_and_the_rest_is_done() {
    let outer = furnished();
    damage(&outer, "torn", &[FIS, SYSTEM]);
    let (printed, said) = run(&outer, "restore backup --image torn --yes --save after", 3);
    assert!(
        said.contains("mtd9 (FIS directory) differs in 1 erase block and stays"),
        "{said}"
    );
    assert!(
        printed.contains("partial: 1 erase block erased"),
        "{printed}"
    );
    let mut expected = read(&outer, "whole");
    expected[FIS] ^= 0xFF;
    assert_eq!(read(&outer, "after"), expected);
}

#[test]
fn what_the_backup_lacks_stays() {
    let outer = furnished();
    let hole = SYSTEM + ERASE_BLOCK;
    let faults = format!("backup --simulate -o partial -q --faults read-error@{hole:#x}");
    run(&outer, &faults, 3);
    damage(&outer, "torn", &[SYSTEM, hole]);
    let (_, said) = run(&outer, "restore partial --image torn --yes --save after", 3);
    assert!(said.contains("128 KiB are not in the backup"), "{said}");
    let mut expected = read(&outer, "whole");
    expected[hole] ^= 0xFF;
    assert_eq!(read(&outer, "after"), expected);
}

#[test]
fn a_backup_that_is_not_right_is_not_used() {
    let outer = furnished();
    damage(&outer, "torn", &[SYSTEM]);
    let image = outer.path().join("backup/mtd8.bin");
    let mut bytes = fs::read(&image).unwrap();
    bytes[0] ^= 1;
    fs::write(&image, bytes).unwrap();
    let (_, said) = run(&outer, "restore backup --image torn --yes", 5);
    assert!(
        said.contains("is not right: mtd8.bin (ver_2): damaged"),
        "{said}"
    );
}

/// Digests have to be right before the first erase, which a stream's cannot be.
#[test]
fn a_stream_is_not_restored_from() {
    let outer = furnished();
    let (_, said) = run(&outer, "restore - --image whole --yes", 5);
    assert!(said.contains("a stream is not restored from"), "{said}");
    assert!(said.contains("unpack"), "{said}");
}

#[test]
fn another_layout_is_refused() {
    let outer = furnished();
    let table = "dev:    size   erasesize  name\nmtd0: 01000000 00020000 \"all\"\n";
    fs::write(outer.path().join("table"), table).unwrap();
    let (_, said) = run(
        &outer,
        "restore backup --image whole --simulate=table --yes",
        5,
    );
    assert!(
        said.contains("has the name all, in the backup RedBoot"),
        "{said}"
    );
}

/// An erase block that fails: its old bytes are kept, nothing after it is touched, and
/// the same command goes on.
#[test]
fn a_fault_is_told_and_the_same_command_goes_on() {
    let outer = furnished();
    let failing = SYSTEM + 2 * ERASE_BLOCK;
    damage(
        &outer,
        "torn",
        &[
            SYSTEM,
            failing - ERASE_BLOCK,
            failing,
            failing + ERASE_BLOCK,
        ],
    );
    let line =
        format!("restore backup --image torn --yes --save now --faults program-error@{failing:#x}");
    let (_, said) = run(&outer, &line, 6);
    for part in [
        "mtd4 (system), erase block at 0x40000: programming mtd4 (system)",
        "it is erased",
        "the flash was changed and is not finished: do not switch off",
        "its old bytes are in backup.rehearsal/mtd4-0x40000.old",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let kept = read(&outer, "backup.rehearsal/mtd4-0x40000.old");
    let torn = read(&outer, "torn");
    assert_eq!(
        kept[kept.len() - ERASE_BLOCK..],
        torn[failing..failing + ERASE_BLOCK]
    );
    // The chip is kept as it was left.
    let mut after = torn;
    let whole = read(&outer, "whole");
    let done = failing - ERASE_BLOCK..failing;
    after[done.clone()].copy_from_slice(&whole[done]);
    after[failing..failing + ERASE_BLOCK].fill(0xFF);
    assert_eq!(read(&outer, "now"), after);
    // Nor is another folder for old bytes a way round them.
    for journal in ["elsewhere", "backup.rehearsal/../elsewhere"] {
        let line = format!("restore backup --image now --yes --journal {journal}");
        let (_, said) = run(&outer, &line, 6);
        assert!(said.contains("has old bytes in backup.rehearsal"), "{said}");
        assert!(!outer.path().join("elsewhere").exists());
    }
    // Another restore has to wait for this one.
    let other = "restore backup --image now --yes -p linux";
    let (_, said) = run(&outer, other, 6);
    assert!(
        said.contains("an earlier restore stopped in the erase block at 0x40000"),
        "{said}"
    );
    // Whatever keeps the next run from its plan, the flash is unfinished.
    for line in ["-p nosuch --yes", "", "--plan 0123456789abcdef"] {
        let (_, said) = run(&outer, &format!("restore backup --image now {line}"), 6);
        assert!(said.contains("do not switch off"), "{line}: {said}");
    }
    let (_, said) = run(&outer, "restore backup --image now --yes --save after", 0);
    assert!(said.contains("it is written again"), "{said}");
    assert_eq!(read(&outer, "after"), whole);
    assert!(tidy(&outer));
}

/// A failure before anything was changed says so, with another code.
#[test]
fn nothing_changed_and_unfinished_are_kept_apart() {
    let outer = furnished();
    damage(&outer, "torn", &[SYSTEM]);
    fs::write(outer.path().join("file"), "").unwrap();
    let (_, said) = run(
        &outer,
        "restore backup --image torn --yes --journal file/x",
        4,
    );
    assert!(!said.contains("do not switch off"), "{said}");
    let line = format!("restore backup --image torn --yes --faults erase-error@{SYSTEM:#x}");
    let (_, said) = run(&outer, &line, 4);
    assert!(said.contains("it holds its old bytes"), "{said}");
    assert!(said.contains("nothing on the flash was changed"), "{said}");
    assert!(tidy(&outer));
}

#[test]
fn a_tree_of_plain_files_is_written_in_place() {
    let outer = furnished();
    let at = |name: &str| outer.path().join("tree").join(name);
    fs::create_dir_all(at("proc")).unwrap();
    fs::create_dir_all(at("dev")).unwrap();
    let table = mtd_table(&outer.path().join("backup"));
    fs::write(at("proc/mtd"), table).unwrap();
    for index in 0..11 {
        let image = outer.path().join(format!("backup/mtd{index}.bin"));
        fs::copy(image, at(&format!("dev/mtd{index}"))).unwrap();
    }
    let right = fs::read(at("dev/mtd4")).unwrap();
    let mut wrong = right.clone();
    wrong[7] ^= 0xFF;
    fs::write(at("dev/mtd4"), wrong).unwrap();
    // Temporary folders lie in memory on many systems.
    let line = "restore backup --root tree --yes --journal-in-memory";
    run(&outer, line, 0);
    assert_eq!(fs::read(at("dev/mtd4")).unwrap(), right);
}

/// The text of `/proc/mtd` that a backup's manifest tells of.
fn mtd_table(backup: &Path) -> String {
    let manifest = manifest(backup);
    let mut table = "dev:    size   erasesize  name\n".to_owned();
    for entry in manifest["layout"].as_array().unwrap() {
        let number = |key: &str| entry[key].as_u64().unwrap();
        table += &format!(
            "mtd{}: {:08x} {:08x} \"{}\"\n",
            number("mtd"),
            number("size_bytes"),
            number("erase_block_bytes"),
            entry["name"].as_str().unwrap()
        );
    }
    table
}

/// The folder for old bytes may hold what is somebody else's, whatever it is called, and
/// stays where somebody named it.
#[test]
fn a_journal_s_folder_keeps_what_others_put_there() {
    let outer = furnished();
    damage(&outer, "torn", &[SYSTEM]);
    let theirs = [
        "thesis.old",
        "thesis.old.part",
        "mtd4.old",
        "mtd4-0x00.old.part",
    ];
    for names in [&theirs[..], &[]] {
        let journal = outer.path().join("journal");
        fs::create_dir(&journal).unwrap();
        for name in names {
            fs::write(journal.join(name), "mine").unwrap();
        }
        let before = snapshot(&journal);
        let line = "restore backup --image torn --journal journal --yes --save after";
        run(&outer, line, 0);
        assert_eq!(snapshot(&journal), before);
        assert_eq!(read(&outer, "after"), read(&outer, "whole"));
        fs::remove_file(outer.path().join("after")).unwrap();
        fs::remove_dir_all(&journal).unwrap();
    }
}

#[rstest]
#[case("backup", 5, "the backup's own folder")]
#[case("./backup/../backup/", 5, "the backup's own folder")]
#[case("torn", 4, "no folder")]
fn what_cannot_keep_old_bytes_is_refused(
    #[case] journal: &str,
    #[case] code: i32,
    #[case] why: &str,
) {
    let outer = furnished();
    damage(&outer, "torn", &[SYSTEM]);
    let line = format!("restore backup --image torn --yes --save after --journal {journal}");
    let (_, said) = run(&outer, &line, code);
    assert!(said.contains(why), "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
    assert!(said.contains("with --journal"), "{said}");
    assert!(!outer.path().join("after").exists());
}
