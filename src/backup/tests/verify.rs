//! `verify` on a folder that a test made: what the medium holds, and how much.

use crate::backup::sums::render as render_sums;
use crate::backup::tests::memory_folder::MemoryFolder;
use crate::backup::verify::verify;
use crate::backup::{
    Device, DigestChoice, Digests, Image, Kind, LayoutEntry, MANIFEST, Manifest, Report, SUMS, Work,
};
use std::collections::BTreeMap;

fn check(folder: &MemoryFolder) -> Report {
    let work = Work {
        buffer_bytes: 1000,
        workers: 1,
        ..Work::default()
    };
    verify(folder, None, &work).unwrap()
}

/// A backup with so many images, of a byte each.
fn backup_of(count: u32) -> MemoryFolder {
    let mut digests = Digests::new(DigestChoice::Both);
    digests.update(&[7]);
    let digests = digests.finish();
    let name = |mtd: u32| format!("p{mtd}");
    let entry = |mtd| LayoutEntry {
        mtd,
        name: name(mtd),
        size_bytes: 1,
        erase_block_bytes: 1,
        offset_bytes: None,
        offset_source: None,
        contradictions: Vec::new(),
        chip_bytes: None,
        chip: None,
        parent: None,
        writeable: None,
        left_out: None,
    };
    let image = |mtd| Image {
        mtd,
        name: name(mtd),
        file: format!("mtd{mtd}.bin"),
        size_bytes: 1,
        erase_block_bytes: 1,
        crc32: digests.crc32.clone(),
        sha256: digests.sha256.clone(),
        unreadable: Vec::new(),
        second_reading: None,
        doubt: None,
        blank: None,
    };
    let mut manifest = Manifest {
        format: "mtdkeep-backup".into(),
        format_version: "1.2".into(),
        tool: "test".into(),
        created_utc: "2020-01-01T00:00:00Z".into(),
        device: Device {
            description: "many".into(),
            identity: None,
        },
        layout: (0..count).map(entry).collect(),
        images: (0..count).map(image).collect(),
        folder_created: false,
        origin: None,
        rebuilt: None,
    };
    let images = manifest.images.clone();
    // As short as it gets: Tens of thousands are to fit into what a manifest may be.
    manifest
        .images
        .iter_mut()
        .for_each(|image| image.sha256 = None);
    let text = serde_json::to_vec(&manifest).unwrap();
    let mut files: BTreeMap<String, Vec<u8>> = (0..count)
        .map(|mtd| (format!("mtd{mtd}.bin"), vec![7]))
        .collect();
    let sums = render_sums(&images, &text);
    files.insert(SUMS.into(), sums.into_bytes());
    files.insert(MANIFEST.into(), text);
    MemoryFolder::holding(files)
}

/// What the system still has of the file is as it was written; the medium is not.
#[test]
fn the_medium_is_proven_and_not_what_the_system_remembers() {
    let folder = backup_of(3);
    assert_eq!(check(&folder).images_right, 3);
    folder.rot("mtd1.bin", 0);
    let report = check(&folder);
    assert_eq!(report.images_right, 2);
    assert_eq!(report.findings[0].kind, Kind::Damaged);
    assert_eq!(report.findings[0].subject, "mtd1.bin");
}

/// As many images as a hostile or a very strange manifest has: with a walk through
/// all of them for each one, this takes minutes.
#[test]
fn tens_of_thousands_of_images_are_no_burden() {
    let report = check(&backup_of(30_000));
    assert_eq!(report.images_right, 30_000);
    let kinds: Vec<Kind> = report.findings.iter().map(|found| found.kind).collect();
    assert_eq!(kinds, [Kind::PageMissing, Kind::Crc32Only]);
}
