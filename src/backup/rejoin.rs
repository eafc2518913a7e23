//! Going on in a folder whose manifest or mark is damaged.
//!
//! Nobody tells of which device such a folder is. So its images must be, byte for
//! byte, what this device's flash holds; what differs may be another device's, and
//! is never replaced.

use super::buffer;
use super::buffer::read_full;
use super::contents::script_image;
use super::damage::TORN;
use super::directory::{Directory, Entry};
use super::error::BackupError;
use super::image::first_difference;
use super::opening::{Opened, Source};
use super::reader::Reader;
use super::texts;
use super::work::Work;
use crate::mtd::MtdBackend;

/// The first image in the folder that is not what the opened devices' flash holds.
/// An empty file holds nothing that could be lost.
pub(super) fn first_other(
    folder: &dyn Directory,
    own: &[Entry],
    backend: &dyn MtdBackend,
    opened: &mut Opened,
    work: &Work<'_>,
) -> Result<Option<String>, Box<BackupError>> {
    let holds = |entry: &&Entry| entry.size_bytes.is_some_and(|bytes| bytes > 0);
    let images = own.iter().filter(holds);
    let images = images.filter_map(|entry| Some((entry, script_image(&entry.name)?)));
    for (entry, number) in images {
        // They are in the order of their numbers.
        let at = opened.binary_search_by_key(&number, |source| source.info().index.0);
        let same = match at.ok().map(|at| &mut opened[at]) {
            Some(source) if entry.size_bytes == Some(source.info().size_bytes) => {
                // One that has to be opened again does not stay open.
                let mut own;
                let device = match source {
                    Source::Open(device) => device.as_mut(),
                    Source::Closed(info) => {
                        own = backend.open(info)?;
                        own.as_mut()
                    }
                };
                let reader = Reader::new(device, work.stop());
                is_same(folder, &entry.name, reader, work.buffer_bytes)?
            }
            _ => false,
        };
        if !same {
            return Ok(Some(entry.name.clone()));
        }
    }
    Ok(None)
}

fn is_same(
    folder: &dyn Directory,
    file: &str,
    mut flash: Reader<'_>,
    buffer_bytes: usize,
) -> Result<bool, Box<BackupError>> {
    let cannot = |source| texts::error(folder, "cannot read", file, source);
    let mut stored = folder.open(file).map_err(cannot)?;
    let (mut read, mut kept) = (Vec::new(), Vec::new());
    let read = buffer::grow(&mut read, buffer_bytes.max(1))?;
    let kept = buffer::grow(&mut kept, buffer_bytes.max(1))?;
    loop {
        let count = flash.next(read)?;
        if count == 0 {
            return Ok(true);
        }
        let got = read_full(stored.as_mut(), &mut kept[..count]).map_err(cannot)?;
        if first_difference(&read[..count], &kept[..got]).is_some() {
            return Ok(false);
        }
    }
}

/// Gives a damaged file a name under which it is kept, where it is there; says
/// which.
pub(super) fn set_aside(
    folder: &dyn Directory,
    file: &str,
) -> Result<Option<String>, Box<BackupError>> {
    let entries = folder.list().map_err(|source| BackupError::Folder {
        operation: "cannot list",
        folder: folder.describe(),
        source,
    })?;
    let is_there = |name: &str| entries.iter().any(|entry| entry.name == name);
    if !is_there(file) {
        return Ok(None);
    }
    let numbered = (2..1000).map(|number| format!("{file}{TORN}{number}"));
    let free = std::iter::once(format!("{file}{TORN}"))
        .chain(numbered)
        .find(|name| !is_there(name));
    // After a thousand repairs the last one's copy is replaced.
    let name = free.unwrap_or_else(|| format!("{file}{TORN}"));
    texts::rename(folder, file, &name)?;
    Ok(Some(name))
}
