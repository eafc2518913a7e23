//! What is told to somebody who does not know the program yet: where his file or his word
//! belongs, and what a text lacks.

use crate::cli::support::{numbered_bytes as bytes, run_in as run, sha256, unwrapped};
use rstest::rstest;
use std::fs;
use std::path::Path;

const TABLE: &str = "dev:    size   erasesize  name
mtd0: 00004000 00001000 \"boot\"
mtd1: 0000c000 00001000 \"rest\"
";

const LOG: &str = "[    0.41] Creating 2 MTD partitions on \"spi0.0\":
[    0.42] 0x00000000c000-0x000000010000 : \"boot\"
[    0.43] 0x000000000000-0x00000000c000 : \"rest\"
";

/// Two images, and what people leave beside them.
fn capture(at: &Path, beside: &[(&str, &str)]) {
    let folder = at.join("cap");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("mtd0.bin"), bytes(1, 0x4000)).unwrap();
    fs::write(folder.join("mtd1.bin"), bytes(2, 0xc000)).unwrap();
    for (name, text) in beside {
        fs::write(folder.join(name), text).unwrap();
    }
}

/// A boot log, or a table in a terminal's record, lies in the folder: it is not taken by
/// itself, because nobody says that it is this device's; but it is named.
#[rstest]
#[case::dmesg("dmesg.txt", LOG.to_owned(), "a kernel's boot log")]
#[case::console("putty.log", format!("root@OpenWrt:~# cat /proc/mtd\r\n{TABLE}root@OpenWrt:~# \r\n"), "the text of /proc/mtd")]
#[case::bootargs("env.txt", "bootargs=root=31:1 mtdparts=spi0.0:16k(boot),48k(rest)\n".to_owned(), "a kernel command line")]
fn a_layout_beside_the_images_is_named(
    #[case] name: &str,
    #[case] content: String,
    #[case] form: &str,
) {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    capture(at, &[(name, &content)]);
    let (_, stderr) = run(at, "import cap -o i", 2);
    let said = unwrapped(&stderr);
    let wanted = format!(
        "in the folder is {name}, which reads as {form}; if that is this device's, name it with --layout"
    );
    assert!(said.contains(&wanted), "{said}");
    // A table tells what to make of the images, and the log is still worth a word.
    fs::write(at.join("table"), TABLE).unwrap();
    let (_, stderr) = run(at, "import cap --layout table -o i", 0);
    let said = unwrapped(&stderr);
    let wanted = format!("{name} was not used: it reads as {form}");
    assert!(said.contains(&wanted), "{said}");
    // Named, it is no foreign file.
    let line = format!("import cap --layout cap/{name} -o j");
    let (_, stderr) = run(at, &line, 0);
    assert!(!stderr.contains("no part of the capture"), "{stderr}");
    assert!(!stderr.contains("was not used"), "{stderr}");
}

#[rstest]
#[case::a_backups_chip("image b -o chip.bin", "--from names a backup's folder")]
#[case::a_layout("list boot.log", "--simulate=FILE takes a layout")]
#[case::a_backups_folder("backup b", "--output names what is written")]
#[case::a_volume(
    "backup --simulate -p ubi0_0 -o b",
    "mtdkeep image --from DIR --volume MTD:NAME"
)]
#[case::a_volumes_node(
    "backup --simulate -p /dev/ubi0_12 -o b",
    "a volume of UBI comes out of"
)]
#[case::no_volume("backup --simulate -p ubi -o b", "there are mtd0 (RedBoot)")]
fn a_word_in_the_wrong_place_is_told_the_right_one(#[case] line: &str, #[case] says: &str) {
    let outer = tempfile::tempdir().unwrap();
    let (_, stderr) = run(outer.path(), line, 2);
    assert!(unwrapped(&stderr).contains(says), "{stderr}");
}

/// A log without its headings, whose lines cannot be told apart, cuts nothing and says why.
#[test]
fn a_log_without_headings_says_what_it_lacks() {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    fs::write(at.join("chip"), bytes(3, 0x10000)).unwrap();
    let lines = "0x0-0x4000 : \"u-boot\"\n0x4000-0x10000 : \"firmware\"\n\
                 0x0-0x6000 : \"kernel\"\n0x6000-0xc000 : \"rootfs\"\n";
    fs::write(at.join("lines"), lines).unwrap();
    for line in [
        "list --simulate=lines",
        "backup --image chip --layout lines -o b",
    ] {
        let (_, stderr) = run(at, line, 5);
        let said = unwrapped(&stderr);
        assert!(said.contains("the first of them mtd2 (kernel)"), "{said}");
        assert!(said.contains("line 3: nobody tells from where"), "{said}");
        assert!(said.contains("`Creating … MTD partitions on …`"), "{said}");
    }
    let whole = lines.replace(
        "0x0-0x6000",
        "2 tplink-fw partitions found on MTD device firmware\n0x0-0x6000",
    );
    fs::write(at.join("lines"), whole).unwrap();
    let (stdout, _) = run(at, "list --image chip --simulate=lines", 0);
    let rootfs = stdout.lines().find(|line| line.contains("rootfs")).unwrap();
    assert!(rootfs.contains("0xa000"), "{stdout}");
}

/// Columns stand below each other, also where a size is no number of KiB.
#[test]
fn odd_sizes_keep_the_columns() {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    fs::write(at.join("log"), "Creating 2 MTD partitions on \"a\":\n0x0-0x11f5dc : \"kernel\"\n0x11f5dc-0x400000 : \"rootfs\"\n").unwrap();
    let (stdout, _) = run(at, "list --simulate=log", 0);
    let ends: Vec<_> = stdout
        .lines()
        .take(3)
        .map(|line| line.find("present").or(line.find("NODE")).unwrap())
        .collect();
    assert!(ends.iter().all(|end| *end == ends[0]), "{stdout}");
}

/// Digests that are there are compared, or it is said that they are not: never passed over
/// in silence, and never taken for damage because their kind is not known.
#[rstest]
#[case::german(
    "hash.txt",
    "SHA256-Hash von mtd0.bin:\r\n{sha256}\r\n",
    0,
    "1 file has the SHA-256 given in hash.txt"
)]
#[case::german_and_wrong(
    "hash.txt",
    "SHA256-Hash von mtd0.bin:\r\n{wrong}\r\n",
    1,
    "mtd0.bin has SHA-256"
)]
#[case::blake2_tagged(
    "CHECKSUMS",
    "BLAKE2b (mtd0.bin) = {wrong}\n",
    0,
    "the digests in CHECKSUMS were not compared"
)]
#[case::cksum(
    "cksums",
    "1234567890 16384 mtd0.bin\n",
    0,
    "the digests in cksums were not compared"
)]
#[case::cut_paths(
    "hash.txt",
    "SHA256 {sha256} C:\\Users\\...\nSHA256 {wrong} C:\\Users\\...\n",
    0,
    "the digests in hash.txt were not compared: line 2"
)]
#[case::no_digests(
    "notes.txt",
    "1234567890 16384 is no digest\nand this neither\n",
    0,
    "notes.txt is no part of the capture"
)]
fn digests_are_compared_or_named(
    #[case] name: &str,
    #[case] content: &str,
    #[case] code: i32,
    #[case] says: &str,
) {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    let right = sha256(&bytes(1, 0x4000));
    let content = content
        .replace("{sha256}", &right)
        .replace("{wrong}", &sha256(b"x"));
    capture(at, &[(name, &content)]);
    fs::write(at.join("table"), TABLE).unwrap();
    let (stdout, stderr) = run(at, "import cap --layout table -o i", code);
    let said = unwrapped(&stdout) + &unwrapped(&stderr);
    assert!(said.contains(says), "{said}");
}

/// What is packed otherwise is named, also where there is nothing else.
#[rstest]
#[case::zip("backup.zip", "unpack backup.zip into a folder, and import that")]
#[case::seven_zip("MTD.7Z", "unpack MTD.7Z into a folder")]
#[case::something_else("photo.jpg", "name the folder with the files of the partitions")]
fn an_archive_alone_is_to_be_unpacked(#[case] name: &str, #[case] says: &str) {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    fs::create_dir(at.join("cap")).unwrap();
    fs::write(at.join("cap").join(name), bytes(5, 0x300)).unwrap();
    fs::write(at.join("table"), TABLE).unwrap();
    let (_, stderr) = run(at, "import cap --layout table -o i", 4);
    assert!(unwrapped(&stderr).contains(says), "{stderr}");
    let line = format!("import cap/{name} --layout table -o i");
    let (_, stderr) = run(at, &line, 4);
    assert!(
        unwrapped(&stderr).contains("unpack an archive first"),
        "{stderr}"
    );
}

/// Somebody else's tar is no torn backup.
#[test]
fn a_foreign_tar_is_to_be_unpacked() {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    let mut tar = tar::Builder::new(fs::File::create(at.join("dump.tar")).unwrap());
    let image = bytes(1, 0x4000);
    let mut head = tar::Header::new_ustar();
    head.set_size(image.len() as u64);
    head.set_mode(0o644);
    tar.append_data(&mut head, "mtd0.bin", &image[..]).unwrap();
    tar.finish().unwrap();
    drop(tar);
    fs::write(at.join("table"), TABLE).unwrap();
    let (_, stderr) = run(at, "import dump.tar --layout table -o i", 2);
    let said = unwrapped(&stderr);
    assert!(said.contains("dump.tar has no manifest.json"), "{said}");
    assert!(said.contains("unpack somebody else's tar"), "{said}");
}

/// What several chips have in common is said once.
#[test]
fn two_chips_without_erase_blocks_are_told_once() {
    let outer = tempfile::tempdir().unwrap();
    let log = "Creating 1 MTD partitions on \"a\":\n0x0-0x100000 : \"x\"\n\
               Creating 1 MTD partitions on \"b\":\n0x0-0x100000 : \"y\"\n";
    fs::write(outer.path().join("log"), log).unwrap();
    let (_, stderr) = run(outer.path(), "list --simulate=log", 0);
    assert_eq!(stderr.matches("is assumed").count(), 1, "{stderr}");
}
