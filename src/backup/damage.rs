//! A backup whose manifest is torn, changed or missing: what is still known of it.
//!
//! Invariants: damage never makes intact images worthless, and never lets them pass
//! for a good backup; nothing is changed here.
//!
//! Who can still speak: `SHA256SUMS`, which names the manifest as well, and the copy
//! of the manifest in `index.html`. A manifest that `SHA256SUMS` vouches for and
//! that still cannot be trusted is not damaged: it is another program's, a later
//! version's, or somebody's trap, and is refused.

use super::contents::{self, page_is_ours, script_image};
use super::digest::sha256;
use super::directory::{Directory, Entry};
use super::error::BackupError;
use super::html;
use super::manifest::{
    Device, FORMAT, INDEX, Image, MANIFEST, MANIFEST_BYTES_MAX, Manifest, ManifestError, SUMS,
    UNFINISHED,
};
use super::sums::{self, SumLine};
use crate::mtd::{MtdBackend, MtdError};

/// What `repair` adds to the name of a damaged file that it keeps.
pub(crate) const TORN: &str = ".torn";

/// How every manifest begins that this program wrote.
const HEAD: &[u8] = b"{\n  \"format\": \"mtdkeep-backup\"";

/// A backup without a manifest that can be read.
#[derive(Debug)]
pub(crate) struct Damage {
    /// `manifest.json`, or `unfinished.json` of a backup that was cut off.
    pub(crate) file: &'static str,
    /// What is wrong with it, as a sentence's end.
    pub(crate) why: String,
    /// Whether something shows that a backup made what is there.
    pub(crate) is_ours: bool,
    /// Whether a backup may go on there, if all images are what the flash holds:
    /// as above, or nothing speaks against it.
    pub(crate) may_go_on: bool,
}

impl Damage {
    /// Of a text that is no manifest. An error where it is not damaged, but not to
    /// be trusted.
    pub(crate) fn of_text(
        folder: &dyn Directory,
        entries: &[Entry],
        file: &'static str,
        text: &[u8],
        source: ManifestError,
    ) -> Result<Self, Box<BackupError>> {
        let torn = matches!(source, ManifestError::Torn(_));
        let lines = read_sums(folder, entries)?;
        let line = lines.iter().find(|line| line.file == file);
        let changed = line.is_some_and(|line| line.sha256 != sha256(text));
        if !torn && !changed {
            return Err(BackupError::Manifest {
                file,
                folder: folder.describe(),
                source,
            }
            .into());
        }
        let why = if text.is_empty() {
            "is empty".into()
        } else if torn {
            format!("cannot be used: {source}")
        } else {
            format!("is not what {SUMS} says, and cannot be used: {source}")
        };
        let has_page = contents::has(entries, INDEX) && page_is_ours(folder)?;
        // Nothing was ever there: a power cut took the first file's text.
        let nothing_else = entries.iter().all(|entry| {
            entry.size_bytes == Some(0)
                || entry.name == file
                || entry.name.ends_with(super::manifest::PART)
        }) && text.iter().all(|byte| *byte == 0);
        // A power cut takes a text's end, or all of it.
        let is_cut = HEAD.starts_with(text) || text.iter().all(|byte| *byte == 0);
        let is_mark = file == UNFINISHED && is_cut;
        let is_ours = has_page || nothing_else || is_mark || text.starts_with(HEAD);
        Ok(Self {
            file,
            why,
            is_ours,
            may_go_on: is_ours || is_cut,
        })
    }

    /// Of a folder with neither manifest nor mark, where something tells of one.
    pub(crate) fn of_missing(
        folder: &dyn Directory,
        entries: &[Entry],
    ) -> Result<Option<Self>, Box<BackupError>> {
        let has_page = contents::has(entries, INDEX) && page_is_ours(folder)?;
        let has_copy = entries
            .iter()
            .any(|entry| entry.size_bytes.is_some() && is_torn_copy(&entry.name));
        let is_ours = has_page || has_copy;
        let sums_speak = !is_ours && !read_sums(folder, entries)?.is_empty();
        Ok((is_ours || sums_speak).then(|| Self {
            file: MANIFEST,
            why: "is missing".into(),
            is_ours,
            may_go_on: is_ours,
        }))
    }

    /// Whether the backup had been finished once.
    pub(crate) fn was_finished(&self) -> bool {
        self.file != UNFINISHED
    }

    /// What can still be told of the images: the manifest's copy in `index.html`,
    /// or what `SHA256SUMS` knows.
    pub(crate) fn what_is_known(
        &self,
        folder: &dyn Directory,
        own: &[Entry],
    ) -> Result<Known, Box<BackupError>> {
        if let Some(text) = page_copy(folder, own)? {
            if let Ok(manifest) = Manifest::parse(&text) {
                return Ok(Known {
                    manifest,
                    by: INDEX,
                });
            }
        }
        let lines = read_sums(folder, own)?;
        Ok(Known {
            manifest: from_sums(&lines, own),
            by: SUMS,
        })
    }
}

/// What is known without the manifest.
pub(crate) struct Known {
    /// Of each image what is known; a pseudo-manifest without a layout where only
    /// `SHA256SUMS` speaks.
    pub(crate) manifest: Manifest,
    /// The file that says so.
    pub(crate) by: &'static str,
}

impl Known {
    /// Adds the names that `SHA256SUMS` lacks, from the device.
    pub(crate) fn name_partitions(&mut self, backend: &dyn MtdBackend) -> Result<(), MtdError> {
        if self.by != SUMS {
            return Ok(());
        }
        let there = backend.devices()?;
        for image in &mut self.manifest.images {
            let info = there.iter().find(|info| info.index.0 == image.mtd);
            if let Some(info) = info.filter(|info| info.size_bytes == image.size_bytes) {
                image.name.clone_from(&info.name);
                image.erase_block_bytes = info.erase_block_bytes;
            }
        }
        Ok(())
    }
}

/// `manifest.json.torn`, `SHA256SUMS.torn2`, …: what a repair keeps.
pub(crate) fn is_torn_copy(name: &str) -> bool {
    [MANIFEST, UNFINISHED, SUMS, INDEX].iter().any(|file| {
        name.strip_prefix(file)
            .and_then(|rest| rest.strip_prefix(TORN))
            .is_some_and(|number| number.len() < 4 && number.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// The lines of `SHA256SUMS` that speak of a backup's files, also where other
/// lines of it are torn.
pub(crate) fn read_sums(
    folder: &dyn Directory,
    entries: &[Entry],
) -> Result<Vec<SumLine>, Box<BackupError>> {
    if !contents::has(entries, SUMS) {
        return Ok(Vec::new());
    }
    let text = contents::read_text(folder, SUMS, MANIFEST_BYTES_MAX)?;
    let mut lines = sums::whole_lines(&String::from_utf8_lossy(&text));
    lines.retain(|line| line.file == MANIFEST || script_image(&line.file).is_some());
    Ok(lines)
}

/// The manifest's copy in the folder's own `index.html`, as text.
pub(crate) fn page_copy(
    folder: &dyn Directory,
    entries: &[Entry],
) -> Result<Option<Vec<u8>>, Box<BackupError>> {
    if !contents::has(entries, INDEX) || !page_is_ours(folder)? {
        return Ok(None);
    }
    let page = contents::read_text(folder, INDEX, 2 * MANIFEST_BYTES_MAX)?;
    Ok(html::manifest_copy(&String::from_utf8_lossy(&page)))
}

/// The manifest's copy in the page, where `SHA256SUMS` vouches for it and not for
/// the manifest: a text that can be read may have changed all the same.
pub(crate) fn better_copy(
    folder: &dyn Directory,
    own: &[Entry],
) -> Result<Option<Manifest>, Box<BackupError>> {
    let lines = read_sums(folder, own)?;
    let Some(line) = lines.iter().find(|line| line.file == MANIFEST) else {
        return Ok(None);
    };
    let text = contents::read_text(folder, MANIFEST, MANIFEST_BYTES_MAX)?;
    if sha256(&text) == line.sha256 {
        return Ok(None);
    }
    let copy = page_copy(folder, own)?.filter(|copy| sha256(copy) == line.sha256);
    Ok(copy.and_then(|copy| Manifest::parse(&copy).ok()))
}

fn from_sums(lines: &[SumLine], own: &[Entry]) -> Manifest {
    let mut images = Vec::new();
    for line in lines {
        let Some(mtd) = script_image(&line.file) else {
            continue;
        };
        let entry = own.binary_search_by(|entry| entry.name.cmp(&line.file));
        let entry = entry.ok().map(|at| &own[at]);
        images.push(Image {
            mtd,
            name: line.file.clone(),
            file: line.file.clone(),
            size_bytes: entry.and_then(|entry| entry.size_bytes).unwrap_or(0),
            erase_block_bytes: 0,
            crc32: None,
            sha256: Some(line.sha256.clone()),
            unreadable: Vec::new(),
            second_reading: None,
            doubt: None,
            blank: None,
        });
    }
    Manifest {
        format: FORMAT.into(),
        format_version: String::new(),
        tool: String::new(),
        created_utc: String::new(),
        device: Device {
            description: String::new(),
            identity: None,
        },
        layout: Vec::new(),
        images,
        folder_created: false,
        origin: None,
        rebuilt: None,
    }
}
