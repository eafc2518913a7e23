//! More devices as they stand in public threads, each with where: what they have that
//! others have not, and which places come of it.

use crate::layout::{self, DescribeError, LayoutTextError, Reading};
use rstest::rstest;

/// A line for each partition: chip, name, start and end, `?` for what nobody tells.
fn places(reading: &Reading) -> Vec<String> {
    let told = |number: Option<u64>| number.map_or("?".to_owned(), |n| format!("{n:x}"));
    let line = |p: &layout::PartitionFacts| {
        let chip = p.chip.map_or("?".to_owned(), |chip| chip.to_string());
        let (start, size) = (p.offset.map(|offset| offset.bytes), p.size_bytes);
        format!("{chip} {} {}+{}", p.name, told(start), told(size))
    };
    reading.partitions.iter().map(line).collect()
}

/// Elecom WRC-X6000QS: two firmwares, each with a part (openwrt/openwrt#21387).
const ELECOM: &str = "\
[    0.969672] 5 fixed-partitions partitions found on MTD device spi0.1
[    0.976459] Creating 5 MTD partitions on \"spi0.1\":
[    0.981326] 0x000000000000-0x000000100000 : \"BL2\"
[    1.011307] 0x0000005a0000-0x0000037a0000 : \"firmware1\"
[    1.049330] 1 mstc-boot partitions found on MTD device firmware1
[    1.055348] Creating 1 MTD partitions on \"firmware1\":
[    1.060384] 0x000000000000-0x000003200000 : \"ubi\"
[    1.065483] 0x0000037a0000-0x000003b20000 : \"Config\"
[    1.078555] 0x000003b40000-0x000006d40000 : \"firmware2\"
[    1.112433] 1 mstc-boot partitions found on MTD device firmware2
[    1.118428] Creating 1 MTD partitions on \"firmware2\":
[    1.123482] 0x000000000000-0x000003200000 : \"ubi2\"
[    1.128667] 0x000006d40000-0x0000070c0000 : \"Config_2\"
";

/// A MikroTik SXT 5n: the log begins with the second chip, the table has both
/// (openwrt/openwrt#3370).
const MIKROTIK: &str = "\
[    4.489445] Creating 1 MTD partitions on \"spi0.0\":
[    4.494430] 0x000000000000-0x000000020000 : \"RouterBoot\"
[    4.502949] 2 routerbootpart partitions found on MTD device RouterBoot
[    4.509735] Creating 2 MTD partitions on \"RouterBoot\":
[    4.515074] 0x000000000000-0x00000000c000 : \"bootloader1\"
[    4.521781] 0x00000000c000-0x00000000d000 : \"hard_config\"

root@OpenWrt:/# cat /proc/mtd
dev:    size   erasesize  name
mtd0: 00040000 00020000 \"booter\"
mtd1: 07c00000 00020000 \"ubi\"
mtd2: 00020000 00001000 \"RouterBoot\"
mtd3: 0000c000 00001000 \"bootloader1\"
mtd4: 00001000 00001000 \"hard_config\"
";

/// An NSLU2: one line more than announced, as its kernel splits without a word
/// (forum.archive.openwrt.org id=18819).
const NSLU2: &str = "\
Creating 3 MTD partitions on \"IXP4XX-Flash.0\":
0x00000000-0x00040000 : \"RedBoot\"
0x00180000-0x007e0000 : \"rootfs\"
0x00440000-0x007e0000 : \"rootfs_data\"
0x007e0000-0x00800000 : \"FIS directory\"

These correspond to mtd0 through mtd3.
";

/// A SAM9X60-EK: names with a colon, a chip that is called otherwise than its driver
/// (linux4sam/meta-atmel#193).
const SAM9X60: &str = "\
spi-nor spi0.0: sst26vf064b (8192 Kbytes)
2 fixed-partitions partitions found on MTD device spi0
Creating 2 MTD partitions on \"spi0\":
0x000000000000-0x000000040000 : \"qspi: at91bootstrap\"
0x000000040000-0x000000100000 : \"qspi: bootloader\"
...
1 cmdlinepart partitions found on MTD device atmel_nand
Creating 1 MTD partitions on \"atmel_nand\":
0x000000000000-0x000000040000 : \"bootstrap\"
";

/// A QNAP after qnap_mtd_resize: the same list for the module and for the kernel, quoted,
/// another order (amouiche/qnap_mtd_resize_for_bullseye#2).
const QNAP: &str = "   New: console=ttyS0,115200 root=/dev/ram \
cmdlinepart.mtdparts=\"spi0.0:512k@0(uboot)ro,3M@0x100000(Kernel),256k@0x80000(U-Boot Config)\" \
mtdparts=\"spi0.0:512k@0(uboot)ro,3M@0x100000(Kernel),256k@0x80000(U-Boot Config)\"\n";

/// A camera's boot loader by `strings`, three times the same, capital units, all of it in
/// one more (themactep/thingino-firmware#1607).
const SEPTEKON: &str = "\
bootargs=console=ttyS1,115200n8 mem=41M@0x0 mtdparts=jz_sfc:256K(boot),352K(tag),5M(rootfs),16M@0(all)
console=ttyS1,115200n8 mem=41M@0x0 mtdparts=jz_sfc:256K(boot),352K(tag),5M(rootfs),16M@0(all)
CMDLconsole=ttyS1,115200n8 mtdparts=jz_sfc:256K(boot),352K(tag),5M(rootfs),16M@0(all) lpj=6955008 quiet
";

/// An Atheros AR2315 with RedBoot: lengths without 0x, one line more than announced.
const AR2315: &str = "\
[    0.860000] Searching for RedBoot partition table in ar2315-spiflash at offset 0x7e0000
[    0.890000] 3 RedBoot partitions found on MTD device ar2315-spiflash
[    0.890000] Creating 3 MTD partitions on \"ar2315-spiflash\":
[    0.900000] 0x000000000000-0x000000030000 : \"RedBoot\"
[    0.910000] 0x000000030000-0x000000730000 : \"rootfs\"
[    0.930000] mtd: partition \"rootfs_data\" created automatically, ofs=1F0000, len=540000
[    0.930000] 0x0000001f0000-0x000000730000 : \"rootfs_data\"
[    0.980000] 0x0000007f0000-0x000000800000 : \"boardconfig\"
";

/// An Android phone: a gap at the start, a partition without a byte.
const ANDROID: &str = "\
<5>[    1.270111] Creating 2 MTD partitions on \"msm_nand\":
<5>[    1.270141] 0x000003c00000-0x000004100000 : \"recovery\"
<5>[    1.330000] 0x000004100000-0x000004100000 : \"/yaffs1\"
";

/// U-Boot with a layer for bad blocks: two devices, and the first has no parts
/// (hanwckf/bl-mt798x#165).
const NMBM: &str = "\
MT7981> mtd list
List of MTD devices:
* spi-nand0
  - type: NAND flash
  - block size: 0x20000 bytes
  - 0x000000000000-0x000008000000 : \"spi-nand0\"
* nmbm0
  - type: NAND flash
  - block size: 0x20000 bytes
  - 0x000000000000-0x000007800000 : \"nmbm0\"
          - 0x000000000000-0x000000100000 : \"bl2\"
          - 0x000000580000-0x000007800000 : \"ubi\"
MT7981>
";

/// A TP-Link of LEDE: splits count from the chip (Nossiac/mtk-openwrt-feeds#41).
const TP_LINK: &str = "\
[    0.323483] Creating 2 MTD partitions on \"spi32766.0\":
[    0.335189] 0x000000020000-0x0000007c0000 : \"firmware\"
[    0.391235] 2 tplink-fw partitions found on MTD device firmware
[    0.397261] 0x000000020000-0x00000016b1b4 : \"kernel\"
[    0.403795] 0x00000016b1b4-0x0000007c0000 : \"rootfs\"
[    0.410571] mtd: device 2 (rootfs) set to be root filesystem
[    0.416837] 1 squashfs-split partitions found on MTD device rootfs
[    0.423181] 0x000000540000-0x0000007c0000 : \"rootfs_data\"
[    0.436971] 0x0000007d0000-0x000000800000 : \"factory\"
";

/// The same kind of router of today, from whose log somebody took the lines with `0x` and
/// with `found` (openwrt/openwrt#12755 has the whole): the splits count from what was split.
const BOLT: &str = "\
[    0.806348] 3 fixed-partitions partitions found on MTD device spi0.0
[    0.817754] 0x000000000000-0x000000030000 : \"u-boot\"
[    0.836738] 0x000000050000-0x000000fd0000 : \"firmware\"
[    0.846477] 2 uimage-fw partitions found on MTD device firmware
[    0.857694] 0x000000000000-0x0000001ec30e : \"kernel\"
[    0.863855] 0x0000001ec30e-0x000000f80000 : \"rootfs\"
[    0.877647] 1 squashfs-split partitions found on MTD device rootfs
[    0.884050] 0x00000059f000-0x000000f80000 : \"rootfs_data\"
[    0.890624] 0x000000fd0000-0x000000fe0000 : \"crash\"
";

/// A camera whose kernel says it twice, without the heading that followed
/// (OpenHisiIpCam/br-hisicam#18).
const HISI: &str = "\
2 cmdlinepart partitions found on MTD device hi_sfc
2 cmdlinepart partitions found on MTD device hi_sfc
0x000000000000-0x000000040000 : \"boot\"
0x000000040000-0x000000230000 : \"kernel\"
";

/// A Fritz!Box 5530: volumes of UBI as MTD devices, with erase blocks of their own
/// (PeterPawn/YourFritz#49).
const FRITZ: &str = "\
dev:    size   erasesize  name
mtd4: 01280000 00020000 \"ubi\"
mtd5: 0020f000 0001f000 \"config\"
";

/// A VisionFive 2: a table of tabs, and one large gap (starfive-tech/u-boot#39).
const VISIONFIVE: &str = "\
[    6.404786] Creating 2 MTD partitions on \"13010000.spi.0\":
[    6.410373] 0x000000000000-0x000000020000 : \"spl\"
[    6.423312] 0x000000f00000-0x000001000000 : \"data\"
dev:\tsize\t\terasesize\tname
mtd0:\t00020000\t00001000\t\"spl\"
mtd1:\t00100000\t00001000\t\"data\"
";

#[rstest]
#[case::elecom(ELECOM, &[
    "0 BL2 0+100000", "0 firmware1 5a0000+3200000", "0 ubi 5a0000+3200000",
    "0 Config 37a0000+380000", "0 firmware2 3b40000+3200000", "0 ubi2 3b40000+3200000",
    "0 Config_2 6d40000+380000",
])]
#[case::mikrotik(MIKROTIK, &[
    "? booter ?+40000", "? ubi ?+7c00000", "0 RouterBoot 0+20000", "0 bootloader1 0+c000",
    "0 hard_config c000+1000",
])]
#[case::nslu2(NSLU2, &[
    "0 RedBoot 0+40000", "0 rootfs 180000+660000", "0 rootfs_data 440000+3a0000",
    "0 FIS directory 7e0000+20000",
])]
#[case::sam9x60(SAM9X60, &[
    "0 qspi: at91bootstrap 0+40000", "0 qspi: bootloader 40000+c0000", "1 bootstrap 0+40000",
])]
#[case::qnap(QNAP, &["0 uboot 0+80000", "0 Kernel 100000+300000", "0 U-Boot Config 80000+40000"])]
#[case::septekon(SEPTEKON, &[
    "0 boot 0+40000", "0 tag 40000+58000", "0 rootfs 98000+500000", "0 all 0+1000000",
])]
#[case::ar2315(AR2315, &[
    "0 RedBoot 0+30000", "0 rootfs 30000+700000", "0 rootfs_data 1f0000+540000",
    "0 boardconfig 7f0000+10000",
])]
#[case::android(ANDROID, &["0 recovery 3c00000+500000", "0 /yaffs1 4100000+0"])]
#[case::nmbm(NMBM, &["1 bl2 0+100000", "1 ubi 580000+7280000"])]
#[case::tp_link(TP_LINK, &[
    "0 firmware 20000+7a0000", "0 kernel 20000+14b1b4", "0 rootfs 16b1b4+654e4c",
    "0 rootfs_data 540000+280000", "0 factory 7d0000+30000",
])]
#[case::bolt(BOLT, &[
    "0 u-boot 0+30000", "0 firmware 50000+f80000", "0 kernel 50000+1ec30e",
    "0 rootfs 23c30e+d93cf2", "0 rootfs_data 5ef000+9e1000", "0 crash fd0000+10000",
])]
#[case::hisi(HISI, &["0 boot 0+40000", "0 kernel 40000+1f0000"])]
#[case::fritz(FRITZ, &["? ubi ?+1280000", "? config ?+20f000"])]
#[case::visionfive(VISIONFIVE, &["0 spl 0+20000", "0 data f00000+100000"])]
fn devices(#[case] text: &str, #[case] wanted: &[&str]) {
    let reading = layout::read(text.as_bytes()).unwrap();
    assert_eq!(places(&reading), wanted, "{text}");
    layout::describe(&reading, None, None).unwrap();
}

/// What is torn is told with its line, and numbers nothing.
#[rstest]
// A WRT54G's, with `[...]` in its middle (forum.archive.openwrt.org id=30243).
#[case::cut_by_a_poster(
    "Creating 4 MTD partitions on \"Physically mapped flash\":\n\
     0x000000000000-0x000000040000 : \"cfe\"\n0x000000040000-0x0000003f0000 : \"linux\"\n[...]\n",
    "line 1 announces 4 partitions, and 2 follow"
)]
// By the chip's parser alone.
#[case::announced_by_the_parser(
    "3 ofpart partitions found on MTD device spi0.0\n0x0-0x40000 : \"a\"\n",
    "line 1 announces 3 partitions, and 1 follow"
)]
fn torn_logs(#[case] text: &str, #[case] says: &str) {
    let reading = layout::read(text.as_bytes()).unwrap();
    let error = layout::describe(&reading, None, None).unwrap_err();
    assert!(matches!(error, DescribeError::Incomplete(_)), "{error:?}");
    assert!(error.to_string().contains(says), "{error}");
}

/// A Fritz!Box's table that a forum made a link of (PeterPawn/YourFritz#49).
#[test]
fn a_table_that_became_a_link() {
    let text = format!("[{}](url)\n", FRITZ.trim_end());
    let error = layout::read(text.as_bytes()).unwrap_err();
    assert!(matches!(error, LayoutTextError::ProcMtd(_)), "{error:?}");
    assert!(error.to_string().contains("line 3"), "{error}");
}

/// The end of a log alone: the places hold, the numbers may not
/// (EliasKotlyar/Xiaomi-Dafang-Hacks#1702).
#[test]
fn the_end_of_a_log() {
    let text = "[    1.096964] 0x000000f70000-0x000000fb0000 : \"config\"\n\
                [    1.102768] 0x000000fb0000-0x000000ff0000 : \"para\"\n";
    let reading = layout::read(text.as_bytes()).unwrap();
    assert_eq!(
        places(&reading),
        ["0 config f70000+40000", "0 para fb0000+40000"]
    );
    assert!(reading.about_numbers().contains("before line 1"));
}
