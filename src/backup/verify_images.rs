//! The part of [`verify`](super::verify) that reads: each image against manifest
//! and `SHA256SUMS`, and beside it the flash if wanted.
//!
//! Invariants: file and flash are read once each, in step, streaming; where the
//! flash is unknown (by the manifest, or because it cannot be read now) nothing
//! counts as different.

use super::blank::Blank;
use super::buffer;
use super::buffer::read_full;
use super::consistency::{Images, identity_image, other_identity};
use super::digest::{DigestChoice, DigestValues, Digests};
use super::directory::{Directory, Entry};
use super::error::BackupError;
use super::image::first_difference;
use super::manifest::{Image, Manifest, SUMS, Unreadable};
use super::reader::{Reader, Stop};
use super::report::{Finding, Kind, Meaning, Value};
use super::sums::SumLine;
use super::verify_device::Devices;
use super::work::Work;
use super::workers;
use crate::mtd::{MtdInfo, MtdRead};

/// Tells the digests of an image's file that need not be read.
pub(crate) type Digested<'a> = dyn Fn(&Image) -> Option<DigestValues> + Sync + 'a;

/// How images are read, and from where.
pub(super) struct ImageReading<'a> {
    pub(super) folder: &'a dyn Directory,
    pub(super) work: &'a Work<'a>,
    pub(super) digested: &'a Digested<'a>,
    pub(super) stop: Stop<'a>,
}

/// What images are compared with.
pub(super) struct Against<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) images: &'a Images<'a>,
    /// The backup's own files, sorted by name.
    pub(super) own: &'a [Entry],
    /// Sorted by name.
    pub(super) sums: &'a [SumLine],
    /// The partition that tells devices apart, if the device has another one.
    pub(super) other_identity: Option<&'a str>,
}

/// One image to check, with what it is to be compared with.
#[derive(Clone, Copy)]
struct Job<'a> {
    image: &'a Image,
    entry: Option<&'a Entry>,
    sum: Option<&'a SumLine>,
    /// The digest that its contents have by the manifest's identity.
    identity: Option<&'a str>,
}

impl Job<'_> {
    /// What the file's digests are compared with decides which are made.
    fn digests(&self) -> DigestChoice {
        let wants_sha256 =
            self.image.sha256.is_some() || self.sum.is_some() || self.identity.is_some();
        // A manifest's image always has one; `Manifest::parse` sees to it.
        DigestChoice::of(self.image.crc32.is_some(), wants_sha256).unwrap_or_default()
    }

    fn finding(&self, kind: Kind) -> Finding {
        Finding::new(kind, &self.image.file).of(&self.image.name)
    }
}

/// What became of a file: its digests, or nothing where it is missing or cannot be
/// read, and what was found on the way.
#[derive(Default)]
struct Seen {
    values: Option<DigestValues>,
    found: Vec<Finding>,
}

/// How many images are right, and how many bytes they hold.
#[derive(Default)]
pub(super) struct Right {
    pub(super) images: usize,
    pub(super) bytes: u64,
}

/// Reads all images and compares them.
pub(super) fn check_images(
    reading: &ImageReading<'_>,
    against: &Against<'_>,
    mut devices: Devices,
    findings: &mut Vec<Finding>,
) -> Result<Right, Box<BackupError>> {
    let images = &against.manifest.images;
    devices.resize_with(images.len(), || None);
    let identity = identity_image(against.manifest, against.images);
    let jobs: Vec<Job<'_>> = images
        .iter()
        .map(|image| job(image, against, identity))
        .collect();
    let bytes = images
        .iter()
        .fold(0, |sum: u64, image| sum.saturating_add(image.size_bytes));
    let names: Vec<&str> = images.iter().map(|image| image.name.as_str()).collect();
    reading.work.observer.planned(&names, bytes);
    let mut results = Vec::with_capacity(jobs.len());
    workers::run(
        reading.work.workers,
        jobs.iter().copied().zip(devices).collect(),
        |(job, _)| job.image.size_bytes,
        |(job, device), buffers: &mut [Vec<u8>; 2]| reading.image(job, device, buffers),
        |result| results.push(result),
    );
    let mut all_seen = results.into_iter().collect::<Result<Vec<Seen>, _>>()?;
    if let Some(name) = against.other_identity {
        tell_another_device_once(name, &mut all_seen);
    }
    let digests = ByDigest::of(images);
    let mut right = Right::default();
    for (job, seen) in jobs.iter().zip(all_seen) {
        let image = job.image;
        let mut found = Vec::new();
        if let Some(values) = &seen.values {
            judge(job, values, &digests, &mut found);
            let blank = Blank::of(values, image.erase_block_bytes);
            if let Some(blank) = blank.filter(|_| image.unreadable.is_empty()) {
                let about = Finding::new(Kind::Blank, &image.file).of(&image.name);
                let place = about.at(blank.offset_bytes, Some(blank.length_bytes));
                found.push(place.because(blank.to_string()));
            }
        }
        found.extend(seen.found);
        // What texts say of each other is no fault of the image.
        let of_image = |f: &Finding| f.subject != SUMS && f.kind != Kind::OtherIdentity;
        let decides =
            |f: &Finding| matches!(f.kind.meaning(), Meaning::Differs | Meaning::Unchecked);
        let wrong = |f: &Finding| decides(f) && of_image(f);
        if !found.iter().any(wrong) {
            right.images += 1;
            right.bytes = right.bytes.saturating_add(image.size_bytes);
        }
        findings.extend(found);
    }
    Ok(right)
}

/// Where more than what tells devices apart differs from the flash, it is another
/// device's, which was said: its differences say nothing of the images.
fn tell_another_device_once(name: &str, all_seen: &mut [Seen]) {
    let differs = |found: &Finding| found.kind == Kind::FlashDiffers;
    let elsewhere = |found: &Finding| differs(found) && found.partition.as_deref() != Some(name);
    if all_seen.iter().any(|seen| seen.found.iter().any(elsewhere)) {
        for seen in all_seen {
            seen.found.retain(|found| !differs(found));
        }
    }
}

fn job<'a>(
    image: &'a Image,
    against: &Against<'a>,
    identity: Option<(&'a Image, &'a str)>,
) -> Job<'a> {
    let (own, sums) = (against.own, against.sums);
    let file = image.file.as_str();
    let entry = own.binary_search_by(|entry| entry.name.as_str().cmp(file));
    let sum = sums.binary_search_by(|line| line.file.as_str().cmp(file));
    Job {
        image,
        entry: entry.ok().map(|at| &own[at]),
        sum: sum.ok().map(|at| &sums[at]),
        identity: identity
            .filter(|(its, _)| its.mtd == image.mtd)
            .map(|(_, sha256)| sha256),
    }
}

impl ImageReading<'_> {
    fn image(
        &self,
        job: &Job<'_>,
        device: &mut Option<Box<dyn MtdRead>>,
        buffers: &mut [Vec<u8>; 2],
    ) -> Result<Seen, Box<BackupError>> {
        self.work.observer.begin(&job.image.name);
        let mut seen = Seen::default();
        let Some(entry) = job.entry else {
            seen.found.push(job.finding(Kind::Missing));
            return Ok(seen);
        };
        // One of another length is not the file that they are of.
        let is_it = |values: &DigestValues| entry.size_bytes == Some(values.length_bytes);
        seen.values = (self.digested)(job.image).filter(is_it);
        if seen.values.is_some() {
            self.work.observer.progress(job.image.size_bytes);
            return Ok(seen);
        }
        // The medium is to be proven, not what the system remembers of it.
        self.folder.forget(&job.image.file);
        match self.read(job, device, buffers, &mut seen.found)? {
            Ok(values) => seen.values = Some(values),
            Err(error) => {
                let unreadable = job.finding(Kind::Unreadable);
                seen.found.push(unreadable.because(error.to_string()));
            }
        }
        Ok(seen)
    }

    /// Reads the file to its end, and the flash beside it where there is one.
    fn read(
        &self,
        job: &Job<'_>,
        device: &mut Option<Box<dyn MtdRead>>,
        [stored, flash]: &mut [Vec<u8>; 2],
        found: &mut Vec<Finding>,
    ) -> Result<std::io::Result<DigestValues>, Box<BackupError>> {
        let image = job.image;
        let mut stream = match self.folder.open(&image.file) {
            Ok(stream) => stream,
            Err(error) => return Ok(Err(error)),
        };
        let info = device.as_ref().map(|device| device.info().clone());
        let mut digests = Digests::new(job.digests());
        let mut reader = device
            .as_mut()
            .map(|device| Reader::new(device.as_mut(), self.stop));
        let bytes = self.work.buffer_bytes.max(1);
        let stored = buffer::grow(stored, bytes)?;
        let flash = buffer::grow(flash, if reader.is_some() { bytes } else { 0 })?;
        let mut offset_bytes = 0u64;
        let mut differs_at = None;
        #[cfg(feature = "full")]
        let mut ubi = super::ubi::Scanner::new(image.erase_block_bytes);
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
            #[cfg(feature = "full")]
            ubi.update(&stored[..count]);
            if count == 0 && flash_count == 0 {
                break;
            }
            offset_bytes += count.max(flash_count) as u64;
            self.work.observer.progress(count as u64);
        }
        if let (Some(reader), Some(info)) = (reader, info) {
            tell_of_flash(&info, image, differs_at, &reader.into_unreadable(), found);
        }
        #[cfg(feature = "full")]
        if let Some(ubi) = ubi.finish() {
            found.push(job.finding(Kind::Ubi).because(ubi.to_string()));
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
    let about = |kind| Finding::new(kind, &image.file).of(&image.name);
    if let Some(at) = differs_at {
        let (block_bytes, _) = info.erase_block_around(at);
        let erase_block = block_bytes.checked_div(info.erase_block_bytes);
        found.push(Finding {
            erase_block: Some(erase_block.unwrap_or_default()),
            ..about(Kind::FlashDiffers).at(at, None)
        });
    }
    for range in unreadable {
        let place = about(Kind::FlashUnreadable).at(range.offset_bytes, Some(range.length_bytes));
        found.push(place.because(range.reason.as_str()));
    }
}

/// All images by their digests, for telling files that changed places.
struct ByDigest<'a> {
    sha256: Vec<(&'a str, &'a Image)>,
    crc32: Vec<(&'a str, &'a Image)>,
}

impl<'a> ByDigest<'a> {
    fn of(images: &'a [Image]) -> Self {
        let sorted = |digest: fn(&Image) -> Option<&str>| {
            let mut all: Vec<(&str, &Image)> = images
                .iter()
                .filter_map(|image| Some((digest(image)?, image)))
                .collect();
            all.sort_unstable_by(|a, b| a.0.cmp(b.0));
            all
        };
        Self {
            sha256: sorted(|image| image.sha256.as_deref()),
            crc32: sorted(|image| image.crc32.as_deref()),
        }
    }

    /// The image that these are the contents of; by CRC-32 only where there is no
    /// SHA-256, and the length is right as well.
    fn owner(&self, values: &DigestValues) -> Option<&'a Image> {
        let find = |all: &[(&str, &'a Image)], digest: &Option<String>| {
            let digest = digest.as_deref()?;
            let at = all.binary_search_by(|(other, _)| (*other).cmp(digest));
            at.ok().map(|at| all[at].1)
        };
        if values.sha256.is_some() && !self.sha256.is_empty() {
            return find(&self.sha256, &values.sha256);
        }
        find(&self.crc32, &values.crc32).filter(|image| image.size_bytes == values.length_bytes)
    }
}

/// Compares what was read of one file with what manifest and `SHA256SUMS` say.
fn judge(job: &Job<'_>, values: &DigestValues, all: &ByDigest<'_>, found: &mut Vec<Finding>) {
    let image = job.image;
    let sum = job.sum.map(|line| line.sha256.as_str());
    let sha256 = values.sha256.as_deref();
    let mut wrong = job.finding(Kind::Damaged);
    if values.length_bytes != image.size_bytes {
        wrong = job
            .finding(Kind::WrongSize)
            .should_be(Value::SizeBytes(image.size_bytes))
            .is(Value::SizeBytes(values.length_bytes));
    }
    // What is to be compared was digested, see `Job::digests`.
    if let (Some(should), Some(is)) = (&image.sha256, sha256) {
        if should != is {
            wrong = wrong
                .should_be(Value::Sha256(should.clone()))
                .is(Value::Sha256(is.into()));
        }
    }
    if let (Some(should), Some(is)) = (&image.crc32, &values.crc32) {
        if should != is {
            wrong = wrong
                .should_be(Value::Crc32(should.clone()))
                .is(Value::Crc32(is.clone()));
        }
    }
    if !wrong.actual.is_empty() {
        if let Some(owner) = all.owner(values) {
            wrong.kind = Kind::Swapped;
            // First, because the sentence is about them.
            let belongs = [
                Value::File(owner.file.clone()),
                Value::Name(owner.name.clone()),
            ];
            wrong.actual.splice(0..0, belongs);
        } else if sum.is_some() && sum == sha256 {
            wrong.kind = Kind::ManifestDisagrees;
        }
        found.push(wrong);
    }
    // Where the file is as one of both says, it is the other that is wrong.
    let by_manifest = image.sha256.as_deref().or(sha256);
    if let (Some(should), Some(is)) = (by_manifest, sum.filter(|_| sum != sha256)) {
        if should != is {
            let about = Finding::new(Kind::SumsDisagree, SUMS)
                .should_be(Value::Sha256(should.into()))
                .is(Value::File(image.file.clone()))
                .is(Value::Name(image.name.clone()));
            found.push(about.is(Value::Sha256(is.into())));
        }
    }
    // The manifest's own digests of both were compared already.
    if let (None, Some(should), Some(is)) = (&image.sha256, job.identity, sha256) {
        if should != is {
            found.push(other_identity(image, should, is));
        }
    }
}
