//! The part of [`verify`](super::verify) that reads: each image against manifest
//! and `SHA256SUMS`, and beside it the flash if wanted.
//!
//! Invariants: file and flash are read once each, in step, streaming; where the
//! flash is unknown (by the manifest, or because it cannot be read now) nothing
//! counts as different.

use super::destination::{Destination, Entry};
use super::digest::{DigestChoice, DigestValues, Digests};
use super::error::BackupError;
use super::events::Observer;
use super::image::{first_difference, read_full};
use super::manifest::{Image, Manifest, Unreadable};
use super::reader::{Reader, Stop};
use super::sums::SumLine;
use super::verify::{DeviceCheck, Devices, Finding, Meaning, finding};
use super::workers;
use crate::mtd::{MtdInfo, MtdRead};

/// One image to check, with what it is to be compared with.
struct Job<'a> {
    image: &'a Image,
    entry: Option<&'a Entry>,
    sum: Option<&'a SumLine>,
    device: Option<Box<dyn MtdRead>>,
}

impl Job<'_> {
    /// What the file's digests are compared with decides which are made.
    fn digests(&self) -> DigestChoice {
        let wants_sha256 = self.image.sha256.is_some() || self.sum.is_some();
        // A manifest's image always has one; `Manifest::parse` sees to it.
        DigestChoice::of(self.image.crc32.is_some(), wants_sha256).unwrap_or_default()
    }
}

#[expect(clippy::too_many_arguments)] // One caller; a struct would only rename them.
pub(super) fn check_images(
    folder: &dyn Destination,
    check: &DeviceCheck<'_>,
    observer: &dyn Observer,
    manifest: &Manifest,
    own: &[Entry],
    sums: &[SumLine],
    devices: Option<Devices>,
    findings: &mut Vec<Finding>,
) -> Result<usize, BackupError> {
    let mut devices = devices.unwrap_or_default();
    devices.resize_with(manifest.images.len(), || None);
    let jobs: Vec<Job<'_>> = manifest
        .images
        .iter()
        .zip(devices)
        .map(|(image, device)| Job {
            image,
            entry: own.iter().find(|entry| entry.name == image.file),
            sum: sums.iter().find(|line| line.file == image.file),
            device,
        })
        .collect();
    let bytes = manifest.images.iter().map(|image| image.size_bytes).sum();
    let names: Vec<&str> = jobs.iter().map(|job| job.image.name.as_str()).collect();
    observer.planned(&names, bytes);
    let checker = Checker {
        folder,
        buffer_bytes: check.buffer_bytes.max(1),
        stop: Stop {
            interrupt: check.interrupt,
            failed: None,
        },
        observer,
    };
    let mut results = Vec::with_capacity(jobs.len());
    workers::run(
        check.workers,
        jobs,
        |job| job.image.size_bytes,
        |job, buffers: &mut [Vec<u8>; 2]| checker.image(job, buffers),
        |result| results.push(result),
    );
    let mut right = 0;
    for result in results {
        let found = result?;
        let wrong = |f: &Finding| matches!(f.meaning, Meaning::Differs | Meaning::Unchecked);
        right += usize::from(!found.iter().any(wrong));
        findings.extend(found);
    }
    Ok(right)
}

struct Checker<'a> {
    folder: &'a dyn Destination,
    buffer_bytes: usize,
    stop: Stop<'a>,
    observer: &'a dyn Observer,
}

impl Checker<'_> {
    fn image(
        &self,
        job: &mut Job<'_>,
        buffers: &mut [Vec<u8>; 2],
    ) -> Result<Vec<Finding>, BackupError> {
        let image = job.image;
        self.observer.begin(&image.name);
        let Some(entry) = job.entry else {
            return Ok(vec![finding(Meaning::Differs, &image.file, "is missing")]);
        };
        let mut found = Vec::new();
        let length_bytes = entry.size_bytes.unwrap_or(0);
        if length_bytes != image.size_bytes {
            let message = format!(
                "has {length_bytes:#x} bytes; the manifest says {:#x}",
                image.size_bytes
            );
            found.push(finding(Meaning::Differs, &image.file, message));
        }
        let values = match self.read(job, buffers, &mut found)? {
            Ok(values) => values,
            Err(error) => {
                let message = format!("could not be read: {error}");
                found.push(finding(Meaning::Unchecked, &image.file, message));
                return Ok(found);
            }
        };
        compare_digests(image, job.sum, &values, &mut found);
        Ok(found)
    }

    /// Reads the file to its end, and the flash beside it where there is one.
    fn read(
        &self,
        job: &mut Job<'_>,
        [stored, flash]: &mut [Vec<u8>; 2],
        found: &mut Vec<Finding>,
    ) -> Result<std::io::Result<DigestValues>, BackupError> {
        let image = job.image;
        let mut stream = match self.folder.open(&image.file) {
            Ok(stream) => stream,
            Err(error) => return Ok(Err(error)),
        };
        let info = job.device.as_ref().map(|device| device.info().clone());
        let mut digests = Digests::new(job.digests());
        let mut reader = job
            .device
            .as_mut()
            .map(|device| Reader::new(device.as_mut(), self.stop));
        let bytes = self.buffer_bytes;
        stored.resize(bytes, 0);
        flash.resize(if reader.is_some() { bytes } else { 0 }, 0);
        let mut offset_bytes = 0u64;
        let mut differs_at = None;
        loop {
            self.stop.check()?;
            // As much as the flash gives at once, so that both stay in step.
            let flash_count = match &mut reader {
                Some(reader) => reader.next(flash)?,
                None => 0,
            };
            let want = if flash_count > 0 { flash_count } else { bytes };
            let count = match read_full(stream.as_mut(), &mut stored[..want]) {
                Ok(count) => count,
                Err(error) => return Ok(Err(error)),
            };
            if let (Some(reader), None) = (&reader, differs_at) {
                let piece = &mut flash[..flash_count];
                mask(piece, &stored[..count], offset_bytes, &image.unreadable);
                mask(piece, &stored[..count], offset_bytes, reader.unreadable());
                differs_at = first_difference(&stored[..count.min(flash_count)], piece)
                    .map(|at| offset_bytes + at as u64);
            }
            digests.update(&stored[..count]);
            if count == 0 && flash_count == 0 {
                break;
            }
            offset_bytes += count.max(flash_count) as u64;
            self.observer.progress(count as u64);
        }
        if let (Some(reader), Some(info)) = (reader, info) {
            tell_of_flash(&info, image, differs_at, &reader.into_unreadable(), found);
        }
        Ok(Ok(digests.finish()))
    }
}

/// Puts the file's bytes where the flash's are unknown, so that nothing differs
/// there.
fn mask(flash: &mut [u8], stored: &[u8], offset_bytes: u64, unknown: &[Unreadable]) {
    let end_bytes = offset_bytes + flash.len().min(stored.len()) as u64;
    for range in unknown {
        let start = range.offset_bytes.max(offset_bytes);
        let end = (range.offset_bytes + range.length_bytes).min(end_bytes);
        if start < end {
            let within = (start - offset_bytes) as usize..(end - offset_bytes) as usize;
            flash[within.clone()].copy_from_slice(&stored[within]);
        }
    }
}

fn tell_of_flash(
    info: &MtdInfo,
    image: &Image,
    differs_at: Option<u64>,
    unreadable: &[Unreadable],
    found: &mut Vec<Finding>,
) {
    if let Some(at) = differs_at {
        let (block_bytes, _) = info.erase_block_around(at);
        let erase_block = block_bytes
            .checked_div(info.erase_block_bytes)
            .unwrap_or_default();
        let message = format!(
            "differs from the flash: first at {at:#x} of {}, in erase block {erase_block} (from {block_bytes:#x})",
            info.id()
        );
        found.push(Finding {
            offset_bytes: Some(at),
            erase_block: Some(erase_block),
            ..finding(Meaning::Differs, &image.file, message)
        });
    }
    for range in unreadable {
        let message = format!(
            "{:#x} bytes at {:#x} not compared with the flash: {}",
            range.length_bytes, range.offset_bytes, range.reason
        );
        found.push(Finding {
            offset_bytes: Some(range.offset_bytes),
            ..finding(Meaning::Unchecked, &image.file, message)
        });
    }
}

fn compare_digests(
    image: &Image,
    sum: Option<&SumLine>,
    values: &DigestValues,
    found: &mut Vec<Finding>,
) {
    let mut differs = |what: &str, is: &str, should: &str| {
        let message = format!("{what} is {is}; it should be {should}");
        found.push(finding(Meaning::Differs, &image.file, message));
    };
    // What is to be compared was digested, see `Job::digests`.
    let sha256 = values.sha256.as_deref().unwrap_or_default();
    let crc32 = values.crc32.as_deref().unwrap_or_default();
    let by_manifest = image.sha256.as_deref().unwrap_or(sha256);
    if sha256 != by_manifest {
        differs("its SHA-256", sha256, by_manifest);
    }
    if let Some(by_manifest) = image.crc32.as_deref().filter(|digest| *digest != crc32) {
        differs("its CRC-32", crc32, by_manifest);
    }
    match sum.map(|line| line.sha256.as_str()) {
        Some(line) if line != sha256 && line != by_manifest => {
            differs("by SHA256SUMS its SHA-256", sha256, line);
        }
        Some(line) if line != by_manifest => {
            differs("by the manifest its SHA-256", by_manifest, line);
        }
        _ => {}
    }
}
