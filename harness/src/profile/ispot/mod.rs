//! The Clear iSpot, with contents that a real one could have.
//!
//! What is known of the device is kept exactly: the eleven partitions, their
//! numbers, names, sizes and offsets, the missing nodes of mtd10, what kind of
//! thing each partition holds, two images of the firmware of which the second
//! is newer. The formats of Linux and RedBoot (FIS directory, config, zImage
//! header, JFFS2) are exact too. **Invented**, because nothing is known: the
//! contents of `param`, `ver_1` and `ver_2`, the names and bytes of the files,
//! the address of the chip on the CPU's bus. `LIMITATIONS.md` says so as well.
//!
//! Nothing in it is anybody's software: programs are noise behind a header.
//!
//! | partition | contents | erased |
//! | --- | --- | --- |
//! | RedBoot | exception vectors, code, a version text | from 0x28000 on |
//! | param | MAC address, serial number, calibration, twice | between and after |
//! | linux, linux_2 | zImage header, code, compressed bytes; about 1 MB | the rest |
//! | rootfs, rootfs_2 | JFFS2, 36 to 42 erase blocks in use | the rest, after cleanmarkers |
//! | system | JFFS2 with settings that were written again | half, after cleanmarkers |
//! | ver_1, ver_2 | records that count up | nearly all |
//! | FIS directory | one entry per partition | free slots |
//! | RedBoot config | a valid block of 4096 bytes | nothing |

mod boot;
mod files;
mod kernel;

use super::lazy::{Contents, LazyStorage};
use super::{ProfileError, SimulatedDevice, nodes_of};
use crate::chip::{Chip, EraseBlock, Geometry, Storage};
use crate::fault::FaultPlan;
use crate::format::crc32_continued;
use crate::format::jffs2::Image;
use crate::layout::Layout;
use kernel::Kernel;

/// Where the CPU sees the first byte of the chip. Invented; Linux takes the
/// offsets from the low bits alone.
pub const FLASH_BASE: u32 = 0x5000_0000;

/// The partition without nodes on a real device.
const WITHOUT_NODES: u32 = 10;

type MakeStorage = Box<dyn FnOnce(Geometry) -> Box<dyn Storage>>;

/// The Clear iSpot as it comes: mtd10 without nodes, nothing locked.
///
/// ```
/// use mtd_harness::profile;
///
/// let device = profile::ispot(1);
/// assert_eq!(device.system.devices().len(), 11);
/// assert!(device.nodes.contains_key("dev/mtd9"));
/// assert!(!device.nodes.contains_key("dev/mtd10"));
/// assert!(device.partition_bytes(9).starts_with(b"RedBoot\0"));
/// ```
pub fn ispot(seed: u64) -> SimulatedDevice {
    device(seed, contents(seed, ispot_geometry()))
}

/// A Clear iSpot with something else about it.
///
/// ```
/// use mtd_harness::profile::IspotBuilder;
///
/// let device = IspotBuilder::new(1).with_node("mtd10").locked().build()?;
/// assert!(device.nodes.contains_key("dev/mtd10"));
/// # Ok::<(), mtd_harness::profile::ProfileError>(())
/// ```
#[derive(Default)]
pub struct IspotBuilder {
    seed: u64,
    nodes: Vec<String>,
    locked: bool,
    faults: Option<FaultPlan>,
    storage: Option<MakeStorage>,
    twice: Option<&'static str>,
}

impl IspotBuilder {
    /// An iSpot of this seed, as far as [`ispot()`] makes it.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    /// With this node in `dev` too, such as `mtd10` or `mtdblock10`.
    #[must_use]
    pub fn with_node(mut self, name: &str) -> Self {
        self.nodes.push(name.to_owned());
        self
    }

    /// With every erase block locked, as some chips are after power-up.
    #[must_use]
    pub fn locked(mut self) -> Self {
        self.locked = true;
        self
    }

    /// With faults in front of the chip.
    #[must_use]
    pub fn faults(mut self, faults: FaultPlan) -> Self {
        if self.faults.replace(faults).is_some() {
            self.twice = Some("faults");
        }
        self
    }

    /// With its cells in storage of the caller's making, which gets the whole
    /// contents loaded.
    #[must_use]
    pub fn storage(mut self, make: impl FnOnce(Geometry) -> Box<dyn Storage> + 'static) -> Self {
        if self.storage.replace(Box::new(make)).is_some() {
            self.twice = Some("storage");
        }
        self
    }

    /// The device.
    ///
    /// # Errors
    /// [`ProfileError::NoSuchNode`]; [`ProfileError::GivenTwice`] for faults or storage.
    pub fn build(self) -> Result<SimulatedDevice, ProfileError> {
        if let Some(what) = self.twice {
            return Err(ProfileError::GivenTwice { what });
        }
        let geometry = ispot_geometry();
        let mut chip = contents(self.seed, geometry);
        if let Some(make) = self.storage {
            chip = copy(&chip, Chip::with_storage(geometry, make(geometry)));
        }
        if self.locked {
            for block in 0..geometry.erase_blocks() {
                chip.set_locked(EraseBlock(block), true)
                    .expect("every erase block has a lock");
            }
        }
        chip.set_faults(self.faults);
        let mut device = device(self.seed, chip);
        for name in self.nodes {
            let node = (0..=WITHOUT_NODES)
                .flat_map(nodes_of)
                .find(|(known, _)| *known == name)
                .ok_or(ProfileError::NoSuchNode {
                    name,
                    last: WITHOUT_NODES,
                })?;
            device.nodes.insert(format!("dev/{}", node.0), node.1);
        }
        Ok(device)
    }
}

fn ispot_geometry() -> Geometry {
    Layout::ispot().chips[0].geometry
}

fn contents(seed: u64, geometry: Geometry) -> Chip {
    let storage = LazyStorage::new(geometry, Box::new(Ispot::new(seed)));
    Chip::with_storage(geometry, Box::new(storage))
}

fn device(seed: u64, chip: Chip) -> SimulatedDevice {
    let description = format!("Clear iSpot (simulated, seed {seed})");
    let mut device = SimulatedDevice::new(description, vec![chip], &Layout::ispot());
    for (name, _) in nodes_of(WITHOUT_NODES) {
        device.nodes.remove(&format!("dev/{name}"));
    }
    device
}

fn copy(from: &Chip, mut to: Chip) -> Chip {
    let mut cells = vec![0; from.geometry().erase_block_bytes as usize];
    for block in 0..from.geometry().erase_blocks() {
        let offset_bytes = from.geometry().start_of(EraseBlock(block));
        from.peek(offset_bytes, &mut cells)
            .expect("inside the chip");
        to.load(offset_bytes, &cells).expect("storage of this size");
    }
    to
}

/// The first erase block of each partition, and what lies in it.
enum Part {
    RedBoot,
    Param,
    Kernel(Kernel),
    Files(Box<Image>),
    Counter(u8),
    Directory,
}

struct Ispot {
    seed: u64,
    parts: Vec<(u64, Part)>,
}

impl Ispot {
    fn new(seed: u64) -> Self {
        let first = |name: &str| {
            let layout = Layout::ispot();
            let (_, partition) = layout.partition(name).expect("one of the eleven");
            partition.offset_bytes / u64::from(layout.chips[0].geometry.erase_block_bytes)
        };
        let parts = [
            ("RedBoot", Part::RedBoot),
            ("param", Part::Param),
            ("linux", Part::Kernel(Kernel::new(seed, 1))),
            ("rootfs", Part::Files(Box::new(files::rootfs(seed, 1)))),
            ("system", Part::Files(Box::new(files::system(seed)))),
            ("linux_2", Part::Kernel(Kernel::new(seed, 2))),
            ("rootfs_2", Part::Files(Box::new(files::rootfs(seed, 2)))),
            ("ver_1", Part::Counter(1)),
            ("ver_2", Part::Counter(2)),
            ("FIS directory", Part::Directory),
        ];
        Self {
            seed,
            parts: parts.map(|(name, part)| (first(name), part)).into(),
        }
    }

    /// The checksums that the FIS directory has for what RedBoot loads, by
    /// partition: bytes in use and their checksum.
    fn checksums(&self, erase_block_bytes: usize) -> Vec<(u64, u32, u32)> {
        let mut cells = vec![0; erase_block_bytes];
        self.parts
            .iter()
            .filter_map(|(first, part)| {
                let length = match part {
                    Part::RedBoot => boot::LOADER_BYTES,
                    Part::Kernel(kernel) => kernel.length_bytes(),
                    _ => return None,
                };
                let mut checksum = 0;
                let mut left = length as usize;
                for block in *first.. {
                    self.fill(EraseBlock(block), &mut cells);
                    let used = left.min(erase_block_bytes);
                    checksum = crc32_continued(checksum, &cells[..used]);
                    left -= used;
                    if left == 0 {
                        break;
                    }
                }
                Some((*first, length as u32, checksum))
            })
            .collect()
    }
}

impl Contents for Ispot {
    fn fill(&self, block: EraseBlock, cells: &mut [u8]) {
        let at = self.parts.partition_point(|(first, _)| *first <= block.0) - 1;
        let (first, part) = &self.parts[at];
        let index = (block.0 - first) as usize;
        match part {
            Part::RedBoot => boot::loader(self.seed, index, cells),
            Part::Param => boot::param(self.seed, cells),
            Part::Kernel(kernel) => kernel.fill(index, cells),
            Part::Files(image) => image.fill_erase_block(index, cells),
            Part::Counter(number) => boot::version_counter(*number, cells),
            Part::Directory => {
                let checksums = self.checksums(cells.len());
                boot::directory_and_config(self.seed, &checksums, cells);
            }
        }
    }
}
