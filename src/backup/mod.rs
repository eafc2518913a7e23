//! The backup pipeline: read, digest, store, prove.
//!
//! Data flows one way: from an MTD device through one buffer, through the
//! digests, into a [`Folder`], or into a tar (`stream`). [`backup`] makes a backup,
//! [`verify`] proves one, [`clean`] takes one away. What goes on is told to an
//! [`Observer`]; nothing here prints. What a backup holds is documented as JSON
//! (`docs/manifest.schema.json` of the source); [`Manifest`] reads it.
//!
//! Invariants: a folder with `manifest.json` is a finished backup, and each
//! `mtdN.bin` in any folder is whole; success means that every byte of every
//! image is what the device gave; memory does not grow with the flash.

#[cfg(test)]
mod between;
mod blank;
pub(crate) mod buffer;
pub(crate) mod calls;
pub(crate) mod capture_format;
pub(crate) mod clean;
mod consistency;
pub(crate) mod contents;
mod damage;
pub(crate) mod digest;
mod directory;
pub(crate) mod erased;
mod error;
mod events;
pub(crate) mod folder;
mod front;
pub(crate) mod html;
mod image;
#[cfg(feature = "full")]
mod join;
pub(crate) mod known;
pub(crate) mod litter;
pub(crate) mod lock;
pub(crate) mod manifest;
mod naming;
pub(crate) mod opening;
mod page_cache;
pub(crate) mod pipeline;
pub(crate) mod reader;
mod rejoin;
#[cfg(feature = "full")]
mod repair;
mod report;
#[cfg(feature = "full")]
mod single_file;
pub(crate) mod stream;
pub(crate) mod sums;
pub(crate) mod tar;
#[cfg(feature = "full")]
mod tar_folder;
#[cfg(all(test, feature = "full"))]
mod tests;
mod texts;
mod time;
#[cfg(feature = "full")]
mod ubi;
mod units;
#[cfg(feature = "full")]
mod unpack;
pub(crate) mod verify;
mod verify_device;
mod verify_images;
mod work;
mod workers;

pub use digest::{DigestChoice, DigestValues, Digests};
pub use error::{BackupError, Failure};
pub use events::Observer;
pub use folder::Folder;
pub use front::{backup, clean, verify};
pub use lock::Access;
pub use manifest::{Image, Manifest, ManifestError};
pub use pipeline::{Request, Summary};
pub use report::{Finding, Meaning, Report};
pub use work::Work;

pub(crate) use buffer::read_full;
pub(crate) use clean::{Cleaning, plan_clean};
pub(crate) use digest::{sha256, sha256_of};
#[cfg(all(test, feature = "full"))]
pub(crate) use directory::FileId;
#[cfg(feature = "full")]
pub(crate) use directory::NewFile;
pub(crate) use directory::{Directory, Entry};
pub(crate) use error::ErrorKind;
pub(crate) use image::{buffer_bytes, finish, first_difference};
#[cfg(feature = "full")]
pub(crate) use join::{JoinError, Plan, join, plan as plan_join};
#[cfg(all(test, feature = "full"))]
pub(crate) use manifest::{Device, LeftOut, SecondReading};
pub(crate) use manifest::{INDEX, Identity, LayoutEntry, MANIFEST, SUMS, Unreadable};
#[cfg(feature = "full")]
pub(crate) use manifest::{Origin, Rebuilt, UNFINISHED};
#[cfg(feature = "full")]
pub(crate) use repair::{How, RepairLayout, RepairRequest, Repaired, repair};
pub(crate) use report::Kind;
#[cfg(feature = "full")]
pub(crate) use single_file::{NotFinished, SingleFile};
pub(crate) use stream::stream;
#[cfg(all(test, feature = "full"))]
pub(crate) use tar::header as tar_header;
#[cfg(feature = "full")]
pub(crate) use tar_folder::{TarError, TarFolder};
#[cfg(feature = "full")]
pub(crate) use texts::error as file_error;
#[cfg(feature = "full")]
pub(crate) use ubi::volume::{VolumeError, copy as copy_volume, find as find_volume};
pub(crate) use units::{count, size};
#[cfg(feature = "full")]
pub(crate) use unpack::unpack;
pub(crate) use verify::verify_but;
