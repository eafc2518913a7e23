//! A manifest against itself: each partition of its layout has an image that fits,
//! or a reason why not, and there is nothing else.

use super::known::IDENTITY_BYTES_MAX;
use super::manifest::{Image, LayoutEntry, MANIFEST, Manifest, image_file};
use super::report::{Finding, Kind, Value};
use crate::mtd::MtdIndex;

/// A manifest's images, to be found without a walk through all of them for each:
/// a manifest from somewhere may have tens of thousands.
pub(super) struct Images<'a> {
    by_mtd: Vec<&'a Image>,
    by_file: Vec<&'a Image>,
}

impl<'a> Images<'a> {
    pub(super) fn of(manifest: &'a Manifest) -> Self {
        let mut by_mtd: Vec<&Image> = manifest.images.iter().collect();
        let mut by_file = by_mtd.clone();
        by_mtd.sort_unstable_by_key(|image| image.mtd);
        by_file.sort_unstable_by(|a, b| a.file.cmp(&b.file));
        Self { by_mtd, by_file }
    }

    pub(super) fn of_mtd(&self, mtd: u32) -> Option<&'a Image> {
        let at = self.by_mtd.binary_search_by_key(&mtd, |image| image.mtd);
        at.ok().map(|at| self.by_mtd[at])
    }

    pub(super) fn of_file(&self, file: &str) -> Option<&'a Image> {
        let at = self
            .by_file
            .binary_search_by(|image| image.file.as_str().cmp(file));
        at.ok().map(|at| self.by_file[at])
    }
}

/// The image of the partition that tells the device from others, where the
/// manifest names one, with the digest that its contents have by the manifest.
/// An image that is in doubt or has holes is not what was read for the identity.
pub(super) fn identity_image<'a>(
    manifest: &'a Manifest,
    images: &Images<'a>,
) -> Option<(&'a Image, &'a str)> {
    let identity = manifest.device.identity.as_ref()?;
    let entry = manifest
        .layout
        .iter()
        .find(|entry| entry.name == identity.partition && can_tell(entry))?;
    let image = images.of_mtd(entry.mtd)?;
    let whole = image.unreadable.is_empty() && image.doubt.is_none();
    whole.then_some((image, identity.sha256.as_str()))
}

/// Whether a partition is of a size that is read for the identity.
fn can_tell(entry: &LayoutEntry) -> bool {
    (1..=IDENTITY_BYTES_MAX).contains(&entry.size_bytes)
}

/// What a manifest says that cannot all be true.
pub(super) fn check(manifest: &Manifest, images: &Images<'_>, findings: &mut Vec<Finding>) {
    if manifest.images.iter().all(|image| image.size_bytes == 0) {
        findings.push(Finding::new(Kind::HoldsNothing, MANIFEST));
    }
    for entry in &manifest.layout {
        check_entry(entry, images.of_mtd(entry.mtd), findings);
    }
    let mut known: Vec<u32> = manifest.layout.iter().map(|entry| entry.mtd).collect();
    known.sort_unstable();
    let is_known = |mtd: u32| known.binary_search(&mtd).is_ok();
    for image in manifest.images.iter().filter(|image| !is_known(image.mtd)) {
        findings.push(Finding::new(Kind::NotInLayout, &image.file).of(&image.name));
    }
    let origin = manifest.origin.iter();
    for mtd in origin.flat_map(|origin| &origin.changed_while_read) {
        if !is_known(*mtd) {
            findings.push(Finding::new(Kind::NotInLayout, MtdIndex(*mtd).to_string()));
        }
    }
    check_identity(manifest, images, findings);
}

fn check_entry(entry: &LayoutEntry, image: Option<&Image>, findings: &mut Vec<Finding>) {
    let about = |kind| Finding::new(kind, entry.index().to_string()).of(&entry.name);
    let Some(image) = image else {
        if entry.left_out.is_none() {
            findings.push(about(Kind::NoImage));
        }
        return;
    };
    if entry.left_out.is_some() {
        findings.push(about(Kind::ImageAndReason));
    }
    let file = image_file(entry.index());
    let pairs = [
        (
            Value::Name(entry.name.clone()),
            Value::Name(image.name.clone()),
        ),
        (
            Value::SizeBytes(entry.size_bytes),
            Value::SizeBytes(image.size_bytes),
        ),
        (
            Value::EraseBlockBytes(entry.erase_block_bytes),
            Value::EraseBlockBytes(image.erase_block_bytes),
        ),
        (Value::File(file), Value::File(image.file.clone())),
    ];
    for (by_layout, by_image) in pairs {
        if by_layout != by_image {
            findings.push(about(Kind::Contradiction).should_be(by_layout).is(by_image));
        }
    }
    if image.size_bytes == 0 {
        findings.push(Finding::new(Kind::Empty, &image.file).of(&image.name));
    }
}

/// What tells the device from others is read for itself; the image of the same
/// partition must have the same bytes.
fn check_identity(manifest: &Manifest, images: &Images<'_>, findings: &mut Vec<Finding>) {
    let Some(identity) = &manifest.device.identity else {
        return;
    };
    let is_there = |entry: &LayoutEntry| entry.name == identity.partition && can_tell(entry);
    if !manifest.layout.iter().any(is_there) {
        findings.push(Finding::new(Kind::NotInLayout, &identity.partition));
    }
    if let Some((image, expected)) = identity_image(manifest, images) {
        if let Some(sha256) = image.sha256.as_deref().filter(|sha256| *sha256 != expected) {
            findings.push(other_identity(image, expected, sha256));
        }
    }
}

pub(super) fn other_identity(image: &Image, expected: &str, found: &str) -> Finding {
    Finding::new(Kind::OtherIdentity, &image.file)
        .of(&image.name)
        .should_be(Value::Sha256(expected.into()))
        .is(Value::Sha256(found.into()))
}
