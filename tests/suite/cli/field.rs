//! Devices and captures as people have them, with made-up bytes: what is right for them.

use crate::cli::support::{mtdkeep, numbered_bytes as bytes, run_in as run, text};
use rstest::rstest;
use std::fs;

fn table(parts: &[(&str, usize)], block: usize) -> String {
    let mut text = "dev:    size   erasesize  name\n".to_owned();
    for (mtd, (name, size)) in parts.iter().enumerate() {
        text += &format!("mtd{mtd}: {size:08x} {block:08x} \"{name}\"\n");
    }
    text
}

/// QNAP's order on the chip: 0, 4, 5, 1, 2, 3; a sixteenth of its sizes.
const QNAP: [(&str, usize, usize); 6] = [
    ("U-Boot", 0x8000, 0),
    ("Kernel", 0x2_0000, 0x2_0000),
    ("RootFS1", 0x9_0000, 0x4_0000),
    ("RootFS2", 0x3_0000, 0xd_0000),
    ("U-Boot Config", 0x4000, 0x8000),
    ("NAS Config", 0x1_4000, 0xc000),
];

/// A NAS whose table tells no order: nothing is claimed, nothing is cut, and what tells
/// the order cuts rightly.
#[test]
fn a_nas_in_another_order() {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    let parts = QNAP.map(|(name, size, _)| (name, size));
    let chip = bytes(1, 0x10_0000);
    fs::write(at.join("chip"), &chip).unwrap();
    fs::write(at.join("table"), table(&parts, 0x4000)).unwrap();
    run(at, "backup --image chip --simulate=table -o b", 5);
    let args = QNAP.map(|(name, size, offset)| format!("{size:#x}@{offset:#x}({name})"));
    fs::write(
        at.join("cmdline"),
        format!("mtdparts=nor:{}", args.join(",")),
    )
    .unwrap();
    run(
        at,
        "backup --image chip --simulate=table --layout cmdline -o b",
        0,
    );
    for (mtd, (_, size, offset)) in QNAP.into_iter().enumerate() {
        let image = fs::read(at.join(format!("b/mtd{mtd}.bin"))).unwrap();
        assert!(image == chip[offset..offset + size], "mtd{mtd}");
    }
    let (stdout, _) = run(at, "list --image chip --simulate=cmdline", 0);
    assert!(!stdout.contains("belong to no partition"), "{stdout}");
    assert!(
        stdout.contains("offsets are told by: command line"),
        "{stdout}"
    );
    run(at, "image --from b -o again", 0);
    assert!(fs::read(at.join("again")).unwrap() == chip);
}

/// A copied tree of the same NAS with Debian: sysfs tells all, and there is no gap.
#[test]
fn a_nas_whose_kernel_tells() {
    let outer = tempfile::tempdir().unwrap();
    let tree = outer.path().join("tree");
    fs::create_dir_all(tree.join("proc")).unwrap();
    fs::write(
        tree.join("proc/mtd"),
        table(&QNAP.map(|p| (p.0, p.1)), 0x4000),
    )
    .unwrap();
    for (mtd, (_, size, offset)) in QNAP.into_iter().enumerate() {
        let sys = tree.join(format!("sys/class/mtd/mtd{mtd}"));
        fs::create_dir_all(&sys).unwrap();
        fs::write(sys.join("offset"), format!("{offset}\n")).unwrap();
        fs::create_dir_all(tree.join("dev")).unwrap();
        fs::write(tree.join(format!("dev/mtd{mtd}")), bytes(2, size)).unwrap();
    }
    let (stdout, _) = run(outer.path(), "list --root tree", 0);
    assert!(!stdout.contains("note:"), "{stdout}");
    assert!(stdout.contains("0xd0000"), "{stdout}");
}

/// LEDE on a small router: flat offsets, `firmware` last, no gap anywhere.
#[test]
fn a_small_router_with_an_older_kernel() {
    let outer = tempfile::tempdir().unwrap();
    let (stdout, _) = run(outer.path(), "list --simulate=openwrt-router-64k", 0);
    assert!(!stdout.contains("belong to no partition"), "{stdout}");
    let says = "mtd5 (firmware) contains mtd1 (kernel), mtd2 (rootfs) and mtd3 (rootfs_data)";
    let said = stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains(says), "{stdout}");
    // The kernel ends inside an erase block, and here Linux did make it read-only.
    assert!(
        said.contains("mtd1 (kernel) ends inside an erase block; Linux makes it"),
        "{stdout}"
    );
}

/// The chip listed beside its parts, and a dump longer than the partitions.
#[rstest]
#[case::beside_its_parts(&[("ALL", 0x8000), ("boot", 0x1000), ("rest", 0x7000)], 0x8000, &[0, 0, 0x1000])]
#[case::a_longer_dump(&[("boot", 0x1000), ("rest", 0x7000)], 0x1_0000, &[0, 0x1000])]
fn a_whole_chip_is_cut_where_the_user_vouches(
    #[case] parts: &[(&str, usize)],
    #[case] length: usize,
    #[case] offsets: &[usize],
) {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    let chip = bytes(3, length);
    fs::write(at.join("chip"), &chip).unwrap();
    fs::write(at.join("table"), table(parts, 0x1000)).unwrap();
    run(at, "backup --image chip --simulate=table -o b", 5);
    let line = "backup --image chip --simulate=table --assume-order -o b";
    let (_, stderr) = run(at, line, 0);
    assert_eq!(
        stderr.contains("0x8000 bytes at 0x8000"),
        length > 0x8000,
        "{stderr}"
    );
    for ((mtd, (_, size)), offset) in parts.iter().enumerate().zip(offsets) {
        let image = fs::read(at.join(format!("b/mtd{mtd}.bin"))).unwrap();
        assert!(image == chip[*offset..offset + size], "mtd{mtd}");
    }
}

/// A router's table that has bytes twice, as OpenWrt's has: if the user vouches for the
/// order, `firmware` is taken for `kernel` and `rootfs`, and `rootfs_data` for the end of
/// `rootfs`, where the rest fills the chip to the byte. Else it is not cut.
#[test]
fn overlapping_partitions_are_cut_where_the_user_vouches() {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    let chip = bytes(4, 0x8000);
    fs::write(at.join("chip"), &chip).unwrap();
    let mut parts = vec![
        ("boot", 0x1000, 0),
        ("kernel", 0x2ce4, 0x1000),
        ("rootfs", 0x331c, 0x3ce4),
        ("rootfs_data", 0x1000, 0x6000),
        ("art", 0x1000, 0x7000),
        ("firmware", 0x6000, 0x1000),
    ];
    let write = |parts: &[(&str, usize, usize)]| {
        let sizes: Vec<_> = parts.iter().map(|(name, size, _)| (*name, *size)).collect();
        fs::write(at.join("table"), table(&sizes, 0x1000)).unwrap();
    };
    write(&parts);
    run(at, "backup --image chip --simulate=table -o b", 5);
    let line = "backup --image chip --simulate=table --assume-order -o b";
    let (_, stderr) = run(at, line, 0);
    let said = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let taken = "if one takes mtd3 (rootfs_data) for the end of mtd2 (rootfs), and mtd5 \
                 (firmware) for mtd1 (kernel) and mtd2 (rootfs) together";
    assert!(said.contains(taken), "{stderr}");
    for (mtd, (_, size, offset)) in parts.iter().enumerate() {
        let image = fs::read(at.join(format!("b/mtd{mtd}.bin"))).unwrap();
        assert!(image == chip[*offset..offset + size], "mtd{mtd}");
    }
    let (stdout, _) = run(at, "verify b", 0);
    assert!(stdout.contains("good"), "{stdout}");
    // It stays a guess: no chip is put together by it.
    run(at, "image --from b -o again", 5);
    // A byte more or less, and nothing is cut.
    parts[4].1 += 0x1000;
    write(&parts);
    run(at, &line.replace("-o b", "-o c"), 5);
}

/// A chip with RedBoot's table in its last erase block, of that byte order, and what lies
/// where.
fn redboot(big: bool) -> (Vec<u8>, [(&'static str, u32, u32); 4]) {
    let rows = [
        ("RedBoot", 0, 0x2_0000),
        ("Ramdisk", 0x8_0000, 0x6_0000),
        ("Kernel", 0x2_0000, 0x6_0000),
        ("FIS directory", 0xe_0000, 0x2_0000),
    ];
    let mut chip = bytes(5, 0x10_0000);
    chip[0xe_0000..].fill(0xff);
    for (row, (name, offset, size)) in rows.into_iter().enumerate() {
        let record = &mut chip[0xe_0000 + 256 * row..][..256];
        record.fill(0);
        record[..name.len()].copy_from_slice(name.as_bytes());
        for (place, value) in [(16, 0x5000_0000 + offset), (24, size)] {
            let word: u32 = value;
            let word = if big {
                word.to_be_bytes()
            } else {
                word.to_le_bytes()
            };
            record[place..place + 4].copy_from_slice(&word);
        }
    }
    (chip, rows)
}

/// The same router with sysfs of an older kernel, in a copy that has lost its links: what
/// `firmware` contains is said with the condition under which it is so.
#[test]
fn what_contains_what_if_all_lie_on_one_chip() {
    let parts = [
        ("u-boot", 0x2_0000, 0),
        ("kernel", 0x11_f5dc, 0x2_0000),
        ("rootfs", 0x2b_0a24, 0x13_f5dc),
        ("rootfs_data", 0x5_0000, 0x3a_0000),
        ("art", 0x1_0000, 0x3f_0000),
        ("firmware", 0x3d_0000, 0x2_0000),
    ];
    let outer = tempfile::tempdir().unwrap();
    let tree = outer.path().join("tree");
    fs::create_dir_all(tree.join("proc")).unwrap();
    let sizes = parts.map(|(name, size, _)| (name, size));
    fs::write(tree.join("proc/mtd"), table(&sizes, 0x1_0000)).unwrap();
    let offset = |mtd: usize, offset: usize| {
        let sys = tree.join(format!("sys/class/mtd/mtd{mtd}"));
        fs::create_dir_all(&sys).unwrap();
        fs::write(sys.join("offset"), format!("{offset}\n")).unwrap();
    };
    for (mtd, (_, _, at)) in parts.into_iter().enumerate() {
        offset(mtd, at);
    }
    let said = || {
        let (stdout, _) = run(outer.path(), "list --root tree", 0);
        stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let contains = "note: if all lie on one chip, which nobody tells, mtd5 (firmware) contains \
                    mtd1 (kernel), mtd2 (rootfs) and mtd3 (rootfs_data)";
    assert!(said().contains(contains), "{}", said());
    assert!(!said().contains("belong to no partition"), "{}", said());
    // Newer kernels count from the parent: then it would be no chip, and nothing is said.
    for mtd in [1, 2, 3] {
        offset(mtd, parts[mtd].2 - 0x2_0000);
    }
    assert!(!said().contains("contains"), "{}", said());
}

/// RedBoot's directory in the dump itself, of either byte order, cuts it.
#[rstest]
#[case::little(false)]
#[case::big(true)]
fn a_dump_tells_its_own_places(#[case] big: bool) {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    let (chip, rows) = redboot(big);
    fs::write(at.join("chip"), &chip).unwrap();
    // By itself, and beside a table that tells no places.
    let parts = rows.map(|(name, _, size)| (name, size as usize));
    fs::write(at.join("table"), table(&parts, 0x1_0000)).unwrap();
    run(at, "backup --image chip --simulate=table -o b", 0);
    for (mtd, (_, offset, size)) in rows.into_iter().enumerate() {
        let image = fs::read(at.join(format!("b/mtd{mtd}.bin"))).unwrap();
        assert!(
            image == chip[offset as usize..][..size as usize],
            "mtd{mtd}"
        );
    }
    let manifest = fs::read_to_string(at.join("b/manifest.json")).unwrap();
    assert!(manifest.contains("\"offset_source\": \"partition table on flash\""));
    let page = fs::read_to_string(at.join("b/index.html")).unwrap();
    assert!(
        page.contains("told by: partition table on flash."),
        "{page}"
    );
    run(at, "backup --image chip --layout chip -o c", 0);
    let kernel = fs::read(at.join("c/mtd1.bin")).unwrap();
    assert!(kernel == chip[0x2_0000..0x8_0000], "sorted by their places");
    run(at, "image --from b -o again", 0);
    assert!(fs::read(at.join("again")).unwrap() == chip);
    // A text that says otherwise, and the dump of another device than the iSpot.
    let log = "0x0-0x20000 : \"RedBoot\"\n0x20000-0x80000 : \"Ramdisk\"\n0x80000-0xe0000 : \"Kernel\"\n0xe0000-0x100000 : \"FIS directory\"\n";
    fs::write(at.join("log"), log).unwrap();
    let (_, stderr) = run(at, "list --image chip --simulate=log", 0);
    assert!(
        stderr.contains("contradicts the layout: mtd1 (Ramdisk) starts at 0x20000"),
        "{stderr}"
    );
    let (_, stderr) = run(at, "list --image chip", 5);
    assert!(stderr.contains("not the Clear iSpot's"), "{stderr}");
}

/// A capture whose partition table tells where each part lies: the table's word, and no
/// sum of sizes.
#[test]
fn a_captured_table_tells_places() {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    let (chip, parts) = redboot(true);
    fs::create_dir(at.join("cap")).unwrap();
    for (mtd, (_, offset, size)) in parts.into_iter().enumerate() {
        let bytes = &chip[offset as usize..][..size as usize];
        fs::write(at.join(format!("cap/mtd{mtd}.bin")), bytes).unwrap();
    }
    let sizes = parts.map(|(name, _, size)| (name, size as usize));
    fs::write(at.join("table"), table(&sizes, 0x1_0000)).unwrap();
    let (stdout, stderr) = run(at, "import cap --layout table -o i", 0);
    assert!(
        stdout.contains("agrees with the layout on 4 partitions"),
        "{stdout}"
    );
    assert!(!stderr.contains("sums of sizes"), "{stderr}");
    run(at, "image --from i -o again", 0);
    assert!(fs::read(at.join("again")).unwrap() == chip);
}

/// A device whose kernel tells no places, and whose flash does: RedBoot's table is read
/// from it, and its word beats sums of sizes; where it is another layout's, it counts
/// for nothing.
#[test]
fn a_device_whose_flash_tells_places() {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    let (chip, parts) = redboot(true);
    let tree = at.join("tree");
    fs::create_dir_all(tree.join("proc")).unwrap();
    fs::create_dir_all(tree.join("dev")).unwrap();
    for (mtd, (_, offset, size)) in parts.into_iter().enumerate() {
        let bytes = &chip[offset as usize..][..size as usize];
        fs::write(tree.join(format!("dev/mtd{mtd}")), bytes).unwrap();
    }
    let sizes = parts.map(|(name, _, size)| (name, size as usize));
    let text = table(&sizes, 0x1_0000);
    fs::write(tree.join("proc/mtd"), &text).unwrap();
    let (stdout, _) = run(at, "list --root tree", 0);
    assert!(
        stdout.contains("told by: partition table on flash"),
        "{stdout}"
    );
    let kernel = stdout.lines().find(|line| line.contains("Kernel"));
    assert!(kernel.unwrap().contains(" 0x20000 "), "{stdout}");
    run(at, "backup --root tree -o b", 0);
    run(at, "image --from b -o again", 0);
    assert!(fs::read(at.join("again")).unwrap() == chip);

    fs::write(tree.join("proc/mtd"), text.replace("Ramdisk", "Root")).unwrap();
    let (stdout, _) = run(at, "list --root tree", 0);
    assert!(stdout.contains("offsets with ? are inferred"), "{stdout}");
}

/// NSLU2: nobody tells where `rootfs_data` lies, and nothing is said of it.
#[test]
fn what_nobody_tells_is_not_claimed() {
    let outer = tempfile::tempdir().unwrap();
    let parts = [
        ("RedBoot", 0x4000),
        ("Kernel", 0x1_0000),
        ("rootfs", 0x6_6000),
        ("rootfs_data", 0x3_a000),
    ];
    fs::write(outer.path().join("table"), table(&parts, 0x2000)).unwrap();
    let (stdout, _) = run(outer.path(), "list --simulate=table", 0);
    assert_eq!(stdout.matches(" unknown ").count(), 4, "{stdout}");
    for said in ["share", "overlap", "contains", "belong to no"] {
        assert!(!stdout.contains(said), "{stdout}");
    }
    // What is unknown stays so in the own form.
    let (own, _) = run(outer.path(), "list --simulate=table --layout", 0);
    fs::write(outer.path().join("own"), own).unwrap();
    assert_eq!(run(outer.path(), "list --simulate=own", 0).0, stdout);
}

/// A phone's nodes stand elsewhere, and its numbers have a gap.
#[test]
fn an_android_phone() {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    let (stdout, _) = run(at, "list --simulate=android-phone", 0);
    assert_eq!(stdout.matches("present").count(), 6, "{stdout}");
    assert!(stdout.contains("mtd7   userdata"), "{stdout}");
    run(
        at,
        "backup --simulate=android-phone -p userdata -p misc -o b",
        0,
    );
    run(at, "verify --device --simulate=android-phone b", 0);
}

/// What is written through one partition is read through the one around it, and nodes
/// are where the device has them.
#[test]
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
fn partitions_that_overlap_share_their_cells_in_the_sandbox() {
    let outer = tempfile::tempdir().unwrap();
    let sandboxed = |profile: &str, script: &str| {
        let simulate = format!("--simulate={profile}");
        let output = mtdkeep()
            .current_dir(outer.path())
            .args(["sandbox", &simulate, "--", "sh", "-c", script])
            .output()
            .unwrap();
        let said: Vec<_> = text(&output.stdout).lines().map(str::to_owned).collect();
        (said, text(&output.stderr).to_owned())
    };
    let (said, stderr) = sandboxed(
        "openwrt-router",
        "dd if=/dev/zero of=/dev/mtd3 bs=4 count=1 2>/dev/null; \
         od -An -tx1 -N4 /dev/mtd3; od -An -tx1 -N4 /dev/mtd2; \
         cat /sys/class/mtd/mtd4/offset; readlink /sys/class/mtd/mtd4; \
         (: > /dev/mtd0) 2>/dev/null || echo refused",
    );
    let zeros = " 00 00 00 00";
    assert_eq!(said[..2], [zeros, zeros], "{said:?}{stderr}");
    assert_eq!(said[2], 0x1f_0000.to_string());
    assert!(said[3].ends_with("/mtd2/mtd4"), "{said:?}");
    assert_eq!(said[4], "refused");
    let script = "cat /dev/mtd/mtd7 /dev/block/mtdblock7 | wc -c; ls /dev/mtd7";
    let (said, stderr) = sandboxed("android-phone", script);
    assert_eq!(said, [(16 << 20).to_string()], "{stderr}");
}

/// What came by way of Windows: UTF-16 of PowerShell's `>`, and the mark of its editors.
#[rstest]
fn texts_of_windows(#[values("utf-16", "utf-16be", "bom")] encoding: &str) {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    let text = table(&[("boot", 0x8000), ("data", 0x1_0000)], 0x1000).replace('\n', "\r\n");
    let marked: Vec<u16> = format!("\u{feff}{text}").encode_utf16().collect();
    let written: Vec<u8> = match encoding {
        "bom" => format!("\u{feff}{text}").into_bytes(),
        "utf-16" => marked.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        _ => marked.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
    };
    fs::create_dir(at.join("capture")).unwrap();
    fs::write(at.join("capture/proc_mtd.txt"), &written).unwrap();
    fs::write(at.join("capture/mtd0.bin"), bytes(1, 0x8000)).unwrap();
    fs::write(at.join("capture/mtd1.bin"), bytes(2, 0x1_0000)).unwrap();
    run(at, "import capture -o b", 0);
    run(at, "verify b", 0);
    fs::write(at.join("table"), &written).unwrap();
    let (listed, _) = run(at, "list --simulate=table", 0);
    assert!(listed.contains("mtd1   data"), "{listed}");
}
