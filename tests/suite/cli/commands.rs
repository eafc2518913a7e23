//! `list`, `nodes`, `image`, `completions`, `man`, help and JSON documents.

use crate::cli::support::{mtdkeep, program_words, text};
use rstest::rstest;
use serde_json::Value;
use std::fs;

fn json(arguments: &[&str], code: i32) -> Value {
    let output = mtdkeep().args(arguments).arg("--json").output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["exit_code"], code);
    assert_eq!(document["command"], arguments[0]);
    document
}

#[test]
fn list_tells_what_is_odd() {
    let assert = mtdkeep().args(["list", "--simulate"]).assert().code(0);
    let lines = text(&assert.get_output().stdout);
    assert!(lines.contains("mtd10  RedBoot config"), "{lines}");
    assert!(
        lines.contains("mtd10 (RedBoot config) has no device node"),
        "{lines}"
    );
    assert!(
        lines.contains("mtd9 (FIS directory) and mtd10 (RedBoot config) share the erase block"),
        "{lines}"
    );
    let document = json(&["list", "--simulate"], 0);
    let partitions = document["partitions"].as_array().unwrap();
    assert_eq!(partitions.len(), 11);
    assert_eq!(partitions[10]["name"], "RedBoot config");
    assert_eq!(partitions[10]["offset_bytes"], 0xff_f000);
    assert_eq!(partitions[10]["node"], "missing");
    assert_eq!(partitions[10]["writeable"], false);
    assert_eq!(partitions[0]["node"], "present");
}

#[test]
fn nodes_prints_the_lines_that_make_them() {
    mtdkeep()
        .args(["nodes", "--simulate"])
        .assert()
        .code(0)
        .stdout("mknod /dev/mtd10 c 90 20\nmknod /dev/mtdblock10 b 31 10\n");
    mtdkeep()
        .args(["nodes", "--simulate", "--create"])
        .assert()
        .code(5);
    let document = json(&["nodes", "--simulate"], 0);
    assert_eq!(document["missing"].as_array().unwrap().len(), 2);
}

#[test]
fn an_image_goes_out_and_comes_back() {
    let outer = tempfile::tempdir().unwrap();
    let chip = outer.path().join("flash.bin");
    let chip_name = chip.to_str().unwrap();
    let folder = outer.path().join("b");
    mtdkeep()
        .args(["image", "--simulate", "--seed", "5", "--output", chip_name])
        .assert()
        .code(0);
    let device = mtd_harness::profile::ispot(5);
    assert!(fs::read(&chip).unwrap() == device.chip_bytes(0));
    mtdkeep()
        .args(["backup", "--image", chip_name, "--output"])
        .arg(&folder)
        .assert()
        .code(0);
    crate::cli::backup::assert_images_are_the_flash(&folder, 5);
    mtdkeep()
        .args(["verify", "--device", "--image", chip_name])
        .arg(&folder)
        .assert()
        .code(0);
    // Nothing was written to the image.
    assert!(fs::read(&chip).unwrap() == device.chip_bytes(0));
    // Another layout of one chip, from a file.
    let table = outer.path().join("table");
    fs::write(
        &table,
        "dev:    size   erasesize  name\nmtd0: 01000000 00020000 \"all\"\n",
    )
    .unwrap();
    let whole = outer.path().join("whole");
    mtdkeep()
        .args(["backup", "--image", chip_name, "--output"])
        .arg(&whole)
        .arg(format!("--simulate={}", table.display()))
        .assert()
        .code(0);
    assert!(fs::read(whole.join("mtd0.bin")).unwrap() == device.chip_bytes(0));
}

#[test]
fn each_command_ends_with_one_json_document() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("b");
    let folder = folder.to_str().unwrap();
    let made = json(&["backup", "--simulate", "-o", folder, "-p", "param"], 0);
    assert_eq!(made["outcome"], "done");
    assert_eq!(made["manifest"]["images"][0]["file"], "mtd1.bin");
    let left_out = made["manifest"]["layout"].as_array().unwrap();
    let by_choice = |entry: &&Value| entry["left_out"]["by_choice"] == true;
    assert_eq!(left_out.iter().filter(by_choice).count(), 10);
    let rest = json(&["backup", "--simulate", "-o", folder], 0);
    assert_eq!(rest["manifest"]["images"].as_array().unwrap().len(), 11);
    let again = json(&["backup", "--simulate", "-o", folder], 5);
    assert!(
        again["error"]["message"]
            .as_str()
            .unwrap()
            .contains("finished backup")
    );
    assert!(
        again["error"]["help"]
            .as_str()
            .unwrap()
            .contains("--output")
    );
    let good = json(&["verify", folder], 0);
    assert_eq!(good["outcome"], "good");
    let bad = json(
        &["verify", folder, "--device", "--simulate", "--seed", "2"],
        1,
    );
    assert_eq!(bad["findings"][0]["meaning"], "differs");
    assert_eq!(bad["findings"][0]["kind"], "another_device");
    let cleaned = json(&["clean", folder], 0);
    assert_eq!(cleaned["removed"].as_array().unwrap().len(), 14);
    assert_eq!(cleaned["folder_removed"], true);
    let image = outer.path().join("flash.bin");
    let written = json(&["image", "--simulate", "-o", image.to_str().unwrap()], 0);
    assert_eq!(written["size_bytes"], 16 << 20);
}

#[rstest]
#[case(&["completions", "bash"], "_mtdkeep")]
#[case(&["completions", "zsh"], "#compdef mtdkeep")]
#[case(&["completions", "fish"], "complete -c mtdkeep")]
#[case(&["man"], ".TH MTDKEEP")]
#[case(&["man", "backup"], "read\\-again")]
#[case(&["--help"], "Exit codes:")]
#[case(&["verify", "--help"], "Examples:")]
#[case(&["--version"], env!("CARGO_PKG_VERSION"))]
fn texts(#[case] arguments: &[&str], #[case] word: &str) {
    let assert = mtdkeep().args(arguments).assert().code(0);
    let shown = text(&assert.get_output().stdout);
    assert!(shown.contains(word), "{shown}");
}

#[rstest]
#[case(&[])]
#[case(&["nonsense"])]
#[case(&["completions", "nonsense"])]
#[case(&["man", "nonsense"])]
#[case(&["verify"])]
fn wrong_usage(#[case] arguments: &[&str]) {
    mtdkeep().args(arguments).assert().code(2).stdout("");
}

#[test]
fn quiet_says_nothing_but_errors() {
    let outer = tempfile::tempdir().unwrap();
    let backup = |faults: &str, output: &str| {
        let arguments = [
            "backup",
            "-q",
            "--simulate",
            "--faults",
            faults,
            "-o",
            output,
        ];
        mtdkeep().current_dir(&outer).args(arguments).assert()
    };
    backup("short-read", "a").code(0).stdout("").stderr("");
    backup("read-error@0", "b").code(3).stdout("").stderr("");
    let refused = backup("short-read", "a").code(5).stdout("");
    assert!(text(&refused.get_output().stderr).starts_with("mtdkeep: error: "));
}

/// Output that nobody can read is an error; a reader that has gone is not.
#[test]
fn output_that_cannot_be_written() {
    let run = |to: &str| {
        let script = format!("\"$@\" man {to}; echo $? >&2");
        let output = std::process::Command::new("sh")
            .args(["-c", &script, "sh"])
            .args(program_words())
            .output()
            .unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(run("> /dev/full").ends_with("\n4\n"));
    // Open, but to be read alone: what was written there was lost with exit code 0.
    assert!(run("1< /dev/null").ends_with("\n4\n"));
    assert_eq!(run("| true"), "0\n");
}

/// The README shows what the program prints.
#[test]
fn the_readme_has_the_exit_codes() {
    let readme = include_str!("../../../README.md");
    for line in [
        "| 0 |", "| 1 |", "| 2 |", "| 3 |", "| 4 |", "| 5 |", "| 6 |", "| 130 |",
    ] {
        assert!(readme.contains(line), "{line}");
    }
}
