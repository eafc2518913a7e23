//! Texts from outside: whatever they hold, they are read or refused, never more.

use crate::backup::blank::Blank;
use crate::backup::sums::{parse as parse_sums, render as render_sums};
use crate::backup::{
    Device, Image, LayoutEntry, LeftOut, Manifest, Rebuilt, SecondReading, Unreadable,
};
use proptest::prelude::*;

fn image() -> impl Strategy<Value = Image> {
    let ranges = prop::collection::vec((1..1000u64, 1..1000u64, ".{0,20}"), 0..4);
    (
        0..1_u32 << 19,
        ".{0,30}",
        ranges,
        any::<Option<bool>>(),
        "[0-9a-f]{64}",
        prop::sample::select(&[(true, true), (true, false), (false, true)]),
    )
        .prop_map(|(mtd, name, gaps, same, digest, has)| {
            let mut end_bytes = 0;
            let unreadable = gaps
                .into_iter()
                .map(|(gap, length_bytes, reason)| {
                    let offset_bytes = end_bytes + gap;
                    end_bytes = offset_bytes + length_bytes;
                    Unreadable {
                        offset_bytes,
                        length_bytes,
                        reason,
                    }
                })
                .collect();
            Image {
                mtd,
                name,
                file: format!("mtd{mtd}.bin"),
                size_bytes: end_bytes,
                erase_block_bytes: 0x20000,
                crc32: has.0.then(|| digest[..8].into()),
                sha256: has.1.then_some(digest),
                unreadable,
                second_reading: same.map(|same| SecondReading {
                    same,
                    first_difference_bytes: (!same).then_some(7),
                }),
                doubt: None,
                blank: same.filter(|_| end_bytes > 0).map(|_| Blank {
                    byte: 0xff,
                    offset_bytes: 0,
                    length_bytes: end_bytes,
                }),
            }
        })
}

fn manifest() -> impl Strategy<Value = Manifest> {
    let left_out = prop::option::of((any::<bool>(), ".{0,20}"));
    let images = prop::collection::vec((image(), left_out, prop::option::of(0..1_u64 << 62)), 0..5);
    let rebuilt = prop::option::of(prop::collection::vec(".{0,40}", 0..3));
    let parts = (".{0,40}", images, any::<bool>(), rebuilt);
    parts.prop_map(|(description, mut images, folder_created, rebuilt)| {
        images.sort_by_key(|(image, ..)| image.mtd);
        images.dedup_by_key(|(image, ..)| image.mtd);
        Manifest {
            format: "mtdkeep-backup".into(),
            format_version: "1.0".into(),
            tool: "mtdkeep 0.1.0".into(),
            created_utc: "2026-01-01T00:00:00Z".into(),
            device: Device {
                description,
                identity: None,
            },
            layout: images
                .iter()
                .map(|(image, left_out, offset_bytes)| LayoutEntry {
                    mtd: image.mtd,
                    name: image.name.clone(),
                    size_bytes: image.size_bytes,
                    erase_block_bytes: image.erase_block_bytes,
                    offset_bytes: *offset_bytes,
                    offset_source: None,
                    contradictions: Vec::new(),
                    chip_bytes: None,
                    chip: None,
                    parent: None,
                    writeable: None,
                    left_out: left_out
                        .clone()
                        .map(|(by_choice, reason)| LeftOut { by_choice, reason }),
                })
                .collect(),
            images: images.into_iter().map(|(image, ..)| image).collect(),
            folder_created,
            origin: None,
            rebuilt: rebuilt.map(|not_proven| Rebuilt {
                not_proven,
                ..Rebuilt::default()
            }),
        }
    })
}

proptest! {
    #[test]
    fn a_manifest_comes_back_as_it_was(manifest in manifest()) {
        let text = manifest.to_json();
        prop_assert_eq!(Manifest::parse(&text).unwrap(), manifest);
    }

    #[test]
    fn a_manifest_with_any_byte_changed_is_read_or_refused(
        manifest in manifest(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut text = manifest.to_json();
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(manifest) = Manifest::parse(&text) {
            for image in &manifest.images {
                prop_assert_eq!(&image.file, &format!("mtd{}.bin", image.mtd));
            }
        }
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Manifest::parse(&bytes);
        let _ = parse_sums(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn sums_come_back_as_they_were(images in prop::collection::vec(image(), 0..5)) {
        let mut lines = parse_sums(&render_sums(&images, b"a manifest")).unwrap();
        prop_assert_eq!(lines.pop().unwrap().file, "manifest.json");
        let with_sha256 = images
            .iter()
            .filter_map(|image| Some((&image.file, image.sha256.as_ref()?)));
        let lines = lines.iter().map(|line| (&line.file, &line.sha256));
        prop_assert_eq!(lines.collect::<Vec<_>>(), with_sha256.collect::<Vec<_>>());
    }
}
