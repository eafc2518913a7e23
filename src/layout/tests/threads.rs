//! Layouts as they stand in public threads: what each device printed, and what happens to
//! a text on its way into one.

use crate::layout::{self, DescribeError, Reading};
use rstest::rstest;

/// A router with a partition split twice (ath79; openwrt/openwrt#14701 has such a one).
const ROUTER: &str = "\
[    0.361000] spi-nor spi0.0: w25q128 (16384 Kbytes)
[    0.366000] 4 fixed-partitions partitions found on MTD device spi0.0
[    0.370000] OF: Bad cell count for /ahb/spi@1f000000/flash@0/partitions
[    0.380000] Creating 4 MTD partitions on \"spi0.0\":
[    0.384000] 0x000000000000-0x000000020000 : \"u-boot\"
[    0.390000] 0x000000020000-0x000000030000 : \"u-boot-env\"
[    0.420000] 0x000000030000-0x000000ff0000 : \"firmware\"
[    0.430000] 2 uimage-fw partitions found on MTD device firmware
[    0.436000] Creating 2 MTD partitions on \"firmware\":
[    0.441000] 0x000000000000-0x0000001d0000 : \"kernel\"
[    0.447000] 0x0000001d0000-0x000000fc0000 : \"rootfs\"
[    0.453000] mtd: setting mtd4 (rootfs) as root device
[    0.458000] 1 squashfs-split partitions found on MTD device rootfs
[    0.464000] 0x000000570000-0x000000fc0000 : \"rootfs_data\"
[    0.470000] 0x000000ff0000-0x000001000000 : \"art\"
";

const TABLE: &str = "\
dev:    size   erasesize  name
mtd0: 00020000 00010000 \"u-boot\"
mtd1: 003d0000 00010000 \"firmware\"
mtd2: 00010000 00010000 \"art\"
";

/// Chip, name, start and length of a partition.
type Facts<'a> = (Option<usize>, &'a str, Option<u64>, Option<u64>);

fn facts(reading: &Reading) -> Vec<Facts<'_>> {
    let facts = reading.partitions.iter().map(|p| {
        let start = p.offset.map(|offset| offset.bytes);
        (p.chip, p.name.as_str(), start, p.size_bytes)
    });
    facts.collect()
}

fn before_each(text: &str, before: &str) -> String {
    text.lines()
        .map(|line| format!("{before}{line}\n"))
        .collect()
}

/// The messages without the kernel's own stamps.
fn messages(text: &str) -> String {
    let message = |line: &str| {
        line.split_once("] ")
            .map_or(line, |(_, rest)| rest)
            .to_owned()
    };
    text.lines().map(|line| message(line) + "\n").collect()
}

fn stamped(text: &str, stamp: &str) -> String {
    before_each(&messages(text), stamp)
}

fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let chars: Vec<char> = line.chars().collect();
        for piece in chars.chunks(width) {
            out.extend(piece);
            out.push('\n');
        }
    }
    out
}

/// A mail's lines: broken at blanks, each behind its mark.
fn mailed(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        match line.split_once(" : \"") {
            Some((range, name)) => out += &format!("> {range} :\n> \"{name}\n"),
            None => out += &format!("> {line}\n"),
        }
    }
    out
}

/// A log is the same log, whatever it went through.
#[rstest]
#[case::mail(before_each(ROUTER, "> "))]
#[case::answered_mail(before_each(ROUTER, ">> > "))]
#[case::entities(before_each(ROUTER, "&gt; ").replace('"', "&quot;"))]
#[case::one_entity(before_each(ROUTER, "&gt; "))]
#[case::logread(stamped(ROUTER, "Thu Feb 22 23:37:30 2024 kern.notice kernel: [    0.36] "))]
#[case::syslog(stamped(ROUTER, "Jan  1 00:00:08 OpenWrt kern.notice kernel: [    0.57] "))]
#[case::busybox_syslog(stamped(ROUTER, "Feb 22 23:37:30 (none) user.info kernel: "))]
#[case::dmesg_t(stamped(ROUTER, "[Thu Feb 22 23:37:30 2024] "))]
#[case::caller(stamped(ROUTER, "[    0.361000][    T1] "))]
#[case::vendor(stamped(ROUTER, "[    0.361000] -(0)[1:swapper/0]"))]
#[case::no_stamps(messages(ROUTER))]
#[case::levels(stamped(ROUTER, "<5>[4294667.751000] "))]
#[case::minicom(before_each(ROUTER, "[2024-02-22 23:37:30] "))]
#[case::tera_term(before_each(ROUTER, "[Thu Feb 22 23:37:30.123 2024] "))]
#[case::ts(before_each(ROUTER, "Feb 22 23:37:30 "))]
#[case::ts_of_bare_messages(stamped(ROUTER, "00:00:01.123456 "))]
#[case::grep_n(before_each(ROUTER, "12:"))]
#[case::indented(before_each(ROUTER, "\t    "))]
#[case::colours(stamped(ROUTER, "\u{1b}[32m[    0.36] \u{1b}[0m"))]
#[case::colours_that_lost_escape(before_each(ROUTER, "[0;32m").replace('\n', "[0m\n"))]
#[case::letters_chosen(before_each(ROUTER, "\u{1b}(B\u{1b}[m"))]
#[case::terminal(ROUTER.replace('\n', "\r\r\n"))]
#[case::cr_alone(ROUTER.replace('\n', "\r"))]
#[case::code_fence(format!("```\n{ROUTER}```\n"))]
#[case::twice(ROUTER.repeat(2))]
#[case::no_break_blanks(ROUTER.replace(' ', "\u{a0}"))]
#[case::dashes(ROUTER.replace("-0x", "\u{2013}0x"))]
#[case::times(ROUTER.replace("0x", "0\u{d7}"))]
#[case::curly(ROUTER.replace('"', "\u{201d}"))]
#[case::german(ROUTER.replace(" : \"", " : \u{201e}"))]
#[case::french(ROUTER.replace(" : \"", " : \u{ab}\u{a0}").replace("\"\n", "\u{a0}\u{bb}\n"))]
#[case::single(ROUTER.replace('"', "'"))]
#[case::escaped(ROUTER.replace('"', "\\\""))]
#[case::narrow_terminal(wrapped(ROUTER, 57))]
#[case::narrower_terminal(wrapped(ROUTER, 54))]
#[case::wrapped_mail(mailed(ROUTER))]
#[case::wrapped_headings(ROUTER.replace("partitions on \"", "partitions on\n\""))]
fn a_log_comes_through(#[case] text: String) {
    let plain = layout::read(ROUTER.as_bytes()).unwrap();
    let found = layout::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    assert_eq!(facts(&found), facts(&plain), "{text}");
    assert_eq!(found.chips, plain.chips, "{text}");
    assert_eq!(found.incomplete, [], "{text}");
    layout::describe(&found, None, None).unwrap();
}

/// And so is a table.
#[rstest]
#[case::mail(before_each(TABLE, "> "))]
#[case::entities(before_each(TABLE, "&gt; ").replace('"', "&quot;"))]
#[case::minicom(before_each(TABLE, "[2024-02-22 23:37:30] "))]
#[case::ts(before_each(TABLE, "Feb 22 23:37:30 "))]
#[case::grep(before_each(TABLE, "/proc/mtd:"))]
#[case::nl(before_each(TABLE, "     1\t"))]
#[case::bullets(before_each(TABLE, "* "))]
#[case::adb(format!("$ adb shell cat /proc/mtd\r\n* daemon started *\r\n{}", TABLE.replace('\n', "\r\r\n")))]
#[case::session(format!("/ # cat /proc/mtd\n{TABLE}/ # md5sum /dev/mtd0\nd41d8cd98f00b204e9800998ecf8427e  /dev/mtd0\n"))]
#[case::one_line(TABLE.replace('\n', " "))]
#[case::collapsed(TABLE.replace("    ", " ").replace("   ", " "))]
#[case::single(TABLE.replace('"', "'"))]
#[case::curly_single(TABLE.replace(" \"", " \u{2018}").replace("\"\n", "\u{2019}\n"))]
#[case::upper_case(TABLE.replace("3d", "3D"))]
#[case::no_heading(TABLE.split_once('\n').map(|(_, rows)| rows.to_owned()).unwrap())]
#[case::narrow(wrapped(TABLE, 30))]
fn a_table_comes_through(#[case] text: String) {
    let plain = layout::read(TABLE.as_bytes()).unwrap();
    let found = layout::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    assert_eq!(facts(&found), facts(&plain), "{text}");
    assert_eq!(found.remarks, [""; 0], "{text}");
    let numbers = |reading: &Reading| {
        let numbers = reading
            .partitions
            .iter()
            .map(|p| (p.index, p.erase_block_bytes));
        numbers.collect::<Vec<_>>()
    };
    assert_eq!(numbers(&found), numbers(&plain), "{text}");
}

/// What is torn, and what could be two devices, is an error and no layout.
#[rstest]
#[case::two_tables(format!("{TABLE}{}", TABLE.replace("0000 \"u", "0001 \"u")))]
#[case::no_quotes(TABLE.replace('"', ""))]
#[case::torn(TABLE.replace("003d0000", "003d"))]
#[case::torn_among_several(TABLE.replace("003d0000", "003d").replace('\n', " "))]
#[case::shouted(ROUTER.to_uppercase())]
#[case::two_command_lines("a mtdparts=spi0.0:64k(a),-(b)\nb mtdparts=spi0.0:128k(a),-(b)\n".to_owned())]
#[case::backwards(ROUTER.replace("0000-0x000000020000", "0000-0x000000000000").replace("0x000000000000-0x000000000000", "0x00000000001c-0x000000000000"))]
fn what_cannot_be_is_an_error(#[case] text: String) {
    layout::read(text.as_bytes()).unwrap_err();
}

type Row = (usize, &'static str, u64, u64);

/// MediaTek's kernel with SPI NAND: something before the heading, a split in its middle
/// (dangowrt/owrt-ubi-installer#151).
const MTK: &str = "\
[    1.276386] nand: 128 MiB, SLC, erase size: 128 KiB, page size: 2048, OOB size: 64
[    1.293701] 4 ofpart partitions found on MTD device MTK-SNAND
[    1.299534] Boot number = 1, Creating 4 MTD partitions on \"MTK-SNAND\":
[    1.306147] 0x000000000000-0x000000080000 : \"Preloader\"
[    1.358459] 0x000000500000-0x000002300000 : \"Kernel1\"
[    1.399405] 0x000002300000-0x000004100000 : \"Kernel2\"
[    1.443953] 2 fit-fw partitions found on MTD device Kernel2
[    1.449528] 0x000002300000-0x000002580000 : \"kernel\"
[    1.457955] 0x000002580000-0x000004100000 : \"rootfs\"
[    1.495817] mtd: device 4 (rootfs) set to be root filesystem
[    1.525621] 1 squashfs-split partitions found on MTD device rootfs
[    1.531800] 0x000004100000-0x000005a00000 : \"rootfs_data\"
[    1.566248] 0x000005a00000-0x000006e00000 : \"mfg\"
";

/// NAND and NOR (openwrt/openwrt#11016).
const IPQ40XX: &str = "\
[    0.620636] nand: device found, Manufacturer ID: 0x2c, Chip ID: 0xdc
[    0.627575] nand: 512 MiB, SLC, erase size: 256 KiB, page size: 4096, OOB size: 224
[    0.631532] nand: WARNING: qcom_nand.0: the ECC used on your system is too weak
[    0.639007] 1 fixed-partitions partitions found on MTD device qcom_nand.0
[    0.650437] Creating 1 MTD partitions on \"qcom_nand.0\":
[    0.657202] 0x000000000000-0x000004000000 : \"ubi\"
[    0.724434] spi-nor spi0.0: w25q128 (16384 Kbytes)
[    0.728118] Creating 2 MTD partitions on \"spi0.0\":
[    0.734658] 0x000000000000-0x000000040000 : \"0:SBL1\"
[    0.740140] 0x000000040000-0x000000060000 : \"0:MIBIB\"
";

/// A Fritz!Box with OpenWrt (lantiq): what is read-only is said before and after.
const FRITZ: &str = "\
[    0.300000] 4 ofpart partitions found on MTD device ltq-nor
[    0.300000] Creating 4 MTD partitions on \"ltq-nor\":
[    0.310000] 0x000000000000-0x000000020000 : \"urlader\"
[    0.320000] 0x000000020000-0x000000f80000 : \"firmware\"
[    0.330000] 2 eva-fw partitions found on MTD device firmware
[    0.340000] 0x000000020000-0x00000013f9c4 : \"kernel\"
[    0.345000] mtd: partition \"kernel\" must either start or end on erase block boundary or be smaller than an erase block -- forcing read-only
[    0.350000] 0x00000013f9c4-0x000000f80000 : \"rootfs\"
[    0.360000] mtd: device 3 (rootfs) set to be root filesystem
[    0.370000] 1 squashfs-split partitions found on MTD device rootfs
[    0.370000] 0x000000500000-0x000000f80000 : \"rootfs_data\"
[    0.380000] 0x000000f80000-0x000000fc0000 : \"tffs (1)\"
[    0.390000] 0x000000fc0000-0x000001000000 : \"tffs (2)\"
";

/// A Fritz!Box's own system, from its log (Freetz-NG/freetz-ng#3).
const AVM: &str = "\
Jan  1 01:00:54 fritz kern.info kernel: [    2.000000]   bad blocks  = 3
Jan  1 01:00:54 fritz kern.notice kernel: [    2.060000] Creating 3 MTD partitions on \"ifx_hsnand\":
Jan  1 01:00:54 fritz kern.notice kernel: [    2.060000] 0x000000000000-0x000000400000 : \"reserved-kernel\"
Jan  1 01:00:54 fritz kern.notice kernel: [    2.070000] 0x000000400000-0x000003400000 : \"reserved-filesystem\"
Jan  1 01:00:54 fritz kern.notice kernel: [    2.080000] 0x000003400000-0x000003800000 : \"kernel\"
";

/// Broadcom's NAND, one partition over another (bvigerzi/sagemcom-router-reversing#2).
const BRCMNAND: &str = "\
Part[0] name=bcmfs, size=20000, ofs=0
Part[1] name=nvram, size=20000, ofs=0
Creating 3 MTD partitions on \"brcmnand.0\":
0x000000000000-0x000000020000 : \"bcmfs\"
0x0000000c0000-0x00000fb00000 : \"ubi\"
0x000000000000-0x000000020000 : \"nvram\"
";

/// A Broadcom modem of 2008 with eight digits and levels
/// (forum.openwrt.org/t/77187).
const SFLASH: &str = "\
<5>[4294667.751000] sflash: squash filesystem with lzma found at block 1669
<5>[4294667.752000] Creating 3 MTD partitions on \"sflash\":
<5>[4294667.753000] 0x00fc0000-0x01000000 : \"nvram\"
<5>[4294667.754000] 0x00f80000-0x01000000 : \"auxfs\"
<5>[4294667.755000] 0x001a1558-0x00a40000 : \"rootfs\"
";

/// OpenWrt White Russian on CFE.
const CFE: &str = "\
Physically mapped flash: Found 1 x16 devices at 0x0 in 16-bit bank
Flash device: 0x400000 at 0x1c000000
Creating 5 MTD partitions on \"Physically mapped flash\":
0x00000000-0x00040000 : \"cfe\"
0x00040000-0x003f0000 : \"linux\"
0x000f8400-0x00270000 : \"rootfs\"
mtd: partition \"rootfs\" doesn't start on an erase block boundary -- force read-only
0x003f0000-0x00400000 : \"nvram\"
0x00270000-0x003f0000 : \"OpenWrt\"
";

/// A ZTE or EcoNet ONT: parts beside what holds them, in one list (openwrt/openwrt#24577).
const ECONET: &str = "\
[    1.756272] en75_bmt: 235 MiB usable space
[    1.769925] Creating 4 MTD partitions on \"spi0.0\":
[    1.774863] 0x000000000000-0x000000040000 : \"bootloader\"
[    1.789788] 0x000000080000-0x000002080000 : \"tclinux\"
[    1.885307] 0x000000080000-0x000000480000 : \"tclinux_kernel\"
[    1.892182] 0x000000480000-0x000002080000 : \"tclinux_rootfs\"
";

/// An Asus RT-N56U of 2013: splits count from the chip.
const RAMIPS: &str = "\
[    2.210000] Creating 2 MTD partitions on \"1c000000.nor-flash\":
[    2.220000] 0x000000000000-0x000000030000 : \"u-boot\"
[    2.250000] 0x000000050000-0x000000800000 : \"firmware\"
[    2.270000] 2 uimage-fw partitions found on MTD device firmware
[    2.280000] 0x000000050000-0x000000171408 : \"kernel\"
[    2.290000] 0x000000171408-0x000000800000 : \"rootfs\"
[    2.300000] mtd: device 3 (rootfs) set to be root filesystem
[    2.310000] 1 squashfs-split partitions found on MTD device rootfs
[    2.330000] 0x000000650000-0x000000800000 : \"rootfs_data\"
";

/// A Synology of 2008.
const SYNOLOGY: &str = "\
Creating 3 MTD partitions on \"physmap-flash\":
0x00000000-0x00080000 : \"RedBoot\"
0x00080000-0x00280000 : \"zImage\"
0x003f0000-0x00400000 : \"FIS directory\"
";

/// A Netgear's boot loader and its kernel's command line.
const NETGEAR: &str = "\
bootargs=console=ttyS0,115200 root=31:07 mtdparts=ar7240-nor0:256k(u-boot),64k(u-boot-env),320k(custom),64k@0x7f0000(ART) mem=64M
bootcmd=bootm 0xbf0a0000
";

/// A Ubiquiti's printenv.
const UBIQUITI: &str = "mtdparts=mtdparts=ar7240-nor0:256k(u-boot),64k(u-boot-env),1024k(kernel)\n";

/// A Kirkwood or Orion NAS of 2010.
const MARVELL: &str = "\
NAND device: Manufacturer ID: 0xad, Chip ID: 0xf1 (Hynix NAND 128MiB 3,3V 8-bit), 128MiB, page size: 2048, OOB size: 64
Scanning device for bad blocks
Creating 2 MTD partitions on \"orion_nand\":
0x000000000000-0x000000100000 : \"u-boot\"
0x000000100000-0x000008000000 : \"root\"
";

/// A GL.iNet's boot loader (`mtd list` of U-Boot).
const GL_INET: &str = "\
MTD list:
* nand0
  - type: NAND flash
  - block size: 0x20000 bytes
  - min I/O: 0x800 bytes
  - OOB size: 64 bytes
  - 0x000000000000-0x000008000000 : \"nand0\"
\t  - 0x000000000000-0x000000100000 : \"bl2\"
\t  - 0x000000100000-0x000008000000 : \"ubi\"
";

/// An HTC phone: numbers, sizes and names, and no place.
const HTC: &str = "\
1|shell@android:/ $ cat /proc/mtd
dev:    size   erasesize  name
mtd0: 00040000 00020000 \"misc\"
mtd1: 00500000 00020000 \"recovery\"
mtd2: 00280000 00020000 \"boot\"
";

const NOT_TOLD: u64 = u64::MAX;

#[rstest]
#[case::mtk(MTK, &[Some((128 << 20, Some(0x2_0000)))], &[
    (0, "Preloader", 0, 0x8_0000), (0, "Kernel1", 0x50_0000, 0x1e0_0000),
    (0, "Kernel2", 0x230_0000, 0x1e0_0000), (0, "kernel", 0x230_0000, 0x28_0000),
    (0, "rootfs", 0x258_0000, 0x1b8_0000), (0, "rootfs_data", 0x410_0000, 0x190_0000),
    (0, "mfg", 0x5a0_0000, 0x140_0000),
])]
#[case::ipq40xx(IPQ40XX, &[Some((512 << 20, Some(0x4_0000))), Some((16 << 20, None))], &[
    (0, "ubi", 0, 0x400_0000), (1, "0:SBL1", 0, 0x4_0000), (1, "0:MIBIB", 0x4_0000, 0x2_0000),
])]
#[case::fritz(FRITZ, &[None], &[
    (0, "urlader", 0, 0x2_0000), (0, "firmware", 0x2_0000, 0xf6_0000),
    (0, "kernel", 0x2_0000, 0x11_f9c4), (0, "rootfs", 0x13_f9c4, 0xe4_063c),
    (0, "rootfs_data", 0x50_0000, 0xa8_0000), (0, "tffs (1)", 0xf8_0000, 0x4_0000),
    (0, "tffs (2)", 0xfc_0000, 0x4_0000),
])]
#[case::avm(AVM, &[None], &[
    (0, "reserved-kernel", 0, 0x40_0000), (0, "reserved-filesystem", 0x40_0000, 0x300_0000),
    (0, "kernel", 0x340_0000, 0x40_0000),
])]
#[case::brcmnand(BRCMNAND, &[None], &[
    (0, "bcmfs", 0, 0x2_0000), (0, "ubi", 0xc_0000, 0xfa4_0000), (0, "nvram", 0, 0x2_0000),
])]
#[case::sflash(SFLASH, &[None], &[
    (0, "nvram", 0xfc_0000, 0x4_0000), (0, "auxfs", 0xf8_0000, 0x8_0000),
    (0, "rootfs", 0x1a_1558, 0x89_eaa8),
])]
#[case::cfe(CFE, &[None], &[
    (0, "cfe", 0, 0x4_0000), (0, "linux", 0x4_0000, 0x3b_0000), (0, "rootfs", 0xf_8400, 0x17_7c00),
    (0, "nvram", 0x3f_0000, 0x1_0000), (0, "OpenWrt", 0x27_0000, 0x18_0000),
])]
#[case::econet(ECONET, &[None], &[
    (0, "bootloader", 0, 0x4_0000), (0, "tclinux", 0x8_0000, 0x200_0000),
    (0, "tclinux_kernel", 0x8_0000, 0x40_0000), (0, "tclinux_rootfs", 0x48_0000, 0x1c0_0000),
])]
#[case::ramips(RAMIPS, &[None], &[
    (0, "u-boot", 0, 0x3_0000), (0, "firmware", 0x5_0000, 0x7b_0000),
    (0, "kernel", 0x5_0000, 0x12_1408), (0, "rootfs", 0x17_1408, 0x68_ebf8),
    (0, "rootfs_data", 0x65_0000, 0x1b_0000),
])]
#[case::synology(SYNOLOGY, &[None], &[
    (0, "RedBoot", 0, 0x8_0000), (0, "zImage", 0x8_0000, 0x20_0000),
    (0, "FIS directory", 0x3f_0000, 0x1_0000),
])]
#[case::netgear(NETGEAR, &[None], &[
    (0, "u-boot", 0, 0x4_0000), (0, "u-boot-env", 0x4_0000, 0x1_0000),
    (0, "custom", 0x5_0000, 0x5_0000), (0, "ART", 0x7f_0000, 0x1_0000),
])]
#[case::ubiquiti(UBIQUITI, &[None], &[
    (0, "u-boot", 0, 0x4_0000), (0, "u-boot-env", 0x4_0000, 0x1_0000),
    (0, "kernel", 0x5_0000, 0x10_0000),
])]
#[case::marvell(MARVELL, &[Some((128 << 20, None))], &[
    (0, "u-boot", 0, 0x10_0000), (0, "root", 0x10_0000, 0x7f0_0000),
])]
#[case::gl_inet(GL_INET, &[Some((128 << 20, Some(0x2_0000)))], &[
    (0, "bl2", 0, 0x10_0000), (0, "ubi", 0x10_0000, 0x7f0_0000),
])]
#[case::htc(HTC, &[], &[
    (0, "misc", NOT_TOLD, 0x4_0000), (0, "recovery", NOT_TOLD, 0x50_0000),
    (0, "boot", NOT_TOLD, 0x28_0000),
])]
fn devices(
    #[case] text: &str,
    #[case] chips: &[Option<(u64, Option<u64>)>],
    #[case] wanted: &[Row],
) {
    let reading = layout::read(text.as_bytes()).unwrap();
    let told = reading.chips.iter().map(|chip| {
        let size = chip.size_bytes?;
        Some((size, chip.erase_block_bytes))
    });
    assert_eq!(told.collect::<Vec<_>>(), chips);
    let row = |(chip, name, start, size): &Row| match *start {
        NOT_TOLD => (None, *name, None, Some(*size)),
        start => (Some(*chip), *name, Some(start), Some(*size)),
    };
    assert_eq!(facts(&reading), wanted.iter().map(row).collect::<Vec<_>>());
    layout::describe(&reading, None, None).unwrap();
}

/// A log that does not begin with mtd0, or lost a line without a heading to tell it: the
/// kernel's own word on a number shows it.
#[test]
fn a_number_shows_what_is_missing() {
    let without = |line: &str| {
        let lines = ROUTER.lines().filter(|l| {
            ![line, "Creating 4", "4 fixed"]
                .iter()
                .any(|word| l.contains(word))
        });
        lines.map(|l| format!("{l}\n")).collect::<String>()
    };
    let reading = layout::read(without("no such line").as_bytes()).unwrap();
    layout::describe(&reading, None, None).unwrap();
    let reading = layout::read(without("u-boot-env").as_bytes()).unwrap();
    let error = layout::describe(&reading, None, None).unwrap_err();
    assert!(
        matches!(error, DescribeError::OtherNumber { said: 4, at: 3, .. }),
        "{error}"
    );
}
