//! Layouts from pasted texts: what cuts a dump, and what keeps from cutting it.

use crate::cli::support::{mtdkeep, text};
use rstest::rstest;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// What a router's user pastes: `firmware` around two others, and last in its order.
const TABLE: &str = "root@router:~# cat /proc/mtd
dev:    size   erasesize  name
mtd0: 00000800 00000400 \"boot\"
mtd1: 00001000 00000400 \"kernel\"
mtd2: 00002000 00000400 \"rootfs\"
mtd3: 00000400 00000400 \"art\"
mtd4: 00003400 00000400 \"firmware\"
root@router:~#
";

const LOG: &str = "[    0.40] spi-nor spi0.0: found\r
[    0.41] Creating 5 MTD partitions on \"spi0.0\":\r
[    0.42] 0x000000000000-0x000000000800 : \u{201c}boot\u{201d}\r
[    0.43] 0x000000000800-0x000000001800 : \"kernel\"\r
[    0.44] 0x000000001800-0x000000003800 : \"rootfs\"\r
[    0.45] 0x000000003c00-0x000000004000 : \"art\"\r
[    0.46] 0x000000000800-0x000000003c00 : \"firmware\"\r
";

const PARTS: &str = "mtdparts=spi0.0:2k(boot),4k(kernel),8k(rootfs),1k@15k(art),13k@2k(firmware)";

/// `table`, `log`, `parts` and a dump of the chip, whose words of four bytes are all
/// different.
fn folder() -> (TempDir, Vec<u8>) {
    let outer = tempfile::tempdir().unwrap();
    let chip: Vec<u8> = (0..0x1000_u32).flat_map(u32::to_be_bytes).collect();
    for (name, bytes) in [
        ("table", TABLE.as_bytes()),
        ("log", LOG.as_bytes()),
        ("parts", PARTS.as_bytes()),
        ("chip", &chip),
    ] {
        fs::write(outer.path().join(name), bytes).unwrap();
    }
    (outer, chip)
}

fn run(at: &Path, line: &str, code: i32) -> (String, String) {
    let words = line.split(' ');
    let output = mtdkeep().current_dir(at).args(words).output().unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{line}: {stdout}{stderr}");
    (stdout.into(), stderr.into())
}

fn is_cut_rightly(at: &Path, chip: &[u8]) {
    let places = [
        0..0x800,
        0x800..0x1800,
        0x1800..0x3800,
        0x3c00..0x4000,
        0x800..0x3c00,
    ];
    for (mtd, place) in places.into_iter().enumerate() {
        let image = fs::read(at.join(format!("b/mtd{mtd}.bin"))).unwrap();
        assert!(image == chip[place], "mtd{mtd}");
    }
    run(at, "verify b", 0);
}

/// All of a session in one paste: the table's numbers and erase blocks, the log's places.
#[test]
fn several_forms_in_one_text() {
    let (outer, chip) = folder();
    let at = outer.path();
    let session = format!("Kernel command line: {PARTS} quiet\n{LOG}{TABLE}");
    fs::write(at.join("session"), &session).unwrap();
    let (_, stderr) = run(at, "backup --image chip --layout session -o b", 0);
    is_cut_rightly(at, &chip);
    let said = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let forms =
        "was read as the text of /proc/mtd and a kernel's boot log and a kernel command line";
    assert!(said.contains(forms), "{stderr}");
    let (stdout, _) = run(at, "list --simulate=session --json", 0);
    assert!(stdout.contains("\"erase_block_bytes\": 1024"), "{stdout}");

    // The table and the messages are both the kernel's: they must agree.
    let other = session.replace("mtd1: 00001000", "mtd1: 00000c00");
    fs::write(at.join("session"), other).unwrap();
    let (_, stderr) = run(at, "list --image chip --simulate=session", 5);
    let said = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let both = "mtd1 (kernel) has 0xc00 bytes by the table and 0x1000 by line 5";
    assert!(said.contains(both), "{stderr}");

    // The command line is what the kernel was told, and the log what it did.
    let other = session.replace("4k(kernel),8k", "3k(kernel),9k");
    fs::write(at.join("session"), other).unwrap();
    let (_, stderr) = run(at, "backup --image chip --layout session -o c", 0);
    let said = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("do not agree, and the former counts"),
        "{stderr}"
    );
    assert!(
        said.contains("0x1000 bytes by the table and 0xc00 by line 1"),
        "{stderr}"
    );
}

/// A line that was torn takes its number along: a log alone cuts nothing then.
#[test]
fn a_torn_line_is_noticed() {
    let (outer, _) = folder();
    let at = outer.path();
    fs::write(
        at.join("log"),
        LOG.replace("-0x000000001800", "-0x0000000018"),
    )
    .unwrap();
    run(at, "backup --image chip --layout log -o b", 4);
    fs::write(at.join("log"), LOG.replace(" : \"kernel\"", "")).unwrap();
    let (_, stderr) = run(at, "backup --image chip --layout log -o b", 5);
    let said = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("line 2 announces 5 partitions, and 4 follow"),
        "{stderr}"
    );
}

#[rstest]
#[case::log_alone("--layout log", "boot log")]
#[case::log_as_profile("--simulate=log", "boot log")]
#[case::command_line("--layout parts", "command line")]
#[case::table_and_log("--simulate=table --layout log", "boot log")]
#[case::table_and_command_line("--simulate=table --layout parts", "command line")]
fn a_dump_is_cut_where_a_text_says(#[case] layout: &str, #[case] source: &str) {
    let (outer, chip) = folder();
    let at = outer.path();
    run(at, &format!("backup --image chip {layout} -o b"), 0);
    is_cut_rightly(at, &chip);
    let manifest = fs::read_to_string(at.join("b/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    for entry in manifest["layout"].as_array().unwrap() {
        assert_eq!(entry["offset_source"], source);
        assert_eq!(entry["chip"], 0);
    }
    run(at, &format!("verify --device --image chip {layout} b"), 0);
}

#[test]
fn what_was_passed_over_and_assumed_is_said() {
    let (outer, _) = folder();
    let at = outer.path();
    let (stdout, stderr) = run(at, "list --image chip --simulate=log", 0);
    for said in [
        "passed over: line 1",
        "no MTD numbers",
        "erase blocks: 0x400 is assumed",
    ] {
        assert!(stderr.contains(said), "no {said:?} in {stderr}");
    }
    assert_eq!(stdout.matches("unknown").count(), 5, "{stdout}");
    let (stdout, _) = run(at, "list --image chip --simulate=log --layout", 0);
    assert!(!stdout.contains("erase block"), "{stdout}");
    run(at, "backup --image chip --layout log -o b", 0);
    let manifest = fs::read_to_string(at.join("b/manifest.json")).unwrap();
    assert!(manifest.contains("0x400 is assumed"), "{manifest}");
}

#[rstest]
#[case::size(
    "3c00-0x000000004000",
    "3c00-0x000000003e00",
    "mtd3 (art) has 0x400 bytes"
)]
#[case::name("\"kernel\"", "\"Kernel\"", "no partition \"Kernel\"")]
fn a_contradiction_cuts_nothing(#[case] from: &str, #[case] to: &str, #[case] says: &str) {
    let (outer, _) = folder();
    let at = outer.path();
    fs::write(at.join("wrong"), LOG.replace(from, to)).unwrap();
    let line = "backup --image chip --simulate=table --layout wrong -o b";
    let (_, stderr) = run(at, line, 5);
    assert!(stderr.contains("contradict"), "{stderr}");
    assert!(stderr.contains(says), "{stderr}");
    assert!(!at.join("b").exists());
}

/// Two texts that both tell offsets, and not the same.
#[test]
fn offsets_that_differ_cut_nothing() {
    let (outer, _) = folder();
    let at = outer.path();
    fs::write(at.join("other"), PARTS.replace("1k@15k", "1k@14k")).unwrap();
    let line = "backup --image chip --simulate=log --layout other -o b";
    let (_, stderr) = run(at, line, 5);
    assert!(
        stderr.contains("mtd3 (art) starts at 0x3c00 by the boot log and at 0x3800"),
        "{stderr}"
    );
    run(
        at,
        "backup --image chip --simulate=log --layout parts -o b",
        0,
    );
}

#[test]
fn a_dump_that_is_not_the_chip_is_not_cut() {
    let (outer, chip) = folder();
    let at = outer.path();
    fs::write(at.join("short"), &chip[..0x2000]).unwrap();
    let (_, stderr) = run(at, "backup --image short --layout log -o b", 5);
    assert!(
        stderr.contains("past the 0x2000 bytes of the dump"),
        "{stderr}"
    );
    fs::write(at.join("long"), [&chip[..], &chip[..]].concat()).unwrap();
    let (_, stderr) = run(at, "backup --image long --layout log -o b", 0);
    assert!(
        stderr.contains("0x4000 bytes at 0x4000, at the end of the dump, belong to no partition"),
        "{stderr}"
    );
    is_cut_rightly(at, &chip);
    let told = "mtdkeep layout 1\nchip 0: size 0x4000, name \"nor\"\n\
                mtd0: chip 0, offset 0x0, size 0x800, erase block 0x400, name \"boot\"\n";
    fs::write(at.join("told"), told).unwrap();
    let (_, stderr) = run(at, "backup --image long --layout told -o c", 5);
    assert!(stderr.contains("the chip has 0x4000"), "{stderr}");
}

/// `list --layout` prints what every command takes, with the same devices in it.
#[rstest]
#[case("--simulate")]
#[case("--simulate=table")]
#[case("--image chip --simulate=log")]
fn the_own_form_comes_back(#[case] device: &str) {
    let (outer, _) = folder();
    let at = outer.path();
    let (own, _) = run(at, &format!("list {device} --layout"), 0);
    fs::write(at.join("own"), &own).unwrap();
    let (again, _) = run(at, "list --simulate=own --layout", 0);
    assert_eq!(own, again);
    run(at, "list --layout --json --simulate", 2);
}

#[rstest]
#[case("backup --layout log")]
#[case("backup --simulate --layout log")]
#[case("verify --device --root / --layout log x")]
fn a_layout_is_for_simulated_devices(#[case] line: &str) {
    let (outer, _) = folder();
    run(outer.path(), line, 2);
}

/// What is written through one partition is there through the one around it.
#[test]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn overlapping_partitions_share_their_cells() {
    let (outer, _) = folder();
    let script = "cat /dev/mtd1 /dev/mtd2 > parts; head -c 12288 /dev/mtd4 > whole; \
                  cmp parts whole && head -c 4 /dev/zero > zero && cat zero 1<> /dev/mtd4 >&1; \
                  head -c 4 /dev/mtd1 | od -An -tx1";
    let output = mtdkeep()
        .current_dir(outer.path())
        .args(["sandbox", "--image", "chip", "--simulate=log", "--", "sh"])
        .args(["-c", script])
        .output()
        .unwrap();
    let said = text(&output.stdout);
    assert!(
        said.contains("00 00 00 00"),
        "{said}{}",
        text(&output.stderr)
    );
}

/// From a boot log to a whole chip again: cut, put together, byte for byte.
#[test]
fn a_chip_comes_back_from_its_backup() {
    let (outer, mut chip) = folder();
    let at = outer.path();
    run(at, "backup --image chip --layout log -o b", 0);
    run(at, "image --from b -o again", 0);
    assert!(fs::read(at.join("again")).unwrap() == chip);
    // An existing file is nobody's to replace.
    run(at, "image --from b -o again", 5);
    // Without `firmware` the chip has a hole, which is filled only if told.
    let line = "backup --image chip --layout log -o c -p boot -p kernel -p rootfs -p art";
    run(at, line, 0);
    let (_, stderr) = run(at, "image --from c -o holed", 3);
    assert!(stderr.contains("no image of mtd4 (firmware)"), "{stderr}");
    let log = LOG.replace("3c00 : \"firmware\"", "3800 : \"firmware\"");
    fs::write(at.join("log"), log).unwrap();
    run(at, "backup --image chip --layout log -o d", 0);
    let (_, stderr) = run(at, "image --from d -o holed", 5);
    assert!(
        stderr.contains("no partition covers 0x400 bytes at 0x3800") && stderr.contains("--fill"),
        "{stderr}"
    );
    assert!(!at.join("holed").exists());
    run(at, "image --from d --fill -o holed", 0);
    chip[0x3800..0x3c00].fill(0xff);
    assert!(fs::read(at.join("holed")).unwrap() == chip);
    // A wrong byte, and the backup is no chip.
    let image = at.join("d/mtd1.bin");
    let mut bytes = fs::read(&image).unwrap();
    bytes[7] ^= 1;
    fs::write(image, bytes).unwrap();
    run(at, "image --from d --fill -o wrong", 1);
    assert!(!at.join("wrong").exists());
}

/// A capture with the table alone: nobody tells the places until a text does.
#[test]
fn a_capture_needs_a_text_that_tells_the_places() {
    let (outer, chip) = folder();
    let at = outer.path();
    run(at, "backup --image chip --layout log -o b", 0);
    fs::create_dir(at.join("captured")).unwrap();
    for mtd in 0..5 {
        let name = format!("mtd{mtd}.bin");
        fs::copy(at.join("b").join(&name), at.join("captured").join(&name)).unwrap();
    }
    let table: String = TABLE
        .lines()
        .filter(|l| !l.starts_with("root@"))
        .map(|l| format!("{l}\n"))
        .collect();
    fs::write(at.join("clean"), table).unwrap();
    run(at, "import captured --layout clean -o i", 0);
    let (_, stderr) = run(at, "image --from i -o again", 5);
    assert!(
        stderr.contains("nobody tells where mtd0 (boot) lies"),
        "{stderr}"
    );
    run(at, "image --from i --layout parts -o again", 0);
    assert!(fs::read(at.join("again")).unwrap() == chip);
}

/// Every form is a layout for a capture as well; what it leaves open is told.
#[rstest]
#[case::table("table", None, &["where partitions start"])]
#[case::log("log", Some("boot log"), &["numbers are the device's", "how large erase blocks are"])]
#[case::parts("parts", Some("command line"), &["numbers are the device's"])]
fn a_capture_takes_every_form(
    #[case] layout: &str,
    #[case] source: Option<&str>,
    #[case] not_proven: &[&str],
) {
    let (outer, chip) = folder();
    let at = outer.path();
    run(at, "backup --image chip --layout log -o b", 0);
    fs::create_dir(at.join("captured")).unwrap();
    for mtd in 0..5 {
        let name = format!("mtd{mtd}.bin");
        fs::copy(at.join("b").join(&name), at.join("captured").join(&name)).unwrap();
    }
    let line = format!("import captured --layout {layout} -o i");
    let (_, stderr) = run(at, &line, 0);
    let manifest = fs::read_to_string(at.join("i/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["layout"][3]["offset_source"].as_str(), source);
    if source.is_some() {
        for what in not_proven {
            assert!(stderr.contains(what), "{stderr}");
        }
        run(at, "image --from i -o again", 0);
        assert!(fs::read(at.join("again")).unwrap() == chip);
    }
    // Another device's text is named with its line.
    fs::write(
        at.join("torn"),
        "mtdkeep layout 1\nmtd0: size 0x, name \"a\"\n",
    )
    .unwrap();
    let (_, stderr) = run(at, "import captured --layout torn -o j", 4);
    assert!(stderr.contains("line 2"), "{stderr}");
}

#[rstest]
#[case("log", "boot log")]
#[case("parts", "command line")]
fn a_lost_manifest_is_made_anew_with_every_form(#[case] layout: &str, #[case] source: &str) {
    let (outer, _) = folder();
    let at = outer.path();
    run(at, "backup --image chip --layout log -o b", 0);
    fs::remove_file(at.join("b/manifest.json")).unwrap();
    fs::remove_file(at.join("b/index.html")).unwrap();
    run(at, &format!("repair --layout {layout} b"), 3);
    let manifest = fs::read_to_string(at.join("b/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["layout"][4]["offset_source"], source);
    let from = manifest["rebuilt"]["made_from"].to_string();
    assert!(from.contains("no MTD numbers"), "{from}");
}
