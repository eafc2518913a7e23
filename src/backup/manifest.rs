//! `manifest.json`: what a backup holds and what it was taken from.
//!
//! Invariants: a manifest that [`Manifest::parse`] accepts names no file but
//! `mtdN.bin`, N being the image's own number, each once; its numbers are ones that
//! Linux can have, its sizes can be added up, and its unreadable ranges lie inside
//! their image. Fields that a later minor version adds are tolerated; another
//! major version is refused, because it may mean something else.
//!
//! The same text under the name [`UNFINISHED`] marks a backup that is being
//! made, or that was cut off.

mod check;
mod read;

use super::blank::Blank;
use super::digest::{self, DigestChoice};
#[cfg(feature = "full")]
use crate::mtd::PartitionOffset;
use crate::mtd::{FactSource, MtdIndex, MtdInfo, total_bytes};
use crate::printable::printable_json;
use read::{Fields, Json, Part as _};
use serde::Serialize;

/// The manifest of a finished backup.
pub const MANIFEST: &str = "manifest.json";
/// The mark of a backup that is not finished, with the same contents.
pub const UNFINISHED: &str = "unfinished.json";
/// The digests for coreutils.
pub const SUMS: &str = "SHA256SUMS";
/// The page for a browser.
pub const INDEX: &str = "index.html";
/// What is added to a file's name until all of it is there and synced.
pub(crate) const PART: &str = ".part";

/// What the `format` field says.
pub(crate) const FORMAT: &str = "mtdkeep-backup";
/// The version this program writes: major, minor.
pub(crate) const FORMAT_VERSION: (u32, u32) = (1, 3);

/// A manifest longer than this is none: the largest real one (500 thousand MTD
/// devices are the kernel's limit, a dozen is usual) stays far below.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 16 << 20;

/// All that a manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// Always the one word that names this format.
    pub format: String,
    /// `major.minor`.
    pub format_version: String,
    /// Name and version of the program that wrote it.
    pub tool: String,
    /// When the backup was begun, `YYYY-MM-DDThh:mm:ssZ`.
    pub created_utc: String,
    /// What was backed up.
    pub device: Device,
    /// All MTD devices of the device, also those without an image.
    pub layout: Vec<LayoutEntry>,
    /// The images, in the order of their numbers.
    pub images: Vec<Image>,
    /// Whether the backup made the folder itself, so that `clean` may remove it.
    pub folder_created: bool,
    /// Where the images come from, if this program did not read the flash itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// That this is not the text which the backup wrote, and what it was made from
    /// (since version 1.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rebuilt: Option<Rebuilt>,
}

/// What a manifest was made from when the backup's own was lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rebuilt {
    /// When, `YYYY-MM-DDThh:mm:ssZ`.
    pub rebuilt_utc: String,
    /// What it was made from, in words.
    pub made_from: Vec<String>,
    /// What was proven then, in words.
    pub proven: Vec<String>,
    /// What could not be proven, in words.
    pub not_proven: Vec<String>,
}

/// Where images come from that were captured without this program, and what is
/// known of them (since version 1.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// Who captured them, in words.
    pub captured_by: String,
    /// Where the layout comes from, in words.
    pub layout_from: String,
    /// What was proven when they were imported, in words.
    pub proven: Vec<String>,
    /// What could not be proven, in words.
    pub not_proven: Vec<String>,
    /// N of each mtdN whose second reading on the device differed.
    pub changed_while_read: Vec<u32>,
}

/// The device as its backend describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Device {
    /// In words.
    pub description: String,
    /// A partition whose contents no other device has, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
}

/// Tells two devices with one layout apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// Name of the partition that holds what the factory gave to this one device.
    pub partition: String,
    /// SHA-256 of its contents.
    pub sha256: String,
}

/// One MTD device of the layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayoutEntry {
    /// N of mtdN.
    pub mtd: u32,
    /// Its name.
    pub name: String,
    /// Its size.
    pub size_bytes: u64,
    /// Its erase-block size; 0 where it has none.
    pub erase_block_bytes: u64,
    /// Where it starts on its chip, where that is known.
    pub offset_bytes: Option<u64>,
    /// Who says where it starts.
    pub offset_source: Option<String>,
    /// What others say of its place, where that is something else, in words (since
    /// version 1.3).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contradictions: Vec<String>,
    /// A number that all devices of one chip have and no others, where the chip is
    /// known (since version 1.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chip: Option<u32>,
    /// How large its chip is, where that is known (since version 1.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chip_bytes: Option<u64>,
    /// N of the mtdN that it is a part of, where that is known (since version 1.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// Whether the kernel lets it be written, where that is known.
    pub writeable: Option<bool>,
    /// Why there is no image of it; none where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
}

/// Why an MTD device has no image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// True where the caller had not asked for it: nothing went wrong.
    pub by_choice: bool,
    /// The reason in words.
    pub reason: String,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// N of mtdN.
    pub mtd: u32,
    /// The partition's name.
    pub name: String,
    /// The file, in the manifest's folder: `mtdN.bin`.
    pub file: String,
    /// Length of the file.
    pub size_bytes: u64,
    /// The partition's erase-block size; 0 where it has none.
    pub erase_block_bytes: u64,
    /// CRC-32 of the file, eight hex digits; none where the backup was made
    /// without it (since version 1.2), as below. One of both is always there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crc32: Option<String>,
    /// SHA-256 of the file, 64 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What the flash did not give; the file holds 0xFF there.
    pub unreadable: Vec<Unreadable>,
    /// What a second reading of the flash gave, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_reading: Option<SecondReading>,
    /// What else keeps the image from being all of the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// Where it holds nothing but one byte: all of it, or zeros at its end (since
    /// version 1.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blank: Option<Blank>,
}

/// A range of an image that the flash did not give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// From the start of the image.
    pub offset_bytes: u64,
    /// How long.
    pub length_bytes: u64,
    /// The error in words.
    pub reason: String,
}

/// The result of reading the flash twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecondReading {
    /// Whether both readings gave the same bytes.
    pub same: bool,
    /// Where they differ first, from the start of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_difference_bytes: Option<u64>,
}

/// Why a text is no manifest that can be trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not JSON, cut off, or a field is missing.
    #[error("it is torn or no manifest: {0}")]
    Torn(#[from] serde_json::Error),
    /// Some other program's JSON.
    #[error("its format is {found:?}, not {FORMAT:?}")]
    ForeignFormat {
        /// What `format` says.
        found: String,
    },
    /// A version that may mean something else.
    #[error(
        "its format version is {found:?}, and this program reads version {}.x",
        FORMAT_VERSION.0
    )]
    UnknownVersion {
        /// What `format_version` says.
        found: String,
    },
    /// A file that no backup makes: it would be taken for one of the backup's own.
    #[error("it names the file {file:?} as the image of {mtd}, which is called {mtd}.bin")]
    ForeignFileName {
        /// What `file` says.
        file: String,
        /// The image's MTD device.
        mtd: MtdIndex,
    },
    /// One file, number or name stands for two things.
    #[error("it lists {what} twice")]
    Duplicate {
        /// What is there twice.
        what: String,
    },
    /// A value that cannot be.
    #[error("{what}")]
    Impossible {
        /// What is wrong.
        what: String,
    },
}

impl Manifest {
    /// Reads a manifest and refuses one that cannot be trusted.
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        let json: Json = serde_json::from_slice(text)?;
        let fields = Fields::of(json, "manifest").map_err(torn)?;
        // Format and version first: another major version may lack our fields,
        // and "unknown version" then says more than "is missing".
        let (format, version) = fields.head().map_err(torn)?;
        if format != FORMAT {
            return Err(ManifestError::ForeignFormat {
                found: format.to_owned(),
            });
        }
        let major = version.split('.').next().unwrap_or_default();
        if major.parse() != Ok(FORMAT_VERSION.0) {
            return Err(ManifestError::UnknownVersion {
                found: version.to_owned(),
            });
        }
        let manifest = Self::read(fields).map_err(torn)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// SHA-256 of the text for the file, which has the digests of all images in it:
    /// noted elsewhere, it tells a changed backup from the true one.
    pub fn sha256(&self) -> String {
        digest::sha256(&self.to_json())
    }

    /// The text for the file, and for its copy in the page: harmless for both.
    pub fn to_json(&self) -> Vec<u8> {
        // Serialising plain structs with string keys into memory cannot fail.
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        (printable_json(&text) + "\n").into_bytes()
    }

    /// The images' share of the layout that is missing although it was wanted.
    pub fn missing_partitions(&self) -> impl Iterator<Item = (&LayoutEntry, &LeftOut)> {
        self.layout
            .iter()
            .filter_map(|entry| entry.left_out.as_ref().map(|why| (entry, why)))
            .filter(|(_, why)| !why.by_choice)
    }

    /// Whether something that was wanted is not in the backup.
    pub fn is_partial(&self) -> bool {
        self.missing_partitions().next().is_some()
            || self
                .images
                .iter()
                .any(|image| !image.unreadable.is_empty() || image.doubt.is_some())
    }

    /// Whether there is a SHA-256 of any image, and so a `SHA256SUMS`.
    pub(crate) fn has_sha256(&self) -> bool {
        self.images.iter().any(|image| image.sha256.is_some())
    }

    /// Whether both were made from one device: the same layout, and the same
    /// identity, or where that is unknown, the same description.
    pub(crate) fn is_of_same_device(&self, other: &Self) -> bool {
        self.layout.len() == other.layout.len()
            && self.layout.iter().zip(&other.layout).all(|(a, b)| {
                (a.mtd, &a.name, a.size_bytes, a.erase_block_bytes)
                    == (b.mtd, &b.name, b.size_bytes, b.erase_block_bytes)
            })
            && match (&self.device.identity, &other.device.identity) {
                (Some(a), Some(b)) => a == b,
                _ => self.device.description == other.device.description,
            }
    }
}

fn torn(wrong: read::WrongField) -> ManifestError {
    ManifestError::Torn(serde::de::Error::custom(wrong))
}

impl Image {
    /// Which digests it has; none only where a manifest that was never checked
    /// has neither.
    pub fn digests(&self) -> Option<DigestChoice> {
        DigestChoice::of(self.crc32.is_some(), self.sha256.is_some())
    }

    /// Its digests with what they are called, in the order of their lengths.
    pub(crate) fn named_digests(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let named = [("crc32", &self.crc32), ("sha256", &self.sha256)];
        named
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// How many bytes the flash did not give.
    pub fn unreadable_bytes(&self) -> u64 {
        total_bytes(self.unreadable.iter().map(|range| range.length_bytes))
    }
}

impl LayoutEntry {
    /// Its number.
    pub fn index(&self) -> MtdIndex {
        MtdIndex(self.mtd)
    }

    /// Whether its offset is told by that source.
    pub(crate) fn is_told_by(&self, source: FactSource) -> bool {
        let told = self.offset_source.as_deref();
        told.is_some_and(|told| told == source.to_string())
    }

    /// Its chip, and where it starts and ends there, where somebody tells that and
    /// nobody else contradicts it.
    pub(crate) fn place(&self) -> Option<(u32, u64, u64)> {
        let is_certain = !self.is_told_by(FactSource::Sum) && self.contradictions.is_empty();
        let start = self.offset_bytes.filter(|_| is_certain)?;
        // The one layout that is known has one chip.
        let known = self.is_told_by(FactSource::Known);
        let chip = self.chip.or(known.then_some(0))?;
        Some((chip, start, start.checked_add(self.size_bytes)?))
    }

    /// The device that it tells of.
    #[cfg(feature = "full")]
    pub(crate) fn info(&self) -> MtdInfo {
        let mut device = MtdInfo::new(
            self.index(),
            self.name.clone(),
            self.size_bytes,
            self.erase_block_bytes,
        );
        let source = self.offset_source.as_deref();
        let source = source.and_then(FactSource::from_word);
        device.offset = self
            .offset_bytes
            .zip(source)
            .map(|(bytes, source)| PartitionOffset { bytes, source });
        device.chip = self.chip;
        device.chip_bytes = self.chip_bytes;
        device.contradictions.clone_from(&self.contradictions);
        if source == Some(FactSource::Known) {
            // The one layout that is known has one chip.
            device.chip = Some(0);
        }
        device
    }

    /// The layout's entry of a device, without a word on its image.
    pub fn new(info: &MtdInfo) -> Self {
        Self {
            mtd: info.index.0,
            name: info.name.clone(),
            size_bytes: info.size_bytes,
            erase_block_bytes: info.erase_block_bytes,
            offset_bytes: info.offset_bytes(),
            offset_source: info.offset.map(|offset| offset.source.to_string()),
            contradictions: info.contradictions.clone(),
            chip: info.chip,
            chip_bytes: info.chip_bytes,
            parent: info.parent.map(|parent| parent.0),
            writeable: info.writeable,
            left_out: None,
        }
    }
}

/// The name of an MTD device's image.
pub(crate) fn image_file(index: MtdIndex) -> String {
    format!("{index}.bin")
}
