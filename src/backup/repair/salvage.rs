//! What a torn manifest still tells, piece by piece.
//!
//! Invariant: a piece is taken only where all of it can be read; whether it is right
//! is for the caller to compare, because damage may lie inside a value.

use super::super::manifest::{Device, Image, LayoutEntry, Origin};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A torn text longer than this is looked at no further: a dozen partitions take
/// some kilobytes.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// What could be read.
#[derive(Debug, Default)]
pub(super) struct Salvaged {
    pub(super) device: Option<Device>,
    pub(super) created_utc: Option<String>,
    pub(super) folder_created: bool,
    pub(super) origin: Option<Origin>,
    /// Only where all of it is there.
    pub(super) layout: Option<Vec<LayoutEntry>>,
    /// Each one that is whole, by the number of their MTD device.
    images: BTreeMap<u32, Image>,
}

impl Salvaged {
    /// From several torn texts of one manifest, the best first.
    pub(super) fn of(texts: &[Vec<u8>]) -> Self {
        let mut all = Self::default();
        for text in texts {
            let text = &text[..text.len().min(TEXT_BYTES_MAX)];
            all.device = all.device.or_else(|| value(text, "device"));
            all.created_utc = all.created_utc.or_else(|| value(text, "created_utc"));
            all.origin = all.origin.or_else(|| value(text, "origin"));
            all.layout = all.layout.or_else(|| value(text, "layout"));
            all.folder_created |= value(text, "folder_created").unwrap_or(false);
            for image in images(text) {
                all.images.entry(image.mtd).or_insert(image);
            }
        }
        all
    }

    pub(super) fn image(&self, mtd: u32) -> Option<&Image> {
        self.images.get(&mtd)
    }
}

/// The value behind the first `"key":`. No string can hold that, because quotes in
/// strings are escaped.
fn value<T: DeserializeOwned>(text: &[u8], key: &str) -> Option<T> {
    let rest = behind(text, key)?;
    serde_json::Deserializer::from_slice(rest)
        .into_iter()
        .next()?
        .ok()
}

fn behind<'a>(text: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let key = format!("\"{key}\":").into_bytes();
    let at = text.windows(key.len()).position(|window| window == key)?;
    Some(&text[at + key.len()..])
}

/// Every whole image behind `"images":`. One that is damaged costs itself only.
fn images(text: &[u8]) -> Vec<Image> {
    let mut images = Vec::new();
    let mut rest = behind(text, "images").unwrap_or_default();
    while let Some(at) = rest.iter().position(|byte| *byte == b'{') {
        rest = &rest[at..];
        let mut stream = serde_json::Deserializer::from_slice(rest).into_iter::<Image>();
        match stream.next() {
            Some(Ok(image)) => {
                let end = stream.byte_offset();
                images.push(image);
                rest = &rest[end.max(1)..];
            }
            _ => rest = &rest[1..],
        }
    }
    images
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = r#"{
  "format": "mtdkeep-backup",
  "created_utc": "2026-01-01T00:00:00Z",
  "device": { "description": "a {\"device\"}" },
  "layout": [ { "mtd": 0, "name": "a", "size_bytes": 1, "erase_block_bytes": 1 } ],
  "images": [
    { "mtd": 0, "name": "{", "file": "mtd0.bin", "size_bytes": 1, "erase_block_bytes": 1,
      "crc32": "00000000", "unreadable": [ { "offset_bytes": 0, "length_bytes": 1, "reason": "}" } ] },
    { "mtd": 1, "name": "b", "file": "mtd1.bin", "size_bytes": 1, "erase_block_bytes": 1,
      "crc32": "00000001" }
  ],
  "folder_created": true
}"#;

    #[test]
    fn a_damaged_image_costs_itself_only() {
        let whole = Salvaged::of(&[TEXT.into()]);
        assert_eq!(whole.images.len(), 2);
        assert!(whole.folder_created && whole.layout.is_some() && whole.origin.is_none());
        let torn = TEXT.replacen("\"crc32\": \"00000000\"", "\"crc32\": 0000", 1);
        let torn = Salvaged::of(&[torn.into()]);
        assert_eq!(torn.images.len(), 1);
        assert!(torn.image(1).is_some());
        // What one text lacks, the other has.
        let half = TEXT[..TEXT.find("\"images\"").unwrap()].into();
        let both = Salvaged::of(&[half, TEXT.into()]);
        assert_eq!(both.images.len(), 2);
    }

    proptest! {
        #[test]
        fn a_cut_gives_less_and_never_something_else(at in 0..TEXT.len()) {
            let whole = Salvaged::of(&[TEXT.into()]);
            let cut = Salvaged::of(&[TEXT.as_bytes()[..at].into()]);
            for image in cut.images.values() {
                prop_assert_eq!(Some(image), whole.image(image.mtd));
            }
            prop_assert!(cut.layout.is_none() || cut.layout == whole.layout);
        }

        #[test]
        fn no_bytes_make_it_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
            Salvaged::of(&[[b"\"images\":".as_slice(), &text].concat(), text]);
        }
    }
}
