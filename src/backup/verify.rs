//! Proves a backup: each image against the manifest and against `SHA256SUMS`,
//! and, if wanted, against the flash itself.
//!
//! Invariants: nothing is changed; each image is read once, streaming; "differs"
//! and "could not be checked" are never mixed up; what the manifest itself says
//! is missing is told as such and never as a difference.

use super::consistency::{self, Images};
use super::contents::{self, Contents, State};
use super::damage::{self, is_torn_copy};
use super::digest;
use super::directory::{Directory, Entry};
use super::error::{BackupError, Failure};
use super::manifest::{INDEX, Image, MANIFEST, MANIFEST_BYTES_MAX, Manifest, SUMS};
use super::report::{Finding, Kind, Meaning, Report, Value};
use super::sums::{self, SumLine};
use super::verify_device::open_devices;
use super::verify_images::{Against, Digested, ImageReading, check_images};
use super::work::Work;
use crate::mtd::{MtdBackend, MtdIndex};

/// `SHA256SUMS` is not longer than the manifest it belongs to.
const SUMS_BYTES_MAX: u64 = MANIFEST_BYTES_MAX;

/// Checks a backup, and with a `backend` compares it with that device's flash as well.
///
/// What is found is in the report; the error is for what kept the check from being done
/// at all.
pub(crate) fn verify(
    folder: &dyn Directory,
    backend: Option<&dyn MtdBackend>,
    work: &Work<'_>,
) -> Result<Report, Failure> {
    verify_but(folder, backend, &|_: &Image| None, work)
}

/// The same, but for images whose digests somebody knows, because he made them while he
/// stored them, or compares them himself when he reads them: they are not read here.
pub(crate) fn verify_but(
    folder: &dyn Directory,
    backend: Option<&dyn MtdBackend>,
    digested: &Digested<'_>,
    work: &Work<'_>,
) -> Result<Report, Failure> {
    let mut there = contents::look(folder)?;
    let state = std::mem::replace(&mut there.state, State::Empty);
    let own = &there.own;
    let mut findings = Vec::new();
    let Known {
        manifest,
        by: known_by,
    } = known(folder, backend, state, own, &mut findings)?;
    let manifest_sha256 = sha256_of_manifest(folder, own)?;
    let images = Images::of(&manifest);
    let devices = match backend {
        // First, because another device says more than all that follows from it.
        Some(backend) => open_devices(backend, &manifest, work, &mut findings)?,
        None => Vec::new(),
    };
    let another = findings.iter().find(|f| f.kind == Kind::AnotherDevice);
    let other_identity = another.and_then(|found| found.partition.clone());
    let with_flash = devices.iter().any(Option::is_some);
    // SHA256SUMS knows no layout.
    if known_by != Some(SUMS) {
        consistency::check(&manifest, &images, &mut findings);
    }
    // Told after the images, which matter more.
    let mut of_texts = Vec::new();
    let mut sums = read_sums(folder, &manifest, &images, own, &mut of_texts)?;
    if let Some(line) = sums.iter().find(|line| line.file == MANIFEST) {
        // A damaged one was told of.
        let is = manifest_sha256.as_deref().filter(|_| known_by.is_none());
        check_manifest(line, is, &mut of_texts);
    }
    sums.retain(|line| line.file != MANIFEST);
    let reading = ImageReading {
        folder,
        work,
        digested,
        stop: work.stop(),
    };
    let against = Against {
        manifest: &manifest,
        images: &images,
        own,
        sums: &sums,
        other_identity: other_identity.as_deref(),
    };
    let right = check_images(&reading, &against, devices, &mut findings)?;
    findings.append(&mut of_texts);
    tell_of_files(&there, &mut findings);
    damage_notes(&images, own, known_by, &mut findings);
    if let Some(by) = known_by {
        tell_what_is_proven(&manifest, by, &mut findings);
    }
    tell_what_is_missing(&manifest, &mut findings);
    tell_of_origin(&manifest, &mut findings);
    Ok(Report {
        manifest_sha256,
        known_by,
        findings,
        images_right: right.images,
        bytes_right: right.bytes,
        with_sums: !sums.is_empty(),
        with_flash,
        manifest,
    })
}

/// The digest of the manifest that stands in the folder, if one does.
fn sha256_of_manifest(
    folder: &dyn Directory,
    own: &[Entry],
) -> Result<Option<String>, Box<BackupError>> {
    if !contents::has(own, MANIFEST) {
        return Ok(None);
    }
    let text = contents::read_text(folder, MANIFEST, MANIFEST_BYTES_MAX)?;
    Ok(Some(digest::sha256(&text)))
}

/// Files that are no part of the backup, and the page that should be there.
fn tell_of_files(there: &Contents, findings: &mut Vec<Finding>) {
    for entry in there.parts.iter().chain(&there.foreign) {
        findings.push(Finding::new(Kind::NotPart, &entry.name));
    }
    if !there.own.iter().any(|entry| entry.name == INDEX) {
        findings.push(Finding::new(Kind::PageMissing, INDEX));
    }
    for entry in &there.litter {
        findings.push(Finding::new(Kind::Litter, &entry.name));
    }
}

/// The manifest to check by, and in place of a damaged one the file that knows.
struct Known {
    manifest: Manifest,
    by: Option<&'static str>,
}

fn known(
    folder: &dyn Directory,
    backend: Option<&dyn MtdBackend>,
    state: State,
    own: &[Entry],
    findings: &mut Vec<Finding>,
) -> Result<Known, Box<BackupError>> {
    let unfinished = |created_utc: String| {
        Box::new(BackupError::Unfinished {
            folder: folder.describe(),
            created_utc,
        })
    };
    match state {
        State::Finished(manifest) => Ok(match damage::better_copy(folder, own)? {
            Some(copy) => {
                let why = format!("is not what {SUMS} says, and the copy in {INDEX} is");
                findings.push(Finding::new(Kind::ManifestDamaged, MANIFEST).because(why));
                Known {
                    manifest: copy,
                    by: Some(INDEX),
                }
            }
            None => Known {
                manifest: *manifest,
                by: None,
            },
        }),
        State::Damaged(damage) if damage.was_finished() => {
            let found = Finding::new(Kind::ManifestDamaged, damage.file);
            findings.push(found.because(damage.why.as_str()));
            let mut known = damage.what_is_known(folder, own)?;
            if let Some(backend) = backend {
                known.name_partitions(backend)?;
            }
            Ok(Known {
                manifest: known.manifest,
                by: Some(known.by),
            })
        }
        State::Damaged(damage) => Err(unfinished(format!(
            "at a time that its {}, which {}, cannot tell",
            damage.file, damage.why
        ))),
        State::Unfinished(manifest) => Err(unfinished(manifest.created_utc)),
        State::Empty | State::Script | State::Capture { .. } | State::Foreign => {
            Err(BackupError::NoManifest {
                folder: folder.describe(),
                captured: matches!(state, State::Script | State::Capture { .. }),
            }
            .into())
        }
    }
}

/// Files that are about a damaged manifest, and images that nobody knows.
fn damage_notes(
    images: &Images<'_>,
    own: &[Entry],
    known_by: Option<&'static str>,
    findings: &mut Vec<Finding>,
) {
    for entry in own {
        if is_torn_copy(&entry.name) {
            findings.push(Finding::new(Kind::TornCopy, &entry.name));
        } else if known_by.is_some()
            && contents::script_image(&entry.name).is_some()
            && images.of_file(&entry.name).is_none()
        {
            findings.push(Finding::new(Kind::Unknown, &entry.name));
        }
    }
}

/// Which images are right although the manifest is damaged.
fn tell_what_is_proven(manifest: &Manifest, by: &str, findings: &mut Vec<Finding>) {
    let not_a_note = |f: &&Finding| f.kind.meaning() != Meaning::Note;
    let wrong = findings.iter().filter(not_a_note);
    let mut wrong: Vec<String> = wrong.map(|found| found.subject.clone()).collect();
    wrong.sort_unstable();
    for image in &manifest.images {
        if wrong.binary_search(&image.file).is_err() {
            let proven = Finding::new(Kind::Proven, &image.file);
            findings.push(proven.is(Value::File(by.into())));
        }
    }
}

/// What the backup says of images that another program captured.
fn tell_of_origin(manifest: &Manifest, findings: &mut Vec<Finding>) {
    if let Some(rebuilt) = &manifest.rebuilt {
        for what in &rebuilt.not_proven {
            let reason = format!("made anew {}; not proven: {what}", rebuilt.rebuilt_utc);
            findings.push(Finding::new(Kind::NotProven, MANIFEST).because(reason));
        }
    }
    let Some(origin) = &manifest.origin else {
        return;
    };
    for mtd in &origin.changed_while_read {
        findings.push(Finding::new(Kind::Changed, MtdIndex(*mtd).to_string()));
    }
    for what in &origin.not_proven {
        let reason = format!("captured by {}; not proven: {what}", origin.captured_by);
        findings.push(Finding::new(Kind::NotProven, "this backup").because(reason));
    }
}

/// What the backup says itself that it lacks.
fn tell_what_is_missing(manifest: &Manifest, findings: &mut Vec<Finding>) {
    for (entry, why) in manifest.missing() {
        let found = Finding::new(Kind::LeftOut, entry.index().to_string()).of(&entry.name);
        findings.push(found.because(why.reason.as_str()));
    }
    let not_wanted = manifest
        .layout
        .iter()
        .filter(|entry| entry.left_out.as_ref().is_some_and(|why| why.by_choice))
        .count() as u64;
    if not_wanted > 0 {
        let found = Finding::new(Kind::NotAskedFor, "this backup");
        findings.push(found.is(Value::Partitions(not_wanted)));
    }
    for image in &manifest.images {
        let about = |kind| Finding::new(kind, &image.file).of(&image.name);
        for range in &image.unreadable {
            let hole = about(Kind::Hole).at(range.offset_bytes, Some(range.length_bytes));
            findings.push(hole.because(range.reason.as_str()));
        }
        if let Some(doubt) = &image.doubt {
            findings.push(about(Kind::Doubt).because(doubt.as_str()));
        }
        if image.second_reading.as_ref().is_some_and(|s| !s.same) {
            findings.push(about(Kind::Changed));
        }
    }
    if manifest.images.iter().any(|image| image.sha256.is_none()) {
        findings.push(Finding::new(Kind::Crc32Only, "this backup"));
    }
}

/// The lines of `SHA256SUMS`, sorted by file; of a torn one those that are whole.
fn read_sums(
    folder: &dyn Directory,
    manifest: &Manifest,
    images: &Images<'_>,
    own: &[Entry],
    findings: &mut Vec<Finding>,
) -> Result<Vec<SumLine>, Box<BackupError>> {
    if !own.iter().any(|entry| entry.name == SUMS) {
        if manifest.has_sha256() {
            findings.push(Finding::new(Kind::Missing, SUMS));
        }
        return Ok(Vec::new());
    }
    let text = contents::read_text(folder, SUMS, SUMS_BYTES_MAX)?;
    let mut lines = match sums::parse(&String::from_utf8_lossy(&text)) {
        Ok(lines) => lines,
        Err(line) => {
            let torn = Finding::new(Kind::SumsTorn, SUMS);
            findings.push(torn.is(Value::Line(line as u64)));
            let mut whole = damage::read_sums(folder, own)?;
            whole.sort_by(|a, b| a.file.cmp(&b.file));
            return Ok(whole);
        }
    };
    lines.sort_by(|a, b| a.file.cmp(&b.file));
    for image in &manifest.images {
        let file = image.file.as_str();
        let from = lines.partition_point(|line| line.file.as_str() < file);
        let same = lines[from..].iter().take_while(|line| line.file == file);
        let kind = match same.count() {
            0 if image.sha256.is_some() => Kind::SumsLack,
            0 | 1 => continue,
            _ => Kind::SumsRepeat,
        };
        let about = Finding::new(kind, SUMS).is(Value::File(image.file.clone()));
        findings.push(about.is(Value::Name(image.name.clone())));
    }
    for line in &lines {
        if line.file != MANIFEST && images.of_file(&line.file).is_none() {
            let stray = Finding::new(Kind::SumsStray, SUMS);
            findings.push(stray.is(Value::File(line.file.clone())));
        }
    }
    Ok(lines)
}

/// The manifest's own digest: a text that can be read may have changed all the same.
fn check_manifest(line: &SumLine, is: Option<&str>, findings: &mut Vec<Finding>) {
    if let Some(is) = is.filter(|is| *is != line.sha256) {
        let changed = Finding::new(Kind::ManifestChanged, MANIFEST);
        let changed = changed.should_be(Value::Sha256(line.sha256.clone()));
        findings.push(changed.is(Value::Sha256(is.into())));
    }
}
