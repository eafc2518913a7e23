//! The whole chip, put together from a backup's images.
//!
//! Invariants: an image is placed only where somebody tells that it lies; what lies in
//! several images is the same in all of them; what no image covers is named, and is
//! filled only where the caller says so; every image's digests are compared with the
//! bytes that were taken.

#[cfg(test)]
mod tests;

use super::digest::{DigestChoice, Digests};
use super::directory::Directory;
use super::manifest::{Image, Manifest};
use crate::layout::{Conflict, Reading, place};
use crate::mtd::{MtdInfo, MtdName};
use std::io::{self, Read};
use std::ops::Range;

const PIECE_BYTES: usize = 64 << 10;

/// Why no chip was put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum JoinError {
    /// Nobody tells where a partition starts, or on which chip it is.
    #[error("nobody tells {}", lacking(.device, *.lacks))]
    Uncertain {
        /// The partition.
        device: MtdName,
        /// What is not told.
        lacks: Lacking,
    },
    /// Two tell different places.
    #[error("where {device} lies on the chip is told differently: {}", .others.join("; "))]
    Contradicted {
        /// The partition.
        device: MtdName,
        /// What others say than the offset in the manifest, in words.
        others: Vec<String>,
    },
    /// The partitions lie on several chips.
    #[error("{first} and {second} are on different chips, and a file holds one")]
    SeveralChips {
        /// One.
        first: MtdName,
        /// The other.
        second: MtdName,
    },
    /// A partition without an image, and nothing else has its bytes.
    #[error("there is no image of {device}")]
    NoImage {
        /// The partition.
        device: MtdName,
    },
    /// A partition past the chip's end.
    #[error("{device} reaches up to {end_bytes:#x}, past the {chip_bytes:#x} bytes of the chip")]
    PastTheEnd {
        /// The partition.
        device: MtdName,
        /// Where it would end.
        end_bytes: u64,
        /// How large the chip is.
        chip_bytes: u64,
    },
    /// The layout that was given says something else than the manifest.
    #[error("the layout and the manifest contradict each other: {}", .0[0])]
    Contradiction(Vec<Conflict>),
    /// Two images differ in what both of them have.
    #[error("{first} and {second} overlap and differ at {offset_bytes:#x} of the chip")]
    Differ {
        /// One file.
        first: String,
        /// The other.
        second: String,
        /// The first piece of the chip in which they differ starts here.
        offset_bytes: u64,
    },
    /// An image is not the one of the manifest.
    #[error("{file} is not what its digests say")]
    Changed {
        /// The file.
        file: String,
    },
    /// An image cannot be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// The file.
        file: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The chip's file cannot be written, or the caller wants no more.
    #[error("cannot write: {0}")]
    Write(io::Error),
}

/// What is not told of a partition's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lacking {
    /// Where it starts.
    Offset,
    /// The same; there is an offset, but it is only inferred.
    AllButInferred,
    /// On which chip it starts there.
    Chip,
}

fn lacking(device: &MtdName, lacks: Lacking) -> String {
    match lacks {
        Lacking::Offset => format!("where {device} lies on the chip"),
        Lacking::AllButInferred => {
            format!("where {device} lies on the chip: the offset that is known is only inferred")
        }
        Lacking::Chip => format!("on which chip {device} lies; where it starts there is known"),
    }
}

/// An image in its place.
#[derive(Debug)]
struct Part {
    image: Image,
    place: Range<u64>,
}

/// Which image goes where.
#[derive(Debug)]
pub(crate) struct Plan {
    /// By their starts.
    parts: Vec<Part>,
    /// How large the chip is, in bytes.
    pub(crate) size_bytes: u64,
    /// Whether somebody told that size; otherwise the last partition's end is it.
    pub(crate) size_is_told: bool,
    /// What no image covers, in bytes from the chip's start.
    pub(crate) gaps: Vec<Range<u64>>,
}

/// Finds out where each image goes. `layout` tells more than the manifest does.
///
/// # Errors
/// [`JoinError`], where a place is not certain or a partition is missing.
pub(crate) fn plan(manifest: &Manifest, layout: Option<&Reading>) -> Result<Plan, JoinError> {
    let mut devices = devices(manifest);
    let told_bytes = match layout {
        Some(layout) => add_layout(&mut devices, layout)?,
        None => None,
    };
    devices.retain(|device| device.size_bytes > 0);
    // Told with the backup, or by the layout when that was placed.
    let told_bytes = told_bytes.or(devices.iter().find_map(|device| device.chip_bytes));
    let mut parts = Vec::new();
    let mut missing = Vec::new();
    for device in &devices {
        let place = certain_place(device)?;
        if let Some(chip_bytes) = told_bytes.filter(|bytes| place.end > *bytes) {
            return Err(JoinError::PastTheEnd {
                device: device.id(),
                end_bytes: place.end,
                chip_bytes,
            });
        }
        let image = manifest.images.iter().find(|i| i.mtd == device.index.0);
        let whole = |image: &&Image| image.unreadable.is_empty() && image.doubt.is_none();
        match image.filter(whole) {
            Some(image) => parts.push(Part {
                image: image.clone(),
                place,
            }),
            None => missing.push((device, place)),
        }
    }
    one_chip(&devices)?;
    parts.sort_by_key(|part| part.place.start);
    let end = parts.iter().map(|part| part.place.end).max().unwrap_or(0);
    let gaps = gaps(&parts, told_bytes.unwrap_or(end));
    // A partition without an image may lie in others that have one.
    let uncovered = |place: &Range<u64>| {
        place.end > end
            || gaps
                .iter()
                .any(|gap| gap.start < place.end && place.start < gap.end)
    };
    if let Some((device, _)) = missing.iter().find(|(_, place)| uncovered(place)) {
        return Err(JoinError::NoImage {
            device: device.id(),
        });
    }
    Ok(Plan {
        parts,
        size_bytes: told_bytes.unwrap_or(end),
        size_is_told: told_bytes.is_some(),
        gaps,
    })
}

/// What a layout tells of the devices; answers how large it has the chip.
fn add_layout(devices: &mut [MtdInfo], layout: &Reading) -> Result<Option<u64>, JoinError> {
    let placed = place(devices, layout);
    if !placed.conflicts.is_empty() {
        return Err(JoinError::Contradiction(placed.conflicts));
    }
    // Whoever gives a layout has decided.
    for device in devices.iter_mut() {
        if placed.chip_of.contains_key(&device.index) {
            device.contradictions.clear();
        }
    }
    Ok(match &placed.chips[..] {
        [chip] => chip.size_bytes,
        // Offsets that somebody writes down for one chip's file are of one chip.
        [] if layout.partitions.iter().any(|facts| facts.offset.is_some()) => {
            for device in devices {
                device.chip = device.chip.or(Some(0));
            }
            None
        }
        _ => None,
    })
}

/// The manifest's layout as devices.
fn devices(manifest: &Manifest) -> Vec<MtdInfo> {
    let info = super::LayoutEntry::info;
    manifest.layout.iter().map(info).collect()
}

fn certain_place(device: &MtdInfo) -> Result<Range<u64>, JoinError> {
    if !device.contradictions.is_empty() {
        return Err(JoinError::Contradicted {
            device: device.id(),
            others: device.contradictions.clone(),
        });
    }
    let certain = device
        .certain_offset_bytes()
        .filter(|_| device.chip.is_some());
    let place = certain.and_then(|start| Some(start..start.checked_add(device.size_bytes)?));
    place.ok_or_else(|| JoinError::Uncertain {
        device: device.id(),
        lacks: match device.offset {
            None => Lacking::Offset,
            Some(offset) if offset.source.is_inferred() => Lacking::AllButInferred,
            Some(_) => Lacking::Chip,
        },
    })
}

fn one_chip(devices: &[MtdInfo]) -> Result<(), JoinError> {
    let other = devices.iter().find(|device| device.chip != devices[0].chip);
    match other {
        Some(other) => Err(JoinError::SeveralChips {
            first: devices[0].id(),
            second: other.id(),
        }),
        None => Ok(()),
    }
}

fn gaps(parts: &[Part], size_bytes: u64) -> Vec<Range<u64>> {
    let mut gaps = Vec::new();
    let mut reached = 0;
    for part in parts {
        if part.place.start > reached {
            gaps.push(reached..part.place.start);
        }
        reached = reached.max(part.place.end);
    }
    if size_bytes > reached {
        gaps.push(reached..size_bytes);
    }
    gaps
}

/// An image that is being read.
struct Open<'a> {
    part: &'a Part,
    reader: Box<dyn Read + Send>,
    digests: Digests,
}

impl Open<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<(), JoinError> {
        self.reader
            .read_exact(buf)
            .map_err(|source| JoinError::Read {
                file: self.part.image.file.clone(),
                source,
            })?;
        self.digests.update(buf);
        Ok(())
    }

    /// Whether what was read is the image of the manifest, all of it.
    fn close(mut self) -> Result<(), JoinError> {
        let image = &self.part.image;
        let goes_on = self.reader.read(&mut [0]).map_or(true, |count| count > 0);
        let values = self.digests.finish();
        if goes_on || !image.has(&values) {
            return Err(JoinError::Changed {
                file: image.file.clone(),
            });
        }
        Ok(())
    }
}

/// Writes the chip. What no image covers becomes 0xFF, as erased flash is. `sink` may
/// end it with an error of its own, which comes back as [`JoinError::Write`].
///
/// # Errors
/// [`JoinError`].
pub(crate) fn join(
    folder: &dyn Directory,
    plan: &Plan,
    sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), JoinError> {
    let places = plan.parts.iter().map(|part| &part.place);
    let mut bounds: Vec<u64> = places.flat_map(|place| [place.start, place.end]).collect();
    bounds.extend([0, plan.size_bytes]);
    bounds.sort_unstable();
    bounds.dedup();
    let mut waiting = plan.parts.iter().peekable();
    let mut open: Vec<Open<'_>> = Vec::new();
    for bound in bounds.windows(2) {
        while let Some(part) = waiting.next_if(|part| part.place.start == bound[0]) {
            open.push(open_part(folder, part)?);
        }
        copy(bound[0]..bound[1], &mut open, sink)?;
        let (ended, on): (Vec<_>, Vec<_>) = open
            .into_iter()
            .partition(|one| one.part.place.end == bound[1]);
        ended.into_iter().try_for_each(Open::close)?;
        open = on;
    }
    Ok(())
}

fn open_part<'a>(folder: &dyn Directory, part: &'a Part) -> Result<Open<'a>, JoinError> {
    let file = &part.image.file;
    let reader = folder.open(file).map_err(|source| JoinError::Read {
        file: file.clone(),
        source,
    })?;
    let digests = Digests::new(part.image.digests().unwrap_or(DigestChoice::Both));
    Ok(Open {
        part,
        reader,
        digests,
    })
}

/// Copies a range that the same images cover from end to end.
fn copy(
    range: Range<u64>,
    open: &mut [Open<'_>],
    sink: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), JoinError> {
    let mut first = vec![0xff; PIECE_BYTES];
    let mut other = vec![0; PIECE_BYTES];
    let mut at = range.start;
    while at < range.end {
        let length = usize::try_from(range.end - at).unwrap_or(PIECE_BYTES);
        let length = length.min(PIECE_BYTES);
        if let Some((one, others)) = open.split_first_mut() {
            one.read(&mut first[..length])?;
            for another in others {
                another.read(&mut other[..length])?;
                if first[..length] != other[..length] {
                    return Err(JoinError::Differ {
                        first: one.part.image.file.clone(),
                        second: another.part.image.file.clone(),
                        offset_bytes: at,
                    });
                }
            }
        }
        sink(&first[..length]).map_err(JoinError::Write)?;
        at += length as u64;
    }
    Ok(())
}
