//! Proves a backup: each image against the manifest and against `SHA256SUMS`,
//! and, if wanted, against the flash itself.
//!
//! Invariants: nothing is changed; each image is read once, streaming; "differs"
//! and "could not be checked" are never mixed up; what the manifest itself says
//! is missing is told as such and never as a difference.

use super::contents::{self, Contents, State};
use super::destination::{Destination, Entry};
use super::digest::{DigestValues, Digests};
use super::error::{BackupError, Failure};
use super::events::Observer;
use super::image::{first_difference, read_full};
use super::manifest::{INDEX, Image, Manifest, SUMS, Unreadable};
use super::reader::Reader;
use super::sums::{self, SumLine};
use super::workers;
use crate::mtd::{MtdBackend, MtdInfo, MtdRead};
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};

/// `SHA256SUMS` is not longer than the manifest it belongs to.
const SUMS_BYTES_MAX: u64 = super::manifest::MANIFEST_BYTES_MAX;

/// How a check is to be done.
pub struct DeviceCheck<'a> {
    /// The device to compare with as well.
    pub backend: Option<&'a dyn MtdBackend>,
    /// How much is read at once.
    pub buffer_bytes: usize,
    /// How many images are read side by side.
    pub workers: usize,
    /// Set when the user asks to stop.
    pub interrupt: &'a AtomicBool,
}

/// What a finding means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// Something is not what it should be.
    Differs,
    /// Something could not be checked.
    Unchecked,
    /// The backup says itself that it lacks something.
    Partial,
    /// Worth knowing.
    Note,
}

/// One thing that a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it means.
    pub meaning: Meaning,
    /// The file or the partition.
    pub subject: String,
    /// In words.
    pub message: String,
    /// Where, in the image, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset_bytes: Option<u64>,
    /// In which erase block of the partition, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub erase_block: Option<u64>,
}

/// What a check came to.
#[derive(Debug)]
pub struct Report {
    /// The backup's manifest.
    pub manifest: Manifest,
    /// What was found, images in order; empty if all is well.
    pub findings: Vec<Finding>,
    /// How many images are as they should be.
    pub images_right: usize,
}

impl Report {
    /// Whether something was found that means that.
    pub fn has(&self, meaning: Meaning) -> bool {
        self.findings.iter().any(|f| f.meaning == meaning)
    }
}

fn finding(meaning: Meaning, subject: impl Into<String>, message: impl Into<String>) -> Finding {
    Finding {
        meaning,
        subject: subject.into(),
        message: message.into(),
        offset_bytes: None,
        erase_block: None,
    }
}

/// Checks a backup; the error is for what kept the check from being done at all.
pub fn verify(
    folder: &dyn Destination,
    check: &DeviceCheck<'_>,
    observer: &dyn Observer,
) -> Result<Report, Failure> {
    let Contents {
        state,
        own,
        parts,
        foreign,
    } = contents::look(folder)?;
    let manifest = match state {
        State::Finished(manifest) => *manifest,
        State::Unfinished(manifest) => {
            return Err(BackupError::Unfinished {
                folder: folder.describe(),
                created_utc: manifest.created_utc,
            }
            .into());
        }
        State::Empty | State::Script | State::Foreign => {
            return Err(BackupError::NoManifest {
                folder: folder.describe(),
            }
            .into());
        }
    };
    let mut findings = Vec::new();
    check_layout(&manifest, &mut findings);
    let sums = read_sums(folder, &manifest, &own, &mut findings)?;
    for entry in parts.iter().chain(&foreign) {
        let message = "is not part of the backup";
        findings.push(finding(Meaning::Differs, &entry.name, message));
    }
    if !own.iter().any(|entry| entry.name == INDEX) {
        let message = "is missing (no image depends on it)";
        findings.push(finding(Meaning::Note, INDEX, message));
    }
    let devices = match check.backend {
        Some(backend) => Some(open_devices(backend, &manifest, &mut findings)?),
        None => None,
    };
    let images_right = check_images(
        folder,
        check,
        observer,
        &manifest,
        &own,
        &sums,
        devices,
        &mut findings,
    )?;
    tell_what_is_missing(&manifest, &mut findings);
    Ok(Report {
        manifest,
        findings,
        images_right,
    })
}

/// The manifest against itself: each partition has its image or a reason.
fn check_layout(manifest: &Manifest, findings: &mut Vec<Finding>) {
    for entry in &manifest.layout {
        let image = manifest.images.iter().find(|image| image.mtd == entry.mtd);
        let message = match image {
            None if entry.left_out.is_none() => {
                "the manifest has no image of it and gives no reason"
            }
            Some(image) if image.size_bytes != entry.size_bytes => {
                "the manifest gives its image another size than the partition"
            }
            _ => continue,
        };
        findings.push(finding(
            Meaning::Differs,
            entry.index().to_string(),
            message,
        ));
    }
}

/// What the backup says itself that it lacks.
fn tell_what_is_missing(manifest: &Manifest, findings: &mut Vec<Finding>) {
    for (entry, why) in manifest.missing_partitions() {
        let message = format!("{} is not in this backup: {}", entry.name, why.reason);
        findings.push(finding(
            Meaning::Partial,
            entry.index().to_string(),
            message,
        ));
    }
    let not_wanted = manifest
        .layout
        .iter()
        .filter(|entry| entry.left_out.as_ref().is_some_and(|why| why.by_choice))
        .count();
    if not_wanted > 0 {
        let message = format!("{not_wanted} of its partitions were not asked for");
        findings.push(finding(Meaning::Note, "this backup", message));
    }
    for image in &manifest.images {
        for range in &image.unreadable {
            let message = format!(
                "{:#x} bytes at {:#x} could not be read when it was made and stand as 0xFF: {}",
                range.length_bytes, range.offset_bytes, range.reason
            );
            findings.push(Finding {
                offset_bytes: Some(range.offset_bytes),
                ..finding(Meaning::Partial, &image.file, message)
            });
        }
        if let Some(doubt) = &image.doubt {
            findings.push(finding(Meaning::Partial, &image.file, doubt));
        }
        if image.second_reading.as_ref().is_some_and(|s| !s.same) {
            let message = "the flash changed while it was read; the image is the first reading";
            findings.push(finding(Meaning::Partial, &image.file, message));
        }
    }
}

fn read_sums(
    folder: &dyn Destination,
    manifest: &Manifest,
    own: &[Entry],
    findings: &mut Vec<Finding>,
) -> Result<Vec<SumLine>, BackupError> {
    if !own.iter().any(|entry| entry.name == SUMS) {
        findings.push(finding(Meaning::Differs, SUMS, "is missing"));
        return Ok(Vec::new());
    }
    let text = contents::read_text(folder, SUMS, SUMS_BYTES_MAX)?;
    let lines = match sums::parse(&String::from_utf8_lossy(&text)) {
        Ok(lines) => lines,
        Err(line) => {
            let message = format!("line {line} is no digest with a file name");
            findings.push(finding(Meaning::Differs, SUMS, message));
            return Ok(Vec::new());
        }
    };
    for image in &manifest.images {
        let message = match lines.iter().filter(|line| line.file == image.file).count() {
            0 => format!("has no line for {}", image.file),
            1 => continue,
            count => format!("has {count} lines for {}", image.file),
        };
        findings.push(finding(Meaning::Differs, SUMS, message));
    }
    for line in &lines {
        if !manifest.images.iter().any(|image| image.file == line.file) {
            let message = format!("names {:?}, which the manifest does not", line.file);
            findings.push(finding(Meaning::Differs, SUMS, message));
        }
    }
    Ok(lines)
}

type Devices = Vec<Option<Box<dyn MtdRead>>>;

/// The devices of the manifest's images, in order; none where there is none to
/// compare with, which is a finding.
fn open_devices(
    backend: &dyn MtdBackend,
    manifest: &Manifest,
    findings: &mut Vec<Finding>,
) -> Result<Devices, BackupError> {
    let there = backend.devices()?;
    let mut devices = Vec::new();
    for image in &manifest.images {
        let info = there.iter().find(|info| info.index.0 == image.mtd);
        devices.push(match info {
            Some(info) if info.name == image.name && info.size_bytes == image.size_bytes => {
                match backend.open(info) {
                    Ok(device) => Some(device),
                    Err(error) => {
                        let message = format!("not compared with the flash: {error}");
                        findings.push(finding(Meaning::Unchecked, &image.file, message));
                        None
                    }
                }
            }
            other => {
                findings.push(finding(
                    Meaning::Differs,
                    &image.file,
                    no_such(image, other),
                ));
                None
            }
        });
    }
    Ok(devices)
}

fn no_such(image: &Image, found: Option<&MtdInfo>) -> String {
    let of = format!(
        "is of mtd{} ({}, {:#x} bytes)",
        image.mtd, image.name, image.size_bytes
    );
    match found {
        Some(info) => format!(
            "{of}, but the device has {} of {:#x} bytes there: the backup is of another device",
            info.id(),
            info.size_bytes
        ),
        None => format!("{of}, which the device has not: the backup is of another device"),
    }
}

/// One image to check, with what it is to be compared with.
struct Job<'a> {
    image: &'a Image,
    entry: Option<&'a Entry>,
    sum: Option<&'a SumLine>,
    device: Option<Box<dyn MtdRead>>,
}

#[expect(clippy::too_many_arguments)] // One caller; a struct would only rename them.
fn check_images(
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
        interrupt: check.interrupt,
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
    interrupt: &'a AtomicBool,
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
        let mut reader = job
            .device
            .as_mut()
            .map(|device| Reader::new(device.as_mut()));
        let bytes = self.buffer_bytes;
        stored.resize(bytes, 0);
        flash.resize(if reader.is_some() { bytes } else { 0 }, 0);
        let mut digests = Digests::new();
        let mut offset_bytes = 0u64;
        let mut differs_at = None;
        loop {
            if self.interrupt.load(Ordering::Relaxed) {
                return Err(BackupError::Interrupted);
            }
            // As much as the flash gives at once, so that both stay in step.
            let flash_count = reader.as_mut().map_or(0, |reader| reader.next(flash));
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
    if values.sha256 != image.sha256 {
        differs("its SHA-256", &values.sha256, &image.sha256);
    }
    if values.crc32 != image.crc32 {
        differs("its CRC-32", &values.crc32, &image.crc32);
    }
    match sum {
        Some(line) if line.sha256 != values.sha256 && line.sha256 != image.sha256 => {
            differs("by SHA256SUMS its SHA-256", &values.sha256, &line.sha256);
        }
        Some(line) if line.sha256 != image.sha256 => {
            differs("by the manifest its SHA-256", &image.sha256, &line.sha256);
        }
        _ => {}
    }
}
