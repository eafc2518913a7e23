//! The backends under the contract.

use super::{ERASE_BLOCK_BYTES, PARTS, Subject, part_contents};
use crate::backend::tree::Tree;
use mtdkeep::backend::LinuxBackend;
use mtdkeep::mtd::MtdBackend;

/// The Linux backend on a tree of plain files.
pub struct PlainTree {
    tree: Tree,
    backend: LinuxBackend,
}

impl PlainTree {
    pub fn new() -> Self {
        let table: Vec<_> = PARTS
            .iter()
            .map(|part| (part.name, part.size_bytes, ERASE_BLOCK_BYTES))
            .collect();
        let tree = Tree::with_table(&table);
        for (position, part) in PARTS.iter().enumerate() {
            let sysfs = format!("sys/class/mtd/mtd{position}");
            let flags = if part.writeable { "0xc00\n" } else { "0x800\n" };
            tree.write(&format!("{sysfs}/flags"), flags.as_bytes());
            let offset = format!("{}\n", part.offset_bytes);
            tree.write(&format!("{sysfs}/offset"), offset.as_bytes());
            // The cells of the partition without a node are out of the backend's
            // sight, but not of the test's.
            let place = if part.has_node { "dev" } else { "hidden" };
            tree.write(&format!("{place}/mtd{position}"), &part_contents(position));
        }
        let backend = LinuxBackend::new(Some(tree.root().to_owned()));
        Self { tree, backend }
    }
}

impl Subject for PlainTree {
    fn backend(&self) -> &dyn MtdBackend {
        &self.backend
    }

    fn cells(&self, position: usize) -> Vec<u8> {
        let place = if PARTS[position].has_node {
            "dev"
        } else {
            "hidden"
        };
        self.tree.read(&format!("{place}/mtd{position}"))
    }

    fn shorten(&self, position: usize, size_bytes: u64) {
        let path = self.tree.path(&format!("dev/mtd{position}"));
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_len(size_bytes).unwrap();
    }
}

#[cfg(feature = "full")]
pub use simulated::Simulated;

#[cfg(feature = "full")]
mod simulated {
    use super::super::{CHIP_BYTES, Part, contents};
    use super::*;
    use mtd_harness::chip::{Chip, Geometry};
    use mtd_harness::layout::{ChipLayout, Layout, PartitionSpec};
    use mtd_harness::mtd::NodeId;
    use mtd_harness::profile::SimulatedDevice;
    use mtdkeep::backend::SimulatedBackend;

    /// The simulation, for a process that may not make nodes.
    pub struct Simulated {
        pub backend: SimulatedBackend,
    }

    impl Simulated {
        pub fn new() -> Self {
            let geometry = Geometry {
                size_bytes: CHIP_BYTES,
                erase_block_bytes: u32::try_from(ERASE_BLOCK_BYTES).unwrap(),
            };
            let spec = |part: &Part| PartitionSpec {
                name: part.name.to_owned(),
                offset_bytes: part.offset_bytes,
                size_bytes: part.size_bytes,
                ..PartitionSpec::default()
            };
            let layout = Layout::new([ChipLayout::new(geometry, PARTS.iter().map(spec))]);
            let mut chip = Chip::new(geometry);
            chip.load(0, &contents()).unwrap();
            let nodes = (0..)
                .zip(&PARTS)
                .filter(|(_, part)| part.has_node)
                .map(|(index, _)| {
                    let minor = 2 * index;
                    (
                        format!("dev/mtd{index}"),
                        NodeId::Character { major: 90, minor },
                    )
                })
                .collect();
            let mut device = SimulatedDevice::new("the device under test", vec![chip], &layout);
            device.nodes = nodes;
            let backend = SimulatedBackend::new(device).with_nodes_allowed(false);
            Self { backend }
        }
    }

    impl Subject for Simulated {
        fn backend(&self) -> &dyn MtdBackend {
            &self.backend
        }

        fn cells(&self, position: usize) -> Vec<u8> {
            let part = &PARTS[position];
            let mut bytes = vec![0; usize::try_from(part.size_bytes).unwrap()];
            let system = &self.backend.device().system;
            system
                .with_chip(0, |chip| chip.peek(part.offset_bytes, &mut bytes))
                .unwrap();
            bytes
        }

        fn shorten(&self, position: usize, size_bytes: u64) {
            let index = u32::try_from(position).unwrap();
            let system = &self.backend.device().system;
            assert!(system.set_size(index, Some(size_bytes)));
        }
    }
}
