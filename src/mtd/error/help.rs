//! What to do about an error, in one line.
//!
//! Invariant: a help line is true of the error's own case; where nothing useful
//! is known there is none.

use super::{List, MtdError, Operation};
use rustix::io::Errno;

impl MtdError {
    /// What to do next, as one line; `None` where nothing sensible can be said.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoMtd {
                other_root: true, ..
            } => "the folder given with --root must hold the device's proc, sys and dev".into(),
            Self::NoMtd { source, .. } if *source == Errno::NOENT => {
                "this kernel has no MTD, or /proc is not mounted; \
                 use --simulate for a simulated device, or --root DIR for a copied tree"
                    .into()
            }
            Self::NoMtd { .. } => "check that /proc is mounted and readable".into(),
            Self::NoDevices { .. } => "the kernel has MTD but found no flash; \
                 use --simulate for a simulated device, or --root DIR for a copied tree"
                .into(),
            Self::BadTable { .. } => {
                "the table must be the text of /proc/mtd, unchanged and whole; \
                 if it is a copy, copy it again"
                    .into()
            }
            Self::NodeMissing { fix, .. } | Self::NodeWrong { fix, .. } => fix.clone(),
            Self::NotCaptured { .. } => {
                "if the device still works, capture it as well and import again".into()
            }
            Self::NotPermitted { nodev: true, .. } => {
                "its file system is mounted nodev; make the node in /dev".into()
            }
            Self::NotPermitted {
                operation: Operation::MakeNode,
                ..
            } => "run it as root; only root makes nodes".into(),
            Self::NotPermitted { .. } => "run it as root, or let this user read the node".into(),
            Self::SizeDisagrees { .. } | Self::EraseBlockDisagrees { .. } => {
                "the node or the tree belongs to another device or kernel; \
                 nothing was read from it"
                    .into()
            }
            Self::EndedEarly { .. } | Self::GoesOn { .. } => {
                "it changed while it was read: find the devices again and start over".into()
            }
            Self::LeftBehind { path, .. } => format!("as root: rm -r {}", path.display()),
            Self::Device { source, .. } if *source == Errno::NODEV || *source == Errno::NXIO => {
                "the node is there, but the kernel has no such device; \
                 compare with /proc/mtd"
                    .into()
            }
            Self::Device {
                operation: Operation::Read,
                ..
            } => "the rest of the device may still be readable".into(),
            Self::Unfinished { .. } => {
                "flash has changed: do not restart the device before this area is whole again"
                    .into()
            }
            Self::UnknownPartition { known, .. } => format!("there are {}", List(known)),
            Self::AmbiguousPartition { .. } => "say which with its number, such as mtd3".into(),
            Self::PartitionTwice { .. } => "name each partition once".into(),
            Self::ReadOnly { .. } => {
                "a partition off an erase-block boundary is read-only to the kernel; \
                 erasing it would hit its neighbour"
                    .into()
            }
            Self::File { .. } | Self::Device { .. } | Self::BadRange { .. } => return None,
        })
    }
}
