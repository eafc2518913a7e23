use super::super::{Incomplete, lines::lines};
use super::*;
use rstest::rstest;

fn read(text: &str) -> Option<Result<Reading, LayoutTextError>> {
    super::read(&lines(text))
}

#[allow(clippy::type_complexity)]
fn facts(text: &str) -> Vec<(usize, Option<usize>, String, Option<u64>, Option<u64>)> {
    let reading = read(text).expect("it has partitions").unwrap();
    reading
        .partitions
        .into_iter()
        .map(|p| {
            let offset_bytes = p.offset.map(|offset| offset.bytes);
            (
                p.chip.unwrap(),
                p.parent,
                p.name,
                offset_bytes,
                p.size_bytes,
            )
        })
        .collect()
}

/// After the boot log of an Archer AX23 with OpenWrt 23.05.2.
const NESTED: &str = "\
[    0.80] 3 fixed-partitions partitions found on MTD device spi0.0
[    0.81] Creating 3 MTD partitions on \"spi0.0\":
[    0.82] 0x000000000000-0x000000040000 : \"u-boot\"
[    0.83] 0x000000040000-0x000000fa0000 : \"firmware\"
[    0.84] 2 tplink-fw partitions found on MTD device firmware
[    0.85] Creating 2 MTD partitions on \"firmware\":
[    0.86] 0x000000000000-0x0000002c0000 : \"kernel\"
[    0.87] 0x0000002c0000-0x000000f60000 : \"rootfs\"
[    0.88] mtd: setting mtd3 (rootfs) as root device
[    0.89] 1 squashfs-split partitions found on MTD device rootfs
[    0.90] 0x000000640000-0x000000f60000 : \"rootfs_data\"
[    0.91] 0x000000fa0000-0x000001000000 : \"radio\"
";

#[test]
fn offsets_of_parts_in_parts_are_the_chips() {
    let got = facts(NESTED);
    let at: Vec<_> = got.iter().map(|p| (p.2.as_str(), p.1, p.3)).collect();
    assert_eq!(
        at,
        [
            ("u-boot", None, Some(0)),
            ("firmware", None, Some(0x4_0000)),
            ("kernel", Some(1), Some(0x4_0000)),
            ("rootfs", Some(1), Some(0x30_0000)),
            ("rootfs_data", Some(1), Some(0x68_0000)),
            ("radio", None, Some(0xfa_0000)),
        ]
    );
    let reading = read(NESTED).unwrap().unwrap();
    assert_eq!(reading.chips.len(), 1);
    assert_eq!(reading.chips[0].name, "spi0.0");
    assert_eq!(reading.skipped, []);
}

#[test]
fn old_kernels_and_several_chips() {
    let got = facts(
        "Creating 1 MTD partitions on \"a\":\n0x00000000-0x00040000 : \"RedBoot\"\n\
         Creating 1 MTD partitions on \"b\":\n0x00000000-0x00040000 : \"more \"quoted\"\"\n",
    );
    assert_eq!(got[0], (0, None, "RedBoot".into(), Some(0), Some(0x4_0000)));
    assert_eq!(got[1].0, 1);
    assert_eq!(got[1].2, "more \"quoted\"");
}

/// LEDE 17.01: what was split off counts from the chip as well.
#[test]
fn flat_offsets_of_an_older_kernel() {
    let got = facts(
        "4 tp-link partitions found on MTD device spi0.0\n\
         Creating 3 MTD partitions on \"spi0.0\":\n\
         0x000000000000-0x000000020000 : \"u-boot\"\n\
         0x000000020000-0x00000013f5dc : \"kernel\"\n\
         0x00000013f5dc-0x0000003f0000 : \"rootfs\"\n\
         1 squashfs-split partitions found on MTD device rootfs\n\
         0x0000003a0000-0x0000003f0000 : \"rootfs_data\"\n\
         0x000000020000-0x0000003f0000 : \"firmware\"\n",
    );
    let at: Vec<_> = got.iter().map(|p| (p.0, p.1, p.3)).collect();
    let offsets = [0, 0x2_0000, 0x13_f5dc, 0x3a_0000, 0x2_0000];
    assert_eq!(at, offsets.map(|offset| (0, None, Some(offset))));
}

#[test]
fn a_log_pasted_twice_says_it_once() {
    assert_eq!(facts(&NESTED.repeat(2)), facts(NESTED));
}

#[rstest]
#[case("0x10-0x0 : \"a\"")]
#[case("0x0-0x8000000000000000 : \"a\"")]
#[case("0x0-0x10000000000000000 : \"a\"")]
#[case("0x0-0x1000 : \"a\"\nCreating 1 MTD partitions on \"a\":\n0x0-0x2000 : \"b\"")]
fn what_is_none(#[case] text: &str) {
    assert!(read(text).expect("it has partitions").is_err(), "{text}");
}

/// What stands before a message: a thread, a weekday, a mark of quotation.
#[rstest]
#[case("[    1.003000][    T1] ")]
#[case("[Thu Nov 26 03:18:49 2026] ")]
#[case("[    1.003000] -(0)[1:swapper/0]")]
#[case("kern  :notice: [    0.500000] ")]
#[case("> ")]
#[case("17:")]
fn what_stands_before_a_message(#[case] stamp: &str) {
    let plain: String = NESTED
        .lines()
        .map(|line| line[11..].to_owned() + "\n")
        .collect();
    let stamped: String = plain
        .lines()
        .map(|line| format!("{stamp}{line}\n"))
        .collect();
    assert_eq!(facts(&stamped), facts(NESTED), "{stamped}");
}

/// The kernel's own word on a partition, and on the size of its chip.
#[test]
fn what_the_kernel_made_of_it() {
    let text = "spi-nor spi0.0: mx25l3205d (4096 Kbytes)\n\
        Creating 4 MTD partitions on \"spi0.0\":\n\
        0x000000000000-0x000000020000 : \"u-boot\"\n\
        0x000000020000-0x00000013f5dc : \"kernel\"\n\
        mtd: partition \"kernel\" must either start or end on erase block boundary or be \
        smaller than an erase block -- forcing read-only\n\
        0x000000140000-0x000000800000 : \"rest\"\n\
        mtd: partition \"rest\" extends beyond the end of device \"spi0.0\" -- size \
        truncated to 0x2c0000\n\
        0x000000500000-0x000000600000 : \"gone\"\n\
        mtd: partition \"gone\" is out of reach -- disabled\n";
    let reading = read(&text.repeat(2)).unwrap().unwrap();
    assert_eq!(reading.chips[0].size_bytes, Some(4 << 20));
    assert_eq!(reading.skipped, []);
    let got: Vec<_> = reading
        .partitions
        .iter()
        .map(|p| {
            (
                p.name.as_str(),
                p.offset.unwrap().bytes,
                p.size_bytes,
                p.read_only,
            )
        })
        .collect();
    let wanted = [
        ("u-boot", 0, Some(0x2_0000), None),
        ("kernel", 0x2_0000, Some(0x11_f5dc), Some(true)),
        ("rest", 0x14_0000, Some(0x2c_0000), None),
        ("gone", 0, Some(0), None),
    ];
    assert_eq!(got, wanted);
}

/// Without the message that cuts it, a partition past its chip is an error.
#[test]
fn a_chip_that_is_too_small() {
    let text = "spi-nor spi0.0: x (64 Kbytes)\n\
        Creating 1 MTD partitions on \"spi0.0\":\n0x0-0x20000 : \"a\"\n";
    let error = read(text).unwrap().unwrap_err().to_string();
    assert!(error.contains("0x10000 bytes of its chip"), "{error}");
}

/// A torn line takes one number away from those behind it.
#[test]
fn a_lost_line_is_noticed() {
    let torn = |lost| {
        let lines = (1..).zip(NESTED.split_inclusive('\n'));
        let lines = lines.map(|(number, line)| if number == lost { "\n" } else { line });
        read(&lines.collect::<String>()).unwrap()
    };
    for lost in [3, 12] {
        let reading = torn(lost).unwrap();
        let wanted = Incomplete {
            line: 2,
            announced: 3,
            found: 2,
        };
        assert_eq!(reading.incomplete, [wanted]);
        // Of parts of parts no place is told.
        let told = reading.partitions.iter().filter(|p| p.offset.is_some());
        assert_eq!(told.count(), 2, "{reading:?}");
    }
    // What follows does not lie in `firmware`, and is not taken for it.
    torn(8).unwrap_err();
    assert_eq!(read(NESTED).unwrap().unwrap().incomplete, []);
}

/// Before Linux 3.10 OpenWrt announced what it split off in another way.
#[test]
fn created_automatically() {
    let got = facts(
        "Creating 3 MTD partitions on \"spi0.0\":\n\
         0x000000000000-0x000000010000 : \"CFE\"\n\
         0x000000010000-0x0000003f0000 : \"rootfs\"\n\
         mtd: partition \"rootfs\" set to be root filesystem\n\
         mtd: partition \"rootfs_data\" created automatically, ofs=2E0000, len=110000 \n\
         0x0000002e0000-0x0000003f0000 : \"rootfs_data\"\n\
         0x0000003f0000-0x000000400000 : \"nvram\"\n",
    );
    assert_eq!(got[2].3, Some(0x2e_0000));
    assert_eq!(got.len(), 4);
}

#[test]
fn other_messages_are_not_this_form() {
    assert!(read("[ 1.0] Memory: 0x0-0x10 reserved\nfoo").is_none());
}

fn without<'a>(words: &'a [&str]) -> impl Fn(&&str) -> bool + 'a {
    |line| !words.iter().any(|word| line.contains(word))
}

fn picked(text: &str, without_words: &[&str]) -> String {
    let lines = text.lines().filter(without(without_words));
    lines.map(|line| format!("{line}\n")).collect()
}

/// People leave lines out of what they paste: what the kernel says before a heading tells
/// the same, and a split's part that begins before the split counts from there.
#[rstest]
#[case::the_chips(&["Creating 3"])]
#[case::the_parts(&["Creating 2"])]
#[case::both(&["Creating"])]
#[case::the_chips_altogether(&["Creating 3", "fixed-partitions"])]
fn headings_that_are_missing(#[case] words: &[&str]) {
    let places = |text: &str| -> Vec<_> {
        let facts = facts(text).into_iter();
        facts
            .map(|(_, _, name, start, size)| (name, start, size))
            .collect()
    };
    let text = picked(NESTED, words);
    assert_eq!(places(&text), places(NESTED), "{text}");
    let reading = read(&text).unwrap().unwrap();
    assert_eq!(reading.skipped, []);
    assert_eq!(reading.incomplete, []);
}

/// Where nothing tells from where lines count, no place is told, and why is said.
#[rstest]
#[case::nothing_but_lines(&picked(NESTED, &["Creating", "found on"]), 2)]
#[case::small_kernel(
    "0x0-0x40000 : \"u-boot\"\n0x40000-0xfa0000 : \"firmware\"\n0x0-0x2000 : \"kernel\"\n\
     0x2000-0xf60000 : \"rootfs\"\n",
    2
)]
#[case::across("0x0-0x40 : \"a\"\n0x40-0x90 : \"b\"\n0x50-0xa0 : \"c\"\n", 2)]
fn lines_that_lie_across_each_other(#[case] text: &str, #[case] first: usize) {
    let reading = read(text).unwrap().unwrap();
    let places = reading.partitions.iter().map(|p| p.offset.is_some());
    let told: Vec<_> = (0..reading.partitions.len()).map(|at| at < first).collect();
    assert_eq!(places.collect::<Vec<_>>(), told, "{text}");
    let name = &reading.partitions[first].name;
    assert!(
        reading.remarks[0].contains(&format!("{name:?}")),
        "{:?}",
        reading.remarks
    );
    assert!(
        reading.remarks[0].contains("Creating"),
        "{:?}",
        reading.remarks
    );
}

/// Partitions in each other, all counted from the chip's start, are none of these.
#[rstest]
#[case::all_first("0x0-0x100 : \"ALL\"\n0x0-0x40 : \"boot\"\n0x40-0x100 : \"rest\"\n")]
#[case::all_last("0x0-0x40 : \"boot\"\n0x40-0x100 : \"rest\"\n0x0-0x100 : \"ALL\"\n")]
#[case::firmware_last(
    "0x0-0x20 : \"u-boot\"\n0x20-0x40 : \"kernel\"\n0x40-0xf0 : \"rootfs\"\n\
     0xf0-0x100 : \"art\"\n0x20-0xf0 : \"firmware\"\n"
)]
#[case::another_order("0x0-0x8 : \"a\"\n0x20-0x40 : \"b\"\n0x8-0x20 : \"c\"\n")]
fn lines_without_a_heading_that_one_chip_has(#[case] text: &str) {
    let reading = read(text).unwrap().unwrap();
    assert!(
        reading.partitions.iter().all(|p| p.offset.is_some()),
        "{text}"
    );
    assert_eq!(reading.remarks, [""; 0]);
    // Whoever counts the lines may have lost the first ones.
    assert_eq!(reading.headless, Some(1));
    assert!(reading.about_numbers().contains("before line 1"));
    assert_eq!(read(NESTED).unwrap().unwrap().headless, None);
}

/// A text of lines without end is answered in time, by both.
#[test]
fn more_lines_than_any_device_has() {
    let line = |n: u32| format!("{:#x}-{:#x} : \"p{n}\"\n", n * 16, n * 16 + 16);
    let text: String = (0..6_000).map(line).collect();
    let reading = read(&text).unwrap().unwrap();
    assert!(reading.partitions.iter().all(|p| p.offset.is_none()));
    let told = mtd_harness::layout::ReportedLayout::parse(&text).unwrap();
    assert!(told.partitions.iter().all(|p| p.offset_bytes.is_none()));
    // As many as Linux can have in one list are no matter.
    let text: String = (0..500).map(line).collect();
    let reading = read(&text).unwrap().unwrap();
    assert!(reading.partitions.iter().all(|p| p.offset.is_some()));
}
