use super::*;
use rstest::rstest;

const LOG: &str = "\
<6>[    0.80] 3 fixed-partitions partitions found on MTD device spi0.0\r
[    0.81] Creating 3 MTD partitions on \u{201c}spi0.0\u{201d}:\r
[    0.82] 0x000000000000-0x000000040000 : \"u-boot\"\r
[    0.83] 0x000000040000-0x000000fa0000 : \"firmware\"\r
[    0.85] Creating 2 MTD partitions on \"firmware\":\r
[    0.86] 0x000000000000-0x0000002c0000 : \"kernel\"\r
[    0.87] 0x0000002c0000-0x000000f60000 : \"rootfs\"\r
[    0.89] 1 squashfs-split partitions found on MTD device rootfs\r
[    0.90] 0x000000640000-0x000000f60000 : \"rootfs_data\"\r
[    0.91] 0x000000fa0000-0x000001000000 : \"radio\"\r
";

fn places(reported: &ReportedLayout) -> Vec<(&str, Option<usize>, u64)> {
    let place = |p: &ReportedPartition| p.offset_bytes.unwrap_or(u64::MAX);
    reported
        .partitions
        .iter()
        .map(|p| (p.name.as_str(), p.parent, place(p)))
        .collect()
}

#[test]
fn a_boot_log_becomes_a_device() {
    let reported = ReportedLayout::parse(LOG).unwrap();
    let wanted = [
        ("u-boot", None, 0),
        ("firmware", None, 0x4_0000),
        ("kernel", Some(1), 0x4_0000),
        ("rootfs", Some(1), 0x30_0000),
        ("rootfs_data", Some(1), 0x68_0000),
        ("radio", None, 0xfa_0000),
    ];
    assert_eq!(places(&reported), wanted);
    let layout = reported.layout(0x1000).unwrap();
    let device = crate::profile::from_layout(&layout, 1);
    let devices = device.system.devices();
    assert_eq!(devices[4].parent, Some(1));
    assert_eq!(devices[4].offset_in_parent_bytes, 0x64_0000);
    // The kernel of that device says it again.
    let again = ReportedLayout::parse(&device.system.log().join("\n")).unwrap();
    assert_eq!(places(&again), wanted);
}

#[rstest]
#[case::command_line("mtdparts=a:64k(x)ro,64k@1M(y);b:-(z)", &[("x", None, 0), ("y", None, 1 << 20), ("z", None, 0)])]
#[case::mtd_list("* nor0\n  - 0x0-0x1000 : \"nor0\"\n    - 0x100-0x900 : \"x\"\n      - 0x10-0x20 : \"y\"", &[("x", None, 0x100), ("y", Some(0), 0x110)])]
#[case::mtdparts("device nor0 <a>, # parts = 1\n #: name  size  offset  mask_flags\n 0: x y  0x10  0x20  1", &[("x y", None, 0x20)])]
#[case::table("x\ndev:    size   erasesize  name\nmtd4: 00001000 00000100 \"x\"\n$ ", &[("x", None, u64::MAX)])]
#[case::own("mtdkeep layout 1\nmtd4: in mtd9, offset 0x10 (sysfs), size 4, name \"x\"\nmtd9: offset 0x8, size 0x20, name \"y\"", &[("x", Some(1), 0x10), ("y", None, 8)])]
fn each_form(#[case] text: &str, #[case] wanted: &[(&str, Option<usize>, u64)]) {
    assert_eq!(places(&ReportedLayout::parse(text).unwrap()), wanted);
}

#[rstest]
#[case("0x10-0x0 : \"a\"", 1)]
#[case("x\n0x0-0x10000000000000000 : \"a\"", 2)]
#[case("mtdparts=a:1M(b", 1)]
#[case("mtdparts=a:-(b),1M(c)", 1)]
#[case("dev:    size   erasesize  name\nmtd0: 0001", 2)]
#[case("mtdkeep layout 1\nmtd0: in mtd0, name \"a\"", 2)]
#[case(
    "mtdkeep layout 1\nchip 0: size 0x10, name \"\"\nmtd0: chip 0, offset 0x8, size 0x9, name \"a\"",
    3
)]
#[case("* a\n - 0x0-0x10 : \"a\"\n   - 0x0-0x20 : \"b\"", 3)]
fn errors_have_their_line(#[case] text: &str, #[case] wanted: usize) {
    match ReportedLayout::parse(text) {
        Err(ReportedError::Line { line, .. }) => assert_eq!(line, wanted),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_tells_nothing() {
    assert_eq!(
        ReportedLayout::parse("hello\n"),
        Err(ReportedError::Nothing)
    );
    let reported = ReportedLayout::parse("mtdparts=a:-(b)").unwrap();
    assert!(matches!(
        reported.layout(1),
        Err(ReportedError::Lacks { .. })
    ));
}
