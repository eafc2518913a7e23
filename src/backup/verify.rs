//! Proves a backup: each image against the manifest and against `SHA256SUMS`,
//! and, if wanted, against the flash itself.
//!
//! Invariants: nothing is changed; each image is read once, streaming; "differs"
//! and "could not be checked" are never mixed up; what the manifest itself says
//! is missing is told as such and never as a difference.

use super::contents::{self, Contents, State};
use super::damage::{self, is_torn_copy};
use super::destination::{Destination, Entry};
use super::error::{BackupError, Failure};
use super::events::Observer;
use super::manifest::{INDEX, Image, MANIFEST, Manifest, SUMS};
use super::sums::{self, SumLine};
use super::units::count;
use super::verify_images::check_images;
use crate::mtd::{MtdBackend, MtdIndex, MtdInfo, MtdRead};
use serde::Serialize;
use std::sync::atomic::AtomicBool;

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
    /// The file that the images were compared with in place of a damaged manifest.
    pub known_by: Option<&'static str>,
    /// Whether there are SHA-256 sums, or should be, by the manifest.
    pub has_sums: bool,
}

impl Report {
    /// Whether something was found that means that.
    pub fn has(&self, meaning: Meaning) -> bool {
        self.findings.iter().any(|f| f.meaning == meaning)
    }
}

pub(super) fn finding(
    meaning: Meaning,
    subject: impl Into<String>,
    message: impl Into<String>,
) -> Finding {
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
        litter,
        foreign,
    } = contents::look(folder)?;
    let mut findings = Vec::new();
    let mut known_by = None;
    let manifest = match state {
        State::Finished(manifest) => match damage::better_copy(folder, &own)? {
            Some(copy) => {
                let message = format!("is not what {SUMS} says, and the copy in {INDEX} is");
                findings.push(finding(Meaning::Differs, MANIFEST, message));
                known_by = Some(INDEX);
                copy
            }
            None => *manifest,
        },
        State::Damaged(damage) if damage.was_finished() => {
            findings.push(finding(Meaning::Differs, damage.file, damage.why.as_str()));
            let mut known = damage.what_is_known(folder, &own)?;
            if let Some(backend) = check.backend {
                known.name_partitions(backend)?;
            }
            known_by = Some(known.by);
            known.manifest
        }
        State::Damaged(damage) => {
            return Err(BackupError::Unfinished {
                folder: folder.describe(),
                created_utc: format!(
                    "at a time that its {}, which {}, cannot tell",
                    damage.file, damage.why
                ),
            }
            .into());
        }
        State::Unfinished(manifest) => {
            return Err(BackupError::Unfinished {
                folder: folder.describe(),
                created_utc: manifest.created_utc,
            }
            .into());
        }
        State::Empty | State::Script | State::Capture { .. } | State::Foreign => {
            return Err(BackupError::NoManifest {
                folder: folder.describe(),
            }
            .into());
        }
    };
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
    for entry in &litter {
        let message = "was left there by an operating system; it is no part of the backup";
        findings.push(finding(Meaning::Note, &entry.name, message));
    }
    damage_notes(&manifest, &own, known_by, &mut findings);
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
    if let Some(by) = known_by {
        tell_what_is_proven(&manifest, by, &mut findings);
    }
    tell_what_is_missing(&manifest, &mut findings);
    tell_of_origin(&manifest, &mut findings);
    Ok(Report {
        known_by,
        has_sums: manifest.has_sha256() || !sums.is_empty(),
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

/// Files that are about a damaged manifest, and images that nobody knows.
fn damage_notes(
    manifest: &Manifest,
    own: &[Entry],
    known_by: Option<&'static str>,
    findings: &mut Vec<Finding>,
) {
    for entry in own {
        if is_torn_copy(&entry.name) {
            let message = "is a damaged file that was replaced, and kept";
            findings.push(finding(Meaning::Note, &entry.name, message));
        } else if known_by.is_some()
            && contents::script_image(&entry.name).is_some()
            && !manifest.images.iter().any(|image| image.file == entry.name)
        {
            let message = "cannot be checked: nothing is left that tells what it should hold";
            findings.push(finding(Meaning::Unchecked, &entry.name, message));
        }
    }
}

/// Which images are right although the manifest is damaged.
fn tell_what_is_proven(manifest: &Manifest, by: &str, findings: &mut Vec<Finding>) {
    for image in &manifest.images {
        let wrong = |f: &Finding| f.subject == image.file && f.meaning != Meaning::Note;
        if !findings.iter().any(wrong) {
            let message = format!("is what {by} says: keep it");
            findings.push(finding(Meaning::Note, &image.file, message));
        }
    }
}

/// What the backup says of images that another program captured.
fn tell_of_origin(manifest: &Manifest, findings: &mut Vec<Finding>) {
    if let Some(rebuilt) = &manifest.rebuilt {
        for what in &rebuilt.not_proven {
            let message = format!("was made anew {}; not proven: {what}", rebuilt.rebuilt_utc);
            findings.push(finding(Meaning::Note, MANIFEST, message));
        }
    }
    let Some(origin) = &manifest.origin else {
        return;
    };
    for mtd in &origin.changed_while_read {
        let message = "the flash changed while it was read; the image is the first reading";
        let subject = MtdIndex(*mtd).to_string();
        findings.push(finding(Meaning::Partial, subject, message));
    }
    for what in &origin.not_proven {
        let message = format!("was captured by {}; not proven: {what}", origin.captured_by);
        findings.push(finding(Meaning::Note, "this backup", message));
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
        .count() as u64;
    if not_wanted > 0 {
        let lacks = count(not_wanted, "partition");
        let message = format!("lacks {lacks} that had not been asked for");
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
        if manifest.has_sha256() {
            findings.push(finding(Meaning::Differs, SUMS, "is missing"));
        }
        return Ok(Vec::new());
    }
    let text = contents::read_text(folder, SUMS, SUMS_BYTES_MAX)?;
    let lines = match sums::parse(&String::from_utf8_lossy(&text)) {
        Ok(lines) => lines,
        Err(line) => {
            let message = format!("line {line} is no digest with a file name");
            findings.push(finding(Meaning::Differs, SUMS, message));
            return damage::read_sums(folder, own);
        }
    };
    for image in &manifest.images {
        let message = match lines.iter().filter(|line| line.file == image.file).count() {
            0 if image.sha256.is_some() => format!("has no line for {}", image.file),
            0 | 1 => continue,
            count => format!("has {count} lines for {}", image.file),
        };
        findings.push(finding(Meaning::Differs, SUMS, message));
    }
    for line in &lines {
        if line.file == MANIFEST {
            check_manifest(folder, own, line, findings)?;
        } else if !manifest.images.iter().any(|image| image.file == line.file) {
            let message = format!("names {:?}, which the manifest does not", line.file);
            findings.push(finding(Meaning::Differs, SUMS, message));
        }
    }
    Ok(lines)
}

/// The manifest's own digest: a text that can be read may have changed all the same.
fn check_manifest(
    folder: &dyn Destination,
    own: &[Entry],
    line: &SumLine,
    findings: &mut Vec<Finding>,
) -> Result<(), BackupError> {
    let told = findings
        .iter()
        .any(|f| f.subject == MANIFEST && f.meaning == Meaning::Differs);
    if told || !contents::has(own, MANIFEST) {
        return Ok(());
    }
    let text = contents::read_text(folder, MANIFEST, SUMS_BYTES_MAX)?;
    let sha256 = damage::sha256(&text);
    if sha256 != line.sha256 {
        let message = format!(
            "or {SUMS} was changed: its SHA-256 is {sha256}; by {SUMS} it is {}",
            line.sha256
        );
        findings.push(finding(Meaning::Differs, MANIFEST, message));
    }
    Ok(())
}

pub(super) type Devices = Vec<Option<Box<dyn MtdRead>>>;

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
