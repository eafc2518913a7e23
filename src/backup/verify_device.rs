//! The device that a backup is compared with: whether it is the one that was backed
//! up, and what of it can be compared.

use super::error::BackupError;
use super::manifest::{Image, LayoutEntry, Manifest};
use super::opening::recognise;
use super::report::{Finding, Kind, Value};
use super::work::Work;
use crate::mtd::{MtdBackend, MtdInfo, MtdRead};

pub(super) type Devices = Vec<Option<Box<dyn MtdRead>>>;

/// The devices of the manifest's images, in order; none where there is none to
/// compare with, which is a finding. A device that has nothing in common with the
/// backup is said once, and not compared.
pub(super) fn open_devices(
    backend: &dyn MtdBackend,
    manifest: &Manifest,
    work: &Work<'_>,
    findings: &mut Vec<Finding>,
) -> Result<Devices, Box<BackupError>> {
    let mut there = backend.devices()?;
    let identity = identity_of(backend, manifest, &there, work)?;
    there.sort_unstable_by_key(|info| info.index.0);
    let (mut layout, alike) = compare_layouts(&manifest.layout, &there);
    let other = match identity {
        Some(Err(other)) if layout.is_empty() => {
            findings.push(other);
            None
        }
        Some(Err(other)) => Some(other),
        None if !alike => Some(Finding::new(Kind::AnotherDevice, "the device")),
        _ => None,
    };
    if let Some(other) = other {
        findings.push(other);
        return Ok(Vec::new());
    }
    findings.append(&mut layout);
    let open = |image: &Image| {
        let info = info_of(&there, image.mtd)?;
        if info.name != image.name || info.size_bytes != image.size_bytes {
            return None;
        }
        let opened = backend.open(info);
        let error = match opened {
            Ok(device) => return Some(device),
            Err(error) => error,
        };
        let found = Finding::new(Kind::FlashNotOpened, &image.file).of(&image.name);
        findings.push(found.because(error.to_string()));
        None
    };
    Ok(manifest.images.iter().map(open).collect())
}

fn info_of(there: &[MtdInfo], mtd: u32) -> Option<&MtdInfo> {
    let at = there.binary_search_by_key(&mtd, |info| info.index.0);
    at.ok().map(|at| &there[at])
}

/// Whether it is the device that was backed up, or the finding that it is another;
/// none where one of the identities is unknown.
fn identity_of(
    backend: &dyn MtdBackend,
    manifest: &Manifest,
    there: &[MtdInfo],
    work: &Work<'_>,
) -> Result<Option<Result<(), Finding>>, Box<BackupError>> {
    let Some(expected) = &manifest.device.identity else {
        return Ok(None);
    };
    let found = recognise(
        backend,
        there,
        &mut Vec::new(),
        Some(&expected.sha256),
        work,
    )?;
    let found = found.and_then(|found| found.identity());
    let Some(found) = found.filter(|found| found.partition == expected.partition) else {
        return Ok(None);
    };
    if found.sha256 == expected.sha256 {
        return Ok(Some(Ok(())));
    }
    let other = Finding::new(Kind::AnotherDevice, "the device")
        .of(&found.partition)
        .should_be(Value::Sha256(expected.sha256.clone()))
        .is(Value::Sha256(found.sha256));
    Ok(Some(Err(other)))
}

/// How the layouts differ, one finding for each partition, and whether they have
/// anything in common.
fn compare_layouts(layout: &[LayoutEntry], there: &[MtdInfo]) -> (Vec<Finding>, bool) {
    let mut found = Vec::new();
    // Of a damaged manifest only the images may be known.
    if layout.is_empty() {
        return (found, true);
    }
    let mut alike = false;
    for entry in layout {
        let about = |kind| Finding::new(kind, entry.index().to_string()).of(&entry.name);
        let Some(info) = info_of(there, entry.mtd) else {
            found.push(about(Kind::NotOnDevice));
            continue;
        };
        let differing = differing(entry, info);
        alike |= differing.is_empty();
        for (by_backup, by_device) in differing {
            found.push(
                about(Kind::OtherPartition)
                    .should_be(by_backup)
                    .is(by_device),
            );
        }
    }
    let mut in_backup: Vec<u32> = layout.iter().map(|entry| entry.mtd).collect();
    in_backup.sort_unstable();
    for info in there {
        if in_backup.binary_search(&info.index.0).is_err() {
            found.push(Finding::new(Kind::NotInBackup, info.index.to_string()).of(&info.name));
        }
    }
    (found, alike)
}

fn differing(entry: &LayoutEntry, info: &MtdInfo) -> Vec<(Value, Value)> {
    let mut pairs = vec![
        (
            Value::Name(entry.name.clone()),
            Value::Name(info.name.clone()),
        ),
        (
            Value::SizeBytes(entry.size_bytes),
            Value::SizeBytes(info.size_bytes),
        ),
        (
            Value::EraseBlockBytes(entry.erase_block_bytes),
            Value::EraseBlockBytes(info.erase_block_bytes),
        ),
    ];
    pairs.retain(|(by_backup, by_device)| by_backup != by_device);
    pairs
}
