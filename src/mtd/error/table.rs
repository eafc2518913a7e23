//! What each error means, and what to do next: one row for each.
//!
//! Invariant: a help line is true of the error's own case; where nothing useful
//! is known there is none.

use super::{List, MtdError, MtdErrorKind as Kind, Operation};
use crate::mtd::info::MtdName;
use rustix::io::Errno;
use std::path::Path;

/// A row of the table.
struct Row<'a> {
    kind: Kind,
    errno: Option<Errno>,
    help: Help<'a>,
}

/// What to do next.
enum Help<'a> {
    /// Nothing sensible can be said.
    Nothing,
    Text(&'a str),
    /// To remove a folder.
    Remove(&'a Path),
    /// To choose one of these.
    ThereAre(&'a [MtdName]),
    /// To choose one of these by its number.
    ByNumber(&'a [MtdName]),
}

impl MtdError {
    /// What the error means for the caller.
    pub fn kind(&self) -> Kind {
        self.row().kind
    }

    /// The system's answer, where the system gave one.
    pub(crate) fn errno(&self) -> Option<Errno> {
        self.row().errno
    }

    /// Whether the limit of the process, or of the machine, on open files was met: no
    /// device is to blame.
    pub(crate) fn lacks_descriptors(&self) -> bool {
        matches!(self.errno(), Some(Errno::MFILE | Errno::NFILE))
    }

    /// Whether no other device can be read either, so that this one is not to be left
    /// out of something.
    pub(crate) fn is_of_all(&self) -> bool {
        self.lacks_descriptors() || self.kind() == Kind::Unreachable
    }

    /// What to do next, as one line; `None` where nothing sensible can be said.
    pub fn help(&self) -> Option<String> {
        match self.row().help {
            Help::Nothing => None,
            Help::Text(text) => Some(text.into()),
            Help::Remove(path) => Some(format!("as root: rm -r {}", path.display())),
            Help::ThereAre(known) => Some(format!("there are {}", List(known))),
            Help::ByNumber(candidates) => {
                let first = candidates.first()?;
                Some(format!(
                    "say which with its number, as /dev/{}",
                    first.index
                ))
            }
        }
    }

    fn row(&self) -> Row<'_> {
        use Help::{ByNumber, Nothing, Remove, Text, ThereAre};
        match self {
            Self::NoMtd {
                other_root, source, ..
            } => row(Kind::NoMtd, no_table(*other_root, *source)).because(source),
            Self::NoDevices { .. } => row(Kind::NoMtd, Text(NO_DEVICES)),
            Self::BadTable { .. } => row(Kind::BadTable, Text(BAD_TABLE)),
            Self::Unreachable { help, .. } => row(Kind::Unreachable, Text(help)),
            Self::File { source, .. } => row(Kind::Io, Nothing).because(source),
            Self::Device {
                operation, source, ..
            } => row(Kind::Io, of_call(*operation, *source)).because(source),
            Self::Unfinished { source, .. } => row(Kind::Io, Text(UNFINISHED)).because(source),
            Self::LeftBehind { path, source } => row(Kind::Io, Remove(path)).because(source),
            Self::EndedEarly { .. } | Self::GoesOn { .. } => row(Kind::Disagreement, Text(CHANGED)),
            Self::SizeDisagrees { .. } | Self::EraseBlockDisagrees { .. } => {
                row(Kind::Disagreement, Text(FOREIGN))
            }
            Self::NotCaptured { .. } => row(Kind::NodeMissing, Text(NOT_CAPTURED)),
            Self::NodeMissing { fix, .. } | Self::NodeWrong { fix, .. } => {
                row(Kind::NodeMissing, Text(fix))
            }
            Self::NotPermitted {
                operation,
                nodev,
                source,
                ..
            } => row(Kind::NotPermitted, not_permitted(*operation, *nodev)).because(source),
            Self::ReadOnly { .. } => row(Kind::Refused, Text(READ_ONLY)),
            Self::BadRange { .. } => row(Kind::Refused, Nothing),
            #[cfg(feature = "full")]
            Self::UnknownPartition { wanted, .. } if is_volume(wanted) => {
                row(Kind::BadSelection, Text(VOLUME))
            }
            Self::UnknownPartition { known, .. } => row(Kind::BadSelection, ThereAre(known)),
            Self::AmbiguousPartition { candidates, .. } => {
                row(Kind::BadSelection, ByNumber(candidates))
            }
            Self::PartitionTwice { .. } => row(Kind::BadSelection, Text(TWICE)),
        }
    }
}

const NO_DEVICES: &str = "the kernel has MTD but found no flash; \
    use --simulate for a simulated device, or --root DIR for a copied tree";
const BAD_TABLE: &str = "the table must be the text of /proc/mtd, unchanged and whole; \
    if it is a copy, copy it again";
const UNFINISHED: &str =
    "flash has changed: do not restart the device before this area is whole again";
const CHANGED: &str = "it changed while it was read: find the devices again and start over";
const FOREIGN: &str = "the node or the tree belongs to another device or kernel; \
    nothing was read from it";
/// Whether that is a volume of UBI, as its node is called: `ubi0_1`.
#[cfg(feature = "full")]
fn is_volume(wanted: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let wanted = wanted.trim_start_matches("/dev/");
    let numbers = wanted
        .strip_prefix("ubi")
        .and_then(|rest| rest.split_once('_'));
    numbers.is_some_and(|(device, volume)| digits(device) && digits(volume))
}

#[cfg(feature = "full")]
const VOLUME: &str = "a volume of UBI comes out of a backup of the partition that it lies in: \
                      `mtdkeep image --from DIR --volume MTD:NAME`";
const NOT_CAPTURED: &str = "if the device still works, capture it as well and import again";
const READ_ONLY: &str = "a partition off an erase-block boundary is read-only to the kernel; \
    erasing it would hit its neighbour";
const TWICE: &str = "name each partition once";

fn row<'a>(kind: Kind, help: Help<'a>) -> Row<'a> {
    Row {
        kind,
        errno: None,
        help,
    }
}

impl<'a> Row<'a> {
    fn because(mut self, errno: &Errno) -> Self {
        self.errno = Some(*errno);
        self
    }
}

fn no_table(other_root: bool, source: Errno) -> Help<'static> {
    Help::Text(match source {
        _ if other_root => "the folder given with --root must hold the device's proc, sys and dev",
        Errno::NOENT => {
            "this kernel has no MTD, or /proc is not mounted; \
             use --simulate for a simulated device, or --root DIR for a copied tree"
        }
        _ => "check that /proc is mounted and readable",
    })
}

/// After a call on an open device.
fn of_call(operation: Operation, source: Errno) -> Help<'static> {
    match (operation, source) {
        (_, Errno::NODEV | Errno::NXIO) => Help::Text(
            "the node is there, but the kernel has no such device; compare with /proc/mtd",
        ),
        (Operation::Read, _) => Help::Text("the rest of the device may still be readable"),
        _ => Help::Nothing,
    }
}

fn not_permitted(operation: Operation, nodev: bool) -> Help<'static> {
    Help::Text(match operation {
        _ if nodev => "its file system is mounted nodev; make the node in /dev",
        Operation::MakeNode => "run it as root; only root makes nodes",
        _ => "run it as root, or let this user read the node",
    })
}
