//! Bad input: a clear error each, the right exit code, nothing lost, no panic.

use crate::cli::support::{mtdkeep, program_words, snapshot, text};
use mtd_harness::profile;
use mtd_harness::tree::Tree;
use rstest::rstest;
use std::fs;
use std::path::Path;

/// Runs the program; its standard error must hold all of `words`.
fn fails(arguments: &[&str], folder: &Path, code: i32, words: &[&str]) {
    let assert = mtdkeep()
        .current_dir(folder)
        .args(arguments)
        .assert()
        .code(code);
    let stderr = text(&assert.get_output().stderr).to_owned();
    for word in words {
        assert!(
            stderr.contains(word),
            "{arguments:?}: no {word:?} in {stderr}"
        );
    }
    assert!(stderr.starts_with("mtdkeep: error: "), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

const HEADER: &str = "dev:    size   erasesize  name\n";

#[rstest]
#[case::absent(None, "no MTD here")]
#[case::empty(Some(String::new()), "proc/mtd")]
#[case::no_device(Some(HEADER.into()), "lists no MTD device")]
#[case::foreign_header(Some("major minor  #blocks  name\n".into()), "proc/mtd")]
#[case::torn_line(Some(format!("{HEADER}mtd0: 00040000 000")), "line 2")]
#[case::past_64_bits(Some(format!("{HEADER}mtd0: 10000000000000000 00020000 \"a\"\n")), "line 2")]
#[case::number_twice(
    Some(format!("{HEADER}mtd0: 00040000 00020000 \"a\"\nmtd0: 00040000 00020000 \"b\"\n")),
    "line 3"
)]
fn a_bad_table(
    #[case] table: Option<String>,
    #[case] word: &str,
    #[values("list", "backup", "nodes")] command: &str,
) {
    let outer = tempfile::tempdir().unwrap();
    fs::create_dir_all(outer.path().join("root/proc")).unwrap();
    if let Some(table) = table {
        fs::write(outer.path().join("root/proc/mtd"), table).unwrap();
    }
    fails(
        &[command, "--root", "root"],
        outer.path(),
        4,
        &[word, "help: "],
    );
    assert_eq!(
        fs::read_dir(outer.path()).unwrap().count(),
        1,
        "only root is there"
    );
}

#[test]
fn names_with_quotes_and_blanks_are_names() {
    let outer = tempfile::tempdir().unwrap();
    let table = format!("{HEADER}mtd0: 00000800 00000400 \"a \"b\" <c> & d\"\n");
    fs::write(outer.path().join("table"), table).unwrap();
    mtdkeep()
        .current_dir(&outer)
        .args([
            "backup",
            "--simulate=table",
            "-o",
            "b",
            "-p",
            "a \"b\" <c> & d",
        ])
        .assert()
        .code(0);
    mtdkeep()
        .current_dir(&outer)
        .args(["verify", "b"])
        .assert()
        .code(0);
    let page = fs::read_to_string(outer.path().join("b/index.html")).unwrap();
    assert!(page.contains("a &quot;b&quot; &lt;c&gt; &amp; d"), "{page}");
    assert!(!page.contains("<c>"), "{page}");
}

#[rstest]
#[case::unknown(&["-p", "nonsense"], &["nonsense", "mtd1 (param)", "mtd10 (RedBoot config)"])]
#[case::unknown_number(&["-p", "mtd11"], &["mtd11", "mtd10 (RedBoot config)"])]
#[case::twice(&["-p", "param", "-p", "param"], &["mtd1 (param)", "twice"])]
#[case::name_and_number(&["-p", "param", "-p", "mtd1"], &["mtd1 (param)", "twice"])]
fn a_wrong_partition_is_wrong_usage(#[case] partitions: &[&str], #[case] words: &[&str]) {
    let outer = tempfile::tempdir().unwrap();
    let arguments = [&["backup", "--simulate", "-o", "b"], partitions].concat();
    fails(&arguments, outer.path(), 2, words);
    assert!(!outer.path().join("b").exists());
}

#[rstest]
#[case::shorter(0x1fff0, "0x1fff0")]
#[case::longer(0x20010, "0x20010")]
#[case::empty(0, "0x0")]
fn a_device_of_another_length_is_left_out_and_named(#[case] bytes: u64, #[case] word: &str) {
    let tree = Tree::of(&profile::ispot(1)).unwrap();
    let outer = tempfile::tempdir().unwrap();
    // Of the three names of one file, the one that is read.
    let node = tree.path("dev/mtd1");
    let file = fs::OpenOptions::new().write(true).open(node).unwrap();
    file.set_len(bytes).unwrap();
    let assert = mtdkeep()
        .current_dir(&outer)
        .args(["backup", "-o", "b", "-p", "param", "-p", "ver_1", "--root"])
        .arg(tree.path(""))
        .assert()
        .code(3);
    let stderr = text(&assert.get_output().stderr);
    assert!(stderr.contains("mtd1") && stderr.contains(word), "{stderr}");
    assert!(outer.path().join("b/mtd7.bin").exists());
    assert!(!outer.path().join("b/mtd1.bin").exists());
    mtdkeep()
        .current_dir(&outer)
        .args(["verify", "b"])
        .assert()
        .code(3);
}

#[test]
fn a_tree_gives_the_same_bytes_and_names_what_it_lacks() {
    let tree = Tree::of(&profile::ispot(1)).unwrap();
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("b");
    let assert = mtdkeep()
        .args(["backup", "--root"])
        .arg(tree.path(""))
        .arg("--output")
        .arg(&folder)
        .assert()
        .code(3);
    let stderr = text(&assert.get_output().stderr);
    assert!(stderr.contains("mtd10 is left out"), "{stderr}");
    assert!(stderr.contains("help: "), "{stderr}");
    let device = profile::ispot(1);
    for index in 0..10 {
        let image = fs::read(folder.join(format!("mtd{index}.bin"))).unwrap();
        assert!(image == device.partition_bytes(index), "mtd{index}");
    }
    mtdkeep().arg("verify").arg(&folder).assert().code(3);
}

/// A backup without a byte is none: verify would say so of what was called done.
#[rstest]
#[case::all(&[], 0, "mtd0 (gone)", 4)]
#[case::chosen(&["-p", "mtd1"], 0x1000, "hold no byte; nothing was changed", 5)]
#[case::chosen_as_a_tar(&["-p", "mtd1", "-o", "-"], 0x1000, "hold no byte", 5)]
fn empty_partitions_alone_are_no_backup(
    #[case] more: &[&str],
    #[case] bytes: usize,
    #[case] says: &str,
    #[case] code: i32,
) {
    let outer = tempfile::tempdir().unwrap();
    fs::create_dir_all(outer.path().join("tree/proc")).unwrap();
    fs::create_dir_all(outer.path().join("tree/dev")).unwrap();
    let table =
        format!("{HEADER}mtd0: 00001000 00001000 \"gone\"\nmtd1: 00000000 00001000 \"empty\"\n");
    fs::write(outer.path().join("tree/proc/mtd"), table).unwrap();
    if bytes > 0 {
        fs::write(outer.path().join("tree/dev/mtd0"), vec![7; bytes]).unwrap();
    }
    fs::write(outer.path().join("tree/dev/mtd1"), "").unwrap();
    let arguments = [&["backup", "--root", "tree"], more].concat();
    fails(&arguments, outer.path(), code, &[says, "help: "]);
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1);
}

#[rstest]
#[case::not_a_folder("file", &["file", "Not a directory"])]
#[case::below_a_file("file/b", &["file/b"])]
fn a_destination_that_cannot_be(#[case] output: &str, #[case] words: &[&str]) {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("file"), "mine").unwrap();
    let arguments = ["backup", "--simulate", "--output", output];
    fails(&arguments, outer.path(), 4, words);
    assert_eq!(fs::read(outer.path().join("file")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1);
}

#[test]
#[ignore = "needs an ordinary user"]
fn a_destination_that_an_ordinary_user_may_not_write() {
    use std::os::unix::fs::PermissionsExt as _;
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("b");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
    let arguments = ["backup", "--simulate", "--output", "b"];
    fails(
        &arguments,
        outer.path(),
        4,
        &["Permission denied", "help: run it as a user who may"],
    );
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[rstest]
#[case::notes(&["notes.txt"])]
#[case::an_index_page(&["index.html"])]
#[case::an_image_of_nobody(&["mtd3.bin"])]
#[case::sums(&["SHA256SUMS"])]
#[case::hidden(&[".hidden"])]
fn a_folder_with_foreign_files_is_refused_and_kept(#[case] names: &[&str]) {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("b");
    fs::create_dir(&folder).unwrap();
    for name in names {
        fs::write(folder.join(name), "mine").unwrap();
    }
    let before = snapshot(&folder);
    let arguments = ["backup", "--simulate", "--output", "b"];
    fails(&arguments, outer.path(), 5, names);
    fails(&["clean", "b"], outer.path(), 5, names);
    assert_eq!(snapshot(&folder), before);
}

#[test]
fn links_and_folders_in_the_folder_are_refused() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("b");
    fs::create_dir_all(folder.join("mtd0.bin")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("manifest.json")).unwrap();
    let arguments = ["backup", "--simulate", "--output", "b"];
    fails(&arguments, outer.path(), 5, &["mtd0.bin", "manifest.json"]);
    fails(&["clean", "b"], outer.path(), 5, &["mtd0.bin"]);
    fails(&["verify", "b"], outer.path(), 4, &["no backup"]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
}

#[rstest]
#[case::shorter(0xff_ffff)]
#[case::longer(0x100_0001)]
#[case::empty(0)]
fn an_image_of_the_wrong_length(#[case] bytes: u64) {
    let outer = tempfile::tempdir().unwrap();
    let file = fs::File::create(outer.path().join("flash.bin")).unwrap();
    file.set_len(bytes).unwrap();
    let arguments = ["backup", "--image", "flash.bin", "--output", "b"];
    let length = format!("{bytes}");
    fails(
        &arguments,
        outer.path(),
        4,
        &["flash.bin", &length, "16777216"],
    );
    assert!(!outer.path().join("b").exists());
}

#[rstest]
#[case::missing_layout(&["list", "--simulate=nothing"], 4, "nothing")]
#[case::bad_layout(&["list", "--simulate=bad"], 4, "bad")]
#[case::bad_faults(&["list", "--simulate", "--faults", "nonsense"], 2, "nonsense")]
#[case::image_there(&["image", "--simulate", "--output", "bad"], 5, "bad")]
fn a_simulation_that_cannot_be(#[case] arguments: &[&str], #[case] code: i32, #[case] word: &str) {
    let outer = tempfile::tempdir().unwrap();
    fs::write(outer.path().join("bad"), "not a table").unwrap();
    fails(arguments, outer.path(), code, &[word]);
    assert_eq!(fs::read(outer.path().join("bad")).unwrap(), b"not a table");
}

/// A full file system is imitated with the limit on file sizes that every
/// system has; real ENOSPC at every byte is in the fault suite.
#[test]
fn a_destination_that_fills_up_keeps_what_is_whole() {
    let outer = tempfile::tempdir().unwrap();
    let script = "trap '' XFSZ; ulimit -f 2048; exec \"$@\"";
    let assert = assert_cmd::Command::new("sh")
        .current_dir(&outer)
        .args(["-c", script, "sh"])
        .args(program_words())
        .args(["backup", "--simulate", "--output", "b"])
        .assert()
        .code(4);
    let stderr = text(&assert.get_output().stderr).to_owned();
    assert!(stderr.contains("cannot write mtd"), "{stderr}");
    assert!(stderr.contains("starting again completes it"), "{stderr}");
    let folder = outer.path().join("b");
    assert!(!folder.join("manifest.json").exists());
    assert!(folder.join("unfinished.json").exists());
    mtdkeep()
        .current_dir(&outer)
        .args(["verify", "b"])
        .assert()
        .code(3);
    mtdkeep()
        .current_dir(&outer)
        .args(["backup", "--simulate", "--output", "b"])
        .assert()
        .code(0);
    crate::cli::backup::assert_images_are_the_flash(&folder, 1);
}

/// One partition after the other, where no thread can be made: a stack larger
/// than any memory is as good as a limit on processes.
#[test]
fn a_backup_without_threads_is_whole() {
    let outer = tempfile::tempdir().unwrap();
    let backup = mtdkeep()
        .current_dir(outer.path())
        .env("RUST_MIN_STACK", (1_u64 << 60).to_string())
        .args(["backup", "--simulate", "--output", "b"])
        .assert();
    backup.code(0);
    mtdkeep()
        .arg("verify")
        .arg(outer.path().join("b"))
        .assert()
        .code(0);
}

#[test]
fn a_limit_on_file_sizes_is_an_error_that_says_so() {
    let outer = tempfile::tempdir().unwrap();
    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -f 64; exec \"$@\"", "sh"])
        .args(crate::cli::support::program_words())
        .args(["backup", "--simulate", "--output", "b"])
        .current_dir(outer.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains("File too large"), "{stderr}");
    assert!(stderr.contains("`ulimit -f`"), "{stderr}");
}

/// With descriptors for the folder's files, but not for all devices as well, they are
/// opened one after the other; with hardly any, nothing is blamed but the limit.
#[rstest]
#[case::for_none_at_all(5, false)]
#[case::one_after_the_other(14, true)]
#[case::some_beside_each_other(24, true)]
#[case::all_but_a_few(40, true)]
fn a_limit_on_open_files_is_no_fault_of_the_medium(#[case] limit: u32, #[case] fits: bool) {
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join("tree");
    fs::create_dir_all(root.join("proc")).unwrap();
    fs::create_dir_all(root.join("dev")).unwrap();
    let mut table = String::from("dev:    size   erasesize  name\n");
    for mtd in 0..32 {
        table += &format!("mtd{mtd}: 00000004 00000004 \"p{mtd}\"\n");
        fs::write(root.join(format!("dev/mtd{mtd}")), b"data").unwrap();
    }
    fs::write(root.join("proc/mtd"), table).unwrap();
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("ulimit -n {limit}; exec \"$@\""), "sh"])
        .args(crate::cli::support::program_words())
        .args(["backup", "--root", "tree", "--output", "c"])
        .current_dir(outer.path())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    if fits {
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        let again = mtdkeep()
            .args(["verify", "c", "--device", "--root", "tree"])
            .current_dir(outer.path())
            .assert();
        again.success();
        return;
    }
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains("ulimit -n"), "{stderr}");
    assert!(!stderr.contains("check the medium"), "{stderr}");
    assert!(!outer.path().join("c/manifest.json").exists());
}
