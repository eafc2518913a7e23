//! What people have from public threads, through the program: dumps of NAND, logs and
//! lists that tell less than they seem to. The texts themselves are compared in
//! `src/layout/tests/threads.rs`.

use crate::cli::support::{numbered_bytes as bytes, run_in as run};
use rstest::rstest;
use std::fs;
use std::path::Path;

/// A NAND of 1 MiB with erase blocks of 128 KiB.
const NAND: &str = "\
[    0.62] nand: 1 MiB, SLC, erase size: 128 KiB, page size: 2048, OOB size: 64
[    0.65] Creating 2 MTD partitions on \"qcom_nand.0\":
[    0.66] 0x000000000000-0x000000040000 : \"boot\"
[    0.67] 0x000000040000-0x000000100000 : \"ubi\"
";

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What nanddump and programmers of chips make: each page with what lies behind it.
fn with_oob(data: &[u8], page: usize, oob: usize) -> Vec<u8> {
    let pages = data.chunks(page);
    pages
        .flat_map(|page| [page, &vec![0xee; oob][..]].concat())
        .collect()
}

fn is_cut(at: &Path, folder: &str, chip: &[u8]) {
    for (file, part) in [
        ("mtd0.bin", &chip[..0x4_0000]),
        ("mtd1.bin", &chip[0x4_0000..]),
    ] {
        assert!(
            fs::read(at.join(folder).join(file)).unwrap() == part,
            "{file}"
        );
    }
}

/// A dump with out-of-band bytes is known as one, and cut where somebody says how large
/// pages are; never in the middle of pages.
#[rstest]
#[case::size_is_told("--layout log", NAND.to_owned())]
#[case::size_is_not_told("--layout log", NAND.replace("nand: ", "x: "))]
#[case::by_a_table("--simulate=log", "dev:    size   erasesize  name\nmtd0: 00100000 00020000 \"all\"\n".to_owned())]
fn a_dump_with_out_of_band_bytes(#[case] layout: &str, #[case] log: String) {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    let chip = bytes(11, 0x10_0000);
    fs::write(at.join("log"), &log).unwrap();
    fs::write(at.join("raw"), with_oob(&chip, 2048, 64)).unwrap();
    let (_, stderr) = run(at, &format!("backup --image raw {layout} -o b"), 5);
    let said = words(&stderr);
    assert!(
        said.contains("out-of-band bytes, 512+16 (or 2048+64, 4096+128)"),
        "{stderr}"
    );
    assert!(!at.join("b").exists());
    run(
        at,
        &format!("backup --image raw {layout} --omit-oob 2048+64 -o b"),
        0,
    );
    match log.contains("ubi") {
        true => is_cut(at, "b", &chip),
        false => assert!(fs::read(at.join("b/mtd0.bin")).unwrap() == chip),
    }
    let manifest = fs::read_to_string(at.join("b/manifest.json")).unwrap();
    assert!(
        manifest.contains("without the out-of-band bytes of 2048+64"),
        "{manifest}"
    );
    run(
        at,
        &format!("verify --device --image raw {layout} --omit-oob 2048+64 b"),
        0,
    );
    let line = format!("backup --image raw {layout} --omit-oob 2048+60 -o c");
    let (_, stderr) = run(at, &line, 5);
    assert!(
        words(&stderr).contains("no whole pages of 2048+60"),
        "{stderr}"
    );
    // The dump itself, without them, is cut as ever.
    fs::write(at.join("plain"), &chip).unwrap();
    run(at, &format!("backup --image plain {layout} -o d"), 0);
}

#[test]
fn pages_are_for_dumps() {
    let outer = tempfile::tempdir().unwrap();
    run(outer.path(), "list --simulate --omit-oob 2048+64", 2);
    run(outer.path(), "list --omit-oob 2048+64", 2);
    run(outer.path(), "list --image x --omit-oob 2048", 2);
}

/// Where erase blocks are assumed, nothing is said of their borders.
#[test]
fn what_is_assumed_is_no_fact() {
    let outer = tempfile::tempdir().unwrap();
    let log = "Creating 2 MTD partitions on \"sflash\":\n\
               0x00fc0000-0x01000000 : \"nvram\"\n0x001a1558-0x00a40000 : \"rootfs\"\n";
    fs::write(outer.path().join("log"), log).unwrap();
    let (stdout, stderr) = run(outer.path(), "list --simulate=log", 0);
    assert!(stderr.contains("0x10000 is assumed"), "{stderr}");
    assert!(!stdout.contains("inside an erase block"), "{stdout}");
}

/// A log that lists less than the device has gives no numbers.
#[test]
fn a_number_that_the_kernel_says() {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    let log = "0x0-0x10000 : \"boot\"\n0x10000-0x80000 : \"rootfs\"\n\
               mtd: setting mtd3 (rootfs) as root device\n";
    fs::write(at.join("log"), log).unwrap();
    let (_, stderr) = run(at, "list --simulate=log", 5);
    let said = words(&stderr);
    assert!(
        said.contains("line 3 says that \"rootfs\" is mtd3"),
        "{stderr}"
    );
    assert!(said.contains("--simulate=TABLE"), "{stderr}");
    let table = "mtd2: 00010000 00010000 \"boot\"\nmtd3: 00070000 00010000 \"rootfs\"\n";
    fs::write(at.join("table"), table).unwrap();
    fs::write(at.join("chip"), bytes(14, 0x8_0000)).unwrap();
    let line = "backup --image chip --simulate=table --layout log -o b";
    let (stdout, stderr) = run(at, line, 0);
    assert!(stdout.contains("mtd3"), "{stdout}");
    assert!(
        words(&stderr).contains("no mtd0: lines before may be missing"),
        "{stderr}"
    );
}

/// Digests of every kind of program, beside files of every kind of name: used where they
/// can be, and never called wrong where they are of another kind.
#[test]
fn digests_of_other_programs() {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    let table = "dev:    size   erasesize  name\nmtd0: 00010000 00010000 \"u-boot\"\n";
    fs::write(at.join("table"), table).unwrap();
    // 64 KiB of zeros.
    let image = vec![0; 0x1_0000];
    let (md5, crc32) = ("fcd6bcb56c1689fcef28b57c22475bad", "D7978EEB");
    let lists = [
        (
            "md5.txt",
            format!(
                "root@x:~# md5sum /dev/mtd*\nmd5sum: read error: Is a directory\n{md5}  /dev/mtd0\n"
            ),
            0,
            "the MD5 made there",
        ),
        (
            "md5.txt",
            format!("\\{md5}  mtd0 a\\\\b.bin\n"),
            0,
            "1 file has the MD5",
        ),
        (
            "dump.sfv",
            format!("; by a file manager\nmtd0 a\\b.bin {crc32}\n"),
            0,
            "1 file has the CRC-32",
        ),
        (
            "dump.sfv",
            "mtd0 a\\b.bin 00000000\n".to_owned(),
            1,
            "has CRC-32 d7978eeb",
        ),
        (
            "B2SUMS",
            format!("{}  mtd0 a\\b.bin\n", "ab".repeat(64)),
            0,
            "were not compared",
        ),
        (
            "sums.txt",
            format!("{}  mtd0 a\\b.bin\n", "ab".repeat(64)),
            1,
            "if that is no BLAKE2",
        ),
        (
            "sha384.txt",
            format!("{}  mtd0 a\\b.bin\n", "ab".repeat(48)),
            1,
            "has SHA-384",
        ),
    ];
    for (at_list, (list, text, code, says)) in lists.into_iter().enumerate() {
        let folder = at.join(format!("cap{at_list}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("mtd0 a\\b.bin"), &image).unwrap();
        fs::write(folder.join(list), &text).unwrap();
        let line = format!("import cap{at_list} --layout table -o i{at_list}");
        let (stdout, stderr) = run(at, &line, code);
        let said = words(&format!("{stdout} {stderr}"));
        assert!(said.contains(says), "{list} {text}: {said}");
    }
}

/// A raw copy of UBI: what it is is said, its volumes come out as the device gives them,
/// and what it has not is no volume.
#[test]
fn volumes_of_ubi() {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    let kernel = bytes(12, 0x3000);
    let ubi = ubi(&kernel);
    let table = format!(
        "dev:    size   erasesize  name\nmtd0: 00008000 00004000 \"boot\"\nmtd1: {:08x} 00004000 \"ubi\"\n",
        ubi.len()
    );
    fs::create_dir_all(at.join("tree/proc")).unwrap();
    fs::create_dir_all(at.join("tree/dev")).unwrap();
    fs::write(at.join("tree/proc/mtd"), table).unwrap();
    fs::write(at.join("tree/dev/mtd0"), bytes(13, 0x8000)).unwrap();
    fs::write(at.join("tree/dev/mtd1"), &ubi).unwrap();
    run(at, "backup --root tree -o b", 0);
    let (stdout, _) = run(at, "verify b", 0);
    let said = words(&stdout);
    assert!(
        said.contains("mtd1.bin (ubi) holds UBI in 3 of 3 erase blocks"),
        "{stdout}"
    );
    assert!(said.contains("\"kernel\" (dynamic, 2 LEBs)"), "{stdout}");
    for partition in ["ubi", "mtd1"] {
        let line = format!("image --from b --volume {partition}:kernel -o {partition}.out");
        let (stdout, _) = run(at, &line, 0);
        assert!(
            words(&stdout).contains("the volume \"kernel\" of ubi"),
            "{stdout}"
        );
        let volume = fs::read(at.join(format!("{partition}.out"))).unwrap();
        assert!(volume[..0x3000] == kernel[..]);
        assert_eq!(volume.len(), 2 * 0x3c00);
        assert!(volume[0x3c00..].iter().all(|byte| *byte == 0xff));
    }
    let (_, stderr) = run(at, "image --from b --volume ubi:rootfs -o x", 2);
    assert!(words(&stderr).contains("there are \"kernel\""), "{stderr}");
    run(at, "image --from b --volume boot:kernel -o x", 5);
    run(at, "image --from b --volume nothing:kernel -o x", 5);
    run(at, "image --from b --volume ubi -o x", 2);
    run(at, "image --from b --fill --volume ubi:kernel -o x", 2);
    run(at, "image --simulate --volume ubi:kernel -o x", 2);
    run(at, "image --from b --volume ubi:kernel -o ubi.out", 5);
    assert!(!at.join("x").exists());
    // A byte that changed in the backup, and nothing comes out.
    let mut image = fs::read(at.join("b/mtd1.bin")).unwrap();
    image[0x8500] ^= 1;
    fs::write(at.join("b/mtd1.bin"), image).unwrap();
    run(at, "image --from b --volume ubi:kernel -o x", 1);
}

/// Three erase blocks of 16 KiB with pages of 512 bytes: the volume table, the first block
/// of "kernel", which has two, and an empty one (drivers/mtd/ubi/ubi-media.h).
fn ubi(kernel: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 0x4000;
    let sealed = |mut bytes: Vec<u8>| {
        let crc = !crc32fast::hash(&bytes);
        bytes.extend(crc.to_be_bytes());
        bytes
    };
    let word = |bytes: &mut Vec<u8>, at: usize, word: u32| {
        bytes[at..at + 4].copy_from_slice(&word.to_be_bytes());
    };
    let block = |volume: Option<u32>, data: &[u8]| {
        let mut counter = vec![0; 60];
        counter[..4].copy_from_slice(b"UBI#");
        word(&mut counter, 16, 0x200);
        word(&mut counter, 20, 0x400);
        let mut block = vec![0xff; BLOCK];
        block[..64].copy_from_slice(&sealed(counter));
        if let Some(volume) = volume {
            let mut header = vec![0; 60];
            header[..4].copy_from_slice(b"UBI!");
            word(&mut header, 8, volume);
            block[0x200..0x240].copy_from_slice(&sealed(header));
        }
        block[0x400..0x400 + data.len()].copy_from_slice(data);
        block
    };
    let mut table = Vec::new();
    for at in 0..(BLOCK - 0x400) / 172 {
        let mut record = vec![0; 168];
        if at == 0 {
            word(&mut record, 0, 2);
            record[12] = 1;
            record[15] = 6;
            record[16..22].copy_from_slice(b"kernel");
        }
        table.extend(sealed(record));
    }
    [
        block(Some(0x7fff_efff), &table),
        block(Some(0), kernel),
        block(None, &[]),
    ]
    .concat()
}
