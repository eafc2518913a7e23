//! One simulated iSpot, seen by both backends: as plain files below a root, and
//! through the simulation's handles. They must tell and read the same.

use crate::backend::{LinuxBackend, SimulatedBackend};
use crate::mtd::{
    FactSource, MtdBackend, MtdErrorKind, MtdInfo, NodeState, PartitionOffset, oddities,
};
use mtd_harness::profile::{self, IspotBuilder, SimulatedDevice};
use mtd_harness::tree::{Tree, TreeBuilder};

const SEED: u64 = 7;

fn read_all(backend: &dyn MtdBackend, device: &MtdInfo) -> Vec<u8> {
    let mut open = backend.open(device).unwrap();
    let mut bytes = Vec::new();
    let mut piece = vec![0; 0x20000];
    loop {
        match open.read_at(bytes.len() as u64, &mut piece).unwrap() {
            0 => return bytes,
            count => bytes.extend_from_slice(&piece[..count]),
        }
    }
}

fn linux_on(tree: &Tree) -> LinuxBackend {
    LinuxBackend::new(Some(tree.root().to_owned()))
}

/// With the sources left out, which differ, and the chip with its times: a tree of files has
/// no links that would tell it.
fn told(backend: &dyn MtdBackend, source: FactSource) -> Vec<MtdInfo> {
    let mut devices = backend.devices().unwrap();
    for device in &mut devices {
        let offset = device.offset.take().expect("offsets are known");
        assert_eq!(offset.source, source, "{}", device.id());
        device.offset = Some(PartitionOffset {
            bytes: offset.bytes,
            source: FactSource::Sum,
        });
        device.size_source = FactSource::Sum;
        device.erase_block_source = FactSource::Sum;
        device.writeable_source = None;
        device.chip = None;
        device.chip_bytes = None;
        device.timing = None;
    }
    devices
}

fn ispot() -> SimulatedDevice {
    println!("seed {SEED}");
    profile::ispot(SEED)
}

#[test]
fn both_backends_tell_the_same_of_an_ispot() {
    let device = ispot();
    let tree = Tree::of(&device).unwrap();
    let simulated = SimulatedBackend::new(device);
    let linux = linux_on(&tree);
    assert_eq!(
        told(&linux, FactSource::Sysfs),
        told(&simulated, FactSource::Simulation)
    );
    assert_eq!(
        oddities(&linux.devices().unwrap()),
        oddities(&simulated.devices().unwrap())
    );
}

#[test]
fn without_sysfs_the_offsets_of_an_ispot_are_known() {
    let device = ispot();
    let builder = TreeBuilder::default().without_sys();
    let tree = builder.build(&device).unwrap();
    let inferred = told(&linux_on(&tree), FactSource::Known);
    let simulated = told(&SimulatedBackend::new(device), FactSource::Simulation);
    for (inferred, known) in inferred.iter().zip(&simulated) {
        assert_eq!(inferred.offset, known.offset, "{}", known.id());
        assert_eq!(inferred.writeable, None, "nobody tells it here");
    }
}

#[test]
fn both_backends_read_the_same_bytes_and_leave_out_mtd10_alike() {
    let device = ispot();
    let tree = Tree::of(&device).unwrap();
    let linux = linux_on(&tree);
    let simulated = SimulatedBackend::new(device.clone()).with_nodes_allowed(false);
    let devices = simulated.devices().unwrap();
    assert_eq!(devices.len(), 11);
    for found in &devices {
        if found.node == NodeState::Missing {
            assert_eq!(found.index.0, 10);
            for backend in [&linux as &dyn MtdBackend, &simulated] {
                let error = backend.open(found).err().unwrap();
                assert_eq!(error.kind(), MtdErrorKind::NodeMissing);
            }
            continue;
        }
        let bytes = read_all(&simulated, found);
        assert!(bytes == read_all(&linux, found), "{} differs", found.id());
        assert!(
            bytes == device.partition_bytes(found.index.0),
            "{}",
            found.id()
        );
    }
}

#[test]
fn with_its_node_mtd10_is_read_by_both() {
    let builder = IspotBuilder::new(SEED).with_node("mtd10");
    let device = builder.build().unwrap();
    let tree = Tree::of(&device).unwrap();
    let simulated = SimulatedBackend::new(device);
    let found = &simulated.devices().unwrap()[10];
    assert_eq!(found.node, NodeState::Present);
    let bytes = read_all(&simulated, found);
    assert_eq!(bytes.len(), 0x1000);
    assert!(bytes == read_all(&linux_on(&tree), found));
}
