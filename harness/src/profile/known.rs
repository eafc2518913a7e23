//! Devices beside the iSpot: the shapes that most of today's have.
//!
//! | profile | after | what is particular |
//! | --- | --- | --- |
//! | openwrt-router | OpenWrt 23.05 on an ath79 router | SPI NOR, erase blocks of 4 KiB; `firmware` around `kernel` and `rootfs`, and `rootfs_data` in that; read-only boot loader and calibration |
//! | openwrt-router-64k | LEDE 17.01 on a small one | erase blocks of 64 KiB, no parents, `kernel` ends inside an erase block |
//! | qnap-nas | QNAP TS-41x | partitions in another order on the chip than their numbers |
//! | android-phone | phones of 2010 | nodes at /dev/mtd/mtdN, numbers with a gap, a second chip |
//!
//! Sources: the OpenWrt wiki's page on flash layouts; target/linux/ath79 of OpenWrt;
//! cyrius.com on the QNAP TS-41x; init.rc of AOSP 2.3 for the nodes. Contents are
//! generic, but for what tools look at: U-Boot's environment with its checksum, headers
//! of uImage and SquashFS, cleanmarkers of JFFS2, MAC addresses.

use super::generic::Generic;
use super::lazy::{Contents, LazyStorage};
use super::noise::{Look, Noise};
use super::{SimulatedDevice, nodes_of};
use crate::chip::{Chip, EraseBlock, Geometry};
use crate::layout::{ChipLayout, Layout, PartitionSpec};
use std::ops::Range;

/// A device whose layout is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Known {
    /// A router with OpenWrt: 16 MiB of SPI NOR with erase blocks of 4 KiB.
    OpenwrtRouter,
    /// A router of 4 MiB with erase blocks of 64 KiB and an older OpenWrt.
    OpenwrtRouter64k,
    /// A NAS whose partitions lie in another order than their numbers.
    QnapNas,
    /// A phone: nodes of Android's kind, numbers with a gap, two chips.
    AndroidPhone,
}

const READ_ONLY: bool = true;

/// Name, offset, size, parent's place, read-only.
type Row = (&'static str, u64, u64, Option<usize>, bool);

const OPENWRT: [Row; 7] = [
    ("u-boot", 0, 0x4_0000, None, READ_ONLY),
    ("u-boot-env", 0x4_0000, 0x1_0000, None, READ_ONLY),
    ("firmware", 0x5_0000, 0xfa_0000, None, false),
    ("kernel", 0x5_0000, 0x1f_0000, Some(2), false),
    ("rootfs", 0x24_0000, 0xdb_0000, Some(2), false),
    ("rootfs_data", 0x60_0000, 0x9f_0000, Some(2), false),
    ("art", 0xff_0000, 0x1_0000, None, READ_ONLY),
];

const OPENWRT_64K: [Row; 6] = [
    ("u-boot", 0, 0x2_0000, None, READ_ONLY),
    ("kernel", 0x2_0000, 0x11_f5dc, None, false),
    ("rootfs", 0x13_f5dc, 0x2b_0a24, None, false),
    ("rootfs_data", 0x3a_0000, 0x5_0000, None, false),
    ("art", 0x3f_0000, 0x1_0000, None, READ_ONLY),
    ("firmware", 0x2_0000, 0x3d_0000, None, false),
];

const QNAP: [Row; 6] = [
    ("U-Boot", 0, 0x8_0000, None, false),
    ("Kernel", 0x20_0000, 0x20_0000, None, false),
    ("RootFS1", 0x40_0000, 0x90_0000, None, false),
    ("RootFS2", 0xd0_0000, 0x30_0000, None, false),
    ("U-Boot Config", 0x8_0000, 0x4_0000, None, false),
    ("NAS Config", 0xc_0000, 0x14_0000, None, false),
];

const ANDROID: [Row; 5] = [
    ("misc", 0, 0x4_0000, None, false),
    ("recovery", 0x4_0000, 0x50_0000, None, false),
    ("boot", 0x54_0000, 0x28_0000, None, false),
    ("system", 0x7c_0000, 0x64_0000, None, false),
    ("cache", 0xe0_0000, 0x20_0000, None, false),
];

impl Known {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::OpenwrtRouter,
        Self::OpenwrtRouter64k,
        Self::QnapNas,
        Self::AndroidPhone,
    ];

    /// What it is called, such as `openwrt-router`.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenwrtRouter => "openwrt-router",
            Self::OpenwrtRouter64k => "openwrt-router-64k",
            Self::QnapNas => "qnap-nas",
            Self::AndroidPhone => "android-phone",
        }
    }

    /// The one that is called so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// Its chips and partitions.
    ///
    /// ```
    /// use mtd_harness::profile::Known;
    ///
    /// let layout = Known::OpenwrtRouter.layout();
    /// let (_, kernel) = layout.partition("kernel").unwrap();
    /// let firmware = kernel.parent.map(|at| &layout.chips[0].partitions[at]);
    /// assert_eq!(firmware.unwrap().name, "firmware");
    /// ```
    pub fn layout(self) -> Layout {
        let (size_bytes, erase_block_bytes, rows): (u64, u32, &[Row]) = match self {
            Self::OpenwrtRouter => (16 << 20, 4 << 10, &OPENWRT),
            Self::OpenwrtRouter64k => (4 << 20, 64 << 10, &OPENWRT_64K),
            Self::QnapNas => (16 << 20, 256 << 10, &QNAP),
            Self::AndroidPhone => (16 << 20, 128 << 10, &ANDROID),
        };
        let partition = |(name, offset_bytes, size_bytes, parent, read_only): &Row| PartitionSpec {
            parent: *parent,
            read_only: *read_only,
            ..PartitionSpec::new(*name, *offset_bytes, *size_bytes)
        };
        let mut chips = vec![ChipLayout {
            geometry: Geometry {
                size_bytes,
                erase_block_bytes,
            },
            partitions: rows.iter().map(partition).collect(),
        }];
        if self == Self::AndroidPhone {
            let data = PartitionSpec::new("userdata", 0, 8 << 20);
            chips.push(ChipLayout {
                geometry: Geometry {
                    size_bytes: 8 << 20,
                    erase_block_bytes,
                },
                // Numbers of devices that went away stay free.
                partitions: vec![PartitionSpec {
                    number: Some(7),
                    ..data
                }],
            });
        }
        Layout { chips }
    }

    /// The device. The same seed gives the same bytes.
    pub fn device(self, seed: u64) -> SimulatedDevice {
        let layout = self.layout();
        let chips = layout.chips.iter().enumerate();
        let chips = chips.map(|(index, chip)| {
            let contents = Marked {
                generic: Generic::new(chip, index, seed),
                marks: marks(chip, seed),
                cleanmarkers: cleanmarkers(chip),
                block_bytes: u64::from(chip.geometry.erase_block_bytes),
            };
            let storage = LazyStorage::new(chip.geometry, Box::new(contents));
            Chip::with_storage(chip.geometry, Box::new(storage))
        });
        let description = format!("{} (simulated, seed {seed})", self.name());
        let mut device = SimulatedDevice::new(description, chips.collect(), &layout);
        if self == Self::AndroidPhone {
            device.nodes = android_nodes(&device);
        }
        device
    }
}

/// Nodes as Android has them: `/dev/mtd/mtdN` and `/dev/block/mtdblockN`.
fn android_nodes(
    device: &SimulatedDevice,
) -> std::collections::BTreeMap<String, crate::mtd::NodeId> {
    let of = |mtd: &crate::mtd::MtdDevice| nodes_of(mtd.index);
    let nodes = device.system.devices();
    let nodes = nodes.iter().flat_map(of).map(|(name, node)| {
        let folder = match name.starts_with("mtdblock") {
            true => "dev/block",
            false => "dev/mtd",
        };
        (format!("{folder}/{name}"), node)
    });
    nodes.collect()
}

/// Generic contents, with what tools look for at its place.
struct Marked {
    generic: Generic,
    /// Where on the chip which bytes stand.
    marks: Vec<(u64, Vec<u8>)>,
    /// Where erased flash of JFFS2 has a cleanmarker in each erase block.
    cleanmarkers: Option<Range<u64>>,
    block_bytes: u64,
}

/// JFFS2's mark of an erased block, little-endian (Linux, fs/jffs2/nodelist.h).
const CLEANMARKER: [u8; 12] = [
    0x85, 0x19, 0x03, 0x20, 0x0c, 0, 0, 0, 0xb1, 0xb0, 0x1e, 0xe4,
];

impl Contents for Marked {
    fn is_erased(&self, block: EraseBlock) -> bool {
        let start = block.0 * self.block_bytes;
        let cleaned = self.cleanmarkers.as_ref();
        let has_mark = |(at, mark): &(u64, Vec<u8>)| {
            *at < start + self.block_bytes && at + mark.len() as u64 > start
        };
        self.generic.is_erased(block)
            && !cleaned.is_some_and(|range| range.contains(&start))
            && !self.marks.iter().any(has_mark)
    }

    fn fill(&self, block: EraseBlock, cells: &mut [u8]) {
        let start = block.0 * self.block_bytes;
        let cleaned = self.cleanmarkers.as_ref();
        if cleaned.is_some_and(|range| range.contains(&start)) {
            cells.fill(0xff);
            cells[..CLEANMARKER.len()].copy_from_slice(&CLEANMARKER);
            return;
        }
        self.generic.fill(block, cells);
        for (at, mark) in &self.marks {
            for (place, byte) in (*at..).zip(mark) {
                if let Some(cell) = place
                    .checked_sub(start)
                    .and_then(|at| cells.get_mut(at as usize))
                {
                    *cell = *byte;
                }
            }
        }
    }
}

fn cleanmarkers(chip: &ChipLayout) -> Option<Range<u64>> {
    let data = chip.partitions.iter().find(|p| p.name == "rootfs_data")?;
    Some(data.offset_bytes..data.offset_bytes + data.size_bytes)
}

fn marks(chip: &ChipLayout, seed: u64) -> Vec<(u64, Vec<u8>)> {
    let mark = |partition: &PartitionSpec| {
        let bytes = match partition.name.as_str() {
            "u-boot-env" => environment(partition.size_bytes),
            // IH_MAGIC of include/image.h.
            "kernel" | "Kernel" => vec![0x27, 0x05, 0x19, 0x56],
            "rootfs" => b"hsqs".to_vec(),
            "boot" | "recovery" => b"ANDROID!".to_vec(),
            "art" => mac_addresses(seed),
            _ => return None,
        };
        Some((partition.offset_bytes, bytes))
    };
    // What lies inside comes after what is around it.
    chip.partitions.iter().filter_map(mark).collect()
}

/// U-Boot's environment: CRC-32 of the rest, variables, NULs to the end (U-Boot,
/// include/env_internal.h).
fn environment(size_bytes: u64) -> Vec<u8> {
    let mut rest = b"bootcmd=bootm 0x9f050000\0bootdelay=1\0baudrate=115200\0\0".to_vec();
    rest.resize((size_bytes as usize).saturating_sub(4), 0);
    let mut environment = crc32fast::hash(&rest).to_le_bytes().to_vec();
    environment.extend(rest);
    environment
}

/// Two of a locally administered range, as at the start of `art`.
fn mac_addresses(seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; 12];
    Noise::new(seed, "mac addresses", Look::Compressed).fill(0, &mut bytes);
    for first in [0, 6] {
        bytes[first] = bytes[first] & 0xfc | 0x02;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_devices_are_what_their_names_say() {
        for known in Known::ALL {
            known.layout().check().unwrap();
            assert_eq!(Known::named(known.name()), Some(known));
            let (a, b) = (known.device(1), known.device(1));
            for device in a.system.devices() {
                let bytes = a.partition_bytes(device.index);
                assert!(bytes == b.partition_bytes(device.index), "{}", known.name());
                assert!(
                    bytes.iter().any(|byte| *byte != 0xff),
                    "{}: mtd{}",
                    known.name(),
                    device.index
                );
            }
        }
        let router = Known::OpenwrtRouter.device(1);
        assert_eq!(router.system.devices()[0].erase_block_bytes, 4096);
        let environment = router.partition_bytes(1);
        let sum = u32::from_le_bytes(environment[..4].try_into().unwrap());
        assert_eq!(sum, crc32fast::hash(&environment[4..]));
        let data = router.partition_bytes(5);
        assert!(
            data.chunks(4096)
                .all(|block| block.starts_with(&[0x85, 0x19, 0x03, 0x20]))
        );
        // The same bytes by another name.
        let firmware = router.partition_bytes(2);
        assert!(firmware.starts_with(&router.partition_bytes(3)));
        assert!(firmware.ends_with(&data));
        assert!(router.partition_bytes(4).starts_with(b"hsqs"));
        let phone = Known::AndroidPhone.device(1);
        assert!(
            phone.nodes.contains_key("dev/mtd/mtd7")
                && phone.nodes.contains_key("dev/block/mtdblock7")
        );
    }
}
