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
mod entry;
mod read;

use super::blank::Blank;
use super::digest;
use crate::mtd::MtdIndex;
use crate::printable::printable_json;
use read::{Fields, Json, Part as _};
use serde::Serialize;

/// The manifest of a finished backup.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The mark of a backup that is not finished, with the same contents.
pub(crate) const UNFINISHED: &str = "unfinished.json";
/// The digests for coreutils.
pub(crate) const SUMS: &str = "SHA256SUMS";
/// The page for a browser.
pub(crate) const INDEX: &str = "index.html";
/// What is added to a file's name until all of it is there and synced.
pub(crate) const PART: &str = ".part";

/// What the `format` field says.
pub(crate) const FORMAT: &str = "mtdkeep-backup";
/// The version this program writes: major, minor.
pub(crate) const FORMAT_VERSION: (u32, u32) = (1, 3);

/// A manifest longer than this is none: the largest real one (500 thousand MTD
/// devices are the kernel's limit, a dozen is usual) stays far below.
pub(crate) const MANIFEST_BYTES_MAX: u64 = 16 << 20;

/// All that a manifest says. Its documented form is its JSON, as `manifest.json` holds it
/// (`docs/manifest.schema.json` of the source): what is not asked for here can be read
/// there.
///
/// ```
/// use mtdkeep::backup::{Manifest, ManifestError};
///
/// let newer = br#"{"format": "mtdkeep-backup", "format_version": "2.0"}"#;
/// let refused = Manifest::parse(newer);
/// assert!(matches!(refused, Err(ManifestError::UnknownVersion { .. })));
/// let torn = Manifest::parse(&newer[..20]);
/// assert!(matches!(torn, Err(ManifestError::Torn(_))));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// Always the one word that names this format.
    pub(crate) format: String,
    /// `major.minor`.
    pub(crate) format_version: String,
    /// Name and version of the program that wrote it.
    pub(crate) tool: String,
    /// When the backup was begun, `YYYY-MM-DDThh:mm:ssZ`.
    pub(crate) created_utc: String,
    /// What was backed up.
    pub(crate) device: Device,
    /// All MTD devices of the device, also those without an image.
    pub(crate) layout: Vec<LayoutEntry>,
    /// The images, in the order of their numbers.
    pub(crate) images: Vec<Image>,
    /// Whether the backup made the folder itself, so that `clean` may remove it.
    pub(crate) folder_created: bool,
    /// Where the images come from, if this program did not read the flash itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
    /// That this is not the text which the backup wrote, and what it was made from
    /// (since version 1.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rebuilt: Option<Rebuilt>,
}

/// What a manifest was made from when the backup's own was lost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Rebuilt {
    /// When, `YYYY-MM-DDThh:mm:ssZ`.
    pub(crate) rebuilt_utc: String,
    /// What it was made from, in words.
    pub(crate) made_from: Vec<String>,
    /// What was proven then, in words.
    pub(crate) proven: Vec<String>,
    /// What could not be proven, in words.
    pub(crate) not_proven: Vec<String>,
}

/// Where images come from that were captured without this program, and what is
/// known of them (since version 1.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Origin {
    /// Who captured them, in words.
    pub(crate) captured_by: String,
    /// Where the layout comes from, in words.
    pub(crate) layout_from: String,
    /// What was proven when they were imported, in words.
    pub(crate) proven: Vec<String>,
    /// What could not be proven, in words.
    pub(crate) not_proven: Vec<String>,
    /// N of each mtdN whose second reading on the device differed.
    pub(crate) changed_while_read: Vec<u32>,
}

/// The device as its backend describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Device {
    /// In words.
    pub(crate) description: String,
    /// A partition whose contents no other device has, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) identity: Option<Identity>,
}

/// Tells two devices with one layout apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Identity {
    /// Name of the partition that holds what the factory gave to this one device.
    pub(crate) partition: String,
    /// SHA-256 of its contents.
    pub(crate) sha256: String,
}

/// One MTD device of the layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LayoutEntry {
    /// N of mtdN.
    pub(crate) mtd: u32,
    /// Its name.
    pub(crate) name: String,
    /// Its size.
    pub(crate) size_bytes: u64,
    /// Its erase-block size; 0 where it has none.
    pub(crate) erase_block_bytes: u64,
    /// Where it starts on its chip, where that is known.
    pub(crate) offset_bytes: Option<u64>,
    /// Who says where it starts.
    pub(crate) offset_source: Option<String>,
    /// What others say of its place, where that is something else, in words (since
    /// version 1.3).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) contradictions: Vec<String>,
    /// A number that all devices of one chip have and no others, where the chip is
    /// known (since version 1.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chip: Option<u32>,
    /// How large its chip is, where that is known (since version 1.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chip_bytes: Option<u64>,
    /// N of the mtdN that it is a part of, where that is known (since version 1.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<u32>,
    /// Whether the kernel lets it be written, where that is known.
    pub(crate) writeable: Option<bool>,
    /// Why there is no image of it; none where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) left_out: Option<LeftOut>,
}

/// Why an MTD device has no image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct LeftOut {
    /// True where the caller had not asked for it: nothing went wrong.
    pub(crate) by_choice: bool,
    /// The reason in words.
    pub(crate) reason: String,
}

/// One image: the bytes of one partition, from its start to its end, in one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// N of mtdN.
    pub(crate) mtd: u32,
    /// The partition's name.
    pub(crate) name: String,
    /// The file, in the manifest's folder: `mtdN.bin`.
    pub(crate) file: String,
    /// Length of the file.
    pub(crate) size_bytes: u64,
    /// The partition's erase-block size; 0 where it has none.
    pub(crate) erase_block_bytes: u64,
    /// CRC-32 of the file, eight hex digits; none where the backup was made
    /// without it (since version 1.2), as below. One of both is always there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) crc32: Option<String>,
    /// SHA-256 of the file, 64 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sha256: Option<String>,
    /// What the flash did not give; the file holds 0xFF there.
    pub(crate) unreadable: Vec<Unreadable>,
    /// What a second reading of the flash gave, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) second_reading: Option<SecondReading>,
    /// What else keeps the image from being all of the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) doubt: Option<String>,
    /// Where it holds nothing but one byte: all of it, or zeros at its end (since
    /// version 1.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) blank: Option<Blank>,
}

/// A range of an image that the flash did not give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Unreadable {
    /// From the start of the image.
    pub(crate) offset_bytes: u64,
    /// How long.
    pub(crate) length_bytes: u64,
    /// The error in words.
    pub(crate) reason: String,
}

/// The result of reading the flash twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SecondReading {
    /// Whether both readings gave the same bytes.
    pub(crate) same: bool,
    /// Where they differ first, from the start of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_difference_bytes: Option<u64>,
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
    /// Another major version than 1, which may mean something else.
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
    /// Reads a manifest, the whole text of `manifest.json`. Fields that a later version 1.x
    /// adds are passed over.
    ///
    /// # Errors
    /// Why the text cannot be trusted; nothing of it is given then.
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
    pub(crate) fn sha256(&self) -> String {
        digest::sha256(&self.to_json())
    }

    /// The text for the file, and for its copy in the page: harmless for both.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        // Serialising plain structs with string keys into memory cannot fail.
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        (printable_json(&text) + "\n").into_bytes()
    }

    /// The images, in the order of their MTD numbers; a partition that is not in the backup
    /// has none.
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// The images' share of the layout that is missing although it was wanted.
    pub(crate) fn missing(&self) -> impl Iterator<Item = (&LayoutEntry, &LeftOut)> {
        self.layout
            .iter()
            .filter_map(|entry| entry.left_out.as_ref().map(|why| (entry, why)))
            .filter(|(_, why)| !why.by_choice)
    }

    /// Whether something that was wanted is not in the backup: a partition that could not
    /// be opened, a range that the flash did not give, or what else keeps an image from
    /// being all of its partition.
    pub fn is_partial(&self) -> bool {
        self.missing().next().is_some()
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

/// The name of an MTD device's image.
pub(crate) fn image_file(index: MtdIndex) -> String {
    format!("{index}.bin")
}
