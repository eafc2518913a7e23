//! The commands that both builds have, on a plain tree: the full program and the
//! device's own build must take the same command lines and print the same.
//! (`cargo test --no-default-features --features device` runs this one as well.)

use crate::cli::support::{mtdkeep, text};
use std::fs;
use std::path::Path;

/// A device with a whole partition, one without a node, and one with odd size.
fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("proc")).unwrap();
    fs::create_dir(root.path().join("dev")).unwrap();
    let table = "dev:    size   erasesize  name\n\
                 mtd0: 00001000 00001000 \"boot\"\n\
                 mtd1: 00000800 00001000 \"param\"\n\
                 mtd2: 00000800 00001000 \"config\"\n";
    fs::write(root.path().join("proc/mtd"), table).unwrap();
    fs::write(root.path().join("dev/mtd0"), [0x5A; 0x1000]).unwrap();
    fs::write(root.path().join("dev/mtd1"), [0x17; 0x800]).unwrap();
    root
}

/// Runs the program on the tree: exit code and standard output.
fn run(root: &Path, arguments: &[&str]) -> (i32, String) {
    let output = mtdkeep()
        .current_dir(root)
        .args(arguments)
        .output()
        .unwrap();
    let stdout = text(&output.stdout).to_owned();
    (output.status.code().unwrap(), stdout)
}

/// The first line of a backup, its digests taken out.
const BOOT: &str = "mtd0   boot      4 KiB  crc32 @  sha256 @";

/// A line with its digests taken out.
fn without_digests(line: &str) -> String {
    let mark = |word: &str| {
        let digest = word.len() >= 8
            && word
                .trim_end_matches("..")
                .bytes()
                .all(|b| b.is_ascii_hexdigit());
        if digest {
            "@".to_owned()
        } else {
            word.to_owned()
        }
    };
    line.split(' ').map(mark).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_tree_is_listed_backed_up_verified_and_cleaned() {
    let root = tree();
    let (code, listed) = run(root.path(), &["list", "--root", "."]);
    assert_eq!(code, 0);
    assert!(listed.contains("mtd2   config"), "{listed}");
    assert!(
        listed.contains("note: mtd2 (config) has no device node"),
        "{listed}"
    );
    let (code, said) = run(root.path(), &["backup", "--root", ".", "-o", "b"]);
    assert_eq!(code, 3);
    let lines: Vec<String> = said.lines().map(without_digests).collect();
    assert_eq!(lines[0], BOOT);
    assert_eq!(lines.len(), 4, "{said}");
    assert!(
        lines[2].starts_with("2 partitions, 6 KiB, in b; partial: 1 partition"),
        "{said}"
    );
    assert_eq!(
        fs::read(root.path().join("b/mtd0.bin")).unwrap(),
        [0x5A; 0x1000]
    );
    assert_eq!(
        fs::read(root.path().join("b/mtd1.bin")).unwrap(),
        [0x17; 0x800]
    );
    assert_eq!(run(root.path(), &["verify", "b"]).0, 3);
    assert_eq!(
        run(root.path(), &["verify", "--device", "--root", ".", "b"]).0,
        3
    );
    // The missing one appears, and the same command completes the backup.
    fs::write(root.path().join("dev/mtd2"), [0x33; 0x800]).unwrap();
    let again = ["backup", "--root=.", "--output=b", "--read-again", "-q"];
    assert_eq!(run(root.path(), &again), (0, String::new()));
    assert_eq!(run(root.path(), &["verify", "b"]).0, 0);
    fs::write(root.path().join("dev/mtd1"), [0x16; 0x800]).unwrap();
    let (code, said) = run(root.path(), &["verify", "--root", ".", "b", "--device"]);
    assert_eq!(code, 1);
    assert!(
        said.contains("mtd1.bin (param) differs from the flash, first at 0x0 (erase block 0)"),
        "{said}"
    );
    let (code, said) = run(root.path(), &["clean", "b"]);
    assert_eq!(code, 0);
    assert!(said.starts_with("6 files removed, "), "{said}");
    assert!(said.ends_with(", and the folder b\n"), "{said}");
    assert!(!root.path().join("b").exists());
}

#[test]
fn nodes_and_usage() {
    let root = tree();
    let (code, said) = run(root.path(), &["nodes", "--root", "."]);
    assert_eq!(code, 0);
    assert!(said.contains("./dev/mtd2 is missing: put"), "{said}");
    assert!(
        !said.contains("mknod") && !said.contains("mtdblock"),
        "{said}"
    );
    let (code, _) = run(root.path(), &["nodes", "--root", ".", "--create"]);
    assert_eq!(code, 5, "a node there would be of this machine's flash");
    assert!(!root.path().join("dev/mtd2").exists());
    assert!(!root.path().join("dev/mtdblock0").exists());
    for wrong in [
        &["backup", "--root", ".", "-p", "nonsense"][..],
        &["backup", "--root", ".", "-p", "boot", "-p", "mtd0"],
        &["verify"],
        &["list", "--root"],
        &["list", "--root", ".", "--root", "."],
        &["nonsense"],
        &[],
    ] {
        assert_eq!(run(root.path(), wrong), (2, String::new()), "{wrong:?}");
    }
    assert_eq!(
        fs::read_dir(root.path()).unwrap().count(),
        2,
        "nothing was made"
    );
    let (code, help) = run(root.path(), &["backup", "--help"]);
    assert_eq!(code, 0);
    assert!(
        help.contains("--read-again") && help.contains("130  interrupted"),
        "{help}"
    );
}

/// What only the full program has is named as such, and not taken silently.
#[cfg(not(feature = "full"))]
#[test]
fn what_is_not_in_this_build_is_wrong_usage() {
    let root = tree();
    for arguments in [
        &["list", "--simulate"][..],
        &["list", "--image", "x"],
        &["image", "-o", "x"],
        &["completions", "bash"],
        &["man"],
    ] {
        let assert = mtdkeep()
            .current_dir(&root)
            .args(arguments)
            .assert()
            .code(2);
        let stderr = text(&assert.get_output().stderr);
        assert!(stderr.contains("not in this build"), "{stderr}");
    }
    let (_, help) = run(root.path(), &["--help"]);
    assert!(
        !help.contains("--simulate") && !help.contains("completions"),
        "{help}"
    );
}
