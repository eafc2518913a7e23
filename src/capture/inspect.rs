//! Holds all that lies in a capture's folder against each other, before anything
//! is made of it.

use super::captured::open_file;
use super::error::ImportError;
use super::evidence::{self, Evidence};
use super::format::{MD5_SUMS, RECORD, RECORD_BYTES_MAX, RECORD_PART, TABLE};
use super::layout::{self, KnownLayout};
use super::record::{self, Fate, Record};
use super::sums::{self, RunningMd5};
use crate::backup::contents::{self, script_image};
use crate::backup::{
    Access, BackupError, Destination as _, DigestChoice, Digests, Entry, Folder, INDEX, MANIFEST,
    Origin, UNFINISHED,
};
use crate::mtd::{MtdIndex, MtdInfo};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

const BUFFER_BYTES: usize = 256 << 10;

/// A capture that is right as far as can be told.
#[derive(Debug)]
pub struct Capture {
    /// Its folder.
    pub folder: PathBuf,
    /// All MTD devices of the layout.
    pub layout: Vec<MtdInfo>,
    /// What stands in the manifest of a backup made of it.
    pub origin: Origin,
    /// Files that are no part of it.
    pub foreign: Vec<String>,
    pub(super) missing: BTreeMap<u32, String>,
    skipped: BTreeSet<u32>,
    images: BTreeMap<u32, Inspected>,
}

impl Capture {
    /// What the capture was to hold, as `mtdN`.
    pub(super) fn wanted(&self) -> Vec<String> {
        let wanted = |info: &&MtdInfo| !self.skipped.contains(&info.index.0);
        let devices = self.layout.iter().filter(wanted);
        devices.map(|info| info.index.to_string()).collect()
    }

    pub(super) fn sha256_of(&self, mtd: u32) -> Option<&str> {
        self.images
            .get(&mtd)
            .and_then(|image| image.sha256.as_deref())
    }
}

/// One image that was read.
#[derive(Debug)]
pub(super) struct Inspected {
    sha256: Option<String>,
    /// Whether it has the digest that the device made.
    pub(super) has_device_digest: bool,
}

/// What lies in the folder.
pub(super) struct Found {
    path: PathBuf,
    folder: Folder,
    entries: Vec<Entry>,
    pub(super) record: Option<Record>,
    table: Option<Vec<u8>>,
    sums: Option<BTreeMap<String, String>>,
    pub(super) index: Option<String>,
    sizes_bytes: BTreeMap<u32, u64>,
    problems: Vec<String>,
}

/// Looks at a capture; `layout` is the name and the text of a `/proc/mtd`, where
/// the user gave one.
pub fn inspect(
    path: &Path,
    layout: Option<(&str, &[u8])>,
    interrupt: &AtomicBool,
) -> Result<Capture, ImportError> {
    let mut found = Found::in_folder(path)?;
    found.read_texts()?;
    // Before the layout: a torn table is better told by its digest.
    found.stop_at_problems()?;
    let layout = layout::find(layout, found.table.as_deref(), &found.sizes_bytes)?;
    let images = found.check_images(&layout.devices, interrupt)?;
    found.stop_at_problems()?;
    let evidence = found.evidence(&layout)?;
    let (missing, skipped) = found.missing(&layout.devices);
    let origin = found.origin(&layout, &images, &skipped, evidence);
    Ok(Capture {
        folder: found.path.clone(),
        foreign: found.foreign(),
        layout: layout.devices,
        origin,
        missing,
        skipped,
        images,
    })
}

impl Found {
    fn in_folder(path: &Path) -> Result<Self, ImportError> {
        let read = |source| ImportError::Read {
            what: path.display().to_string(),
            source,
        };
        let folder = Folder::open(path, Access::Look).map_err(|source| {
            if source.kind() == io::ErrorKind::WouldBlock {
                let folder = path.display().to_string();
                return ImportError::Backup(BackupError::Busy { folder }.into());
            }
            read(source)
        })?;
        let entries = folder.list().map_err(read)?;
        let has = |name: &str| entries.iter().any(|entry| entry.name == name);
        if has(MANIFEST) || has(UNFINISHED) {
            return Err(ImportError::IsBackup {
                folder: folder.describe(),
                finished: has(MANIFEST),
            });
        }
        let mut sizes_bytes = BTreeMap::new();
        let mut problems = Vec::new();
        for entry in &entries {
            match (script_image(&entry.name), entry.size_bytes) {
                (Some(mtd), Some(bytes)) => drop(sizes_bytes.insert(mtd, bytes)),
                (Some(_), None) => problems.push(format!("{} is no regular file", entry.name)),
                _ => {}
            }
        }
        if sizes_bytes.is_empty() && problems.is_empty() {
            return Err(ImportError::NoImages {
                folder: folder.describe(),
            });
        }
        Ok(Self {
            path: path.into(),
            folder,
            entries,
            record: None,
            table: None,
            sums: None,
            index: None,
            sizes_bytes,
            problems,
        })
    }

    fn text(&self, name: &str) -> Result<Option<Vec<u8>>, ImportError> {
        let is_it = |e: &Entry| e.name == name && e.size_bytes.is_some();
        if !self.entries.iter().any(is_it) {
            return Ok(None);
        }
        contents::read_text(&self.folder, name, RECORD_BYTES_MAX)
            .map(Some)
            .map_err(|error| ImportError::Backup(error.into()))
    }

    fn read_texts(&mut self) -> Result<(), ImportError> {
        self.table = self.text(TABLE)?;
        let index = self.text(INDEX)?;
        self.index = index.map(|text| String::from_utf8_lossy(&text).into_owned());
        let record = match self.text(RECORD)? {
            Some(text) => Some(text),
            None => self.text(RECORD_PART)?,
        };
        if let Some(text) = &record {
            match record::parse(&String::from_utf8_lossy(text)) {
                Ok(record) => self.record = Some(record),
                Err(line) => self.problem(format!("line {line} of {RECORD} is torn or foreign")),
            }
        }
        match self.text(MD5_SUMS)? {
            Some(text) => match sums::parse(&String::from_utf8_lossy(&text)) {
                Ok(sums) => self.sums = Some(sums),
                Err(line) => self.problem(format!("line {line} of {MD5_SUMS} is torn or foreign")),
            },
            None if self.record.as_ref().is_some_and(|record| record.md5sum) => {
                self.problem(format!("{MD5_SUMS} is missing, which the device had made"));
            }
            None => {}
        }
        for (name, text) in [(TABLE, self.table.clone()), (RECORD, record)] {
            let sum = self.sums.as_ref().and_then(|sums| sums.get(name));
            if let (Some(sum), Some(text)) = (sum, text) {
                // A download may have changed the line ends of a text.
                let unix: Vec<u8> = text.iter().copied().filter(|b| *b != b'\r').collect();
                if sums::of(&text) != *sum && sums::of(&unix) != *sum {
                    self.problem(format!("{name} does not have the MD5 in {MD5_SUMS}"));
                }
            }
        }
        Ok(())
    }

    fn problem(&mut self, what: String) {
        self.problems.push(what);
    }

    fn stop_at_problems(&mut self) -> Result<(), ImportError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        Err(ImportError::Wrong {
            problems: std::mem::take(&mut self.problems),
        })
    }

    pub(super) fn fate(&self, mtd: u32) -> Option<&Fate> {
        self.record
            .as_ref()
            .and_then(|record| record.fates.get(&mtd))
    }

    fn sum(&self, mtd: u32) -> Option<&String> {
        let name = format!("{}.bin", MtdIndex(mtd));
        self.sums.as_ref().and_then(|sums| sums.get(&name))
    }

    fn check_images(
        &mut self,
        devices: &[MtdInfo],
        interrupt: &AtomicBool,
    ) -> Result<BTreeMap<u32, Inspected>, ImportError> {
        let mut images = BTreeMap::new();
        let by_number: BTreeMap<_, _> = devices.iter().map(|info| (info.index.0, info)).collect();
        let mut buffer = Vec::new();
        let no_memory = |_| ImportError::Read {
            what: self.folder.describe(),
            source: io::ErrorKind::OutOfMemory.into(),
        };
        buffer.try_reserve_exact(BUFFER_BYTES).map_err(no_memory)?;
        buffer.resize(BUFFER_BYTES, 0);
        for (mtd, bytes) in self.sizes_bytes.clone() {
            let file = format!("{}.bin", MtdIndex(mtd));
            let Some(info) = by_number.get(&mtd).copied() else {
                self.problem(format!("{file} is of no partition in the layout"));
                continue;
            };
            if let Some(problem) = self.length_problem(info, bytes) {
                self.problem(problem);
                continue;
            }
            let (md5, sha256) = self.digest(&file, &mut buffer, interrupt)?;
            let sum = self.sum(mtd);
            match (sum, self.fate(mtd)) {
                (Some(sum), _) if *sum != md5 => {
                    let problem = format!("{file} has MD5 {md5}; the device stored {sum}");
                    self.problem(problem);
                }
                (Some(_), _) | (None, Some(Fate::Left(_) | Fate::Skipped)) => {}
                (None, _) if self.sums.is_some() => {
                    self.problem(format!("{MD5_SUMS} has no line for {file}"));
                }
                (None, _) => {}
            }
            images.insert(
                mtd,
                Inspected {
                    sha256,
                    has_device_digest: self.sum(mtd).is_some(),
                },
            );
        }
        Ok(images)
    }

    fn length_problem(&self, info: &MtdInfo, bytes: u64) -> Option<String> {
        let size_bytes = info.size_bytes;
        if bytes != size_bytes {
            let what = if bytes < size_bytes { "short" } else { "long" };
            return Some(format!(
                "{}.bin is too {what}: {bytes:#x} bytes, and {} has {size_bytes:#x}",
                info.index,
                info.id()
            ));
        }
        match self.fate(info.index.0) {
            Some(Fate::Image { size_bytes, .. }) if *size_bytes != bytes => Some(format!(
                "{}.bin has {bytes:#x} bytes; {RECORD} says {size_bytes:#x}",
                info.index
            )),
            None if self.record.as_ref().is_some_and(|record| record.complete) => {
                Some(format!("{RECORD} does not mention {}", info.id()))
            }
            _ => None,
        }
    }

    /// MD5 and SHA-256 of a file.
    fn digest(
        &self,
        file: &str,
        buffer: &mut [u8],
        interrupt: &AtomicBool,
    ) -> Result<(String, Option<String>), ImportError> {
        let path = self.path.join(file);
        let read = |source| ImportError::Read {
            what: path.display().to_string(),
            source,
        };
        let mut stream = open_file(&path).map_err(read)?;
        let mut md5 = RunningMd5::default();
        let mut digests = Digests::new(DigestChoice::Sha256);
        loop {
            if interrupt.load(Ordering::Relaxed) {
                return Err(ImportError::Interrupted);
            }
            match stream.read(buffer) {
                Ok(0) => return Ok((md5.finish(), digests.finish().sha256)),
                Ok(count) => {
                    md5.update(&buffer[..count]);
                    digests.update(&buffer[..count]);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read(error)),
            }
        }
    }

    /// What the bytes say; bytes against an assumed layout end the import.
    fn evidence(&self, layout: &KnownLayout) -> Result<Evidence, ImportError> {
        let mut evidence = Evidence::default();
        for info in &layout.devices {
            let there = self.sizes_bytes.contains_key(&info.index.0);
            if !there || info.size_bytes > evidence::SIZE_BYTES_MAX {
                continue;
            }
            let file = format!("{}.bin", info.index);
            let read = || {
                contents::read_text(&self.folder, &file, evidence::SIZE_BYTES_MAX)
                    .map_err(|error| ImportError::Backup(error.into()))
            };
            match info.name.as_str() {
                evidence::FIS => evidence::of_fis(&read()?, &layout.devices, &mut evidence),
                evidence::FCONFIG => evidence::of_fconfig(&read()?, &mut evidence),
                _ => {}
            }
        }
        if layout.assumed && evidence.contradicts_layout {
            return Err(ImportError::NeedsLayout {
                why: format!(
                    "{TABLE} is not in the folder, and it cannot be the Clear iSpot's: {}",
                    evidence.against.join("; ")
                ),
            });
        }
        Ok(evidence)
    }

    /// Why partitions have no image, and which nobody had asked for.
    fn missing(&self, devices: &[MtdInfo]) -> (BTreeMap<u32, String>, BTreeSet<u32>) {
        let (mut missing, mut skipped) = (BTreeMap::new(), BTreeSet::new());
        for info in devices {
            let mtd = info.index.0;
            if self.sizes_bytes.contains_key(&mtd) {
                continue;
            }
            let file = format!("{}.bin", info.index);
            let listed = self.sum(mtd).is_some()
                || self
                    .index
                    .as_ref()
                    .is_some_and(|page| page.contains(&format!("\"{file}\"")));
            let reason = match self.fate(mtd) {
                Some(Fate::Skipped) => {
                    skipped.insert(mtd);
                    continue;
                }
                Some(Fate::Left(reason)) => format!("on the device, {reason}"),
                Some(Fate::Image { .. }) => format!("the device stored {file}; it was not fetched"),
                None if listed => format!("the device stored {file}; it was not fetched"),
                None if self.record.is_some() => "the capture was cut off before it".into(),
                None => format!(
                    "there is no {file}; scripts leave a partition without a node out and say nothing"
                ),
            };
            missing.insert(mtd, reason);
        }
        (missing, skipped)
    }

    fn foreign(&self) -> Vec<String> {
        let known = [RECORD, RECORD_PART, TABLE, MD5_SUMS, INDEX];
        let names = self.entries.iter().map(|entry| entry.name.clone());
        names
            .filter(|name| script_image(name).is_none() && !known.contains(&name.as_str()))
            .collect()
    }
}
