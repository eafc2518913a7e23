//! The backup pipeline: read, digest, store, prove.
//!
//! Data flows one way: from an MTD device through one buffer, through the
//! digests, into a [`Destination`]. [`backup`] makes a backup, [`verify`] proves
//! one, [`clean`] takes one away. What goes on is told to an [`Observer`];
//! nothing here prints.
//!
//! Invariants: a folder with `manifest.json` is a finished backup, and each
//! `mtdN.bin` in any folder is whole; success means that every byte of every
//! image is what the device gave; memory does not grow with the flash.

mod blank;
pub(crate) mod buffer;
pub(crate) mod calls;
mod clean;
mod consistency;
pub(crate) mod contents;
mod damage;
mod destination;
pub(crate) mod digest;
pub(crate) mod erased;
mod error;
mod events;
pub(crate) mod folder;
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
mod texts;
mod time;
#[cfg(feature = "full")]
mod ubi;
mod units;
#[cfg(feature = "full")]
mod unpack;
mod verify;
mod verify_device;
mod verify_images;
mod work;
mod workers;

pub use blank::Blank;
pub use clean::{Cleaning, clean};
pub use destination::{Destination, Entry, FileId, NewFile};
pub use digest::DigestChoice;
pub(crate) use digest::sha256;
pub use error::{BackupError, ErrorKind, Failure};
pub use events::Observer;
pub use folder::Folder;
#[cfg(feature = "full")]
pub(crate) use image::read_full;
pub(crate) use image::{buffer_bytes, finish};
pub use lock::Access;
pub use manifest::{
    Device, INDEX, Identity, Image, LayoutEntry, LeftOut, MANIFEST, Manifest, ManifestError,
    Origin, Rebuilt, SUMS, SecondReading, UNFINISHED, Unreadable,
};
pub use pipeline::{Request, Summary, backup};
pub use report::{Finding, Kind, Meaning, Report, Value};
pub use stream::stream;
pub use verify::verify;
#[cfg(feature = "full")]
pub(crate) use verify::verify_but;
pub use work::Work;

pub(crate) use clean::plan_clean;
#[cfg(feature = "full")]
pub(crate) use join::{JoinError, Plan, join, plan as plan_join};
#[cfg(feature = "full")]
pub(crate) use single_file::SingleFile;
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

/// What the tests and measurements of this package take from here, beside what is
/// promised.
mod for_the_tests {
    pub use super::digest::{DigestValues, Digests, Ending};
    #[cfg(feature = "full")]
    pub use super::repair::{How, RepairLayout, RepairRequest, Repaired, repair};
    pub use super::sums::{SumLine, parse as parse_sums, render as render_sums};
}
#[doc(hidden)]
pub use for_the_tests::*;
