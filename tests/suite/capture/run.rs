//! The script that `mtdkeep script` prints, run by real shells on a tree.

use crate::capture::support::{Bench, printed, shown, small};
use crate::cli::support::{mtdkeep, snapshot, text};
use rstest::rstest;
use std::fs;
use std::path::Path;
use std::process::Command;

const ALL: [u32; 4] = [0, 1, 2, 3];

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[rstest]
#[case::sh(&["sh"])]
#[ignore = "needs bash"]
#[case::bash(&["bash"])]
#[ignore = "needs busybox-static"]
#[case::busybox(&["busybox", "ash"])]
fn all_partitions_are_captured_with_their_digests(#[case] shell: &[&str]) {
    let bench = Bench::new(small(1));
    let output = bench.run(shell, &["--read-again"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    assert_eq!(text(&output.stderr), "");
    let folder = bench.folder();
    bench.assert_images(&folder, &ALL);
    let expected = [
        "MD5SUMS",
        "capture.txt",
        "index.html",
        "mtd0.bin",
        "mtd1.bin",
        "mtd2.bin",
        "mtd3.bin",
        "proc_mtd.txt",
    ];
    assert_eq!(names(&folder), expected);
    let table = fs::read(folder.join("proc_mtd.txt")).unwrap();
    assert_eq!(table, fs::read(bench.tree.path("proc/mtd")).unwrap());
    let stdout = text(&output.stdout);
    assert!(stdout.contains("free space: "), "{stdout}");
    assert!(stdout.contains("second reading: same"), "{stdout}");
    let page = fs::read_to_string(folder.join("index.html")).unwrap();
    for name in expected {
        assert!(name == "index.html" || page.contains(&format!("<a href=\"{name}\" download>")));
    }
    assert!(!page.contains("<b>"), "a name is no markup: {page}");
    let check = Command::new("md5sum")
        .args(["-c", "--quiet", "MD5SUMS"])
        .current_dir(&folder)
        .status();
    assert!(check.unwrap().success());
    // The advice at the end is what it says, quotes in the folder included.
    let advice = stdout.lines().last().unwrap().trim();
    assert!(advice.starts_with("rm -r "), "{stdout}");
    assert!(
        Command::new("sh")
            .args(["-c", advice])
            .status()
            .unwrap()
            .success()
    );
    assert!(!folder.exists());
}

#[rstest]
#[case::sh(&["sh"])]
#[ignore = "needs bash"]
#[case::bash(&["bash"])]
#[ignore = "needs busybox-static"]
#[case::busybox(&["busybox", "ash"])]
fn some_partitions_by_name_or_number(#[case] shell: &[&str]) {
    let bench = Bench::new(small(2));
    let output = bench.run(shell, &["-p", "FIS directory", "-p", "mtd3"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    bench.assert_images(&bench.folder(), &[2, 3]);
    assert!(!bench.folder().join("mtd0.bin").exists());
    // Words after the script come before those in it.
    fs::remove_dir_all(bench.folder()).unwrap();
    let mut command = bench.command(shell, &["-p", "param"]);
    let output = command.arg("RedBoot").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    bench.assert_images(&bench.folder(), &[0]);
    assert!(!bench.folder().join("mtd1.bin").exists());
}

#[rstest]
#[case::sh(&["sh"])]
#[ignore = "needs bash"]
#[case::bash(&["bash"])]
#[ignore = "needs busybox-static"]
#[case::busybox(&["busybox", "ash"])]
fn a_word_that_fits_nothing_is_wrong_usage(#[case] shell: &[&str]) {
    let bench = Bench::new(small(1));
    for word in ["mtd4", "mtd", "redboot", "FIS", "it's $(a) \\n `trap`", "*"] {
        let output = bench.run(shell, &["-p", word]);
        assert_eq!(output.status.code(), Some(2), "{}", shown(&output));
        assert!(!bench.folder().exists());
    }
    let output = bench.run(shell, &["-p", "it's $(a) \\n `trap` <b>"]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    bench.assert_images(&bench.folder(), &[3]);
}

/// As devfs had the nodes, and as Android has them.
#[rstest]
#[case::devfs(&["sh"], "mtd/")]
#[case::android(&["sh"], "mtd/mtd")]
#[ignore = "needs busybox-static"]
#[case::devfs_busybox(&["busybox", "ash"], "mtd/")]
#[ignore = "needs busybox-static"]
#[case::android_busybox(&["busybox", "ash"], "mtd/mtd")]
fn nodes_in_folders_are_found(#[case] shell: &[&str], #[case] place: &str) {
    let bench = Bench::new(small(1));
    let (dev, moved) = (bench.tree.path("dev"), bench.tree.path("moved"));
    fs::rename(&dev, &moved).unwrap();
    fs::create_dir_all(dev.join("mtd")).unwrap();
    for n in ALL {
        fs::rename(
            moved.join(format!("mtd{n}")),
            dev.join(format!("{place}{n}")),
        )
        .unwrap();
    }
    let output = bench.run(shell, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", shown(&output));
    bench.assert_images(&bench.folder(), &ALL);
}

#[rstest]
#[case::sh(&["sh"])]
#[ignore = "needs bash"]
#[case::bash(&["bash"])]
#[ignore = "needs busybox-static"]
#[case::busybox(&["busybox", "ash"])]
fn a_partition_without_a_node_is_never_left_out_silently(#[case] shell: &[&str]) {
    let bench = Bench::new(small(1));
    fs::remove_file(bench.tree.path("dev/mtd2")).unwrap();
    let output = bench.run(shell, &[]);
    assert_eq!(output.status.code(), Some(3), "{}", shown(&output));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("mtd2 (FIS directory) is NOT in this backup"),
        "{stderr}"
    );
    bench.assert_images(&bench.folder(), &[0, 1, 3]);
    let record = fs::read_to_string(bench.folder().join("capture.txt")).unwrap();
    assert!(record.contains("\nleft mtd2 "), "{record}");
}

#[rstest]
#[case::sh(&["sh"])]
#[ignore = "needs bash"]
#[case::bash(&["bash"])]
#[ignore = "needs busybox-static"]
#[case::busybox(&["busybox", "ash"])]
fn an_existing_folder_is_never_touched(#[case] shell: &[&str]) {
    for file in ["mtd0.bin", ".hidden", "..odd", "index.html"] {
        let bench = Bench::new(small(1));
        fs::create_dir_all(bench.folder()).unwrap();
        fs::write(bench.folder().join(file), b"mine").unwrap();
        let before = snapshot(&bench.folder());
        let output = bench.run(shell, &[]);
        assert_eq!(output.status.code(), Some(5), "{}", shown(&output));
        assert_eq!(snapshot(&bench.folder()), before);
    }
    // An empty one is used, and stays when the run fails.
    let bench = Bench::new(small(1));
    fs::create_dir_all(bench.folder()).unwrap();
    fs::remove_file(bench.tree.path("dev/mtd0")).unwrap();
    let output = bench.run(shell, &["-p", "mtd0"]);
    assert_eq!(output.status.code(), Some(4), "{}", shown(&output));
    assert!(names(&bench.folder()).is_empty());
    // A file in its place, a link to nowhere, a missing parent.
    fs::remove_dir(bench.folder()).unwrap();
    fs::write(bench.folder(), b"mine").unwrap();
    assert_eq!(bench.run(shell, &[]).status.code(), Some(4));
    assert_eq!(fs::read(bench.folder()).unwrap(), b"mine");
    fs::remove_file(bench.folder()).unwrap();
    std::os::unix::fs::symlink("nowhere", bench.folder()).unwrap();
    assert_eq!(bench.run(shell, &[]).status.code(), Some(4));
}

#[test]
fn clean_removes_what_the_script_made_finished_or_not() {
    let bench = Bench::new(small(1));
    bench.run(&["sh"], &[]);
    mtdkeep().arg("clean").arg(bench.folder()).assert().code(0);
    assert!(!bench.folder().exists());
    // Killed without a chance to clean up.
    bench.run(&["sh"], &[]);
    let at = |name: &str| bench.folder().join(name);
    fs::rename(at("capture.txt"), at("capture.txt.part")).unwrap();
    fs::rename(at("mtd3.bin"), at("mtd3.bin.part")).unwrap();
    fs::write(at("mine"), b"mine").unwrap();
    mtdkeep().arg("clean").arg(bench.folder()).assert().code(5);
    assert!(at("mtd0.bin").exists());
    fs::remove_file(at("mine")).unwrap();
    mtdkeep().arg("clean").arg(bench.folder()).assert().code(0);
    assert!(!bench.folder().exists());
    // A folder that was there before stays.
    fs::create_dir(bench.folder()).unwrap();
    bench.run(&["sh"], &[]);
    mtdkeep().arg("clean").arg(bench.folder()).assert().code(0);
    assert!(names(&bench.folder()).is_empty());
}

#[test]
fn backup_leaves_a_capture_alone() {
    let bench = Bench::new(small(1));
    bench.run(&["sh"], &[]);
    let before = snapshot(&bench.folder());
    let backup = mtdkeep()
        .args(["backup", "--simulate", "--output"])
        .arg(bench.folder())
        .assert();
    backup.code(5);
    assert_eq!(snapshot(&bench.folder()), before);
}

#[test]
#[ignore = "needs shellcheck"]
fn the_script_is_clean_to_shellcheck() {
    let outer = tempfile::tempdir().unwrap();
    let script = outer.path().join("capture.sh");
    fs::write(
        &script,
        printed(Path::new("/x y's"), &["-p", "RedBoot config"]),
    )
    .unwrap();
    let output = Command::new("shellcheck")
        .args(["-s", "sh"])
        .arg(&script)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", shown(&output));
}

#[test]
fn folders_that_no_script_should_carry_are_wrong_usage() {
    for folder in ["relative", "/", "/a\nb"] {
        mtdkeep()
            .args(["script", "--output-dir", folder])
            .assert()
            .code(2);
    }
    let json = mtdkeep().args(["script", "--json"]).assert().code(0);
    let document: serde_json::Value = serde_json::from_slice(&json.get_output().stdout).unwrap();
    assert!(
        document["script"]
            .as_str()
            .unwrap()
            .starts_with("#!/bin/sh\n")
    );
}
