//! What is served: images, and the texts that are made of them or lie beside them.
//!
//! Invariants: each name has one meaning as long as the server runs; what a manifest
//! says of an image was read from end to end; a tar's length is known before its texts
//! are, because it may end in any number of empty blocks.

use super::part::Part;
use super::route::Name;
use super::source::Source;
use super::token;
use crate::backup::erased::Used;
use crate::backup::html::{Page, Place};
use crate::backup::manifest::{INDEX, MANIFEST, SUMS, image_file};
use crate::backup::opening::{self, Beginning, Recognised, begin, tell_left_out};
use crate::backup::reader::Progress;
use crate::backup::stream::{seconds, texts};
use crate::backup::{self, BackupError, DigestChoice, Failure, Manifest, Work, digest, sums, tar};
use crate::mtd::{FactSource, MtdBackend, MtdInfo, PartitionOffset, select, total_bytes};
use std::ops::Range;
use std::time::SystemTime;

/// A finished backup's own texts.
pub(super) struct Texts {
    pub(super) manifest: Vec<u8>,
    pub(super) sums: Option<Vec<u8>>,
    pub(super) page: Vec<u8>,
}

/// What is served.
pub(crate) struct Content {
    /// Without its images, where they are still to be read.
    manifest: Manifest,
    fixed: Option<Texts>,
    sources: Vec<Source>,
    /// Which of them make the whole chip, in order; empty where that is not certain.
    chip: Vec<usize>,
    recognised: Option<Recognised>,
    /// For the tar's headers, in seconds since 1970.
    time: u64,
    /// Other in each run.
    nonce: String,
    tail_bytes: u64,
    texts_sent: bool,
    verified: bool,
}

/// A file that is made of images.
pub(super) struct File {
    pub(super) parts: Vec<Part>,
    /// The same as long as the bytes are the same.
    pub(super) tag: String,
    /// Whether the manifest is in it.
    pub(super) ends_backup: bool,
}

/// Room at a tar's end for what is not known when its length is promised.
const SLACK_BYTES: usize = 16 << 10;

impl Content {
    /// A device's flash, or some of its partitions; nothing is stored.
    ///
    /// # Errors
    /// As for a backup, before its first image.
    pub(crate) fn of_device(
        backend: &dyn MtdBackend,
        partitions: &[String],
        digests: DigestChoice,
        now: SystemTime,
        work: &Work<'_>,
    ) -> Result<Self, Failure> {
        let layout = backend.devices()?;
        let wanted = select(&layout, partitions)?;
        let Beginning {
            opened,
            left_out,
            recognised,
            manifest,
        } = begin(backend, &layout, &wanted, now, work)?;
        tell_left_out(&left_out, work);
        // All stay open: anybody may ask for any of them at any time.
        let open = |device| match device {
            opening::Source::Open(device) => Ok(device),
            opening::Source::Closed(info) => backend.open(&info),
        };
        let mut sources = Vec::with_capacity(opened.len());
        for device in opened {
            sources.push(Source::of_device(open(device)?, digests));
        }
        Self::new(manifest, None, sources, recognised, seconds(now))
    }

    pub(super) fn new(
        manifest: Manifest,
        fixed: Option<Texts>,
        sources: Vec<Source>,
        recognised: Option<Recognised>,
        time: u64,
    ) -> Result<Self, Failure> {
        let infos: Vec<&MtdInfo> = sources.iter().map(Source::info).collect();
        let mut content = Self {
            chip: whole_chip(&infos),
            manifest,
            fixed,
            sources,
            recognised,
            time,
            nonce: token::random().map_err(|source| BackupError::Folder {
                operation: "cannot read",
                folder: "/dev/urandom".into(),
                source,
            })?,
            tail_bytes: 0,
            texts_sent: false,
            verified: false,
        };
        content.tail_bytes = content.tail_bytes();
        Ok(content)
    }

    /// How many images there are, and how many bytes together.
    pub(crate) fn size(&self) -> (usize, u64) {
        let sizes = self.sources.iter().map(|source| source.info().size_bytes);
        (self.sources.len(), total_bytes(sizes))
    }

    /// Whether something that was wanted is missing, as far as is known.
    pub(crate) fn is_partial(&self) -> bool {
        self.manifest_now().is_partial()
    }

    /// Whether all of it was sent: each image from end to end, and then the manifest,
    /// alone or in a tar.
    pub(crate) fn is_fetched(&self) -> bool {
        self.verified || (self.texts_sent && self.sources.iter().all(Source::is_sent))
    }

    /// Whether a client has named the digest of this manifest as proven.
    pub(crate) fn is_verified(&self) -> bool {
        self.verified
    }

    /// How often bytes were found to have changed between two readings.
    pub(crate) fn changes(&self) -> u32 {
        self.sources.iter().map(|source| source.changes).sum()
    }

    pub(super) fn read(
        &mut self,
        image: usize,
        progress: &mut Progress,
        buffer: &mut [u8],
        work: &Work<'_>,
    ) -> Result<usize, Box<BackupError>> {
        self.sources[image].read(progress, buffer, self.recognised.as_ref(), work)
    }

    pub(super) fn sent(&mut self, image: usize, range: Range<u64>) {
        self.sources[image].sent(range.start, range.end);
    }

    pub(super) fn sent_texts(&mut self) {
        self.texts_sent = true;
    }

    /// Whether the SHA-256 of an image is known once it was sent.
    pub(super) fn has_digest(&self, image: Option<usize>) -> bool {
        image.is_some_and(|at| self.sources[at].has_sha256())
    }

    /// What follows the only chunk of an image: its digest (RFC 9530), if its bytes are
    /// still the ones that were digested.
    pub(super) fn trailer(&self, image: Option<usize>) -> String {
        let known = image.and_then(|at| self.sources[at].known()?.sha256.as_deref());
        match known {
            Some(sha256) => format!(
                "\r\n0\r\nRepr-Digest: sha-256=:{}:\r\n\r\n",
                digest::base64(sha256)
            ),
            None => "\r\n0\r\n\r\n".into(),
        }
    }

    /// How large a buffer must be: an erase block of any of them.
    pub(super) fn buffer_bytes(&self, wanted_bytes: usize) -> usize {
        let of = |source: &Source| backup::buffer_bytes(wanted_bytes, source.info());
        self.sources.iter().map(of).max().unwrap_or(wanted_bytes)
    }

    /// The manifest with what is known now; images that nobody has read have no digest.
    fn manifest_now(&self) -> Manifest {
        let mut manifest = self.manifest.clone();
        manifest.images = self.sources.iter().map(Source::image).collect();
        manifest
    }

    /// Whether all images are known.
    fn is_known(&self) -> bool {
        self.sources.iter().all(|source| source.known().is_some())
    }

    /// Reads a piece of an image that nobody fetched, so that its digests can be told.
    pub(super) fn read_on(
        &mut self,
        buffer: &mut [u8],
        work: &Work<'_>,
    ) -> Result<(), Box<BackupError>> {
        let unknown = |source: &&mut Source| source.known().is_none();
        match self.sources.iter_mut().find(unknown) {
            Some(source) => source.read_on(buffer, self.recognised.as_ref(), work),
            None => Ok(()),
        }
    }

    /// The manifest's text; none before all images are known.
    fn manifest_text(&self) -> Option<Vec<u8>> {
        match &self.fixed {
            Some(fixed) => Some(fixed.manifest.clone()),
            None => self.is_known().then(|| self.manifest_now().to_json()),
        }
    }

    /// The page as the server has it: with everything in one file.
    fn page(&self) -> String {
        let page = Page {
            manifest: &self.manifest_now(),
            used: &self.used(),
            place: Place::Server {
                has_chip: !self.chip.is_empty(),
                is_live: self.fixed.is_none(),
            },
        };
        page.render()
    }

    fn used(&self) -> Vec<(u32, Used)> {
        self.sources.iter().filter_map(Source::used).collect()
    }

    /// A text, or what a folder has in its place; none before all images are known.
    pub(super) fn text(&self, name: Name<'_>) -> Option<Option<Vec<u8>>> {
        if name == Name::Page || (name == Name::Index && self.fixed.is_none()) {
            return Some(Some(self.page().into_bytes()));
        }
        if let Some(fixed) = &self.fixed {
            return Some(match name {
                Name::Index => Some(fixed.page.clone()),
                Name::Sums => fixed.sums.clone(),
                _ => Some(fixed.manifest.clone()),
            });
        }
        let text = self.manifest_text()?;
        Some(match name {
            Name::Sums => {
                let manifest = self.manifest_now();
                let sums = manifest.has_sha256();
                sums.then(|| sums::render(&manifest.images, &text).into_bytes())
            }
            _ => Some(text),
        })
    }

    /// A client says that he has proven the backup with that manifest; whether it is
    /// this one.
    pub(super) fn verify(&mut self, sha256: &str) -> bool {
        let text = self.manifest_text();
        let same = text.is_some_and(|text| digest::sha256(&text) == sha256);
        self.verified |= same;
        same
    }

    /// A file of many bytes; none where there is none.
    pub(super) fn file(&self, name: Name<'_>) -> Option<File> {
        let whole = |at: usize| Part::Image(at, self.sources[at].info().size_bytes);
        let (parts, word, ends_backup) = match name {
            Name::Image(mtd) => {
                let is_it = |source: &Source| source.info().index.0 == mtd;
                let at = self.sources.iter().position(is_it)?;
                (
                    vec![whole(at)],
                    image_file(self.sources[at].info().index),
                    false,
                )
            }
            Name::Flash if !self.chip.is_empty() => {
                let parts = self.chip.iter().map(|at| whole(*at)).collect();
                (parts, "flash".into(), false)
            }
            Name::Tar => (self.tar(), "tar".into(), true),
            _ => return None,
        };
        Some(File {
            parts,
            tag: format!("\"{}-{word}-{}\"", self.nonce, self.changes()),
            ends_backup,
        })
    }

    fn tar(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        for (at, source) in self.sources.iter().enumerate() {
            let (file, size_bytes) = (image_file(source.info().index), source.info().size_bytes);
            let header = tar::header(&file, size_bytes, self.time);
            parts.push(Part::Text(header.to_vec()));
            parts.push(Part::Image(at, size_bytes));
            parts.push(Part::Text(vec![0; tar::padding_bytes(size_bytes)]));
        }
        parts.push(Part::Tail(self.tail_bytes));
        parts.retain(|part| part.length() > 0);
        parts
    }

    /// How much room the texts get at a tar's end: the same, whatever is read until
    /// then, so that a part of the tar stays a part of it.
    fn tail_bytes(&self) -> u64 {
        if self.fixed.is_some() {
            return self.tar_texts().len() as u64;
        }
        let mut manifest = self.manifest_now();
        for image in &mut manifest.images {
            image.sha256 = Some("0".repeat(64));
            image.crc32 = Some("0".repeat(8));
        }
        let slack = SLACK_BYTES * (1 + manifest.images.len() / 4);
        let texts = texts(&manifest, &[], self.time).len() + slack;
        texts.next_multiple_of(tar::BLOCK_BYTES) as u64
    }

    fn tar_texts(&self) -> Vec<u8> {
        let Some(fixed) = &self.fixed else {
            return texts(&self.manifest_now(), &self.used(), self.time);
        };
        let mut archive = Vec::new();
        tar::append(&mut archive, MANIFEST, &fixed.manifest, self.time);
        if let Some(sums) = &fixed.sums {
            tar::append(&mut archive, SUMS, sums, self.time);
        }
        tar::append(&mut archive, INDEX, &fixed.page, self.time);
        archive.resize(archive.len() + tar::END_BYTES, 0);
        archive
    }

    /// What follows the images in a tar, with empty blocks up to `length_bytes`; none
    /// before all images are known.
    ///
    /// # Errors
    /// It is longer than that, because very much could not be read.
    pub(super) fn tail(&self, length_bytes: u64) -> Result<Option<Vec<u8>>, Box<BackupError>> {
        if !self.is_known() {
            return Ok(None);
        }
        let mut texts = self.tar_texts();
        if texts.len() as u64 > length_bytes {
            return Err(BackupError::NoMemory { bytes: texts.len() }.into());
        }
        texts.resize(length_bytes as usize, 0);
        Ok(Some(texts))
    }
}

/// Which of some devices make a whole chip, one after the other: only where somebody
/// tells where each lies, on one chip, from its start, without gap or overlap.
fn whole_chip(devices: &[&MtdInfo]) -> Vec<usize> {
    let mut order: Vec<usize> = Vec::new();
    let mut end = 0;
    loop {
        let follows = |device: &&&MtdInfo| {
            let known = |offset: PartitionOffset| offset.source == FactSource::Known;
            let is_told = device.chip.is_some() || device.offset.is_some_and(known);
            is_told
                && device.size_bytes > 0
                && device.certain_offset_bytes() == Some(end)
                && order.iter().all(|at| devices[*at].chip == device.chip)
        };
        let mut found = devices.iter().enumerate();
        let Some((at, device)) = found.find(|(_, device)| follows(device)) else {
            break;
        };
        order.push(at);
        end = match end.checked_add(device.size_bytes) {
            Some(end) => end,
            None => break,
        };
    }
    let filled = devices.iter().filter(|device| device.size_bytes > 0);
    match order.len() == filled.count() {
        true => order,
        false => Vec::new(),
    }
}
