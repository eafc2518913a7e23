//! What a folder holds decides what a backup may do there.

use crate::backend::SimulatedBackend;
use crate::backup::tests::memory_folder::MemoryFolder;
use crate::backup::tests::small_device::device;
use crate::backup::{
    self, BackupError, DigestChoice, ErrorKind, Failure, MANIFEST, Manifest, Request, Summary,
    UNFINISHED, Work,
};
use rstest::rstest;
use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

fn run(
    device: &SimulatedBackend,
    folder: &MemoryFolder,
    partitions: &[&str],
) -> Result<Summary, Failure> {
    let partitions: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    let request = Request {
        partitions: &partitions,
        read_again: false,
        digests: DigestChoice::Both,
        now: UNIX_EPOCH,
    };
    let work = Work {
        buffer_bytes: 4096,
        workers: 1,
        ..Work::default()
    };
    backup::pipeline::backup(device, folder, &request, &work)
}

/// A backup cut off after `operations` on its folder.
fn cut_off(device: &SimulatedBackend, operations: u64) -> MemoryFolder {
    let folder = MemoryFolder::default().with_cut_at(operations);
    run(device, &folder, &[]).unwrap_err();
    MemoryFolder::holding(folder.files())
}

fn refusal(result: Result<Summary, Failure>) -> String {
    let failure = result.unwrap_err();
    assert_eq!(
        failure.error.kind(),
        ErrorKind::Refused,
        "{}",
        failure.error
    );
    assert!(failure.error.help().is_some());
    failure.error.to_string()
}

/// Enough operations for two images.
const TWO_IMAGES: u64 = 16;

#[test]
fn whole_images_of_a_cut_off_run_are_kept() {
    let folder = cut_off(&device(1, ""), TWO_IMAGES);
    let before = folder.files();
    assert!(before.contains_key(UNFINISHED) && before.contains_key("mtd1.bin"));
    let summary = run(&device(1, ""), &folder, &[]).unwrap();
    assert_eq!(summary.kept, 2);
    let after = folder.files();
    assert_eq!(before["mtd0.bin"], after["mtd0.bin"]);
    assert!(after.contains_key(MANIFEST) && !after.contains_key(UNFINISHED));
}

#[rstest]
#[case::other(|image: &mut Vec<u8>| *image.last_mut().unwrap() ^= 1)]
#[case::longer(|image: &mut Vec<u8>| image.push(0xff))]
#[case::shorter(|image: &mut Vec<u8>| image.truncate(image.len() - 1))]
fn an_image_that_is_not_what_the_flash_has_is_made_anew(#[case] change: fn(&mut Vec<u8>)) {
    let folder = cut_off(&device(1, ""), TWO_IMAGES);
    let mut files = folder.files();
    let image = files.get_mut("mtd0.bin").unwrap();
    let truth = image.clone();
    change(image);
    let folder = MemoryFolder::holding(files);
    let summary = run(&device(1, ""), &folder, &[]).unwrap();
    assert_eq!(summary.kept, 1);
    assert_eq!(folder.files()["mtd0.bin"], truth);
}

#[test]
fn an_earlier_image_is_not_replaced_by_one_with_holes() {
    let folder = cut_off(&device(1, ""), TWO_IMAGES);
    let before = folder.files();
    let failure = run(&device(1, "read-error@0x10"), &folder, &[]).unwrap_err();
    assert!(
        matches!(*failure.error, BackupError::WouldLose { .. }),
        "{}",
        failure.error
    );
    assert_eq!(failure.error.kind(), ErrorKind::Refused);
    let after = folder.files();
    assert_eq!(before["mtd0.bin"], after["mtd0.bin"]);
    assert!(!after.contains_key("mtd0.bin.part"));
    // A finished backup does not lose what it has either.
    run(&device(1, ""), &folder, &[]).unwrap();
}

#[rstest]
#[case::finished(u64::MAX)]
#[case::cut_off(TWO_IMAGES)]
fn another_devices_backup_is_never_touched(#[case] operations: u64) {
    let folder = MemoryFolder::default().with_cut_at(operations);
    let _ = run(&device(1, ""), &folder, &[]);
    let before = folder.files();
    let folder = MemoryFolder::holding(before.clone());
    let message = refusal(run(&device(2, ""), &folder, &[]));
    assert!(message.contains("another device"), "{message}");
    assert_eq!(folder.files(), before);
}

#[test]
fn a_finished_backup_is_never_made_again() {
    for (first, again) in [
        (&[][..], &[][..]),
        (&["param"], &["param"]),
        (&[], &["data"]),
    ] {
        let folder = MemoryFolder::default();
        run(&device(1, ""), &folder, first).unwrap();
        let before = folder.files();
        let message = refusal(run(&device(1, ""), &folder, again));
        assert!(message.contains("finished backup"), "{message}");
        assert_eq!(folder.files(), before);
    }
}

/// The images of all rounds, in order, with what each round said of them.
fn images(summary: &Summary) -> Vec<(u32, Option<String>)> {
    let images = summary.manifest.images.iter();
    images
        .map(|image| (image.mtd, image.sha256.clone()))
        .collect()
}

#[test]
fn a_backup_can_be_made_in_rounds() {
    let whole = run(&device(1, ""), &MemoryFolder::default(), &[]).unwrap();
    let folder = MemoryFolder::default();
    for (partition, count) in [("data", 1), ("boot", 2), ("param", 3)] {
        let round = run(&device(1, ""), &folder, &[partition]).unwrap();
        assert_eq!(round.manifest.images.len(), count);
        assert_eq!(round.kept, count - 1);
        assert!(!round.manifest.is_partial());
        let report =
            backup::verify::verify(&folder, Some(&device(1, "")), &Work::default()).unwrap();
        assert_eq!(report.images_right, count);
        assert_eq!(report.outcome(), None, "{:?}", report.findings);
    }
    let manifest = Manifest::parse(&folder.files()[MANIFEST]).unwrap();
    let all: Vec<_> = manifest
        .images
        .iter()
        .map(|i| (i.mtd, i.sha256.clone()))
        .collect();
    assert_eq!(all, images(&whole));
    assert!(manifest.layout.iter().all(|entry| entry.left_out.is_none()));
    // A further round of all of it finds nothing to add.
    refusal(run(&device(1, ""), &folder, &[]));
    // Another device's is none of this one's rounds.
    let mixed = MemoryFolder::default();
    run(&device(1, ""), &mixed, &["data"]).unwrap();
    let message = refusal(run(&device(2, ""), &mixed, &["boot"]));
    assert!(message.contains("another device"), "{message}");
}

/// Wherever a round is cut off, nothing of the earlier ones is lost.
#[test]
fn a_round_that_is_cut_off_loses_no_earlier_one() {
    let first = MemoryFolder::default();
    run(&device(1, ""), &first, &["data"]).unwrap();
    let data = first.files()["mtd2.bin"].clone();
    let mut cut = 0;
    for operations in 0..400 {
        let folder = MemoryFolder::holding(first.files()).with_cut_at(operations);
        let ended = run(&device(1, ""), &folder, &["boot"]);
        let left = folder.files();
        assert!(left["mtd2.bin"] == data, "after {operations}");
        let folder = MemoryFolder::holding(left);
        cut += usize::from(ended.is_err());
        // Refused where it is done already.
        let _ = run(&device(1, ""), &folder, &["boot"]);
        let manifest = Manifest::parse(&folder.files()[MANIFEST]).unwrap();
        let numbers: Vec<u32> = manifest.images.iter().map(|image| image.mtd).collect();
        assert_eq!(numbers, [0, 2], "after {operations}");
        let report = backup::verify::verify(&folder, None, &Work::default()).unwrap();
        assert_eq!(report.outcome(), None, "{:?}", report.findings);
    }
    assert!(cut > 10, "only {cut} runs were cut off");
}

#[test]
fn an_earlier_rounds_image_that_changed_is_not_blessed() {
    let folder = MemoryFolder::default();
    run(&device(1, ""), &folder, &["data"]).unwrap();
    let mut files = folder.files();
    files.get_mut("mtd2.bin").unwrap()[7] ^= 1;
    let folder = MemoryFolder::holding(files.clone());
    let message = refusal(run(&device(1, ""), &folder, &["boot"]));
    assert!(
        message.contains("mtd2.bin, which is not what its manifest says"),
        "{message}"
    );
    assert_eq!(folder.files(), files);
}

#[test]
fn an_unfinished_backup_of_more_partitions_is_not_cut_down() {
    let folder = cut_off(&device(1, ""), TWO_IMAGES);
    let before = folder.files();
    let message = refusal(run(&device(1, ""), &folder, &["param"]));
    assert!(message.contains("mtd0.bin"), "{message}");
    assert_eq!(folder.files(), before);
}

#[test]
fn a_partial_backup_is_completed() {
    let folder = MemoryFolder::default();
    let first = run(&device(1, "read-error@0x10"), &folder, &[]).unwrap();
    assert!(first.manifest.is_partial());
    let second = run(&device(1, ""), &folder, &[]).unwrap();
    assert!(!second.manifest.is_partial());
    assert_eq!(second.kept, 2);
    let manifest = Manifest::parse(&folder.files()[MANIFEST]).unwrap();
    assert_eq!(manifest, second.manifest);
}

#[test]
fn free_space_is_looked_at_first_and_both_figures_are_told() {
    let images_bytes = 0x800 + 0x400 + 0x1000;
    for (free_bytes, fits) in [(images_bytes, false), (images_bytes + 65536, true)] {
        let folder = MemoryFolder::default().with_free_bytes(free_bytes);
        let result = run(&device(1, ""), &folder, &[]);
        assert_eq!(result.is_ok(), fits, "{free_bytes}");
        if let Err(failure) = result {
            let message = failure.error.to_string();
            assert_eq!(failure.error.kind(), ErrorKind::Io);
            assert!(
                message.contains(&format!("({} bytes)", images_bytes + 65536)),
                "{message}"
            );
            assert!(
                message.contains(&format!("({free_bytes} bytes)")),
                "{message}"
            );
            assert_eq!(folder.files(), BTreeMap::new(), "nothing was written");
        }
    }
    // What is there already takes no more room.
    let files = cut_off(&device(1, ""), TWO_IMAGES).files();
    let folder = MemoryFolder::holding(files).with_free_bytes(0x1000 + 65536);
    run(&device(1, ""), &folder, &[]).unwrap();
}

/// Space that runs out at any byte: nothing half under a final name, and the
/// same command completes it when there is room again.
#[test]
fn a_folder_that_fills_up_at_any_byte() {
    for at in (0..0x2600).step_by(251) {
        let faults = format!("no-space@{at:#x}").parse().unwrap();
        let folder = MemoryFolder::with_faults(faults);
        let failure = run(&device(1, ""), &folder, &[]).unwrap_err();
        assert!(
            failure.error.to_string().contains("No space left"),
            "{at:#x}"
        );
        assert!(failure.error.help().unwrap().contains("free some space"));
        let files = folder.files();
        assert!(!files.contains_key(MANIFEST), "{at:#x}");
        let folder = MemoryFolder::holding(files);
        let summary = run(&device(1, ""), &folder, &[]).unwrap();
        assert!(!summary.manifest.is_partial());
    }
}
