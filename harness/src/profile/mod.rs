//! A layout with contents for a known device, and the nodes it has.
//!
//! - [`ispot()`] and [`IspotBuilder`]: the Clear iSpot, with contents that a real
//!   one could have.
//! - [`Known`]: a router with OpenWrt, a NAS, a phone, in their shapes.
//! - [`from_layout`]: any device of which there is a captured `/proc/mtd`, with
//!   generic contents.
//! - [`from_image`], [`from_images`], [`from_bytes`]: contents from outside.
//! - [`DeviceBuilder`]: partition by partition.
//!
//! Invariants: the same profile with the same seed has the same bytes on any
//! platform and in every later version (a digest in `fixtures/profile` holds
//! them to it). Erase blocks are made when they are first looked at, so that
//! gigabytes cost no memory.

mod builder;
mod folders;
mod generic;
pub mod ispot;
mod known;
mod lazy;
mod noise;
mod partition;
#[cfg(test)]
mod tests;

pub use builder::DeviceBuilder;
pub use generic::from_layout;
pub use ispot::{IspotBuilder, ispot};
pub use known::Known;
pub use lazy::{Contents, LazyStorage};
pub use partition::Partition;

use crate::chip::{Chip, FileStorage, ImageError};
use crate::fault::FaultPlan;
use crate::layout::Layout;
use crate::mtd::{MtdDevice, MtdSystem, NodeId};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// A simulated device: the kernel's view plus the nodes in its `/dev`.
///
/// Clones share the chips; [`SimulatedDevice::fork`] has its own.
///
/// ```
/// use mtd_harness::profile;
///
/// let device = profile::ispot(1);
/// let old = device.partition("param")?.bytes();
/// let other = device.fork();
/// other.partition("param")?.erase(0, 0x2_0000)?;
/// assert_eq!(device.partition_bytes(1), old);
/// // Faults by place, past which `bytes` looks.
/// device.put_faults("read-error@param+0x100")?;
/// assert!(device.partition("param")?.read(0, &mut [0; 512]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct SimulatedDevice {
    /// What the device calls itself, such as `Clear iSpot (simulated, seed 1)`.
    pub description: String,
    /// Chips and MTD devices.
    pub system: MtdSystem,
    /// Nodes by path below the root, such as `dev/mtd0`.
    pub nodes: BTreeMap<String, NodeId>,
    /// Folders of the device, by path below the root, that a sandbox shows empty: an
    /// iSpot's `var/wwwroot`.
    pub folders: Vec<String>,
}

/// Why there is no such simulated device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// A node that the device's MTD devices do not have.
    #[error("no node `{name}`: write mtdN, mtdNro or mtdblockN with N up to {last}")]
    NoSuchNode {
        /// As it was asked for.
        name: String,
        /// The last MTD device's number.
        last: u32,
    },
    /// A builder was told the same thing twice; the first would be lost.
    #[error("the device was given {what} twice; give {what} once")]
    GivenTwice {
        /// What it was given.
        what: &'static str,
    },
    /// A name that no partition has.
    #[error("no partition `{name}`; there are {known}")]
    NoSuchPartition {
        /// As it was asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// More than there is room for.
    #[error("{what} do not fit {room}")]
    DoesNotFit {
        /// What does not fit.
        what: String,
        /// Where.
        room: String,
    },
    /// A text that is no plan of faults here.
    #[error("{why}")]
    Faults {
        /// What is wrong with it.
        why: String,
    },
    /// An image of another length than the layout's chip.
    #[error("an image of {found} bytes ({found:#x}) for a chip of {expected} ({expected:#x})")]
    ImageLength {
        /// The image's length.
        found: u64,
        /// The chip's size.
        expected: u64,
    },
    /// An image belongs to one chip.
    #[error("the layout has {chips} chips; an image can stand for one chip only")]
    SeveralChips {
        /// How many chips the layout has.
        chips: usize,
    },
    /// The image file cannot be used.
    #[error(transparent)]
    Image(#[from] ImageError),
}

impl fmt::Debug for SimulatedDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedDevice")
            .field("description", &self.description)
            .field("system", &self.system)
            .finish_non_exhaustive()
    }
}

impl SimulatedDevice {
    /// A device of these chips, with all nodes: `mtdN`, `mtdNro` and
    /// `mtdblockN` in `dev`.
    ///
    /// # Panics
    /// If the chips are not those of the layout.
    pub fn new(description: impl Into<String>, chips: Vec<Chip>, layout: &Layout) -> Self {
        let system = MtdSystem::new(chips, layout);
        let nodes = system
            .devices()
            .iter()
            .flat_map(|device| nodes_of(device.index))
            .map(|(name, node)| (format!("dev/{name}"), node))
            .collect();
        Self {
            description: description.into(),
            system,
            nodes,
            folders: folders::of(layout),
        }
    }

    /// The same device once more: chips of its own that start as these are now, under
    /// a kernel that has just started ([`MtdSystem::fork`]).
    ///
    /// # Panics
    /// As [`MtdSystem::fork`].
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            system: self.system.fork(),
            ..self.clone()
        }
    }

    /// The bytes of a partition, uncounted and past any fault: what a perfect
    /// backup of it holds.
    ///
    /// # Panics
    /// If there is no such MTD device.
    pub fn partition_bytes(&self, index: u32) -> Vec<u8> {
        let device = self.system.device(index);
        let device = device.unwrap_or_else(|| panic!("there is no mtd{index}"));
        let mut bytes = vec![0; self.readable_bytes(&device) as usize];
        self.peek(&device, 0, &mut bytes);
        bytes
    }

    /// The bytes of a chip, uncounted and past any fault.
    ///
    /// # Panics
    /// If there is no such chip.
    pub fn chip_bytes(&self, chip: usize) -> Vec<u8> {
        self.system.with_chip(chip, |chip| {
            let mut bytes = vec![0; chip.geometry().size_bytes as usize];
            chip.peek(0, &mut bytes).expect("inside the chip");
            bytes
        })
    }

    /// Puts faults in front of a chip, or takes them away.
    ///
    /// # Panics
    /// If there is no such chip, or it has faults already and gets others
    /// ([`Chip::set_faults`]).
    pub fn set_faults(&self, chip: usize, faults: Option<FaultPlan>) {
        self.system.with_chip(chip, |chip| chip.set_faults(faults));
    }

    /// How much of an MTD device lies on its chip: all of it, unless a fault
    /// has made it longer.
    pub(crate) fn readable_bytes(&self, device: &MtdDevice) -> u64 {
        let geometry = self.system.with_chip(device.chip, |chip| chip.geometry());
        let left_bytes = geometry.size_bytes.saturating_sub(device.offset_bytes);
        device.size_bytes.min(left_bytes)
    }

    pub(crate) fn peek(&self, device: &MtdDevice, offset_bytes: u64, buf: &mut [u8]) {
        self.system.with_chip(device.chip, |chip| {
            chip.peek(device.offset_bytes + offset_bytes, buf)
                .expect("a partition lies inside its chip");
        });
    }
}

/// The three nodes of an MTD device, by their names in `/dev`.
pub(crate) fn nodes_of(index: u32) -> [(String, NodeId); 3] {
    [
        (format!("mtd{index}"), NodeId::mtd(index)),
        (format!("mtd{index}ro"), NodeId::mtd_read_only(index)),
        (format!("mtdblock{index}"), NodeId::mtdblock(index)),
    ]
}

/// A device whose chip starts as an image file says. The file is opened
/// read-only and never changed.
///
/// # Errors
/// A file that cannot be read or has another length than the chip, or a layout
/// of several chips.
pub fn from_image(
    path: impl AsRef<Path>,
    layout: &Layout,
) -> Result<SimulatedDevice, ProfileError> {
    let path = path.as_ref();
    let geometry = one_chip(layout)?;
    let chip = Chip::from_image(geometry, path)?;
    let description = format!("simulated from the image {}", path.display());
    Ok(SimulatedDevice::new(description, vec![chip], layout))
}

/// A part of a file that holds a chip.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImagePart {
    /// The file.
    pub path: PathBuf,
    /// Where in it the chip begins. A file that ends before the chip does gives EIO
    /// there.
    pub start_bytes: u64,
}

impl ImagePart {
    /// The chip begins there in this file.
    pub fn new(path: impl Into<PathBuf>, start_bytes: u64) -> Self {
        Self {
            path: path.into(),
            start_bytes,
        }
    }
}

/// A device whose chips start as parts of image files say, one part a chip: several
/// chips can be in one file, one behind the other, or have one each.
///
/// # Errors
/// A file that cannot be read.
///
/// # Panics
/// If there are not as many parts as chips.
pub fn from_images(parts: &[ImagePart], layout: &Layout) -> Result<SimulatedDevice, ProfileError> {
    assert_eq!(parts.len(), layout.chips.len(), "one part a chip");
    let mut chips = Vec::with_capacity(parts.len());
    let mut names: Vec<String> = Vec::new();
    for (part, chip) in parts.iter().zip(&layout.chips) {
        let geometry = chip.geometry;
        let storage = FileStorage::open_part(geometry, &part.path, part.start_bytes)?;
        chips.push(Chip::with_storage(geometry, Box::new(storage)));
        let name = part.path.display().to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let image = if names.len() == 1 { "image" } else { "images" };
    let description = format!("simulated from the {image} {}", names.join(", "));
    Ok(SimulatedDevice::new(description, chips, layout))
}

/// A device whose chip holds these bytes.
///
/// # Errors
/// As [`from_image`].
pub fn from_bytes(bytes: &[u8], layout: &Layout) -> Result<SimulatedDevice, ProfileError> {
    let geometry = one_chip(layout)?;
    if bytes.len() as u64 != geometry.size_bytes {
        return Err(ProfileError::ImageLength {
            found: bytes.len() as u64,
            expected: geometry.size_bytes,
        });
    }
    let mut chip = Chip::new(geometry);
    chip.load(0, bytes).expect("as long as the chip");
    Ok(SimulatedDevice::new(
        "simulated from bytes",
        vec![chip],
        layout,
    ))
}

fn one_chip(layout: &Layout) -> Result<crate::chip::Geometry, ProfileError> {
    match layout.chips.as_slice() {
        [chip] => Ok(chip.geometry),
        chips => Err(ProfileError::SeveralChips { chips: chips.len() }),
    }
}
