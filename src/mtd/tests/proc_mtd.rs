//! The parser of `/proc/mtd`: every bad table is an error that says where, and
//! whatever a kernel can write comes back whole.

use crate::mtd::{MtdIndex, MtdInfo, ProcMtdError, parse_proc_mtd};
use proptest::prelude::*;
use rstest::rstest;

const HEADER: &str = "dev:    size   erasesize  name\n";

fn parse_lines(lines: &str) -> Result<Vec<MtdInfo>, ProcMtdError> {
    parse_proc_mtd(format!("{HEADER}{lines}").as_bytes())
}

/// What Linux 6.1, drivers/mtd/mtdcore.c writes for these devices.
fn kernel_text(entries: &[MtdInfo]) -> String {
    let mut text = HEADER.to_owned();
    for entry in entries {
        text += &format!(
            "{}: {:08x} {:08x} \"{}\"\n",
            entry.index, entry.size_bytes, entry.erase_block_bytes, entry.name
        );
    }
    text
}

#[test]
fn the_table_of_an_ispot_is_understood() {
    let entries = parse_lines(
        "mtd0: 00040000 00020000 \"RedBoot\"\n\
         mtd9: 0001f000 00020000 \"FIS directory\"\n\
         mtd10: 00001000 00020000 \"RedBoot config\"\n",
    )
    .unwrap();
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[1].index, MtdIndex(9));
    assert_eq!(entries[1].name, "FIS directory");
    assert_eq!(entries[1].size_bytes, 0x1f000);
    assert_eq!(entries[2].erase_block_bytes, 0x20000);
}

#[rstest]
#[case::plain("rootfs")]
#[case::blanks("FIS directory")]
#[case::empty("")]
#[case::one_quote("a\"b")]
#[case::quotes_around("\"quoted\"")]
#[case::quote_and_number("x\" 00020000 \"y")]
#[case::not_ascii("données")]
#[case::blanks_at_the_ends("  a  ")]
fn a_name_comes_back_as_it_is(#[case] name: &str) {
    let entries = parse_lines(&format!("mtd3: 00600000 00020000 \"{name}\"\n")).unwrap();
    assert_eq!(entries[0].name, name);
}

#[rstest]
#[case::carriage_returns("mtd0: 00040000 00020000 \"a\"\r\nmtd1: 00040000 00020000 \"b\"\r\n")]
#[case::no_last_newline("mtd0: 00040000 00020000 \"a\"\nmtd1: 00040000 00020000 \"b\"")]
#[case::blank_lines_at_the_end(
    "mtd0: 00040000 00020000 \"a\"\nmtd1: 00040000 00020000 \"b\"\n\n \n"
)]
#[case::out_of_order("mtd1: 00040000 00020000 \"b\"\nmtd0: 00040000 00020000 \"a\"\n")]
fn what_a_capture_does_to_line_ends_and_order_is_tolerated(#[case] lines: &str) {
    let names: Vec<_> = parse_lines(lines)
        .unwrap()
        .into_iter()
        .map(|entry| (entry.index.0, entry.name))
        .collect();
    assert_eq!(names, [(0, "a".to_owned()), (1, "b".to_owned())]);
}

#[test]
fn a_size_may_need_63_bits() {
    let entries = parse_lines("mtd0: 7fffffffffffffff 00020000 \"big\"\n").unwrap();
    assert_eq!(entries[0].size_bytes, i64::MAX as u64);
}

#[test]
fn a_header_alone_is_a_table_without_devices() {
    assert_eq!(parse_lines(""), Ok(Vec::new()));
}

#[test]
fn a_name_that_is_not_utf8_keeps_its_line() {
    let mut text = HEADER.as_bytes().to_vec();
    text.extend_from_slice(b"mtd0: 00040000 00020000 \"a\xFFb\"\n");
    assert_eq!(parse_proc_mtd(&text).unwrap()[0].name, "a\u{FFFD}b");
}

#[rstest]
#[case::nothing("")]
#[case::blanks(" \n \n")]
fn an_empty_table_is_an_error(#[case] text: &str) {
    assert_eq!(parse_proc_mtd(text.as_bytes()), Err(ProcMtdError::Empty));
}

#[rstest]
#[case::partitions("major minor  #blocks  name\n\n  31        0        256 mtdblock0\n")]
#[case::html("<html><body>404 Not Found</body></html>\n")]
#[case::no_header("mtd0: 00040000 00020000 \"RedBoot\"\n")]
#[case::cut_header("dev:    size   erase")]
#[case::binary("\0\0\0\0\u{1}")]
fn a_foreign_header_is_an_error(#[case] text: &str) {
    let error = parse_proc_mtd(text.as_bytes()).unwrap_err();
    assert!(
        matches!(error, ProcMtdError::ForeignHeader { .. }),
        "{error:?}"
    );
}

#[rstest]
#[case::after_the_prefix("mtd")]
#[case::after_the_number("mtd1")]
#[case::after_the_colon("mtd1:")]
#[case::inside_the_size("mtd1: 0004")]
#[case::after_the_size("mtd1: 00040000")]
#[case::inside_the_erase_block("mtd1: 00040000 0002")]
#[case::after_the_erase_block("mtd1: 00040000 00020000")]
#[case::after_the_first_quote("mtd1: 00040000 00020000 \"")]
#[case::inside_the_name("mtd1: 00040000 00020000 \"par")]
#[case::no_number("mtd: 00040000 00020000 \"param\"")]
#[case::signed_number("mtd+1: 00040000 00020000 \"param\"")]
#[case::negative_size("mtd1: -0040000 00020000 \"param\"")]
#[case::prefixed_size("mtd1: 0x00040000 00020000 \"param\"")]
#[case::joined_fields("mtd1:00040000 00020000 \"param\"")]
#[case::foreign_line("ubi0: 00040000 00020000 \"param\"")]
#[case::empty_line_in_between("\nmtd2: 00040000 00020000 \"linux\"")]
fn a_torn_line_is_an_error_that_names_it(#[case] torn: &str) {
    let error = parse_lines(&format!("mtd0: 00040000 00020000 \"a\"\n{torn}\n")).unwrap_err();
    assert!(
        matches!(error, ProcMtdError::TornLine { line: 3, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("line 3"), "{error}");
}

#[rstest]
#[case("mtd0: 10000000000000000 00020000 \"a\"\n", "size past 63 bits")]
#[case("mtd0: ffffffffffffffff 00020000 \"a\"\n", "size past 63 bits")]
#[case(
    "mtd0: 7fffffffffffffff 00020000 \"a\"\nmtd1: 00000001 00020000 \"b\"\n",
    "line 3: with this one all sizes together are past 63 bits"
)]
#[case("mtd0: 00040000 100000000 \"a\"\n", "erase-block size past 32 bits")]
#[case("mtd524288: 00040000 00020000 \"a\"\n", "number past 524287")]
#[case(
    "mtd99999999999999999999: 00040000 00020000 \"a\"\n",
    "number past 524287"
)]
#[case(
    "mtd4: 00040000 00020000 \"a\"\nmtd4: 00040000 00020000 \"b\"\n",
    "line 3: mtd4 again, after line 2"
)]
#[case::the_first_line_that_repeats(
    "mtd5: 00040000 00020000 \"a\"\nmtd4: 00040000 00020000 \"b\"\n\
     mtd5: 00040000 00020000 \"c\"\nmtd4: 00040000 00020000 \"d\"\n",
    "line 4: mtd5 again, after line 2"
)]
fn a_number_that_cannot_be_is_an_error(#[case] lines: &str, #[case] says: &str) {
    let error = parse_lines(lines).unwrap_err().to_string();
    assert!(error.contains(says), "{error}");
}

/// As many as a kernel can have, in no order: looked at pair by pair, they would
/// take hours.
#[test]
fn a_table_of_every_number_is_understood() {
    let count = MtdIndex::MAX.0 + 1;
    let lines: String = (0..count)
        .map(|n| format!("mtd{}: 00040000 00020000 \"\"\n", n ^ 1))
        .collect();
    let entries = parse_lines(&lines).unwrap();
    assert!(entries.iter().map(|entry| entry.index.0).eq(0..count));
}

#[test]
fn a_very_long_foreign_line_is_quoted_in_part() {
    let error = parse_proc_mtd("x".repeat(1 << 20).as_bytes()).unwrap_err();
    assert!(error.to_string().len() < 300);
}

prop_compose! {
    /// What a kernel can have: unique numbers in order, any one-line name, and sizes
    /// that can be added up.
    fn entries()(
        parts in prop::collection::btree_map(
            0_u32..=MtdIndex::MAX.0, (0..=(i64::MAX / 20) as u64, any::<u32>(), "[^\\n]{0,20}"), 0..20)
    ) -> Vec<MtdInfo> {
        parts.into_iter().map(|(index, (size_bytes, erase_block_bytes, name))| {
            MtdInfo::new(MtdIndex(index), name, size_bytes, erase_block_bytes.into())
        }).collect()
    }
}

proptest! {
    #[test]
    fn whatever_a_kernel_writes_comes_back(entries in entries()) {
        prop_assert_eq!(parse_proc_mtd(kernel_text(&entries).as_bytes()), Ok(entries));
    }

    /// A table that was cut anywhere is an error, or, cut between lines, a table
    /// with fewer devices; a device never comes back with other numbers.
    #[test]
    fn a_cut_table_never_lies(entries in entries(), cut in any::<prop::sample::Index>()) {
        let text = kernel_text(&entries);
        let cut = cut.index(text.len() + 1);
        if let Ok(found) = parse_proc_mtd(&text.as_bytes()[..cut]) {
            prop_assert!(found.len() <= entries.len());
            for (found, whole) in found.iter().zip(&entries) {
                prop_assert_eq!(found.index, whole.index);
                prop_assert_eq!(found.size_bytes, whole.size_bytes);
                prop_assert_eq!(found.erase_block_bytes, whole.erase_block_bytes);
                // A name with a quote in it, cut there, looks whole.
                prop_assert!(found.name == whole.name || whole.name.contains('"'));
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse_proc_mtd(&bytes);
        let mut text = HEADER.as_bytes().to_vec();
        text.extend_from_slice(&bytes);
        let _ = parse_proc_mtd(&text);
    }
}
