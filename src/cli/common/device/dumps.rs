//! What is to be cut, and by what: dumps, and the layout that was chosen for them.

use crate::backend::Provenance;
use crate::capture::{OobPages, WithoutOob};
use crate::cli::Exit;
use crate::cli::error::CliError;
use mtd_harness::layout::Layout;
use mtd_harness::profile::{ImagePart, Known};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

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
    pub(super) provenance: Vec<Provenance>,
    /// What must be said of it.
    pub(super) notes: Vec<String>,
    /// What goes into the description of the device, and so into a manifest.
    pub(super) assumed: Vec<String>,
}

impl Chosen {
    /// Whether nobody told where the partitions start.
    pub(super) fn is_inferred(&self) -> bool {
        let is_certain =
            |known: &Provenance| known.source.is_some_and(|source| !source.is_inferred());
        !self.provenance.iter().all(is_certain)
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

/// A dump of NAND without what lies behind its pages: its path and length. It is a file
/// without a name, which is there as long as this process.
pub(super) fn without_oob(image: &Path, pages: OobPages) -> Result<(PathBuf, u64), CliError> {
    let name = image.display();
    let failed = |source: io::Error| CliError::Other {
        exit: Exit::Io,
        message: format!("cannot leave the out-of-band bytes out of {name}: {source}"),
        help: Some("it needs room for the dump in the folder for temporary files".into()),
    };
    let file = File::open(image).map_err(failed)?;
    let raw_bytes = file.metadata().map_err(failed)?.len();
    let Some(bytes) = pages.data_bytes(raw_bytes) else {
        return Err(refused(
            format!("{name} has {raw_bytes:#x} bytes, which are no whole pages of {pages}"),
            OobPages::WHERE_TOLD,
        ));
    };
    let mut without = tempfile::tempfile().map_err(failed)?;
    let copied = io::copy(&mut WithoutOob::new(file, pages), &mut without).map_err(failed)?;
    if copied != bytes {
        return Err(failed(io::ErrorKind::UnexpectedEof.into()));
    }
    let path = PathBuf::from(format!("/proc/self/fd/{}", without.as_raw_fd()));
    // It goes with the process: whoever opens the path gets what was written.
    std::mem::forget(without);
    Ok((path, bytes))
}

/// That a dump has out-of-band bytes, where its length shows it; `limit_bytes` is how large
/// the chip is, or, if that is not told, how far its partitions reach.
pub(super) fn oob_in(image_bytes: u64, limit_bytes: u64, is_told: bool) -> Option<String> {
    let found = match is_told {
        true => OobPages::that_fit(limit_bytes, image_bytes),
        false => OobPages::of_a_chip(image_bytes, limit_bytes),
    };
    let [first, others @ ..] = &found[..] else {
        return None;
    };
    let others: Vec<_> = others.iter().map(OobPages::to_string).collect();
    let or = match others.is_empty() {
        true => String::new(),
        false => format!(" (or {})", others.join(", ")),
    };
    Some(format!(
        "its length is that of a chip's pages with their out-of-band bytes, {first}{or}: where the \
         chip's pages are known, --omit-oob {first} leaves them out"
    ))
}
