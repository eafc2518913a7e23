//! What is odd about partitions, in words.

use crate::mtd::{
    FactSource, MtdIndex, MtdInfo, NodeState, PartitionOffset, infer_offsets, oddities,
};
use rstest::rstest;

/// Devices by (size, offset), with erase blocks of 0x1000 bytes.
fn devices(parts: &[(u64, u64)]) -> Vec<MtdInfo> {
    let device = |(index, (size, offset)): (u32, &(u64, u64))| {
        let mut device = MtdInfo::new(MtdIndex(index), format!("p{index}"), *size, 0x1000);
        device.offset = Some(PartitionOffset {
            bytes: *offset,
            source: FactSource::Sysfs,
        });
        device
    };
    (0..).zip(parts).map(device).collect()
}

#[test]
fn an_ispot_is_odd_in_three_ways() {
    let sizes = [
        ("RedBoot", 0x40000),
        ("param", 0x20000),
        ("linux", 0x120000),
        ("rootfs", 0x600000),
        ("system", 0x100000),
        ("linux_2", 0x120000),
        ("rootfs_2", 0x600000),
        ("ver_1", 0x20000),
        ("ver_2", 0x20000),
        ("FIS directory", 0x1f000),
        ("RedBoot config", 0x1000),
    ];
    let mut ispot: Vec<_> = (0..)
        .zip(sizes)
        .map(|(index, (name, size))| MtdInfo::new(MtdIndex(index), name, size, 0x20000))
        .collect();
    infer_offsets(&mut ispot);
    ispot[10].node = NodeState::Missing;
    ispot[9].writeable = Some(false);
    ispot[10].writeable = Some(false);
    assert_eq!(
        oddities(&ispot),
        [
            "mtd9 (FIS directory) ends inside an erase block; Linux makes it read-only",
            "mtd10 (RedBoot config) has no device node (`mtdkeep nodes` says what to do)",
            "mtd10 (RedBoot config) starts inside an erase block; Linux makes it read-only",
            "mtd9 (FIS directory) and mtd10 (RedBoot config) share the erase block at 0xfe0000; \
             erasing one would wipe the other",
        ]
    );
}

#[test]
fn an_ordinary_device_is_not_odd() {
    assert_eq!(
        oddities(&devices(&[(0x1000, 0), (0x3000, 0x1000)])),
        [""; 0]
    );
}

#[rstest]
#[case::both_ends(&[(0x800, 0x400)], "mtd0 (p0) starts and ends inside an erase block")]
#[case::gap_between(&[(0x1000, 0), (0x1000, 0x3000)], "0x2000 bytes at 0x1000, after mtd0 (p0), belong to no partition")]
#[case::gap_at_the_start(&[(0x1000, 0x2000)], "0x2000 bytes at 0x0, at the start of the chip, belong to no partition")]
#[case::overlap(&[(0x3000, 0), (0x1000, 0x1000)], "mtd0 (p0) and mtd1 (p1) overlap")]
#[case::overlap_with_an_earlier_one(&[(0x5000, 0), (0x1000, 0), (0x1000, 0x2000)], "mtd0 (p0) and mtd2 (p2) overlap")]
#[case::zero_size(&[(0, 0)], "mtd0 (p0) has no bytes")]
#[case::shared(&[(0x1800, 0), (0x800, 0x1800)], "mtd0 (p0) and mtd1 (p1) share the erase block at 0x1000")]
fn each_oddity_is_said(#[case] parts: &[(u64, u64)], #[case] says: &str) {
    let words = oddities(&devices(parts));
    assert!(words.iter().any(|line| line.contains(says)), "{words:?}");
}

/// What follows from sums of sizes is not said: the partitions may lie otherwise.
#[test]
fn nothing_is_said_of_neighbours_that_are_only_inferred() {
    let mut inferred = devices(&[(0x1800, 0), (0x800, 0x1800), (0x2000, 0x2000)]);
    assert!(
        oddities(&inferred)
            .iter()
            .any(|line| line.contains("share"))
    );
    inferred.iter_mut().for_each(|device| device.offset = None);
    assert!(infer_offsets(&mut inferred));
    assert_eq!(
        oddities(&inferred),
        [
            "mtd0 (p0) is not whole erase blocks",
            "mtd1 (p1) is not whole erase blocks",
        ]
    );
}

/// Offsets of the kernel that go back: numbers in another order than the chip's (a
/// QNAP TS-219), or partitions inside another whose offsets count from its start (an
/// Archer AX23).
#[rstest]
#[case::qnap(&[(0x80000, 0), (0x200000, 0x200000), (0x900000, 0x400000), (0x300000, 0xd00000), (0x40000, 0x80000), (0x140000, 0xc0000)])]
#[case::nested(&[(0x40000, 0), (0xf60000, 0x40000), (0x2c0000, 0), (0xca0000, 0x2c0000), (0x920000, 0x640000), (0x10000, 0xfa0000), (0x40000, 0xfb0000), (0x10000, 0xff0000)])]
fn nothing_is_said_where_the_kernels_offsets_go_back(#[case] parts: &[(u64, u64)]) {
    assert_eq!(oddities(&devices(parts)), [""; 0]);
}

/// A WR703N's, with one beside those inside it: what it contains is said with its
/// condition, if that makes a whole chip, and nothing where it does not.
#[test]
fn what_one_contains_may_hang_on_all_lying_on_one_chip() {
    let places = [
        (0x20000, 0),
        (0x120000, 0x20000),
        (0x2b0000, 0x140000),
        (0x50000, 0x3a0000),
        (0x10000, 0x3f0000),
        (0x3d0000, 0x20000),
    ];
    let says = "if all lie on one chip, which nobody tells, mtd5 (p5) contains mtd1 (p1), mtd2 \
                (p2) and mtd3 (p3)";
    let said = oddities(&devices(&places));
    assert!(said.contains(&says.to_owned()), "{said:?}");
    assert!(
        said.iter().all(|note| note.starts_with("if all lie")),
        "{said:?}"
    );
    // A gap; two that overlap by halves; no whole chip.
    for (at, place) in [
        (0, (0x10000, 0)),
        (3, (0x50000, 0x3c0000)),
        (4, (0x20000, 0x3f0000)),
    ] {
        let mut other = places;
        other[at] = place;
        assert_eq!(oddities(&devices(&other)), [""; 0], "{at}");
    }
}

/// Two chips that nobody partitioned both start at 0: where no chip is named, that they
/// overlap is said with its condition; so is a gap. What meets in an erase block is on
/// one chip.
#[test]
fn what_sysfs_tells_without_a_chip_has_its_condition() {
    for (parts, has_condition) in [
        (&[(0x2000, 0), (0x2000, 0)][..], true),
        (&[(0x1000, 0), (0x1000, 0x3000)], true),
        (&[(0x1800, 0), (0x800, 0x1800)], false),
    ] {
        let mut devices = devices(parts);
        let of_places = |devices: &[MtdInfo]| -> Vec<bool> {
            let said = oddities(devices);
            let of_places = said.iter().filter(|note| !note.contains("inside an erase"));
            of_places
                .map(|note| note.starts_with("if all lie on one chip"))
                .collect()
        };
        assert_eq!(of_places(&devices), [has_condition], "{parts:?}");
        devices.iter_mut().for_each(|device| device.chip = Some(0));
        assert_eq!(of_places(&devices), [false], "{parts:?}");
    }
}

#[test]
fn partitions_of_two_chips_are_not_neighbours() {
    let mut two_chips = devices(&[(0x1800, 0x2000), (0x1000, 0)]);
    assert!(
        !oddities(&two_chips)
            .iter()
            .any(|line| line.contains("share"))
    );
    two_chips[1].offset = None;
    assert!(
        !oddities(&two_chips)
            .iter()
            .any(|line| line.contains("overlap"))
    );
}

#[test]
fn what_is_odd_without_offsets_is_said_too() {
    let mut found = devices(&[(0x1800, 0), (0x1000, 0x1800), (0x1000, 0x2800)]);
    for device in &mut found {
        device.offset = None;
        device.name = "same".into();
    }
    found[1].node = NodeState::Wrong("a folder".into());
    found[2].erase_block_bytes = 0;
    assert_eq!(
        oddities(&found),
        [
            "mtd0 (same) is not whole erase blocks",
            "the device node of mtd1 (same) is wrong: it is a folder",
            "mtd2 (same) has no erase blocks; it is RAM or ROM",
            "mtd0, mtd1 and mtd2 have the same name, \"same\"",
        ]
    );
}

/// Only where the kernel says so is it said that Linux made a partition read-only.
#[rstest]
#[case(None, "mtd0 (p0) ends inside an erase block")]
#[case(Some(true), "mtd0 (p0) ends inside an erase block")]
#[case(
    Some(false),
    "mtd0 (p0) ends inside an erase block; Linux makes it read-only"
)]
fn who_is_read_only_is_the_kernels_word(#[case] writeable: Option<bool>, #[case] says: &str) {
    let mut one = devices(&[(0x1800, 0)]);
    one[0].writeable = writeable;
    assert_eq!(oddities(&one), [says]);
}

/// Two facts that contradict each other are both told, and the place is certain to
/// nobody.
#[test]
fn contradictions_are_told_with_both_sides() {
    let mut two = devices(&[(0x1000, 0), (0x1000, 0x2000)]);
    assert!(
        oddities(&two)
            .iter()
            .any(|line| line.contains("belong to no partition"))
    );
    two[1].contradictions = vec!["0x1000 by the command line".into()];
    let says = "what is told of mtd1 (p1) is contradicted: 0x2000 by the sysfs; 0x1000 by the \
                command line";
    assert_eq!(oddities(&two), [says]);
    assert_eq!(two[1].certain_offset_bytes(), None);
}

#[test]
fn a_name_cannot_command_a_terminal() {
    let mut found = devices(&[(0, 0), (0, 0)]);
    for device in &mut found {
        device.name = "\u{1b}[2Jx".into();
    }
    assert!(oddities(&found).iter().all(|line| !line.contains('\u{1b}')));
}
