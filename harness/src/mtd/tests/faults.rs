//! What the fault overlay does to handles.

use super::*;
use crate::fault::FaultPlan;

fn faulty(spec: &str) -> (MtdSystem, Handle) {
    let system = system();
    let plan: FaultPlan = spec.parse().expect("the SPEC parses");
    system.with_chip(0, |chip| chip.set_faults(Some(plan)));
    let handle = open(&system, NodeId::mtd(0), OpenFlags::READ_WRITE);
    (system, handle)
}

#[test]
fn a_read_error_strikes_where_it_says_and_goes_with_the_plan() {
    let (system, mut handle) = faulty("read-error@0x1000");
    assert_eq!(handle.pread(0xfff, &mut [0; 2]), Err(Errno::IO));
    assert_eq!(handle.pread(0xffe, &mut [0; 2]), Ok(2));
    system.with_chip(0, |chip| {
        assert_eq!(chip.faults().unwrap().struck(), 1);
        assert_eq!(chip.counters().failures(), 1);
        chip.set_faults(None);
    });
    assert_eq!(handle.pread(0xfff, &mut [0; 2]), Ok(2));
}

#[test]
fn a_short_read_is_passed_on() {
    let (_, mut handle) = faulty("short-read:once");
    let mut buf = vec![0; 100];
    let first = handle.read(&mut buf).unwrap();
    assert!((1..100).contains(&first), "{first}");
    assert_eq!(handle.lseek(Seek::Current(0)), Ok(first as u64));
    assert_eq!(handle.read(&mut buf), Ok(100));
    assert_eq!(buf[0], pattern(first as u64));
}

#[test]
fn an_ecc_error_does_not_fail_a_read() {
    for errno in ["EUCLEAN", "EBADMSG"] {
        let (_, mut handle) = faulty(&format!("read-error@0x10:errno={errno}"));
        let mut buf = [0; 32];
        assert_eq!(handle.read(&mut buf), Ok(32), "{errno}");
        assert_eq!(buf[31], pattern(31));
    }
}

/// How one learns of it: each read with one counts, here and in sysfs.
#[test]
fn ecc_errors_are_counted() {
    let (system, mut handle) = faulty("read-error@0x10:errno=EBADMSG");
    let stats = |handle: &mut Handle| {
        let mut memory = SliceMemory::new(vec![0; 16]);
        let at = memory.base();
        handle
            .ioctl(ioctl_number::ECCGETSTATS, at, &mut memory)
            .unwrap();
        let word = |at: usize| {
            let mut word = [0; 4];
            memory.read(memory.base() + at as u64, &mut word).unwrap();
            u32::from_ne_bytes(word)
        };
        (word(0), word(4))
    };
    assert_eq!(stats(&mut handle), (0, 0));
    handle.pread(0x10, &mut [0]).unwrap();
    handle.pread(0x100, &mut [0]).unwrap();
    handle.pread(0, &mut [0; 32]).unwrap();
    assert_eq!(stats(&mut handle), (0, 2));
    let sysfs = system.sysfs(0).unwrap();
    assert!(sysfs.contains(&("ecc_failures", "2\n".into())), "{sysfs:?}");
    assert_eq!(
        system.fork().device(0).unwrap().ecc.failed,
        0,
        "a kernel that has just started"
    );
}

#[test]
fn a_bit_flip_is_seen_in_the_read_alone() {
    let (system, mut handle) = faulty("bit-flip@0x42.3");
    let mut buf = [0];
    handle.pread(0x42, &mut buf).unwrap();
    assert_eq!(buf[0], pattern(0x42) ^ 8);
    assert_eq!(cells(&system, 0x42, 1), [pattern(0x42)]);
}

#[test]
fn erase_stops_at_the_block_that_fails_and_the_earlier_ones_stay_erased() {
    let (system, mut handle) = faulty("erase-error@0x40000+1");
    let mut memory = SliceMemory::new([0u32, 4 * BLOCK as u32].map(u32::to_ne_bytes).concat());
    let at = memory.base();
    let answer = handle.ioctl(ioctl_number::MEMERASE, at, &mut memory);
    assert_eq!(answer, Err(Errno::IO));
    assert_eq!(cells(&system, 2 * BLOCK - 1, 2), [0xff, pattern(2 * BLOCK)]);
    system.with_chip(0, |chip| assert_eq!(chip.counters().erases(), 2));
}

#[test]
fn a_program_that_fails_changes_no_cell() {
    let (system, mut handle) = faulty("program-error@0x20:errno=ETIME");
    assert_eq!(handle.pwrite(0x1f, &[0; 4]), Err(Errno::TIME));
    assert_eq!(cells(&system, 0x1f, 1), [pattern(0x1f)]);
}

#[test]
fn a_size_changes_at_once_or_after_operations() {
    let (system, _) = faulty("size@mtd0=4096");
    assert_eq!(system.devices()[0].size_bytes, 4096);

    let (system, mut handle) = faulty("size@mtd0=4096:after=2");
    assert_eq!(system.devices()[0].size_bytes, SIZE);
    handle.read(&mut [0; 512]).unwrap();
    assert_eq!(system.devices()[0].size_bytes, SIZE);
    handle.read(&mut [0; 512]).unwrap();
    assert_eq!(system.devices()[0].size_bytes, 4096);
    assert_eq!(handle.lseek(Seek::End(0)), Ok(4096));
}

#[test]
fn a_block_node_gives_what_it_could_read_then_the_error() {
    let (system, _) = faulty("read-error@0x2000");
    let mut block = open(&system, NodeId::mtdblock(0), OpenFlags::READ);
    // The window fails as a whole; the pages before the error are read alone.
    assert_eq!(block.read(&mut [0; 0x4000]), Ok(0x2000));
    assert_eq!(block.read(&mut [0; 0x4000]), Err(Errno::IO));
    assert_eq!(block.pread(0x3000, &mut [0; 0x1000]), Ok(0x1000));
}

#[test]
fn a_failed_write_back_is_told_once_by_fsync_and_nowhere_else() {
    let (system, _) = faulty("erase-error@0+1:once");
    let mut block = open(&system, NodeId::mtdblock(0), OpenFlags::READ_WRITE);
    assert_eq!(block.write(&[1, 2, 3]), Ok(3));
    assert_eq!(block.fsync(), Err(Errno::IO));
    assert_eq!(block.fsync(), Ok(()));
    assert_eq!(
        cells(&system, 0, 1),
        [pattern(0)],
        "the data are lost, as in Linux"
    );
    let complaint = system.log().pop().unwrap();
    assert_eq!(
        complaint,
        "mtdblock: erase of region [0x0, 0x20000] on \"rootfs\" failed"
    );
}
