//! What lies in a folder: nothing, a backup (finished or not), a backup of the
//! shell script that the article on the iSpot prints, or something foreign.
//!
//! Invariants: a file counts as a backup's own only if a manifest that can be
//! trusted says so, or if its name is one that only a backup uses; a backup whose
//! manifest is damaged is told apart from a folder without a backup.

use super::capture_format::{
    FOLDER_MADE, MD5_SUMS, RECORD, RECORD_BYTES_MAX, RECORD_HEAD, RECORD_PART, SCRIPT_PAGE, TABLE,
};
use super::damage::{self, Damage};
use super::directory::{Directory, Entry};
use super::error::BackupError;
use super::html;
use super::litter::is_litter;
use super::manifest::{INDEX, MANIFEST, MANIFEST_BYTES_MAX, Manifest, PART, SUMS, UNFINISHED};
use std::io::Read as _;

/// How much of `index.html` is looked at to tell whose it is.
const PAGE_HEAD_BYTES: u64 = 1024;

/// What a folder holds.
#[derive(Debug)]
pub(crate) enum State {
    /// No file that matters.
    Empty,
    /// A backup with its manifest.
    Finished(Box<Manifest>),
    /// A backup that was cut off.
    Unfinished(Box<Manifest>),
    /// A backup whose manifest, or whose mark, is torn or missing.
    Damaged(Box<Damage>),
    /// A backup as the script of that article makes it.
    Script,
    /// A capture by the script that `mtdkeep script` prints, finished or not.
    Capture {
        /// Whether the script made the folder.
        folder_created: bool,
    },
    /// None of these.
    Foreign,
}

/// A folder's state and its files, told apart.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) state: State,
    /// Files that a backup in this state has, under their final names, sorted by name
    /// as [`Directory::list`] gives them: they are looked up by halves.
    pub(crate) own: Vec<Entry>,
    /// Files that were being written when a backup was cut off.
    pub(crate) parts: Vec<Entry>,
    /// What an operating system left there; nobody's concern.
    pub(crate) litter: Vec<Entry>,
    /// Everything else.
    pub(crate) foreign: Vec<Entry>,
}

/// Looks into a folder; changes nothing.
pub(crate) fn look(folder: &dyn Directory) -> Result<Contents, Box<BackupError>> {
    let entries = folder.list().map_err(|source| BackupError::Folder {
        operation: "cannot list",
        folder: folder.describe(),
        source,
    })?;
    let (litter, entries): (Vec<_>, Vec<_>) = entries
        .into_iter()
        .partition(|entry| is_litter(&entry.name));
    let state = state_of(folder, &entries)?;
    let images = Images::of(&state);
    let (mut own, mut parts, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        // Links, folders and devices are never a backup's.
        if entry.size_bytes.is_none() {
            foreign.push(entry);
        } else if is_own(folder, &state, &images, &entry)? {
            own.push(entry);
        } else if is_own_part(&state, &images, &entry.name) {
            parts.push(entry);
        } else {
            foreign.push(entry);
        }
    }
    Ok(Contents {
        state,
        own,
        parts,
        litter,
        foreign,
    })
}

/// Whether there is a regular file of that name.
pub(crate) fn has(entries: &[Entry], name: &str) -> bool {
    entries
        .iter()
        .any(|entry| entry.name == name && entry.size_bytes.is_some())
}

fn state_of(folder: &dyn Directory, entries: &[Entry]) -> Result<State, Box<BackupError>> {
    let has = |name: &str| has(entries, name);
    for file in [MANIFEST, UNFINISHED] {
        if has(file) {
            let text = read_text(folder, file, MANIFEST_BYTES_MAX)?;
            return Ok(match Manifest::parse(&text) {
                Ok(manifest) if file == MANIFEST => State::Finished(Box::new(manifest)),
                Ok(manifest) => State::Unfinished(Box::new(manifest)),
                Err(error) => {
                    let damage = Damage::of_text(folder, entries, file, &text, error)?;
                    State::Damaged(Box::new(damage))
                }
            });
        }
    }
    for record in [RECORD, RECORD_PART] {
        if has(record) {
            let text = read_text(folder, record, RECORD_BYTES_MAX)?;
            if text.starts_with(RECORD_HEAD.as_bytes()) {
                let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
                let folder_created = lines.any(|line| line == FOLDER_MADE.as_bytes());
                return Ok(State::Capture { folder_created });
            }
        }
    }
    if has(INDEX) && page_head(folder)?.starts_with(SCRIPT_PAGE) {
        return Ok(State::Script);
    }
    if let Some(damage) = Damage::of_missing(folder, entries)? {
        return Ok(State::Damaged(Box::new(damage)));
    }
    // Only the very first file can have been cut off without a trace of a mark.
    let only_first_part = entries.iter().all(|e| e.name == part(UNFINISHED));
    Ok(if only_first_part {
        State::Empty
    } else {
        State::Foreign
    })
}

/// Reads a small file, up to a limit.
pub(crate) fn read_text(
    folder: &dyn Directory,
    file: &str,
    limit_bytes: u64,
) -> Result<Vec<u8>, Box<BackupError>> {
    let mut text = Vec::new();
    folder
        .open(file)
        .and_then(|stream| stream.take(limit_bytes).read_to_end(&mut text))
        .map_err(|source| BackupError::File {
            operation: "cannot read",
            file: file.into(),
            folder: folder.describe(),
            offset_bytes: Some(text.len() as u64),
            length_bytes: None,
            source,
        })?;
    Ok(text)
}

/// Whether the folder's `index.html` is a page of a backup.
pub(crate) fn page_is_ours(folder: &dyn Directory) -> Result<bool, Box<BackupError>> {
    Ok(page_head(folder)?.contains(html::GENERATOR))
}

fn page_head(folder: &dyn Directory) -> Result<String, Box<BackupError>> {
    let head = read_text(folder, INDEX, PAGE_HEAD_BYTES)?;
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// The numbers of the images that a manifest has, and of those that its backup was
/// going to make. Sorted, because there may be tens of thousands, and as many files.
#[derive(Default)]
struct Images {
    there: Vec<u32>,
    planned: Vec<u32>,
}

impl Images {
    fn of(state: &State) -> Self {
        let (State::Finished(manifest) | State::Unfinished(manifest)) = state else {
            return Self::default();
        };
        Self {
            there: sorted(manifest.images.iter().map(|image| image.mtd)),
            planned: planned(manifest),
        }
    }
}

/// Whether a file is the image of one of these numbers, which are sorted.
pub(crate) fn is_image_of(numbers: &[u32], name: &str) -> bool {
    script_image(name).is_some_and(|mtd| numbers.binary_search(&mtd).is_ok())
}

fn is_own(
    folder: &dyn Directory,
    state: &State,
    images: &Images,
    entry: &Entry,
) -> Result<bool, Box<BackupError>> {
    let name = entry.name.as_str();
    Ok(match state {
        State::Empty | State::Foreign => false,
        State::Finished(_) => match name {
            MANIFEST | SUMS => true,
            INDEX => page_is_ours(folder)?,
            _ => damage::is_torn_copy(name) || is_image_of(&images.there, name),
        },
        State::Unfinished(_) => match name {
            UNFINISHED | SUMS => true,
            INDEX => page_is_ours(folder)?,
            _ => damage::is_torn_copy(name) || is_image_of(&images.planned, name),
        },
        State::Damaged(_) => match name {
            MANIFEST | UNFINISHED | SUMS => true,
            INDEX => page_is_ours(folder)?,
            _ => damage::is_torn_copy(name) || is_script_image(name),
        },
        State::Script => name == INDEX || is_script_image(name),
        State::Capture { .. } => match name {
            RECORD | TABLE | MD5_SUMS => true,
            INDEX => page_is_ours(folder)?,
            _ => is_script_image(name),
        },
    })
}

/// The numbers of the images that a backup is going to make, sorted.
pub(crate) fn planned(manifest: &Manifest) -> Vec<u32> {
    let wanted = manifest.layout.iter().filter(|e| e.left_out.is_none());
    sorted(wanted.map(|entry| entry.mtd))
}

/// The numbers of the images among files, sorted.
pub(crate) fn image_numbers(files: &[Entry]) -> Vec<u32> {
    sorted(files.iter().filter_map(|entry| script_image(&entry.name)))
}

pub(crate) fn sorted(numbers: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut numbers: Vec<u32> = numbers.collect();
    numbers.sort_unstable();
    numbers
}

fn is_own_part(state: &State, images: &Images, name: &str) -> bool {
    let Some(name) = name.strip_suffix(PART) else {
        return false;
    };
    let is_text = [MANIFEST, UNFINISHED, SUMS, INDEX].contains(&name);
    match state {
        State::Empty => name == UNFINISHED,
        State::Finished(_) | State::Unfinished(_) => is_text || is_image_of(&images.planned, name),
        State::Damaged(_) => is_text || is_script_image(name),
        State::Capture { .. } => name == RECORD || is_script_image(name),
        State::Script | State::Foreign => false,
    }
}

fn is_script_image(name: &str) -> bool {
    script_image(name).is_some()
}

/// N of `mtdN.bin`, with N as a shell counts: no leading zero.
pub(crate) fn script_image(name: &str) -> Option<u32> {
    name.strip_prefix("mtd")
        .and_then(|rest| rest.strip_suffix(".bin"))
        .and_then(|number| number.parse::<u32>().ok())
        .filter(|number| name == format!("mtd{number}.bin"))
}

/// The name of a file that is being written.
pub(crate) fn part(name: &str) -> String {
    format!("{name}{PART}")
}

/// Names in one line, cut off where there are very many.
pub(crate) fn names(entries: &[Entry]) -> String {
    const SHOWN_MAX: usize = 8;
    let mut text = String::new();
    for (at, entry) in entries.iter().take(SHOWN_MAX).enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        text += &format!("{comma}{:?}", entry.name);
    }
    if entries.len() > SHOWN_MAX {
        text += &format!(" and {} more", entries.len() - SHOWN_MAX);
    }
    text
}
