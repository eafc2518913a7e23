//! A device put together partition by partition.

use super::{ProfileError, SimulatedDevice};
use crate::chip::{Chip, EraseRegion, Geometry, Timing};
use crate::layout::{ChipLayout, Layout, PartitionSpec};

/// One partition to be: its name, its size, what it starts with.
struct Part {
    name: String,
    size_bytes: Option<u64>,
    contents: Vec<u8>,
}

/// A device of one chip with any partitions, one behind the other.
///
/// ```
/// use mtd_harness::profile::DeviceBuilder;
///
/// let device = DeviceBuilder::new("a camera")
///     .partition("boot", b"boot loader".to_vec())
///     .sized("rootfs", 0x20_0000, b"hsqs".to_vec())
///     .space("data", 0x10_0000)
///     .faults("read-error@rootfs+0x100:once")
///     .build()?;
///
/// let rootfs = device.partition("rootfs")?;
/// assert_eq!(rootfs.device().offset_bytes, 0x2_0000); // boot fills one erase block
/// assert!(rootfs.read(0x100, &mut [0; 4]).is_err());
/// let mut magic = [0; 4];
/// rootfs.read(0, &mut magic)?;
/// assert_eq!(&magic, b"hsqs");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DeviceBuilder {
    description: String,
    geometry: Option<Geometry>,
    regions: Option<Vec<EraseRegion>>,
    timing: Option<Timing>,
    parts: Vec<Part>,
    faults: Option<String>,
    twice: Option<&'static str>,
}

impl DeviceBuilder {
    /// A device that calls itself so, with erase blocks of 128 KiB and a chip as large as
    /// its partitions.
    pub fn new(description: impl Into<String>) -> Self {
        Self {
            description: description.into(),
            geometry: None,
            regions: None,
            timing: None,
            parts: Vec::new(),
            faults: None,
            twice: None,
        }
    }

    /// With this chip; partitions that do not fit it are an error.
    #[must_use]
    pub fn chip(mut self, geometry: Geometry) -> Self {
        if self.geometry.replace(geometry).is_some() {
            self.twice = Some("a chip");
        }
        self
    }

    /// With erase blocks of several sizes, from the chip's start on; see
    /// [`Chip::set_erase_regions`]. They say how large the chip is.
    #[must_use]
    pub fn erase_regions(mut self, regions: &[EraseRegion]) -> Self {
        let largest = regions.iter().map(|region| region.erase_block_bytes).max();
        if self.regions.replace(regions.to_vec()).is_some() {
            self.twice = Some("erase regions");
        }
        self.chip(Geometry {
            size_bytes: regions.iter().map(EraseRegion::size_bytes).sum(),
            erase_block_bytes: largest.unwrap_or(1),
        })
    }

    /// With a chip of other times.
    #[must_use]
    pub fn timing(mut self, timing: Timing) -> Self {
        if self.timing.replace(timing).is_some() {
            self.twice = Some("timing");
        }
        self
    }

    /// A partition with these bytes, behind the one before, as many erase blocks as they
    /// need.
    #[must_use]
    pub fn partition(mut self, name: impl Into<String>, contents: impl Into<Vec<u8>>) -> Self {
        self.parts.push(Part {
            name: name.into(),
            size_bytes: None,
            contents: contents.into(),
        });
        self
    }

    /// A partition of this size that starts with these bytes; the rest is erased.
    #[must_use]
    pub fn sized(
        mut self,
        name: impl Into<String>,
        size_bytes: u64,
        contents: impl Into<Vec<u8>>,
    ) -> Self {
        self.parts.push(Part {
            name: name.into(),
            size_bytes: Some(size_bytes),
            contents: contents.into(),
        });
        self
    }

    /// An erased partition.
    #[must_use]
    pub fn space(self, name: impl Into<String>, size_bytes: u64) -> Self {
        self.sized(name, size_bytes, Vec::new())
    }

    /// With these faults, as [`SimulatedDevice::put_faults`] takes them.
    #[must_use]
    pub fn faults(mut self, spec: impl Into<String>) -> Self {
        if self.faults.replace(spec.into()).is_some() {
            self.twice = Some("faults");
        }
        self
    }

    /// The device.
    ///
    /// # Errors
    /// [`ProfileError::GivenTwice`] for chip, timing or faults; [`ProfileError::DoesNotFit`];
    /// [`ProfileError::Faults`].
    pub fn build(self) -> Result<SimulatedDevice, ProfileError> {
        if let Some(what) = self.twice {
            return Err(ProfileError::GivenTwice { what });
        }
        let block_bytes = match self.geometry {
            Some(geometry) => geometry.erase_block_bytes,
            None => Geometry::INTEL_28F128J3.erase_block_bytes,
        };
        let mut partitions = Vec::new();
        let mut end = 0;
        for part in &self.parts {
            let needed = part.contents.len() as u64;
            let size = part
                .size_bytes
                .unwrap_or_else(|| needed.max(1).next_multiple_of(u64::from(block_bytes)));
            if needed > size {
                return Err(ProfileError::DoesNotFit {
                    what: format!("{needed} bytes"),
                    room: format!("the partition `{}` of {size}", part.name),
                });
            }
            partitions.push(PartitionSpec::new(part.name.clone(), end, size));
            end += size;
        }
        let geometry = self.geometry.unwrap_or(Geometry {
            size_bytes: end.max(1).next_multiple_of(u64::from(block_bytes)),
            erase_block_bytes: block_bytes,
        });
        if end > geometry.size_bytes {
            return Err(ProfileError::DoesNotFit {
                what: format!("partitions of {end} bytes"),
                room: format!("a chip of {}", geometry.size_bytes),
            });
        }
        let mut chip = Chip::new(geometry);
        if let Some(regions) = &self.regions {
            chip.set_erase_regions(regions);
        }
        for (part, spec) in self.parts.iter().zip(&partitions) {
            chip.load(spec.offset_bytes, &part.contents)
                .expect("it was looked at whether it fits");
        }
        if let Some(timing) = self.timing {
            chip.set_timing(timing);
        }
        let layout = Layout {
            chips: vec![ChipLayout {
                geometry,
                partitions,
            }],
        };
        let device = SimulatedDevice::new(self.description, vec![chip], &layout);
        if let Some(faults) = self.faults {
            device.put_faults(&faults)?;
        }
        Ok(device)
    }
}
