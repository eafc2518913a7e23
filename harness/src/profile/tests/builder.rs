//! Devices put together, and their partitions by name.

use super::*;
use crate::Errno;
use crate::mtd::OpenFlags;
use std::io::{Read, Seek, SeekFrom, Write};

fn camera() -> DeviceBuilder {
    DeviceBuilder::new("a camera")
        .chip(Geometry {
            size_bytes: 0x4_0000,
            erase_block_bytes: 0x1000,
        })
        .partition("boot", vec![1; 0x1001])
        .sized("root fs", 0x8000, *b"hsqs")
        .space("root", 0x2000)
}

#[test]
fn partitions_lie_one_behind_the_other() {
    let device = camera().build().unwrap();
    let places: Vec<_> = device
        .system
        .devices()
        .iter()
        .map(|device| (device.offset_bytes, device.size_bytes))
        .collect();
    assert_eq!(places, [(0, 0x2000), (0x2000, 0x8000), (0xa000, 0x2000)]);
    let boot = device.partition("boot").unwrap().bytes();
    assert_eq!((boot[0x1000], boot[0x1001]), (1, 0xff));
    assert_eq!(
        device.partition("root fs").unwrap().bytes()[..5],
        *b"hsqs\xff"
    );
    let error = device.partition("kernel").err().unwrap().to_string();
    assert_eq!(
        error,
        "no partition `kernel`; there are boot, root fs, root"
    );
}

#[test]
fn what_does_not_fit_or_is_given_twice_is_an_error() {
    let told = |builder: DeviceBuilder| builder.build().err().unwrap().to_string();
    assert!(told(camera().space("more", 0x4_0000)).contains("do not fit a chip of 262144"));
    let small = DeviceBuilder::new("").sized("x", 2, [0; 3]);
    assert!(told(small).contains("3 bytes do not fit the partition `x` of 2"));
    let twice = camera().faults("read-error@1").faults("read-error@2");
    assert!(told(twice).contains("given faults twice"));
}

#[test]
fn a_partition_is_read_programmed_and_erased_as_through_its_node() {
    let device = camera().build().unwrap();
    let root = device.partition("root").unwrap();
    root.program(0x10, &[0xf0; 4]).unwrap();
    root.program(0x10, &[0x3c; 4]).unwrap();
    let mut cells = [0; 4];
    root.read(0x10, &mut cells).unwrap();
    assert_eq!(cells, [0x30; 4]);
    assert_eq!(root.erase(0x10, 0x1000), Err(Errno::INVAL));
    root.erase(0, 0x1000).unwrap();
    assert_eq!(root.bytes(), vec![0xff; 0x2000]);
    assert_eq!(root.read(0x1fff, &mut [0; 2]), Err(Errno::INVAL));
    assert_eq!(root.program(0x1fff, &[0; 2]), Err(Errno::NOSPC));
    assert_eq!(root.load(0x1fff, &[0; 2]), Err(Errno::INVAL));
    root.load(0x1ffe, &[7; 2]).unwrap();
    // Nothing of the neighbour changed.
    assert_eq!(device.partition("root fs").unwrap().bytes()[..4], *b"hsqs");
    let busy = device.system.with_chip(0, |chip| chip.counters().erases());
    assert_eq!(busy, 1);
}

#[test]
fn faults_lie_in_partitions_by_name() {
    let device = camera().build().unwrap();
    let spec = "read-error@root fs+0x100+0x10:once,bit-flip@root+4.3,erase-error@boot,\
                program-error@0x3f000";
    device.put_faults(spec).unwrap();
    let plan = device
        .system
        .with_chip(0, |chip| chip.faults().unwrap().to_string());
    assert_eq!(
        plan,
        "read-error@0x2100+0x10:once,bit-flip@0xa004.3,erase-error@0x0+0x2000,\
         program-error@0x3f000"
    );
    let rootfs = device.partition("root fs").unwrap();
    assert_eq!(rootfs.read(0x10f, &mut [0]), Err(Errno::IO));
    assert_eq!(rootfs.read(0x10f, &mut [0]), Ok(()));
    for wrong in [
        "read-error@root+0x2000",
        "read-error@root+x",
        "read-error@rot",
        "read-error@root+1+0x2000",
    ] {
        let error = camera().faults(wrong).build().err().unwrap().to_string();
        assert!(error.contains(wrong), "{error}");
    }
}

/// Faults are never replaced in silence, and what is refused changes nothing.
#[test]
fn faults_over_others_are_refused() {
    let device = camera().faults("read-error@root+4").build().unwrap();
    let plan = || {
        device
            .system
            .with_chip(0, |chip| chip.faults().map(|plan| plan.to_string()))
    };
    let before = plan();
    assert_eq!(before.as_deref(), Some("read-error@0xa004"));
    let refused = device.put_faults("erase-error@boot").unwrap_err();
    let why = refused.to_string();
    assert!(why.contains("the faults `read-error@0xa004`"), "{why}");
    assert_eq!(plan(), before);
    device.set_faults(0, None);
    device.put_faults("erase-error@boot").unwrap();
}

/// What an assertion prints of them tells which they are.
#[test]
fn devices_and_handles_are_printed() {
    let device = camera().build().unwrap();
    let text = format!("{device:?}");
    assert!(text.contains("root fs"), "{text}");
    let node = device.partition("root").unwrap();
    let node = node.open(OpenFlags::READ).unwrap();
    let text = format!("{node:?}");
    assert!(text.starts_with("Handle { node: Character"), "{text}");
}

#[test]
fn a_handle_is_a_reader_and_a_writer() {
    let device = camera().build().unwrap();
    let root = device.partition("root").unwrap();
    let mut node = root.open(OpenFlags::READ_WRITE).unwrap();
    node.seek(SeekFrom::Start(0x1000)).unwrap();
    node.write_all(b"twelve bytes").unwrap();
    node.flush().unwrap();
    node.seek(SeekFrom::Current(-12)).unwrap();
    let mut text = [0; 12];
    node.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"twelve bytes");
    assert_eq!(node.seek(SeekFrom::End(0)).unwrap(), node.size_bytes());
    assert_eq!(std::io::copy(&mut node, &mut std::io::sink()).unwrap(), 0);
    assert!(node.seek(SeekFrom::Start(u64::MAX)).is_err());

    let mut reader = root.open(OpenFlags::READ).unwrap();
    assert!(reader.write_all(b"x").is_err());
    assert_eq!(reader.erase(0, 0x1000), Err(Errno::PERM));
    node.set_locked(0, 0x1000, true).unwrap();
    assert_eq!(reader.is_locked(0, 0x1000), Ok(true));
    assert_eq!(node.erase(0, 0x1000), Err(Errno::ROFS));
    let block = NodeId::mtdblock(root.device().index);
    let mut block = device.system.open(block, OpenFlags::READ_WRITE).unwrap();
    assert_eq!(block.erase(0, 0x1000), Err(Errno::NOTTY));
}
