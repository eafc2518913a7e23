//! A manifest of this program that lies in a folder without its images under their
//! names: it tells the layout, and what each image must be.

use super::layout::KnownLayout;
use super::sums::{Algorithm, Sum};
use crate::backup::{LayoutEntry, MANIFEST, Manifest};

/// Its layout.
pub(super) fn layout((manifest, file): &(Manifest, &str)) -> KnownLayout {
    KnownLayout {
        devices: manifest.layout.iter().map(LayoutEntry::info).collect(),
        from: match *file {
            MANIFEST => format!("{MANIFEST} of a backup, as it lies in the folder"),
            other => format!("the copy of {MANIFEST} in {other}"),
        },
        assumed: false,
        doubts: Vec::new(),
    }
}

/// Its digests, by the images' names.
pub(super) fn sums(manifest: &Manifest) -> Vec<Sum> {
    let mut sums = Vec::new();
    for image in &manifest.images {
        let both = [
            (Algorithm::Sha256, &image.sha256),
            (Algorithm::Crc32, &image.crc32),
        ];
        for (algorithm, digest) in both {
            sums.extend(digest.as_ref().map(|digest| Sum {
                algorithm,
                digest: digest.clone(),
                name: image.file.clone(),
                is_named: true,
            }));
        }
    }
    sums
}
