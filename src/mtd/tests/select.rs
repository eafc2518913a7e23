//! Picking partitions by name or number: nothing is guessed.

use crate::mtd::{MtdErrorKind, MtdIndex, MtdInfo, select};
use rstest::rstest;

fn devices() -> Vec<MtdInfo> {
    [
        "RedBoot",
        "linux",
        "rootfs",
        "rootfs",
        "mtd1",
        "FIS directory",
    ]
    .into_iter()
    .zip(0..)
    .map(|(name, index)| MtdInfo::new(MtdIndex(index), name, 0x20000, 0x20000))
    .collect()
}

#[rstest]
#[case::all(&[], &[0, 1, 2, 3, 4, 5])]
#[case::by_name(&["linux"], &[1])]
#[case::name_with_a_blank(&["FIS directory"], &[5])]
#[case::by_number(&["mtd2"], &[2])]
#[case::by_node(&["/dev/mtd1", "/dev/mtd4"], &[1, 4])]
#[case::in_the_order_of_numbers(&["mtd3", "RedBoot"], &[0, 3])]
fn words_pick_their_partitions(#[case] wanted: &[&str], #[case] picked: &[u32]) {
    let found: Vec<_> = select(&devices(), wanted)
        .unwrap()
        .iter()
        .map(|device| device.index.0)
        .collect();
    assert_eq!(found, picked);
}

#[rstest]
#[case::unknown(&["kernel"], "no partition \"kernel\"", "mtd1 (linux)")]
#[case::unknown_number(&["mtd6"], "no partition \"mtd6\"", "mtd5 (FIS directory)")]
#[case::no_leading_zeros(&["mtd01"], "no partition \"mtd01\"", "mtd0 (RedBoot)")]
#[case::another_case(&["redboot"], "no partition \"redboot\"", "mtd0 (RedBoot)")]
#[case::two_of_a_name(&["rootfs"], "mtd2 (rootfs), mtd3 (rootfs)", "number, as /dev/mtd2")]
#[case::name_like_a_number(&["mtd1"], "mtd1 (linux), mtd4 (mtd1)", "number, as /dev/mtd1")]
#[case::twice(&["linux", "linux"], "mtd1 (linux) was asked for twice", "once")]
#[case::twice_by_name_and_number(&["RedBoot", "mtd0"], "as \"RedBoot\" and as \"mtd0\"", "once")]
fn a_word_that_is_not_clear_is_an_error(
    #[case] wanted: &[&str],
    #[case] says: &str,
    #[case] helps: &str,
) {
    let error = select(&devices(), wanted).unwrap_err();
    assert_eq!(error.kind(), MtdErrorKind::BadSelection);
    assert!(error.to_string().contains(says), "{error}");
    let help = error.help().unwrap();
    assert!(help.contains(helps), "{help}");
}
