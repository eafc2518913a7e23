//! Numbers past every bound at each way in, and readers that have gone.

use crate::cli::support::{mtdkeep, program, text};
use proptest::prelude::*;
use rstest::rstest;
use std::fs;
use std::path::Path;

/// Each argument or file that takes a number from outside; `{}` is the number, `{x}` the same
/// in hex as the kernel writes it, and `{p}` a prepared file of that name.
const INPUTS: &[&[&str]] = &[
    &["list", "--simulate", "--seed", "{}"],
    &["list", "--simulate={p}table"],
    &["list", "--root", "{p}root"],
    &["nodes", "--root", "{p}root"],
    &["backup", "--root", "{p}root", "--output", "{p}b"],
    &["backup", "--simulate={p}table", "-p", "mtd0", "-o", "{p}b"],
    &["list", "--simulate", "--faults", "size@mtd1={}"],
    &["list", "--simulate", "--faults", "size@mtd{}=1"],
    &["verify", "{p}manifest"],
    &["clean", "{p}manifest"],
    &["repair", "{p}manifest"],
    &["import", "{p}capture", "--output", "{p}b"],
    &["sandbox", "--with-node", "mtd{}", "--", "/nonexistent"],
    &["sandbox", "--with-node", "mtd{}ro", "--", "/nonexistent"],
    &["sandbox", "--with-node", "mtdblock{}", "--", "/nonexistent"],
    &["sandbox", "--kernel", "{}.6.24", "--", "/nonexistent"],
    &["sandbox", "--kernel", "2.6.{}", "--", "/nonexistent"],
];

/// Fault plans that a backup of one partition meets.
const FAULTS: &[&str] = &[
    "read-error@{}",
    "read-error@0x40000+{}",
    "read-error@{}+{}",
    "short-read@0x40000+{}",
    "bit-flip@{}.7",
    "bit-flip@0x40000.{}",
    "bit-flip@0x40000+{}:seed={}",
    "size@mtd1={}",
    "read-error:after={}",
    "read-error:times={}",
    "read-error:errno={}",
];

/// What a folder must hold for them.
fn prepare(folder: &Path, number: u128) {
    let table = format!(
        "dev:    size   erasesize  name\n\
         mtd0: {number:08x} 00020000 \"a\"\nmtd1: {number:08x} 00020000 \"b\"\n\
         mtd2: 00020000 {number:08x} \"c\"\n"
    );
    fs::write(folder.join("table"), &table).unwrap();
    for below in ["root/proc", "root/dev", "capture", "manifest"] {
        fs::create_dir_all(folder.join(below)).unwrap();
    }
    fs::write(folder.join("root/proc/mtd"), &table).unwrap();
    fs::write(folder.join("root/dev/mtd1"), "data").unwrap();
    fs::write(folder.join("capture/proc_mtd.txt"), &table).unwrap();
    fs::write(folder.join("capture/mtd1.bin"), "data").unwrap();
    let zeros = "0".repeat(64);
    let entry = format!(
        "\"mtd\": 1, \"name\": \"a\", \"size_bytes\": {number}, \"erase_block_bytes\": {number}"
    );
    let second = entry.replace("\"mtd\": 1", "\"mtd\": 2");
    let manifest = format!(
        "{{\"format\": \"mtdkeep-backup\", \"format_version\": \"1.3\", \"tool\": \"t\", \
         \"created_utc\": \"1970-01-01T00:00:00Z\", \"device\": {{\"description\": \"d\"}}, \
         \"layout\": [{{{entry}, \"offset_bytes\": {number}}}, {{{second}}}], \"images\": \
         [{{{entry}, \"file\": \"mtd1.bin\", \"sha256\": \"{zeros}\", \"unreadable\": \
         [{{\"offset_bytes\": {number}, \"length_bytes\": {number}, \"reason\": \"r\"}}]}}], \
         \"folder_created\": true}}"
    );
    fs::write(folder.join("manifest/manifest.json"), manifest).unwrap();
    fs::write(folder.join("manifest/mtd1.bin"), "data").unwrap();
}

/// Runs the program; it must end by itself, and not by a panic.
fn survives(arguments: &[&str], number: u128, folder: &Path) -> Result<(), TestCaseError> {
    let place = format!("{}/", folder.display());
    let words = arguments.iter().map(|word| {
        let word = word.replace("{}", &number.to_string());
        word.replace("{p}", &place)
    });
    let words: Vec<String> = words.collect();
    let output = program().args(&words).current_dir(folder).output().unwrap();
    let stderr = text(&output.stderr);
    let code = output.status.code();
    prop_assert!(
        code.is_some_and(|code| code != 101) && !stderr.contains("panicked"),
        "{:?}: {:?}\n{}",
        words,
        output.status,
        stderr
    );
    Ok(())
}

/// Around each power of two that a type or the kernel ends at, and past all.
fn number() -> impl Strategy<Value = u128> {
    let bounds = prop::sample::select(&[0_u32, 19, 20, 31, 32, 62, 63, 64, 65, 126][..]);
    (bounds, -2..3_i128).prop_map(|(bits, near)| ((1_i128 << bits) + near).max(0) as u128)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_number_is_too_large_for_an_input(
        number in number(),
        input in prop::sample::select(INPUTS),
    ) {
        println!("number {number}");
        let outer = tempfile::tempdir().unwrap();
        prepare(outer.path(), number);
        survives(input, number, outer.path())?;
    }

    #[test]
    fn no_number_is_too_large_for_a_fault(
        number in number(),
        plan in prop::sample::select(FAULTS),
    ) {
        // A partition that says so is written in full, filled; the disk is not ours.
        prop_assume!(!plan.starts_with("size@") || !(1 << 22..1 << 62).contains(&number));
        println!("number {number}");
        let outer = tempfile::tempdir().unwrap();
        let backup = ["backup", "--simulate", "-p", "param", "-o", "b", "--faults", plan];
        survives(&backup, number, outer.path())?;
    }
}

/// It used to wrap around: to mtd2147483647's node, and to another's in between.
// Other machines have no sandbox.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn a_node_past_the_last_number_is_wrong_usage() {
    for number in ["524288", "2147483648", "4294967295", "4294967296"] {
        let node = format!("mtd{number}");
        let assert = mtdkeep()
            .args(["sandbox", "--with-node", &node, "--", "true"])
            .assert()
            .code(2);
        let stderr = text(&assert.get_output().stderr);
        assert!(stderr.contains(&node), "{stderr}");
    }
}

/// Who reads the output may go at any time.
#[rstest]
#[case::list(&["list", "--simulate"])]
#[case::json(&["list", "--simulate", "--json"])]
#[case::help(&["--help"])]
#[case::manual(&["man", "backup"])]
#[case::completions(&["completions", "bash"])]
#[case::script(&["script"])]
#[case::backup(&["backup", "--simulate", "-p", "param", "-o", "b"])]
fn a_reader_that_has_gone_is_no_error(#[case] arguments: &[&str]) {
    let outer = tempfile::tempdir().unwrap();
    // A stream whose other end was closed before: EPIPE, whatever the times.
    let gone = || {
        let (_, stream) = std::os::unix::net::UnixStream::pair().unwrap();
        std::process::Stdio::from(std::os::fd::OwnedFd::from(stream))
    };
    let mut command = program();
    let output = command
        .args(arguments)
        .current_dir(outer.path())
        .stdout(gone())
        .output()
        .unwrap();
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
    let _ = fs::remove_dir_all(outer.path().join("b"));
    // With nobody there for warnings and errors either.
    let status = command.stdout(gone()).stderr(gone()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    let _ = fs::remove_dir_all(outer.path().join("b"));
    let wrong = program().arg("nonsense").stderr(gone()).status().unwrap();
    assert_eq!(wrong.code(), Some(2));
}
