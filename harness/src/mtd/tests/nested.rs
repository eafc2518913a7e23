//! Partitions of partitions, numbers with gaps, permissions that the layout takes away.

use super::*;

fn spec(name: &str, blocks: std::ops::Range<u64>) -> PartitionSpec {
    PartitionSpec::new(
        name,
        blocks.start * BLOCK,
        (blocks.end - blocks.start) * BLOCK,
    )
}

fn system_of(partitions: Vec<PartitionSpec>) -> MtdSystem {
    let layout = Layout {
        chips: vec![ChipLayout {
            geometry: Geometry {
                size_bytes: 8 * BLOCK,
                erase_block_bytes: BLOCK as u32,
            },
            partitions,
        }],
    };
    MtdSystem::new(vec![Chip::new(layout.chips[0].geometry)], &layout)
}

/// A router: `firmware` has `kernel` and, cut by it, `rootfs`, and that has `data`.
fn router() -> MtdSystem {
    let inside = |parent, spec: PartitionSpec| PartitionSpec {
        parent: Some(parent),
        ..spec
    };
    let boot = PartitionSpec {
        read_only: true,
        ..spec("boot", 0..1)
    };
    let art = PartitionSpec {
        number: Some(9),
        ..spec("art", 7..8)
    };
    system_of(vec![
        boot,
        spec("firmware", 1..7),
        inside(1, spec("kernel", 1..3)),
        inside(1, spec("rootfs", 3..8)),
        inside(3, spec("data", 4..7)),
        art,
    ])
}

#[test]
fn parts_are_cut_by_their_parents_and_numbers_may_have_gaps() {
    let system = router();
    let got: Vec<_> = system
        .devices()
        .iter()
        .map(|d| {
            (
                d.index,
                d.parent,
                d.offset_bytes / BLOCK,
                d.offset_in_parent_bytes / BLOCK,
                d.size_bytes / BLOCK,
                d.writeable,
            )
        })
        .collect();
    assert_eq!(
        got,
        [
            (0, None, 0, 0, 1, false),
            (1, None, 1, 1, 6, true),
            (2, Some(1), 1, 0, 2, true),
            (3, Some(1), 3, 2, 4, true),
            (4, Some(3), 4, 1, 3, true),
            (9, None, 7, 7, 1, true),
        ]
    );
    assert_eq!(system.sysfs_path(4).unwrap(), "mtd1/mtd3/mtd4");
    assert_eq!(system.device(5), None);
    let offset = |index| {
        let files = system.sysfs(index).unwrap();
        files
            .into_iter()
            .find(|(name, _)| *name == "offset")
            .unwrap()
            .1
    };
    assert_eq!(offset(4), format!("{BLOCK}\n"));
    assert!(
        system
            .proc_mtd()
            .ends_with("\nmtd9: 00020000 00020000 \"art\"\n")
    );
    let log = system.log();
    let says = format!(
        "mtd: partition \"rootfs\" extends beyond the end of device \"firmware\" -- size truncated to {:#x}",
        4 * BLOCK
    );
    assert!(log.contains(&says), "{log:?}");
    let heading = log
        .iter()
        .position(|line| line == "Creating 2 MTD partitions on \"firmware\":");
    assert_eq!(
        log[heading.unwrap() + 1],
        format!("0x000000000000-0x{:012x} : \"kernel\"", 2 * BLOCK)
    );
}

/// The layout's `ro` holds for parts as well, without a message.
#[test]
fn parts_of_what_cannot_be_written_cannot_be_written() {
    let outer = PartitionSpec {
        read_only: true,
        ..spec("outer", 0..4)
    };
    let inner = PartitionSpec {
        parent: Some(0),
        ..spec("inner", 1..2)
    };
    let system = system_of(vec![outer, inner]);
    assert!(system.devices().iter().all(|device| !device.writeable));
    assert_eq!(system.log().len(), 4, "{:?}", system.log());
    let error = system.open(NodeId::mtd(1), OpenFlags::READ_WRITE);
    assert_eq!(error.map(drop), Err(Errno::ACCESS));
}

/// What is written through one partition is there through each that overlaps it, at its
/// place; one erase wipes it for all.
#[test]
fn overlapping_partitions_share_their_cells() {
    let system = router();
    let open = |index| {
        system
            .open(NodeId::mtd(index), OpenFlags::READ_WRITE)
            .unwrap()
    };
    let mut data = open(4);
    assert_eq!(data.pwrite(5, b"seen"), Ok(4));
    for (index, from) in [(4, 0), (3, BLOCK), (1, 3 * BLOCK)] {
        let mut bytes = [0; 4];
        assert_eq!(open(index).pread((from + 5) as i64, &mut bytes), Ok(4));
        assert_eq!(&bytes, b"seen", "mtd{index}");
        assert_eq!(
            &system.peek_device(index)[(from + 5) as usize..][..4],
            b"seen"
        );
    }
    assert_eq!(open(9).pwrite(0, b"x"), Ok(1));
    assert!(system.open(NodeId::mtd(5), OpenFlags::READ).is_err());
}

/// A device's bytes past its handle.
trait Peek {
    fn peek_device(&self, index: u32) -> Vec<u8>;
}

impl Peek for MtdSystem {
    fn peek_device(&self, index: u32) -> Vec<u8> {
        let device = self.device(index).unwrap();
        self.with_chip(device.chip, |chip| {
            let mut bytes = vec![0; device.size_bytes as usize];
            chip.peek(device.offset_bytes, &mut bytes).unwrap();
            bytes
        })
    }
}

#[test]
#[should_panic(expected = "mtd0 is the number of two partitions")]
fn a_number_belongs_to_one() {
    let again = PartitionSpec {
        number: Some(0),
        ..spec("b", 1..2)
    };
    system_of(vec![spec("a", 0..1), again]);
}
