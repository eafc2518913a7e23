//! Dumps of several chips, of one partition, and of another length than the chip.

use crate::cli::support::{numbered_bytes as bytes, run_in as run};
use rstest::rstest;
use std::fs;

const TWO_CHIPS: &str = "mtdkeep layout 1
chip 0: size 0x4000, erase block 0x1000, name \"nor0\"
chip 1: size 0x8000, erase block 0x2000, name \"nor1\"
mtd0: chip 0, offset 0x0, size 0x1000, read-only, name \"boot\"
mtd2: chip 1, offset 0x2000, size 0x6000, name \"data\"
mtd5: chip 0, offset 0x1000, size 0x3000, name \"rest\"
mtd6: chip 0, in mtd5, offset 0x2000, size 0x2000, name \"inner\"
";

/// Numbers that go to and fro between chips and have gaps, a read-only partition, one
/// inside another.
#[rstest]
#[case::one_dump("--image both")]
#[case::a_dump_each("--image first --image second")]
fn several_chips(#[case] dumps: &str) {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    let (first, second) = (bytes(6, 0x4000), bytes(7, 0x8000));
    fs::write(at.join("two"), TWO_CHIPS).unwrap();
    fs::write(at.join("first"), &first).unwrap();
    fs::write(at.join("second"), &second).unwrap();
    fs::write(at.join("both"), [&first[..], &second].concat()).unwrap();
    run(at, &format!("backup {dumps} --layout two -o b"), 0);
    let parts = [
        (0, &first[..0x1000]),
        (2, &second[0x2000..]),
        (5, &first[0x1000..]),
        (6, &first[0x2000..]),
    ];
    for (mtd, bytes) in parts {
        assert!(
            fs::read(at.join(format!("b/mtd{mtd}.bin"))).unwrap() == bytes,
            "mtd{mtd}"
        );
    }
    run(at, &format!("verify --device {dumps} --layout two b"), 0);
    let (own, _) = run(at, &format!("list {dumps} --simulate=two --layout"), 0);
    fs::write(at.join("own"), &own).unwrap();
    let (stdout, _) = run(at, &format!("list {dumps} --simulate=own"), 0);
    let access = |mtd: &str| {
        stdout
            .lines()
            .find(|line| line.starts_with(mtd))
            .unwrap()
            .to_owned()
    };
    assert!(access("mtd0").ends_with("read-only"), "{stdout}");
    assert!(access("mtd5").ends_with("read-write"), "{stdout}");
    assert!(
        stdout.contains("mtd5 (rest) contains mtd6 (inner)"),
        "{stdout}"
    );
    run(at, "list --image first --simulate=two", 5);
    run(
        at,
        "list --image first --image second --image both --simulate=two",
        5,
    );
}

/// A dump of `firmware` alone is cut into its parts.
#[test]
fn a_dump_of_one_partition() {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    let firmware = bytes(8, 0x3000);
    fs::write(at.join("firmware"), &firmware).unwrap();
    let own = TWO_CHIPS.replace("inner", "kernel");
    fs::write(at.join("two"), own).unwrap();
    run(at, "backup --image firmware --layout two -o b", 5);
    run(
        at,
        "backup --image firmware --dump-of rest --layout two -o b",
        0,
    );
    assert!(fs::read(at.join("b/mtd5.bin")).unwrap() == firmware);
    assert!(fs::read(at.join("b/mtd6.bin")).unwrap() == firmware[0x1000..]);
    assert!(!at.join("b/mtd0.bin").exists());
    let manifest = fs::read_to_string(at.join("b/manifest.json")).unwrap();
    assert!(manifest.contains("the dump is of rest alone"), "{manifest}");
    run(
        at,
        "backup --image firmware --dump-of nosuch --layout two -o c",
        2,
    );
}

/// A dump that is shorter or longer than the chip is cut only if told; what it lacks is
/// unreadable, and named.
#[test]
fn a_dump_of_another_length() {
    let outer = tempfile::tempdir().unwrap();
    let at = outer.path();
    let log = "0x0-0x1000 : \"boot\"\n0x1000-0x4000 : \"rest\"\n";
    let chip = format!(
        "mtdkeep layout 1\nchip 0: size 0x4000, name \"\"\n{}",
        "mtd0: chip 0, offset 0x0, size 0x1000, erase block 0x1000, name \"boot\"\n\
         mtd1: chip 0, offset 0x1000, size 0x3000, erase block 0x1000, name \"rest\"\n"
    );
    fs::write(at.join("log"), log).unwrap();
    fs::write(at.join("own"), chip).unwrap();
    let dump = bytes(9, 0x5000);
    fs::write(at.join("short"), &dump[..0x2800]).unwrap();
    fs::write(at.join("long"), &dump).unwrap();
    for layout in ["log", "own"] {
        let line = format!("backup --image short --layout {layout} -o b-{layout}");
        let (_, stderr) = run(at, &line, 5);
        assert!(stderr.contains("--cut"), "{stderr}");
        let (_, stderr) = run(at, &format!("{line} --cut"), 3);
        assert!(
            stderr.contains("the dump ends at 0x2800 of 0x4000"),
            "{stderr}"
        );
        let rest = fs::read(at.join(format!("b-{layout}/mtd1.bin"))).unwrap();
        assert!(rest[..0x1000] == dump[0x1000..0x2000]);
        assert!(rest[0x2000..].iter().all(|byte| *byte == 0xff));
    }
    run(at, "backup --image long --layout own -o c", 5);
    let (_, stderr) = run(at, "backup --image long --layout own -o c --cut", 0);
    assert!(
        stderr.contains("0x1000 bytes at 0x4000 of the dump lie behind"),
        "{stderr}"
    );
    assert!(fs::read(at.join("c/mtd1.bin")).unwrap() == dump[0x1000..0x4000]);
}
