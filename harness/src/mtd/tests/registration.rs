//! Which MTD devices a layout becomes, and what proc and sysfs tell of them.

use super::*;

fn register(chip_bytes: u64, offset_bytes: u64, size_bytes: u64) -> (MtdDevice, Vec<String>) {
    let layout = Layout {
        chips: vec![ChipLayout {
            geometry: Geometry {
                size_bytes: chip_bytes,
                erase_block_bytes: BLOCK as u32,
            },
            partitions: vec![PartitionSpec {
                name: "a b".into(),
                offset_bytes,
                size_bytes,
                ..PartitionSpec::default()
            }],
        }],
    };
    let chip = Chip::new(layout.chips[0].geometry);
    let system = MtdSystem::new(vec![chip], &layout);
    (system.devices().remove(0), system.log())
}

#[rstest]
#[case::aligned(BLOCK, BLOCK, (BLOCK, BLOCK, true), None)]
#[case::start_off(0x1000, BLOCK, (0x1000, BLOCK, false), Some("doesn't start on an erase/write block boundary -- force read-only"))]
#[case::end_off(0, 0x1f000, (0, 0x1f000, false), Some("doesn't end on an erase/write block -- force read-only"))]
#[case::cut(BLOCK, 9 * BLOCK, (BLOCK, 3 * BLOCK, true), Some("extends beyond the end of device \"simulated-nor.0\" -- size truncated to 0x60000"))]
#[case::cut_at_64_bits(BLOCK, u64::MAX, (BLOCK, 3 * BLOCK, true), Some("size truncated to 0x60000"))]
#[case::outside(4 * BLOCK, BLOCK, (0, 0, true), Some("is out of reach -- disabled"))]
fn partitions(
    #[case] offset: u64,
    #[case] size: u64,
    #[case] expected: (u64, u64, bool),
    #[case] message: Option<&str>,
) {
    let (device, log) = register(4 * BLOCK, offset, size);
    let found = (device.offset_bytes, device.size_bytes, device.writeable);
    assert_eq!(found, expected);
    match message {
        Some(message) => {
            assert_eq!(log.len(), 3, "{log:?}");
            assert!(log[2].starts_with("mtd: partition \"a b\" "), "{log:?}");
            assert!(log[2].ends_with(message), "{log:?}");
        }
        None => assert_eq!(log.len(), 2, "{log:?}"),
    }
    assert_eq!(log[0], "Creating 1 MTD partitions on \"simulated-nor.0\":");
}

#[test]
fn ranges_are_logged_as_the_layout_asked() {
    let (_, log) = register(4 * BLOCK, BLOCK, BLOCK);
    assert_eq!(log[1], "0x000000020000-0x000000040000 : \"a b\"");
}

#[test]
fn proc_mtd_in_index_order_with_blanks_in_names() {
    assert_eq!(
        system().proc_mtd(),
        "dev:    size   erasesize  name\n\
         mtd0: 00080000 00020000 \"rootfs\"\n\
         mtd1: 0001f000 00020000 \"FIS directory\"\n\
         mtd2: 00001000 00020000 \"RedBoot config\"\n"
    );
}

#[test]
fn a_size_past_32_bits_takes_more_digits() {
    let system = system();
    system.set_size(0, Some(0x12_3456_7890));
    assert!(system.proc_mtd().contains("mtd0: 1234567890 00020000"));
}

#[rstest]
#[case("type", "nor\n", "nor\n")]
#[case("flags", "0xc00\n", "0x800\n")]
#[case("size", "524288\n", "126976\n")]
#[case("erasesize", "131072\n", "131072\n")]
#[case("writesize", "1\n", "1\n")]
#[case("subpagesize", "1\n", "1\n")]
#[case("oobsize", "0\n", "0\n")]
#[case("oobavail", "0\n", "0\n")]
#[case("numeraseregions", "0\n", "0\n")]
#[case("name", "rootfs\n", "FIS directory\n")]
#[case("ecc_strength", "0\n", "0\n")]
#[case("ecc_step_size", "0\n", "0\n")]
#[case("corrected_bits", "0\n", "0\n")]
#[case("ecc_failures", "0\n", "0\n")]
#[case("bad_blocks", "0\n", "0\n")]
#[case("bbt_blocks", "0\n", "0\n")]
#[case("bitflip_threshold", "0\n", "0\n")]
#[case("offset", "0\n", "524288\n")]
#[case("dev", "90:0\n", "90:2\n")]
#[case(
    "uevent",
    "MAJOR=90\nMINOR=0\nDEVNAME=mtd0\nDEVTYPE=mtd\n",
    "MAJOR=90\nMINOR=2\nDEVNAME=mtd1\nDEVTYPE=mtd\n"
)]
fn sysfs(#[case] file: &str, #[case] of_mtd0: &str, #[case] of_mtd1: &str) {
    let system = system();
    for (index, expected) in [(0, of_mtd0), (1, of_mtd1)] {
        let files = system.sysfs(index).unwrap();
        assert_eq!(files.len(), 20);
        let (_, text) = files.iter().find(|(name, _)| *name == file).unwrap();
        assert_eq!(text, expected, "mtd{index}/{file}");
    }
}

#[test]
fn sysfs_of_no_device_is_none() {
    assert_eq!(system().sysfs(3), None);
    assert_eq!(system().sysfs_read_only_twin(3), None);
    let twin = system().sysfs_read_only_twin(2).unwrap();
    assert_eq!(twin[0], ("dev", "90:5\n".to_string()));
}

#[test]
fn a_changed_size_shows_everywhere_and_goes_back() {
    let system = system();
    assert!(system.set_size(1, Some(0x3000)));
    assert_eq!(system.devices()[1].size_bytes, 0x3000);
    assert!(system.proc_mtd().contains("mtd1: 00003000"));
    assert!(system.set_size(1, None));
    assert_eq!(system.devices()[1].size_bytes, 0x1f000);
    assert!(!system.set_size(9, None));
}

#[test]
fn devices_of_several_chips_are_numbered_through() {
    let chip = |block_bytes: u32, names: &[&str]| ChipLayout {
        geometry: Geometry {
            size_bytes: u64::from(block_bytes) * 4,
            erase_block_bytes: block_bytes,
        },
        partitions: (0..)
            .zip(names)
            .map(|(n, name)| PartitionSpec {
                name: name.to_string(),
                offset_bytes: n * u64::from(block_bytes),
                size_bytes: block_bytes.into(),
                ..PartitionSpec::default()
            })
            .collect(),
    };
    let layout = Layout {
        chips: vec![chip(0x20000, &["a", "b"]), chip(0x1000, &["c", "d"])],
    };
    let chips = layout.chips.iter().map(|chip| Chip::new(chip.geometry));
    let system = MtdSystem::new(chips.collect(), &layout);
    assert_eq!(system.chip_count(), 2);
    assert!(system.proc_mtd().ends_with(
        "mtd1: 00020000 00020000 \"b\"\nmtd2: 00001000 00001000 \"c\"\nmtd3: 00001000 00001000 \"d\"\n"
    ));
    let mut handle = open(&system, NodeId::mtd(3), OpenFlags::READ_WRITE);
    assert_eq!(handle.pwrite(2, &[7]), Ok(1));
    let mut found = [0; 2];
    system.with_chip(1, |chip| chip.peek(0x1001, &mut found).unwrap());
    assert_eq!(found, [0xff, 7]);
    assert_eq!(system.log().len(), 6);
}

#[test]
#[should_panic(expected = "not those of the layout")]
fn chips_that_do_not_match_the_layout_are_refused() {
    let layout = Layout::ispot();
    let _ = MtdSystem::new(Vec::new(), &layout);
}
