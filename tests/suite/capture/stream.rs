//! The script of `mtdkeep script --stream`: flash as one tar, for a device without room.

use crate::capture::support::{Bench, shown, small};
use crate::cli::support::{mtdkeep, text};
use rstest::rstest;
use std::fs;
use std::process::{Command, Output, Stdio};

const TABLE: &str = "proc_mtd.txt";

fn script(words: &[&str]) -> Vec<u8> {
    let printed = mtdkeep()
        .args(["script", "--stream"])
        .args(words)
        .output()
        .unwrap();
    assert_eq!(printed.status.code(), Some(0), "{}", shown(&printed));
    printed.stdout
}

/// Runs the script on the bench's device; `before` stands in front of it.
fn stream(bench: &Bench, shell: &[&str], before: &str, words: &[&str]) -> Output {
    let file = bench.outer.path().join("stream.sh");
    let script = String::from_utf8(script(words)).unwrap();
    // The first line is a comment for the kernel.
    fs::write(&file, format!("{before}\n{script}")).unwrap();
    Command::new(shell[0])
        .args(&shell[1..])
        .arg(&file)
        .env("MTDKEEP_ROOT", bench.tree.root())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Gives a tar to `import -`.
fn imported(bench: &Bench, archive: &[u8], folder: &str) -> Output {
    mtdkeep()
        .current_dir(bench.outer.path())
        .args(["import", "-", "--output", folder])
        .write_stdin(archive)
        .output()
        .unwrap()
}

#[rstest]
#[case::sh(&["sh"], "")]
#[ignore = "needs bash"]
#[case::bash(&["bash"], "")]
#[ignore = "needs busybox-static"]
#[case::busybox(&["busybox", "ash"], "")]
#[case::no_tee(&["sh"], "tee() { return 1; }")]
fn a_stream_becomes_a_backup(#[case] shell: &[&str], #[case] before: &str) {
    let bench = Bench::new(small(31));
    let output = stream(&bench, shell, before, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let made = imported(&bench, &output.stdout, "backup");
    assert_eq!(made.status.code(), Some(0), "{}", shown(&made));
    let folder = bench.outer.path().join("backup");
    bench.assert_images(&folder, &[0, 1, 2, 3]);
    let proven = "proven: 4 files are what the device stored: they have the MD5 made there";
    assert!(text(&made.stdout).contains(proven), "{}", shown(&made));
    // Nothing of the stream is left beside it.
    let mut names: Vec<_> = fs::read_dir(bench.outer.path())
        .unwrap()
        .flatten()
        .collect();
    names.retain(|entry| entry.file_name().to_string_lossy().contains("backup"));
    assert_eq!(names.len(), 1, "{names:?}");
    let again = imported(&bench, &output.stdout, "backup");
    assert_eq!(again.status.code(), Some(5), "{}", shown(&again));
}

/// Any tar program reads it, too.
#[test]
fn it_is_a_plain_tar() {
    let bench = Bench::new(small(32));
    let output = stream(&bench, &["sh"], "", &["--partition", "param"]);
    let mut archive = tar::Archive::new(&output.stdout[..]);
    let names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            assert!(entry.header().as_ustar().is_some());
            entry.path().unwrap().to_string_lossy().into_owned()
        })
        .collect();
    assert_eq!(names, [TABLE, "mtd1.bin", "MD5SUMS", "capture.txt"]);
    assert_eq!(output.stdout.len() % 512, 0);
    // What nobody asked for is missing, and known to be.
    let made = imported(&bench, &output.stdout, "one");
    assert_eq!(made.status.code(), Some(0), "{}", shown(&made));
}

/// A stream that was cut off anywhere is no backup.
#[test]
fn a_cut_stream_is_none() {
    let bench = Bench::new(small(33));
    let whole = stream(&bench, &["sh"], "", &[]).stdout;
    let record = whole.len() - 1024 - 1024;
    for cut in [
        100,
        512,
        2000,
        0x2_0000,
        0x4_0000 + 3072,
        record - 512,
        record,
        record + 600,
    ] {
        let made = imported(&bench, &whole[..cut], "cut");
        let code = made.status.code();
        assert!(matches!(code, Some(1 | 4)), "{cut}: {}", shown(&made));
        assert!(!bench.outer.path().join("cut").exists(), "{cut}");
    }
    // A byte that changed on the way is found.
    let mut changed = whole.clone();
    changed[0x1_0000] ^= 1;
    let made = imported(&bench, &changed, "changed");
    assert_eq!(made.status.code(), Some(1), "{}", shown(&made));
    assert!(!bench.outer.path().join("changed").exists());
}

/// An erase block that cannot be read costs itself only, and is known.
#[test]
fn what_cannot_be_read_is_zeros_and_named() {
    let bench = Bench::new(small(34));
    let before = "dd() {
        case $* in
            *mtd0*skip=1*) return 1 ;;
            *mtd0*skip=*) command dd \"$@\" ;;
            *mtd0*) command dd \"$@\" count=1; return 1 ;;
            *) command dd \"$@\" ;;
        esac
    }";
    let output = stream(&bench, &["sh"], before, &[]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let said = text(&output.stderr);
    assert!(
        said.contains("131072 of its 262144 bytes cannot be read"),
        "{said}"
    );
    let made = imported(&bench, &output.stdout, "partial");
    assert_eq!(made.status.code(), Some(3), "{}", shown(&made));
    // Who imports it knows that from the record alone.
    let wanted = "capture.txt says that the device could not read 0x20000 bytes at 0x20000";
    assert!(shown(&made).contains(wanted), "{}", shown(&made));
    let image = fs::read(bench.outer.path().join("partial/mtd0.bin")).unwrap();
    let whole = bench.device.partition_bytes(0);
    assert!(image[..0x2_0000] == whole[..0x2_0000]);
    assert!(image[0x2_0000..].iter().all(|byte| *byte == 0xff));
}

#[test]
fn what_does_not_go_together() {
    for words in [
        &["--read-again"][..],
        &["--output-dir", "/tmp/x"],
        &["--send", "a:1"],
    ] {
        let output = mtdkeep()
            .args(["script", "--stream"])
            .args(words)
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{words:?}: {}",
            shown(&output)
        );
    }
}

#[test]
#[ignore = "needs shellcheck"]
fn the_script_is_clean_to_shellcheck() {
    let outer = tempfile::tempdir().unwrap();
    let file = outer.path().join("stream.sh");
    fs::write(&file, script(&["--partition", "RedBoot config"])).unwrap();
    let output = Command::new("shellcheck")
        .args(["-s", "sh"])
        .arg(&file)
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", shown(&output));
}
