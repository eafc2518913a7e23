//! The simulated backend beyond the contract: nodes, faults, sizes that change.

use crate::backend::contract::{
    PARTS, READ_ONLY, Simulated, Subject, WITHOUT_NODE, WRITEABLE, part_contents,
};
use mtd_harness::fault::{Fault, FaultKind, FaultPlan, SizeChange, Trigger};
use mtd_harness::mtd::NodeId;
use mtdkeep::backend::SimulatedBackend;
use mtdkeep::mtd::{
    Errno, FactSource, MtdBackend, MtdError, MtdErrorKind, MtdInfo, NodeState, Operation,
    WritePermit,
};

fn faulty(faults: impl IntoIterator<Item = Fault>) -> SimulatedBackend {
    let backend = Simulated::new().backend;
    let plan = FaultPlan::new(faults);
    backend
        .device()
        .system
        .with_chip(0, |chip| chip.set_faults(Some(plan)));
    backend
}

fn device(backend: &SimulatedBackend, position: usize) -> MtdInfo {
    backend.devices().unwrap().swap_remove(position)
}

/// A place on the chip, from an offset in the partition that may be changed.
fn place(offset: u64, length: u64) -> std::ops::Range<u64> {
    let start = PARTS[WRITEABLE].offset_bytes + offset;
    start..start + length
}

#[test]
fn where_nodes_may_be_made_a_private_one_is_used_and_none_stays() {
    let backend = Simulated::new().backend.with_nodes_allowed(true);
    let found = device(&backend, WITHOUT_NODE);
    assert_eq!(found.node, NodeState::Missing);
    let mut buf = vec![0; 0x400];
    let count = backend.open(&found).unwrap().read_at(0, &mut buf).unwrap();
    assert_eq!(buf[..count], part_contents(WITHOUT_NODE)[..count]);
    assert_eq!(device(&backend, WITHOUT_NODE).node, NodeState::Missing);
}

#[test]
fn another_devices_node_in_its_place_is_named_and_not_opened() {
    let mut simulated = Simulated::new().backend.device().clone();
    let elsewhere = NodeId::Character {
        major: 90,
        minor: 6,
    };
    simulated.nodes.insert("dev/mtd1".into(), elsewhere);
    let backend = SimulatedBackend::new(simulated);
    let found = device(&backend, 1);
    assert_eq!(found.node, NodeState::Wrong("character node 90:6".into()));
    let error = backend.open(&found).err().unwrap();
    assert_eq!(error.kind(), MtdErrorKind::NodeMissing);
    assert!(error.to_string().contains("90:6"), "{error}");
}

#[test]
fn offsets_are_the_simulations_and_block_nodes_are_seen() {
    let backend = Simulated::new().backend;
    let devices = backend.devices().unwrap();
    assert!(
        devices
            .iter()
            .all(|d| d.offset.unwrap().source == FactSource::Simulation)
    );
    let missing = |state: fn(&MtdInfo) -> &NodeState| {
        let missing = devices[4..]
            .iter()
            .filter(move |d| *state(d) == NodeState::Missing);
        missing.map(|device| device.index.0).collect::<Vec<_>>()
    };
    assert_eq!(missing(|device| &device.node), [4]);
    assert_eq!(missing(|device| &device.block_node), [4]);
}

#[test]
fn a_read_error_tells_operation_device_offset_length_and_errno() {
    let backend = faulty([Fault::at(
        place(0x2100, 1),
        FaultKind::ReadError(mtd_harness::Errno::IO),
    )]);
    let mut open = backend.open(&device(&backend, WRITEABLE)).unwrap();
    let mut buf = [0; 0x1000];
    let error = open.read_at(0x2000, &mut buf).unwrap_err();
    assert_eq!(error.kind(), MtdErrorKind::Io);
    assert!(is_of_the_system(&error, Errno::IO), "{error:?}");
    let text = error.to_string();
    for part in [
        "reading mtd1 (data)",
        "at 0x2000",
        "0x1000 bytes",
        "os error 5",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(error.help().is_some());
    // What lies beside the bad place is not lost.
    assert!(open.read_at(0x3000, &mut buf).is_ok());
}

/// Whether the system answered a call on a device with that.
fn is_of_the_system(error: &MtdError, errno: Errno) -> bool {
    matches!(error, MtdError::Device { source, .. } if *source == errno)
}

#[test]
fn an_interrupted_read_is_handed_on() {
    let interrupted = Fault::everywhere(FaultKind::ReadError(mtd_harness::Errno::INTR));
    let interrupted = interrupted.when(Trigger::ONCE);
    let backend = faulty([interrupted]);
    let mut buf = [0; 16];
    let mut open = backend.open(&device(&backend, WRITEABLE)).unwrap();
    let error = open.read_at(0, &mut buf).unwrap_err();
    assert!(is_of_the_system(&error, Errno::INTR), "{error:?}");
    assert_eq!(open.read_at(0, &mut buf).unwrap(), 16);
    assert_eq!(buf, part_contents(WRITEABLE)[..16]);
}

#[test]
fn a_short_read_is_handed_on() {
    let backend = faulty([Fault::everywhere(FaultKind::ShortRead).when(Trigger::ONCE)]);
    let mut buf = [0; 0x1000];
    let mut open = backend.open(&device(&backend, WRITEABLE)).unwrap();
    let count = open.read_at(0, &mut buf).unwrap();
    assert!((1..0x1000).contains(&count), "{count}");
    assert_eq!(buf[..count], part_contents(WRITEABLE)[..count]);
}

#[test]
fn a_device_that_shrinks_while_it_is_read_ends_in_an_error() {
    let shrink = FaultKind::SizeChange(SizeChange::new(1, 0x4000));
    let later = Trigger::new(2, Some(1));
    let backend = faulty([Fault::everywhere(shrink).when(later)]);
    let mut open = backend.open(&device(&backend, WRITEABLE)).unwrap();
    let mut buf = [0; 0x1000];
    let mut at = 0;
    let error = loop {
        match open.read_at(at, &mut buf) {
            Ok(0) => panic!("a silent end at {at:#x}"),
            Ok(count) => at += count as u64,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), MtdErrorKind::Disagreement);
    assert_eq!(at, 0x4000);
}

#[test]
fn a_device_that_changed_since_it_was_found_does_not_open() {
    let backend = Simulated::new().backend;
    let found = device(&backend, WRITEABLE);
    assert!(backend.device().system.set_size(1, Some(0x6000)));
    let error = backend.open(&found).err().unwrap();
    let text = error.to_string();
    assert!(text.contains("0x8000") && text.contains("0x6000"), "{text}");
}

#[test]
fn a_failed_erase_tells_how_far_it_came() {
    let fault = Fault::at(
        place(0x4000, 1),
        FaultKind::EraseError(mtd_harness::Errno::IO),
    );
    let backend = faulty([fault]);
    let permit = WritePermit::granted_because("a test erases");
    let found = device(&backend, WRITEABLE);
    let mut open = backend.open_for_writing(&found, &permit).unwrap();
    let error = open.erase(0, 0x8000).unwrap_err();
    let MtdError::Unfinished {
        operation: Operation::Erase,
        done_bytes: 0x4000,
        source: Errno::IO,
        ..
    } = error
    else {
        panic!("{error:?}");
    };
    let mut buf = [0; 0x4000];
    open.read_at(0, &mut buf).unwrap();
    assert_eq!(buf, [0xFF; 0x4000]);
}

#[test]
fn a_failed_program_tells_that_flash_has_changed() {
    let fault = Fault::at(
        place(0x100, 1),
        FaultKind::ProgramError(mtd_harness::Errno::IO),
    );
    let backend = faulty([fault]);
    let permit = WritePermit::granted_because("a test programs");
    let found = device(&backend, WRITEABLE);
    let mut open = backend.open_for_writing(&found, &permit).unwrap();
    let error = open.program(0, &[0; 0x200]).unwrap_err();
    assert!(matches!(error, MtdError::Unfinished { .. }), "{error:?}");
    assert!(error.help().unwrap().contains("flash has changed"));
}

#[test]
fn a_read_only_partition_is_refused_even_where_discovery_did_not_tell() {
    let subject = Simulated::new();
    let mut found = device(&subject.backend, READ_ONLY);
    found.writeable = None;
    let permit = WritePermit::granted_because("a test tries");
    let error = subject.backend.open_for_writing(&found, &permit);
    let error = error.err().unwrap();
    assert_eq!(error.kind(), MtdErrorKind::NotPermitted, "{error:?}");
    assert_eq!(subject.cells(READ_ONLY), part_contents(READ_ONLY));
}
