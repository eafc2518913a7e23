//! A chip cut into partitions and put together again, over random layouts.

use crate::backend::SimulatedBackend;
use crate::backup::{self, Folder, JoinError, MANIFEST, Manifest, Request, SUMS, join, plan_join};
use crate::layout;
use mtd_harness::chip::Geometry;
use mtd_harness::layout::{ChipLayout, Layout, PartitionSpec};
use mtd_harness::profile;
use proptest::prelude::*;
use std::fs;
use std::ops::Range;
use std::path::Path;

const BLOCK: u64 = 0x100;
const BLOCKS: u64 = 32;

/// Partitions anywhere on the chip, over each other, in any order.
fn parts() -> impl Strategy<Value = Vec<Range<u64>>> {
    let part = (0..BLOCKS, 1..=BLOCKS).prop_map(|(start, blocks)| {
        let end = (start + blocks).min(BLOCKS);
        start * BLOCK..end * BLOCK
    });
    prop::collection::vec(part, 1..8)
}

fn layout(parts: &[Range<u64>]) -> Layout {
    let geometry = Geometry {
        size_bytes: BLOCK * BLOCKS,
        erase_block_bytes: BLOCK as u32,
    };
    let partitions = parts.iter().enumerate().map(|(at, part)| PartitionSpec {
        name: format!("p{at}"),
        offset_bytes: part.start,
        size_bytes: part.end - part.start,
        ..PartitionSpec::default()
    });
    Layout::new([ChipLayout::new(geometry, partitions)])
}

fn chip() -> Vec<u8> {
    (0..(BLOCK * BLOCKS / 4) as u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes())
        .collect()
}

/// Backs the chip up; `names` are the partitions, all where there are none.
fn back_up(parts: &[Range<u64>], names: &[String], at: &Path) -> (Folder, Manifest) {
    let device = profile::from_bytes(&chip(), &layout(parts)).unwrap();
    let folder = Folder::open_or_create(at).unwrap();
    let request = Request {
        partitions: names,
        ..Request::default()
    };
    let backend = SimulatedBackend::new(device);
    let summary = backup::backup(&backend, &folder, &request, &backup::Work::default()).unwrap();
    (folder, summary.manifest)
}

fn joined(folder: &Folder, manifest: &Manifest) -> Result<(Vec<u8>, Vec<Range<u64>>), JoinError> {
    let plan = plan_join(manifest, None)?;
    let mut bytes = Vec::new();
    join(folder, &plan, &mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })?;
    Ok((bytes, plan.gaps))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_was_cut_is_put_together_again(parts in parts()) {
        let outer = tempfile::tempdir().unwrap();
        let (folder, manifest) = back_up(&parts, &[], outer.path());
        let (bytes, gaps) = joined(&folder, &manifest).unwrap();
        let mut wanted = chip();
        for (at, byte) in wanted.iter_mut().enumerate() {
            let covered = parts.iter().any(|part| part.contains(&(at as u64)));
            let in_gap = gaps.iter().any(|gap| gap.contains(&(at as u64)));
            prop_assert_eq!(covered, !in_gap);
            if !covered {
                *byte = 0xff;
            }
        }
        prop_assert!(bytes == wanted);
    }

    /// A byte that is another one in one image: never a chip.
    #[test]
    fn a_damaged_image_makes_no_chip(parts in parts(), at in any::<prop::sample::Index>(), which in any::<prop::sample::Index>()) {
        let outer = tempfile::tempdir().unwrap();
        let (folder, manifest) = back_up(&parts, &[], outer.path());
        let file = outer.path().join(&manifest.images[which.index(parts.len())].file);
        let mut image = fs::read(&file).unwrap();
        let at = at.index(image.len());
        image[at] ^= 1;
        fs::write(&file, image).unwrap();
        let error = joined(&folder, &manifest).unwrap_err();
        let found = matches!(error, JoinError::Differ { .. } | JoinError::Changed { .. });
        prop_assert!(found, "{}", error);
    }

    /// What was left out is there only if others have all of its bytes.
    #[test]
    fn a_partition_without_an_image_must_be_in_others(parts in parts(), which in any::<prop::sample::Index>()) {
        let left_out = which.index(parts.len());
        let names: Vec<_> = (0..parts.len()).filter(|at| *at != left_out).map(|at| format!("p{at}")).collect();
        prop_assume!(!names.is_empty());
        let outer = tempfile::tempdir().unwrap();
        let (folder, manifest) = back_up(&parts, &names, outer.path());
        let others = |at: u64| parts.iter().enumerate().any(|(n, p)| n != left_out && p.contains(&at));
        match joined(&folder, &manifest) {
            Ok(_) => prop_assert!(parts[left_out].clone().all(others)),
            Err(JoinError::NoImage { .. }) => prop_assert!(!parts[left_out].clone().all(others)),
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}

/// Two partitions, of which the second begins in the first.
const OVERLAPPING: [Range<u64>; 2] = [0..0x1000, 0x800..0x2000];

/// Flash changes between two partitions that hold the same bytes: each image is what its
/// digests say, and there is no chip that both are of.
#[test]
fn images_that_are_right_and_differ_make_no_chip() {
    let outer = tempfile::tempdir().unwrap();
    let (folder, mut manifest) = back_up(&OVERLAPPING, &[], outer.path());
    let image = &mut manifest.images[1];
    let file = outer.path().join(&image.file);
    let mut bytes = fs::read(&file).unwrap();
    bytes[0x7ff] ^= 1;
    fs::write(&file, &bytes).unwrap();
    image.sha256 = Some(backup::sha256(&bytes));
    image.crc32 = Some(format!("{:08x}", crc32fast::hash(&bytes)));
    let error = joined(&folder, &manifest).unwrap_err();
    assert!(matches!(error, JoinError::Differ { .. }), "{error}");
}

/// Either digest alone, and the length, tells that an image is another one.
#[test]
fn each_digest_of_an_image_counts() {
    let outer = tempfile::tempdir().unwrap();
    let whole = 0..BLOCK * BLOCKS;
    let (folder, manifest) = back_up(std::slice::from_ref(&whole), &[], outer.path());
    joined(&folder, &manifest).unwrap();
    let changes: [fn(&mut backup::Image, &Path); 3] = [
        |image, _| image.sha256 = Some("0".repeat(64)),
        |image, _| image.crc32 = Some("0".repeat(8)),
        |_, file| fs::write(file, [fs::read(file).unwrap(), vec![0]].concat()).unwrap(),
    ];
    for change in changes {
        let mut manifest = manifest.clone();
        let file = outer.path().join("mtd0.bin");
        change(&mut manifest.images[0], &file);
        let error = joined(&folder, &manifest).unwrap_err();
        assert!(matches!(error, JoinError::Changed { .. }), "{error}");
    }
}

/// An image of which not all is the flash's counts as none.
#[test]
fn holes_and_doubts_are_no_image() {
    let outer = tempfile::tempdir().unwrap();
    let (folder, manifest) = back_up(&OVERLAPPING, &[], outer.path());
    let changes: [fn(&mut backup::Image); 2] = [
        |image| {
            image.unreadable.push(backup::Unreadable {
                offset_bytes: 0,
                length_bytes: BLOCK,
                reason: String::new(),
            });
        },
        |image| image.doubt = Some("two readings".into()),
    ];
    for change in changes {
        let mut manifest = manifest.clone();
        change(&mut manifest.images[1]);
        let error = joined(&folder, &manifest).unwrap_err();
        assert!(matches!(error, JoinError::NoImage { .. }), "{error}");
    }
}

/// Where nobody tells how large the chip is, a partition at its end is missed all the
/// same; and where somebody does, none reaches further.
#[test]
fn the_end_of_the_chip_counts() {
    let outer = tempfile::tempdir().unwrap();
    let (folder, mut manifest) = back_up(&[0..0x400, 0x400..0x2000], &[], outer.path());
    let tell = |manifest: &mut Manifest, bytes| {
        for entry in &mut manifest.layout {
            entry.chip_bytes = bytes;
        }
    };
    tell(&mut manifest, Some(0x1f00));
    let error = joined(&folder, &manifest).unwrap_err();
    assert!(matches!(error, JoinError::PastTheEnd { .. }), "{error}");
    tell(&mut manifest, None);
    joined(&folder, &manifest).unwrap();
    manifest.images.pop();
    let error = joined(&folder, &manifest).unwrap_err();
    assert!(matches!(error, JoinError::NoImage { .. }), "{error}");
}

/// Places that are only inferred, or of an unknown chip, make no chip; a text does.
#[test]
fn only_certain_places_count() {
    let outer = tempfile::tempdir().unwrap();
    let parts = [0..0x400, 0x400..0x2000];
    let (folder, manifest) = back_up(&parts, &[], outer.path());
    let text = |log: &str| layout::read(log.as_bytes()).unwrap();
    let log = text("0x0-0x400 : \"p0\"\n0x400-0x2000 : \"p1\"\n");
    let mut inferred = manifest.clone();
    for entry in &mut inferred.layout {
        entry.offset_source = Some("sum of sizes".into());
    }
    let mut elsewhere = manifest.clone();
    for entry in &mut elsewhere.layout {
        entry.chip = None;
    }
    for manifest in [&inferred, &elsewhere] {
        let error = joined(&folder, manifest).unwrap_err();
        assert!(matches!(error, JoinError::Uncertain { .. }), "{error}");
        // That an offset is not known is not said where it is.
        let lacks_chip = std::ptr::eq(manifest, &elsewhere);
        assert_eq!(
            error.to_string().contains("on which chip"),
            lacks_chip,
            "{error}"
        );
        assert_eq!(plan_join(manifest, Some(&log)).unwrap().size_bytes, 0x2000);
    }
    let mut contradicted = manifest.clone();
    contradicted.layout[1].contradictions = vec!["0x800 by the device tree".into()];
    let error = joined(&folder, &contradicted).unwrap_err();
    assert!(matches!(error, JoinError::Contradicted { .. }), "{error}");
    assert_eq!(
        plan_join(&contradicted, Some(&log)).unwrap().size_bytes,
        0x2000
    );
    let other = text("0x0-0x400 : \"p0\"\n0x800-0x2400 : \"p1\"\n");
    let error = plan_join(&manifest, Some(&other)).unwrap_err();
    assert!(matches!(error, JoinError::Contradiction(_)), "{error}");
    let mut two_chips = manifest.clone();
    two_chips.layout[1].chip = Some(1);
    let error = joined(&folder, &two_chips).unwrap_err();
    assert!(matches!(error, JoinError::SeveralChips { .. }), "{error}");
    for text in [MANIFEST, SUMS] {
        assert!(outer.path().join(text).exists());
    }
}
