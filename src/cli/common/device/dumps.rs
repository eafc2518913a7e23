//! What is to be cut, and by what: dumps, and the layout that was chosen for them.

use crate::backend::Told;
use crate::cli::Exit;
use crate::cli::error::CliError;
use mtd_harness::layout::Layout;
use mtd_harness::profile::{ImagePart, Known};
use std::path::PathBuf;

/// The dumps that a layout is to cut.
#[derive(Debug, Default)]
pub(super) struct Dumps {
    /// The files with their lengths in bytes.
    pub(super) files: Vec<(PathBuf, u64)>,
    /// Only this partition is in the dump.
    pub(super) of: Option<String>,
    /// A dump that is shorter or longer than the chip is cut all the same.
    pub(super) cut: bool,
}

impl Dumps {
    /// The length of the one dump, where it is of the whole chip.
    pub(super) fn whole_bytes(&self) -> Option<u64> {
        match (&self.files[..], &self.of) {
            ([(_, bytes)], None) => Some(*bytes),
            _ => None,
        }
    }
}

/// A layout, and what is known of it.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) layout: Layout,
    /// Where the dumps have its chips; empty where there is no dump.
    pub(super) parts: Vec<ImagePart>,
    /// In the order of the MTD numbers.
    pub(super) told: Vec<Told>,
    /// What must be said of it.
    pub(super) notes: Vec<String>,
    /// What goes into the description of the device, and so into a manifest.
    pub(super) assumed: Vec<String>,
}

impl Chosen {
    /// Whether nobody told where the partitions start.
    pub(super) fn is_inferred(&self) -> bool {
        let is_certain = |told: &Told| told.source.is_some_and(|source| !source.is_inferred());
        !self.told.iter().all(is_certain)
    }
}

/// The names that --simulate knows.
pub(super) fn profiles() -> String {
    let names = Known::ALL.iter().map(|known| known.name());
    let names: Vec<_> = std::iter::once("ispot").chain(names).collect();
    names.join(", ")
}

/// A refusal that leaves everything as it was.
pub(super) fn refused(message: String, help: &str) -> CliError {
    CliError::Other {
        exit: Exit::Refused,
        message,
        help: Some(help.into()),
    }
}
