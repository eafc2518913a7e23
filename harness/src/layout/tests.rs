use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rstest::rstest;

const ISPOT_PROC_MTD: &str = include_str!("../../fixtures/layout/ispot.proc_mtd");

#[test]
fn ispot_is_what_a_device_printed() {
    assert_eq!(
        Layout::from_proc_mtd(ISPOT_PROC_MTD).unwrap(),
        Layout::ispot()
    );
    assert_eq!(Layout::ispot().to_proc_mtd(), ISPOT_PROC_MTD);
}

#[test]
fn ispot_shares_one_erase_block_between_mtd9_and_mtd10() {
    let layout = Layout::ispot();
    let (_, fis) = layout.partition("FIS directory").unwrap();
    let (_, config) = layout.partition("RedBoot config").unwrap();
    assert_eq!((fis.offset_bytes, fis.size_bytes), (0xfe_0000, 0x1_f000));
    assert_eq!(
        (config.offset_bytes, config.size_bytes),
        (0xff_f000, 0x1000)
    );
    assert!(layout.partition("rootfs_3").is_none());
}

#[test]
fn what_a_terminal_does_is_forgiven() {
    let text = ISPOT_PROC_MTD.replace('\n', " \r\n") + "\r\n\n";
    assert_eq!(Layout::from_proc_mtd(&text).unwrap(), Layout::ispot());
}

#[test]
fn erase_block_sizes_tell_chips_apart() {
    let layout = table(&[
        r#"mtd0: 00010000 00002000 "boot""#,
        r#"mtd1: 00030000 00010000 "a""#,
        r#"mtd2: 00008001 00010000 "odd length""#,
        r#"mtd3: 00000000 00002000 "of size 0""#,
    ])
    .unwrap();
    let chips: Vec<_> = layout
        .chips
        .iter()
        .map(|c| (c.geometry.size_bytes, c.geometry.erase_block_bytes))
        .collect();
    assert_eq!(
        chips,
        [(0x1_0000, 0x2000), (0x4_0000, 0x1_0000), (0x2000, 0x2000)]
    );
    assert_eq!(layout.chips[1].partitions[1].offset_bytes, 0x3_0000);
    let numbers: Vec<_> = layout.partitions().map(|(chip, _)| chip).collect();
    assert_eq!(numbers, [0, 1, 1, 2]);
}

#[test]
fn names_are_taken_as_they_are() {
    let layout = table(&[
        r#"mtd0: 00020000 00020000 "say "hello" twice ""#,
        r#"mtd1: 00020000 00020000 """#,
        r#"mtd2: 00020000 00020000 """"#,
    ])
    .unwrap();
    let names: Vec<_> = layout.partitions().map(|(_, p)| p.name.as_str()).collect();
    assert_eq!(names, [r#"say "hello" twice "#, "", "\""]);
}

#[test]
fn sizes_have_64_bits() {
    let layout = table(&[r#"mtd0: 100000000000 00020000 "large""#]).unwrap();
    assert_eq!(layout.chips[0].geometry.size_bytes, 0x1000_0000_0000);
}

#[rstest]
#[case::empty("", "the text is empty")]
#[case::blank(" \n\n", "the text is empty")]
#[case::foreign("hello\nworld", r#"line 1: "hello": not the header"#)]
#[case::prompt("# cat /proc/mtd\ndev:    size   erasesize  name\n", "line 1: \"# cat")]
#[case::control("\u{1b}[2J", r#"line 1: "\u{1b}[2J""#)]
#[case::header_only("dev:    size   erasesize  name\n", "no MTD device")]
fn texts_that_are_no_table(#[case] text: &str, #[case] message: &str) {
    let error = Layout::from_proc_mtd(text).unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
}

#[rstest]
#[case(r#"mtd1: 0002"#, "no name in quotation marks")]
#[case(r#"mtd1: 00020000 00020000 "par"#, "no closing quotation mark")]
#[case(r#"mtd1: 00020000 00020000 "param" x"#, "no closing quotation mark")]
#[case(r#"mtd1: 00020000 "param""#, "no erase-block size")]
#[case(r#"mtd1: 00020000 00020000"param""#, "no blank before the name")]
#[case(r#"mtd1: 0020000 00020000 "param""#, "no size of at least eight")]
#[case(r#"mtd1: +0020000 00020000 "param""#, "no size of at least eight")]
#[case(r#"mtd1: 00020000 00020000 7 "param""#, "more than two numbers")]
#[case(r#"mtd: 00020000 00020000 "param""#, "`mtdN:`")]
#[case(r#"mtd1 00020000 00020000 "param""#, "`mtdN:`")]
#[case(r#"ubi1: 00020000 00020000 "param""#, "`mtdN:`")]
#[case("", "no name")]
#[case(
    r#"mtd1: 10000000000000000 00020000 "param""#,
    "the size 10000000000000000 needs more than 64 bits"
)]
#[case(
    r#"mtd1: 00020000 100000000 "param""#,
    "the erase-block size 100000000 needs more than 32 bits"
)]
#[case(
    r#"mtd4294967296: 00020000 00020000 "param""#,
    "the MTD number 4294967296 needs more than 19 bits"
)]
#[case(r#"mtd0: 00020000 00020000 "param""#, "mtd0 is listed twice")]
#[case(r#"mtd524288: 00020000 00020000 "param""#, "needs more than 19 bits")]
#[case(r#"mtd1: 00020000 00000000 "param""#, "erase-block size 0")]
#[case(r#"mtd1: 7fffffffffffffff 00020000 "param""#, "more than 2^63-1 bytes")]
#[case(r#"mtd1: ffffffffffffffff 00020000 "param""#, "more than 2^63-1 bytes")]
fn lines_that_are_wrong(#[case] line: &str, #[case] message: &str) {
    let error = table(&[
        r#"mtd0: 00040000 00020000 "RedBoot""#,
        line,
        r#"mtd2: 00020000 00020000 "after""#,
    ])
    .unwrap_err()
    .to_string();
    assert!(error.starts_with("line 3: "), "{error}");
    assert!(error.contains(message), "{error}");
    assert!(error.contains(&format!("{line:?}")), "{error}");
}

#[test]
fn numbers_may_have_gaps_and_never_go_back() {
    let (a, b) = (
        r#"mtd3: 00020000 00020000 "a""#,
        r#"mtd7: 00020000 00020000 "b""#,
    );
    let layout = table(&[a, b]).unwrap();
    let numbers: Vec<_> = layout.numbered().iter().map(|found| found.0).collect();
    assert_eq!(numbers, [3, 7]);
    assert_eq!(layout.to_proc_mtd(), format!("{HEADER}\n{a}\n{b}\n"));
    let error = table(&[b, a]).unwrap_err();
    assert!(error.to_string().starts_with("line 3: "), "{error}");
    assert!(matches!(
        error,
        LayoutError::OutOfOrder {
            last: 7,
            found: 3,
            ..
        }
    ));
}

#[rstest]
#[case::past_what_has_nodes(&[(Some(1 << 19), None)])]
#[case::twice(&[(Some(1), None), (Some(0), None), (None, None)])]
#[case::in_itself(&[(None, Some(0))])]
#[case::in_a_ring(&[(None, Some(1)), (None, Some(0))])]
#[case::in_nothing(&[(None, Some(7))])]
#[case::before_its_parent(&[(None, Some(1)), (None, None)])]
fn numbers_and_parents_that_cannot_be(#[case] partitions: &[(Option<u32>, Option<usize>)]) {
    let partitions = partitions
        .iter()
        .enumerate()
        .map(|(at, (number, parent))| PartitionSpec {
            number: *number,
            parent: *parent,
            ..PartitionSpec::new("p", at as u64 * 0x1000, 0x1000)
        });
    let geometry = Geometry {
        size_bytes: 0x1_0000,
        erase_block_bytes: 0x1000,
    };
    let layout = Layout {
        chips: vec![ChipLayout {
            geometry,
            partitions: partitions.collect(),
        }],
    };
    layout.check().unwrap_err();
}

#[test]
fn a_long_line_is_cut_in_the_message() {
    let error = Layout::from_proc_mtd(&"é".repeat(100_000)).unwrap_err();
    assert!(error.to_string().len() < 400, "{error}");
}

fn table(lines: &[&str]) -> Result<Layout, LayoutError> {
    Layout::from_proc_mtd(&format!("{HEADER}\n{}\n", lines.join("\n")))
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        let _ = Layout::from_proc_mtd(&text);
    }

    #[test]
    fn any_text_after_a_header_is_answered(text in "(mtd[0-9]{1,3}: ?[0-9a-f]{0,17} [0-9a-f]{0,9} \"?.{0,9}\"?\n){0,5}") {
        let _ = Layout::from_proc_mtd(&format!("{HEADER}\n{text}"));
    }

    /// Cutting a good table anywhere never makes another size or name of what
    /// is left: the rows are a prefix of the rows, or the text is refused.
    #[test]
    fn a_cut_table_is_a_prefix_or_refused(cut in 0..ISPOT_PROC_MTD.len()) {
        if let Ok(layout) = Layout::from_proc_mtd(&ISPOT_PROC_MTD[..cut]) {
            let whole = Layout::ispot();
            prop_assert!(whole.partitions().zip(layout.partitions()).all(|(a, b)| a == b));
        }
    }

    #[test]
    fn what_linux_prints_comes_back(
        rows in prop::collection::vec(
            (0u64..1 << 48, prop::sample::select(vec![0x1000u32, 0x2000, 0x2_0000]), "[^\n\r\\p{C}]{0,20}"),
            1..12,
        ),
    ) {
        let mut text = format!("{HEADER}\n");
        for (index, (size, erase, name)) in rows.iter().enumerate() {
            text += &format!("mtd{index}: {size:08x} {erase:08x} \"{name}\"\n");
        }
        let layout = Layout::from_proc_mtd(&text).unwrap();
        prop_assert_eq!(layout.to_proc_mtd(), text);
        for chip in &layout.chips {
            let mut end_bytes = 0;
            for partition in &chip.partitions {
                prop_assert_eq!(partition.offset_bytes, end_bytes);
                end_bytes += partition.size_bytes;
            }
            let erase_block_bytes = u64::from(chip.geometry.erase_block_bytes);
            prop_assert_eq!(chip.geometry.size_bytes % erase_block_bytes, 0);
            prop_assert!(chip.geometry.size_bytes >= end_bytes);
            prop_assert!(chip.geometry.size_bytes < end_bytes + erase_block_bytes || end_bytes == 0);
        }
    }
}
