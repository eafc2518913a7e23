//! Damage to a backup's texts, at every place where it can strike: never good, never
//! an image lost, and what is provable comes back.

use crate::backend::SimulatedBackend;
use crate::backup::tests::memory_folder::MemoryFolder;
use crate::backup::tests::small_device::device;
use crate::backup::{
    self, DigestChoice, ErrorKind, Failure, How, INDEX, MANIFEST, Manifest, Meaning, RepairLayout,
    RepairRequest, Repaired, Report, Request, SUMS, UNFINISHED, Work,
};
use crate::mtd::MtdBackend as _;
use rstest::rstest;
use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

type Files = BTreeMap<String, Vec<u8>>;

fn back_up(device: &SimulatedBackend, folder: &MemoryFolder) -> Result<(), Failure> {
    let request = Request {
        partitions: &[],
        read_again: false,
        digests: DigestChoice::Both,
        now: UNIX_EPOCH,
    };
    let work = Work {
        buffer_bytes: 4096,
        workers: 1,
        ..Work::default()
    };
    backup::pipeline::backup(device, folder, &request, &work).map(|_| ())
}

fn whole() -> Files {
    let folder = MemoryFolder::default();
    back_up(&device(1, ""), &folder).unwrap();
    folder.files()
}

fn verify(files: &Files) -> Result<Report, Failure> {
    let work = Work {
        buffer_bytes: 4096,
        workers: 1,
        ..Work::default()
    };
    backup::verify::verify(&MemoryFolder::holding(files.clone()), None, &work)
}

fn is_good(report: &Report) -> bool {
    ![Meaning::Differs, Meaning::Unchecked, Meaning::Partial]
        .iter()
        .any(|meaning| report.has(*meaning))
}

/// That a damaged backup is told as one, with all its images, and without advice to
/// throw anything away.
fn is_told(files: &Files, at: usize) {
    let report = verify(files).unwrap_or_else(|failure| panic!("{at}: {}", failure.error));
    assert!(report.has(Meaning::Differs), "{at}: {:?}", report.findings);
    assert_eq!(report.images_right, 3, "{at}: {:?}", report.findings);
    for finding in &report.findings {
        let words = finding.message();
        let advice = words.contains("remove") || words.contains("delete");
        assert!(!advice, "{at}: {words}");
    }
    let next = report.next_step().unwrap();
    assert!(!next.contains("remove"), "{at}: {next}");
}

fn repair_in(folder: &MemoryFolder, with_layout: bool) -> Result<Repaired, Failure> {
    let layout = with_layout.then(|| RepairLayout {
        devices: device(1, "").devices().unwrap(),
        from: "the test's table".into(),
    });
    let request = RepairRequest {
        layout,
        now: UNIX_EPOCH,
    };
    let work = Work {
        buffer_bytes: 4096,
        ..Work::default()
    };
    backup::repair(folder, &request, &work)
}

/// Repairs; no image may change, whatever comes of it.
fn repair(files: &Files, with_layout: bool) -> Result<(Repaired, Files), Failure> {
    let folder = MemoryFolder::holding(files.clone());
    let result = repair_in(&folder, with_layout);
    let after = folder.files();
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".bin")) {
        assert!(after.get(name) == Some(bytes), "{name} was touched");
    }
    match result {
        Ok(repaired) => Ok((repaired, after)),
        Err(failure) => {
            assert_eq!(&after, files, "refused, and changed something");
            Err(failure)
        }
    }
}

fn with(files: &Files, name: &str, text: &[u8]) -> Files {
    let mut files = files.clone();
    files.insert(name.into(), text.into());
    files
}

fn without(files: &Files, names: &[&str]) -> Files {
    let mut files = files.clone();
    files.retain(|name, _| !names.contains(&name.as_str()));
    files
}

#[test]
fn a_whole_backup_needs_no_repair() {
    let files = whole();
    let (repaired, after) = repair(&files, false).unwrap();
    assert_eq!(repaired.how, How::Whole);
    assert!(repaired.written.is_empty() && after == files);
}

/// Cut after every byte, and one bit changed in every byte: told, and restored to
/// the byte, because `SHA256SUMS` vouches for the copy in the page.
#[test]
fn a_manifest_damaged_anywhere_is_told_and_comes_back() {
    let files = whole();
    let text = &files[MANIFEST];
    let cuts = (0..text.len()).map(|at| (at, text[..at].to_vec()));
    let flips = (0..text.len()).map(|at| {
        let mut flipped = text.clone();
        flipped[at] ^= 1 << (at % 8);
        (at, flipped)
    });
    for (at, damaged) in cuts.chain(flips) {
        let torn = with(&files, MANIFEST, &damaged);
        is_told(&torn, at);
        let (repaired, after) = repair(&torn, false).unwrap();
        assert_eq!(repaired.how, How::Restored, "{at}");
        assert!(after[MANIFEST] == *text, "{at}");
        // What was damaged is kept, where there was anything.
        let kept = after.get("manifest.json.torn");
        assert_eq!(kept.unwrap_or(&Vec::new()), &damaged, "{at}");
        assert!(is_good(&verify(&after).unwrap()), "{at}");
    }
}

/// Without the page nobody has the whole text: what is provable is put together,
/// and whatever is not known keeps the backup from being good.
#[test]
fn without_the_page_a_cut_manifest_is_made_anew_and_says_so() {
    let files = without(&whole(), &[INDEX]);
    let text = &files[MANIFEST];
    let images_at = find(text, b"\"images\"");
    let behind = find(text, b"\"folder_created\"");
    let closed_at = text[..behind].iter().rposition(|byte| *byte == b']');
    let closed_at = closed_at.unwrap();
    for at in (0..text.len() - 1).step_by(7) {
        let torn = with(&files, MANIFEST, &text[..at]);
        is_told(&torn, at);
        let result = repair(&torn, at % 2 == 0);
        if at % 2 == 1 && at < images_at {
            // The layout is lost or cut, and nobody gave one.
            let Err(failure) = result else {
                // All of it stood in the text already.
                continue;
            };
            assert_eq!(failure.error.kind(), ErrorKind::Refused, "{at}");
            assert!(failure.error.help().unwrap().contains("--layout"), "{at}");
            continue;
        }
        let (repaired, after) = result.unwrap_or_else(|f| panic!("{at}: {}", f.error));
        assert_eq!(repaired.how, How::Rebuilt, "{at}");
        let rebuilt = repaired.manifest.rebuilt.as_ref().unwrap();
        assert!(rebuilt.proven[0].contains("mtd0.bin"), "{rebuilt:?}");
        let kept = after.get("manifest.json.torn").map_or(0, Vec::len);
        assert_eq!(kept, at, "what was torn is kept");
        let report = verify(&after).unwrap();
        assert!(!report.has(Meaning::Differs), "{at}: {:?}", report.findings);
        assert_eq!(report.images_right, 3, "{at}");
        // Only where all images were told is it known that the flash gave all.
        assert_eq!(report.has(Meaning::Partial), at <= closed_at, "{at}");
        assert!(report.has(Meaning::Note), "{at}");
    }
}

fn find(text: &[u8], word: &[u8]) -> usize {
    text.windows(word.len()).position(|w| w == word).unwrap()
}

/// An image with a hole never becomes whole by losing the manifest that told.
#[test]
fn a_hole_is_not_forgotten() {
    let folder = MemoryFolder::default();
    back_up(&device(1, "read-error@0xc00"), &folder).unwrap();
    let files = folder.files();
    assert!(Manifest::parse(&files[MANIFEST]).unwrap().is_partial());
    let text = &files[MANIFEST];
    for at in (0..text.len()).step_by(11) {
        for files in [&files, &without(&files, &[INDEX])] {
            let torn = with(files, MANIFEST, &text[..at]);
            let (repaired, after) = repair(&torn, true).unwrap();
            assert!(repaired.manifest.is_partial(), "{at}");
            assert!(!is_good(&verify(&after).unwrap()), "{at}");
        }
    }
}

#[rstest]
#[case::cut(|text: &[u8]| text[..100].to_vec())]
#[case::empty(|_: &[u8]| Vec::new())]
#[case::flipped(|text: &[u8]| { let mut text = text.to_vec(); text[3] ^= 1; text })]
#[case::manifests_line(|text: &[u8]| { let mut text = text.to_vec(); let at = text.len() - 20; text[at] ^= 1; text })]
fn damaged_sums_come_back(#[case] damage: fn(&[u8]) -> Vec<u8>) {
    let files = whole();
    let torn = with(&files, SUMS, &damage(&files[SUMS]));
    assert!(!is_good(&verify(&torn).unwrap()));
    let (repaired, after) = repair(&torn, false).unwrap();
    assert_eq!(
        (repaired.how, repaired.written),
        (How::Whole, vec![SUMS.into()])
    );
    assert_eq!(after[SUMS], files[SUMS]);
    assert!(is_good(&verify(&after).unwrap()));
    let missing = without(&files, &[SUMS]);
    assert!(!is_good(&verify(&missing).unwrap()));
    assert_eq!(repair(&missing, false).unwrap().1, files);
}

/// One bit changed in every byte of `SHA256SUMS`: never good, and it comes back.
#[test]
fn sums_changed_anywhere_are_told_and_come_back() {
    let files = whole();
    for at in 0..files[SUMS].len() {
        let mut text = files[SUMS].clone();
        text[at] ^= 1 << (at % 8);
        let torn = with(&files, SUMS, &text);
        let told = verify(&torn).unwrap_or_else(|failure| panic!("{at}: {}", failure.error));
        assert!(!is_good(&told), "{at}: {:?}", told.findings);
        let (repaired, after) = repair(&torn, false).unwrap();
        assert_eq!(repaired.how, How::Whole, "{at}");
        assert!(after[SUMS] == files[SUMS], "{at}");
    }
}

/// Every pair of the three texts lost at once.
#[rstest]
#[case::manifest_and_sums(&[MANIFEST, SUMS], Some(How::Rebuilt))]
#[case::manifest_and_page(&[MANIFEST, INDEX], Some(How::Rebuilt))]
#[case::sums_and_page(&[SUMS, INDEX], Some(How::Whole))]
#[case::all(&[MANIFEST, SUMS, INDEX], None)]
fn several_texts_are_lost(#[case] lost: &[&str], #[case] how: Option<How>) {
    let files = without(&whole(), lost);
    match (repair(&files, true), how) {
        (Ok((repaired, after)), Some(how)) => {
            assert_eq!(repaired.how, how);
            let report = verify(&after).unwrap();
            assert!(!report.has(Meaning::Differs), "{:?}", report.findings);
        }
        (Err(failure), None) => assert_eq!(failure.error.kind(), ErrorKind::Refused),
        (result, how) => panic!("{result:?}, and not {how:?}"),
    }
}

/// What a rebuilt manifest says of a damaged image is what it should be.
#[test]
fn a_damaged_image_stays_damaged() {
    let mut files = without(&whole(), &[INDEX]);
    files.get_mut("mtd2.bin").unwrap()[7] ^= 1;
    let torn = with(&files, MANIFEST, &files[MANIFEST][..50]);
    let (repaired, after) = repair(&torn, true).unwrap();
    let rebuilt = repaired.manifest.rebuilt.unwrap();
    assert!(rebuilt.not_proven[0].contains("mtd2.bin"), "{rebuilt:?}");
    let report = verify(&after).unwrap();
    assert!(report.has(Meaning::Differs));
    assert_eq!(report.images_right, 2);
    // One that is missing is told as missing.
    let torn = without(&torn, &["mtd2.bin"]);
    let (_, after) = repair(&torn, true).unwrap();
    assert!(verify(&after).unwrap().has(Meaning::Differs));
}

/// A power cut at every operation of a repair: the next one finishes it.
#[test]
fn a_repair_that_was_cut_off_is_completed() {
    let files = whole();
    for lost in [vec![], vec![INDEX]] {
        let torn = with(&without(&files, &lost), MANIFEST, &files[MANIFEST][..700]);
        let folder = MemoryFolder::holding(torn.clone());
        repair_in(&folder, true).unwrap();
        let operations = folder.operations();
        assert!(operations > 5);
        for cut_at in 0..operations {
            let folder = MemoryFolder::holding(torn.clone()).with_cut_at(cut_at);
            repair_in(&folder, true).unwrap_err();
            let left = folder.durable_files();
            let (_, after) =
                repair(&left, true).unwrap_or_else(|f| panic!("{cut_at}: {}", f.error));
            let report = verify(&without(&after, &parts(&after))).unwrap();
            assert!(
                !report.has(Meaning::Differs),
                "{cut_at}: {:?}",
                report.findings
            );
            assert_eq!(report.images_right, 3, "{cut_at}");
        }
    }
}

fn parts(files: &Files) -> Vec<&str> {
    let names = files.keys().map(String::as_str);
    names.filter(|name| name.ends_with(".part")).collect()
}

/// The mark of an unfinished backup, cut anywhere: no dead end, and never another
/// device's images replaced.
#[test]
fn a_torn_mark_is_no_dead_end() {
    let own = device(1, "");
    for cut_at in [9, 17, 24] {
        let folder = MemoryFolder::default().with_cut_at(cut_at);
        back_up(&own, &folder).unwrap_err();
        let left = folder.files();
        let mark = left[UNFINISHED].clone();
        for at in [0, 1, 40, mark.len() / 2, mark.len() - 2] {
            let torn = with(&left, UNFINISHED, &mark[..at]);
            let images = torn.keys().filter(|name| name.ends_with(".bin")).count();
            // verify and repair say what completes it.
            let help = verify(&torn).unwrap_err().error.help().unwrap();
            assert!(help.contains("mtdkeep backup"), "{help}");
            let help = repair(&torn, true).unwrap_err().error.help().unwrap();
            assert!(help.contains("mtdkeep backup"), "{help}");
            // Another device's flash is never put over the images that are there.
            let folder = MemoryFolder::holding(torn.clone());
            let other = back_up(&device(2, ""), &folder);
            if images > 0 {
                let failure = other.unwrap_err();
                assert_eq!(failure.error.kind(), ErrorKind::Refused, "{at}");
                assert_eq!(folder.files(), torn, "{at}");
            }
            let folder = MemoryFolder::holding(torn);
            let again = back_up(&own, &folder);
            again.unwrap_or_else(|failure| panic!("{cut_at} {at}: {}", failure.error));
            assert!(is_good(&verify(&folder.files()).unwrap()), "{cut_at} {at}");
        }
    }
}

/// A finished backup with a torn manifest and the device at hand: a backup into the
/// same folder keeps every image that is the flash's, and says it all anew.
#[test]
fn a_backup_goes_on_in_a_damaged_folder_of_its_device() {
    let files = whole();
    let torn = with(&files, MANIFEST, &files[MANIFEST][..300]);
    let folder = MemoryFolder::holding(torn.clone());
    back_up(&device(1, ""), &folder).unwrap();
    let after = folder.files();
    assert!(after["manifest.json.torn"] == files[MANIFEST][..300]);
    assert!(after[MANIFEST] == files[MANIFEST]);
    assert!(is_good(&verify(&after).unwrap()));
    let folder = MemoryFolder::holding(torn.clone());
    let failure = back_up(&device(2, ""), &folder).unwrap_err();
    assert_eq!(failure.error.kind(), ErrorKind::Refused);
    assert_eq!(folder.files(), torn);
}

/// What a power cut can leave of a finished backup's texts, empty files: `clean` does
/// not take images on the strength of an empty `manifest.json`, `repair` finds nothing
/// that proves them, and a backup of the same device goes on.
#[test]
fn empty_texts_are_no_dead_end() {
    let mut files = without(&whole(), &[INDEX]);
    for name in [MANIFEST, SUMS] {
        files.insert(name.into(), Vec::new());
    }
    let folder = MemoryFolder::holding(files.clone());
    let failure = backup::clean::clean(&folder).unwrap_err();
    assert_eq!(failure.error.kind(), ErrorKind::Refused);
    assert_eq!(folder.files(), files);
    let failure = repair(&files, true).unwrap_err();
    assert!(failure.error.help().unwrap().contains("mtdkeep backup"));
    back_up(&device(2, ""), &folder).unwrap_err();
    assert_eq!(folder.files(), files);
    back_up(&device(1, ""), &folder).unwrap();
    assert!(is_good(&verify(&folder.files()).unwrap()));
    // Of an image, nothing is left: it is made again.
    let mut files = without(&whole(), &[MANIFEST, INDEX, SUMS]);
    files.insert(UNFINISHED.into(), Vec::new());
    files.insert("mtd1.bin".into(), Vec::new());
    let folder = MemoryFolder::holding(files);
    back_up(&device(1, ""), &folder).unwrap();
    assert!(is_good(&verify(&folder.files()).unwrap()));
}
