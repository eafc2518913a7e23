//! `mtdkeep import`: what becomes of a capture, whole or damaged.

use crate::cli_support::{mtdkeep, snapshot, text};
use crate::script_support::{Bench, small};
use mtd_harness::profile::{self, SimulatedDevice};
use proptest::prelude::*;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use tempfile::TempDir;

/// A capture by the script, in a folder that may be damaged.
struct Captured {
    bench: Bench,
}

impl Captured {
    fn with(options: &[&str]) -> Self {
        let bench = Bench::new(small(5));
        let output = bench.run(&["sh"], options);
        assert_eq!(output.status.code(), Some(0));
        Self { bench }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.bench.folder().join(name)
    }

    fn target(&self) -> PathBuf {
        self.bench.outer.path().join("backup")
    }

    /// Imports, and holds the rule: the captured files stay as they are.
    fn import(&self, options: &[&str]) -> Output {
        let before = snapshot(&self.bench.folder());
        let output = run_import(&self.bench.folder(), &self.target(), options);
        assert_eq!(snapshot(&self.bench.folder()), before);
        output
    }
}

fn run_import(folder: &Path, target: &Path, options: &[&str]) -> Output {
    mtdkeep()
        .arg("import")
        .arg(folder)
        .arg("--output")
        .arg(target)
        .args(options)
        .output()
        .unwrap()
}

fn words(output: &Output) -> String {
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[track_caller]
fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", words(output));
}

fn manifest(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

#[test]
fn a_capture_becomes_a_backup_that_verifies() {
    let captured = Captured::with(&["--read-again"]);
    let output = captured.import(&[]);
    assert_code(&output, 0);
    let target = captured.target();
    captured.bench.assert_images(&target, &[0, 1, 2, 3]);
    assert_eq!(text(&output.stderr), "", "all could be proven");
    let said = words(&output);
    assert!(
        said.contains("layout: the device's /proc/mtd, as captured"),
        "{said}"
    );
    assert!(
        said.contains("4 files are what the device stored"),
        "{said}"
    );
    assert!(
        said.contains("the same bytes twice for mtd0, mtd1, mtd2, mtd3"),
        "{said}"
    );
    let manifest = manifest(&target);
    assert_eq!(
        manifest["origin"]["captured_by"],
        "the script of mtdkeep 0.1.0"
    );
    assert_eq!(manifest["origin"]["not_proven"], serde_json::json!([]));
    assert_eq!(manifest["layout"][2]["name"], "FIS directory");
    assert_eq!(manifest["device"]["identity"]["partition"], "param");
    mtdkeep().arg("verify").arg(&target).assert().code(0);
    // The same once more is refused: it is finished.
    assert_code(&captured.import(&[]), 5);
    mtdkeep().arg("clean").arg(&target).assert().code(0);
    assert!(!target.exists());
}

#[test]
fn what_was_not_proven_is_said_and_kept() {
    let captured = Captured::with(&[]);
    let output = captured.import(&[]);
    assert_code(&output, 0);
    assert!(text(&output.stderr).contains("mtd0, mtd1, mtd2, mtd3 was read once"));
    let verify = mtdkeep()
        .arg("verify")
        .arg(captured.target())
        .assert()
        .code(0);
    assert!(text(&verify.get_output().stdout).contains("not proven: "));
    let page = fs::read_to_string(captured.target().join("index.html")).unwrap();
    assert!(page.contains("Not proven: "), "{page}");
}

#[test]
fn a_selection_is_no_partial_backup() {
    let captured = Captured::with(&["-p", "param", "-p", "mtd3"]);
    assert_code(&captured.import(&[]), 0);
    let manifest = manifest(&captured.target());
    assert_eq!(manifest["images"].as_array().unwrap().len(), 2);
    assert_eq!(manifest["layout"][0]["left_out"]["by_choice"], true);
}

#[test]
fn a_file_that_was_not_fetched_makes_it_partial_until_it_is() {
    let captured = Captured::with(&[]);
    let kept = fs::read(captured.at("mtd2.bin")).unwrap();
    fs::remove_file(captured.at("mtd2.bin")).unwrap();
    let output = captured.import(&[]);
    assert_code(&output, 3);
    assert!(words(&output).contains("the device stored mtd2.bin; it was not fetched"));
    mtdkeep()
        .arg("verify")
        .arg(captured.target())
        .assert()
        .code(3);
    fs::write(captured.at("mtd2.bin"), kept).unwrap();
    assert_code(&captured.import(&[]), 0);
    captured
        .bench
        .assert_images(&captured.target(), &[0, 1, 2, 3]);
    mtdkeep()
        .arg("verify")
        .arg(captured.target())
        .assert()
        .code(0);
}

#[test]
fn a_reading_that_differed_on_the_device_stays_known() {
    let captured = Captured::with(&["--read-again"]);
    let record = fs::read_to_string(captured.at("capture.txt")).unwrap();
    let changed = record.replace("image mtd1 131072 same", "image mtd1 131072 differs");
    assert_ne!(record, changed);
    fs::write(captured.at("capture.txt"), changed).unwrap();
    // Its digest no longer fits, as for any change.
    assert_code(&captured.import(&[]), 1);
    let sums = fs::read_to_string(captured.at("MD5SUMS")).unwrap();
    let others: String = sums
        .lines()
        .filter(|line| !line.ends_with("capture.txt"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(captured.at("MD5SUMS"), others).unwrap();
    let output = captured.import(&[]);
    assert_code(&output, 1);
    assert!(words(&output).contains("mtd1: the flash changed while it was read"));
    captured
        .bench
        .assert_images(&captured.target(), &[0, 1, 2, 3]);
    mtdkeep()
        .arg("verify")
        .arg(captured.target())
        .assert()
        .code(3);
}

#[test]
fn damage_is_named_and_nothing_is_made() {
    type Damage = fn(&Captured);
    fn change(captured: &Captured, name: &str, how: impl Fn(&mut Vec<u8>)) {
        let mut bytes = fs::read(captured.at(name)).unwrap();
        how(&mut bytes);
        fs::write(captured.at(name), bytes).unwrap();
    }
    let cases: [(&str, i32, Damage); 12] = [
        ("mtd1.bin is too short", 1, |c| {
            change(c, "mtd1.bin", |b| b.truncate(b.len() - 1))
        }),
        ("mtd1.bin is too long", 1, |c| {
            change(c, "mtd1.bin", |b| b.push(0))
        }),
        ("mtd3.bin has MD5", 1, |c| {
            change(c, "mtd3.bin", |b| b[4095] ^= 1)
        }),
        ("line 2 of MD5SUMS", 1, |c| {
            change(c, "MD5SUMS", |b| b[50] = b'x')
        }),
        ("MD5SUMS has no line for mtd0.bin", 1, |c| {
            change(c, "MD5SUMS", Vec::clear)
        }),
        ("MD5SUMS is missing", 1, |c| {
            fs::remove_file(c.at("MD5SUMS")).unwrap()
        }),
        ("proc_mtd.txt does not have the MD5", 1, |c| {
            change(c, "proc_mtd.txt", |b| b[60] = b'X')
        }),
        ("capture.txt does not have the MD5", 1, |c| {
            change(c, "capture.txt", |b| {
                b.truncate(b.len() - "complete\n".len())
            });
        }),
        ("line 1 of capture.txt", 1, |c| {
            change(c, "capture.txt", Vec::clear)
        }),
        ("mtd9.bin is of no partition", 1, |c| {
            fs::write(c.at("mtd9.bin"), b"x").unwrap()
        }),
        ("mtd2.bin is no regular file", 1, |c| {
            fs::remove_file(c.at("mtd2.bin")).unwrap();
            std::os::unix::fs::symlink("mtd1.bin", c.at("mtd2.bin")).unwrap();
        }),
        ("holds a backup of mtdkeep", 5, |c| {
            fs::write(c.at("manifest.json"), b"{}").unwrap()
        }),
    ];
    for (says, code, damage) in cases {
        let captured = Captured::with(&[]);
        damage(&captured);
        let output = captured.import(&[]);
        assert_code(&output, code);
        assert!(words(&output).contains(says), "{says}: {}", words(&output));
        assert!(!captured.target().exists(), "{says}");
    }
}

#[test]
fn line_ends_that_a_download_changed_do_no_harm() {
    let captured = Captured::with(&[]);
    for name in ["proc_mtd.txt", "capture.txt", "MD5SUMS"] {
        let unix = fs::read_to_string(captured.at(name)).unwrap();
        fs::write(captured.at(name), unix.replace('\n', "\r\n")).unwrap();
    }
    assert_code(&captured.import(&[]), 0);
}

#[test]
fn foreign_files_are_named_and_not_taken() {
    let captured = Captured::with(&[]);
    fs::write(captured.at("notes.txt"), b"mine").unwrap();
    let output = captured.import(&[]);
    assert_code(&output, 0);
    assert!(text(&output.stderr).contains("notes.txt is no part of the capture"));
    assert!(!captured.target().join("notes.txt").exists());
}

#[test]
fn the_backup_goes_beside_and_never_into_the_capture() {
    let captured = Captured::with(&[]);
    let folder = captured.bench.folder();
    let into_itself = run_import(&folder, &folder, &[]);
    assert_code(&into_itself, 5);
    mtdkeep().arg("import").arg(&folder).assert().code(0);
    let beside = folder.with_file_name("mtd_backup-imported");
    captured.bench.assert_images(&beside, &[0, 1, 2, 3]);
    mtdkeep().args(["import", "/"]).assert().code(2);
    mtdkeep()
        .args(["import", "/nonexistent/x"])
        .assert()
        .code(4);
}

/// What the old shell script leaves of an iSpot, mtd10 left out as there.
fn old_capture(device: &SimulatedDevice) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut page = "<HTML><body>\n<br>Right-click and 'Save Target As...' x<br>\n".to_owned();
    for mtd in 0..10 {
        let file = format!("mtd{mtd}.bin");
        fs::write(folder.path().join(&file), device.partition_bytes(mtd)).unwrap();
        page += &format!("<br><br><A HREF=\"{file}\">{file}</A>\n");
    }
    fs::write(folder.path().join("index.html"), page).unwrap();
    folder
}

#[test]
fn the_old_scripts_files_are_taken_for_an_ispots_only_if_all_sizes_fit() {
    let device = profile::ispot(4);
    let folder = old_capture(&device);
    let outer = tempfile::tempdir().unwrap();
    let target = outer.path().join("backup");
    let output = run_import(folder.path(), &target, &[]);
    assert_code(&output, 3);
    let said = words(&output);
    for what in [
        "layout: assumed: the Clear iSpot's",
        "mtd10 (RedBoot config) is not in the capture",
        "it made no digest of mtd0, mtd1",
        "it was assumed",
        "RedBoot's partition table agrees with the layout on",
    ] {
        assert!(said.contains(what), "{what}: {said}");
    }
    for mtd in 0..10 {
        let image = fs::read(target.join(format!("mtd{mtd}.bin"))).unwrap();
        assert!(image == device.partition_bytes(mtd));
    }
    let manifest = manifest(&target);
    assert_eq!(
        manifest["origin"]["captured_by"],
        "the well-known shell script"
    );
    // With mtd10 fetched as well, it is complete, and still not proven.
    fs::write(folder.path().join("mtd10.bin"), device.partition_bytes(10)).unwrap();
    let output = run_import(folder.path(), &target, &[]);
    assert_code(&output, 0);
    assert!(
        words(&output).contains("RedBoot's settings have the checksum"),
        "{}",
        words(&output)
    );
    assert!(text(&output.stderr).contains("not proven: "));
    mtdkeep().arg("verify").arg(&target).assert().code(0);
}

#[test]
fn without_an_exact_fit_a_layout_must_be_given() {
    let device = profile::ispot(4);
    let folder = old_capture(&device);
    let outer = tempfile::tempdir().unwrap();
    let target = outer.path().join("backup");
    let table = outer.path().join("table");
    fs::write(&table, device.system.proc_mtd()).unwrap();
    fs::remove_file(folder.path().join("mtd5.bin")).unwrap();
    let output = run_import(folder.path(), &target, &[]);
    assert_code(&output, 2);
    assert!(
        words(&output).contains("mtd5.bin is missing"),
        "{}",
        words(&output)
    );
    assert!(!target.exists());
    let given = ["--layout", table.to_str().unwrap()];
    let output = run_import(folder.path(), &target, &given);
    assert_code(&output, 3);
    assert!(
        words(&output).contains("it was not fetched"),
        "{}",
        words(&output)
    );
    // Two kernels changed places: all sizes fit, and RedBoot's table cannot tell.
    // Its table in another chip's place is noticed.
    let folder = old_capture(&device);
    let mut fis = device.partition_bytes(9);
    let at = fis
        .chunks(256)
        .position(|r| r.starts_with(b"rootfs\0"))
        .unwrap()
        * 256;
    fis[at + 18] ^= 0x40;
    fs::write(folder.path().join("mtd9.bin"), fis).unwrap();
    let output = run_import(folder.path(), &outer.path().join("second"), &[]);
    assert_code(&output, 2);
    assert!(
        words(&output).contains("cannot be the Clear iSpot's"),
        "{}",
        words(&output)
    );
    // A truncated download is refused, with a layout as well.
    fs::write(folder.path().join("mtd3.bin"), b"torn").unwrap();
    let output = run_import(folder.path(), &outer.path().join("second"), &given);
    assert_code(&output, 1);
    assert!(
        words(&output).contains("mtd3.bin is too short"),
        "{}",
        words(&output)
    );
    fs::write(&table, "torn").unwrap();
    assert_code(&run_import(folder.path(), &target, &given), 4);
}

/// One accident that can happen to the files.
#[derive(Debug, Clone)]
enum Accident {
    Flip(usize, usize),
    Cut(usize, usize),
    Swap(usize, usize),
    Lose(usize),
    Grow(usize),
}

const FILES: [&str; 6] = [
    "mtd0.bin",
    "mtd1.bin",
    "mtd2.bin",
    "mtd3.bin",
    "proc_mtd.txt",
    "capture.txt",
];

fn accident() -> impl Strategy<Value = Accident> {
    let file = 0..FILES.len();
    prop_oneof![
        (file.clone(), any::<usize>()).prop_map(|(f, at)| Accident::Flip(f, at)),
        (file.clone(), any::<usize>()).prop_map(|(f, at)| Accident::Cut(f, at)),
        (file.clone(), file.clone()).prop_map(|(a, b)| Accident::Swap(a, b)),
        file.clone().prop_map(Accident::Lose),
        file.prop_map(Accident::Grow),
    ]
}

impl Accident {
    fn happen(&self, captured: &Captured) {
        let path = |file: usize| captured.at(FILES[file]);
        let change = |file: usize, how: &dyn Fn(&mut Vec<u8>)| {
            if let Ok(mut bytes) = fs::read(path(file)) {
                how(&mut bytes);
                fs::write(path(file), bytes).unwrap();
            }
        };
        match *self {
            Self::Flip(file, at) => change(file, &|bytes| {
                let length = bytes.len();
                if length > 0 {
                    bytes[at % length] ^= 1 << (at % 8);
                }
            }),
            Self::Cut(file, at) => change(file, &|bytes| bytes.truncate(at % (bytes.len() + 1))),
            Self::Grow(file) => change(file, &|bytes| bytes.push(b'\n')),
            Self::Lose(file) => drop(fs::remove_file(path(file))),
            Self::Swap(a, b) => {
                if let (Ok(x), Ok(y)) = (fs::read(path(a)), fs::read(path(b))) {
                    fs::write(path(a), y).unwrap();
                    fs::write(path(b), x).unwrap();
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Where the device made digests, no accident to its files becomes a backup
    /// with a wrong byte, and none with a missing one is called done.
    #[test]
    fn no_accident_becomes_a_wrong_backup(
        accidents in prop::collection::vec(accident(), 0..4),
        sums_accident in prop::option::of(any::<usize>()),
    ) {
        let captured = Captured::with(&[]);
        for accident in &accidents {
            accident.happen(&captured);
        }
        if let Some(at) = sums_accident {
            let mut sums = fs::read(captured.at("MD5SUMS")).unwrap();
            let length = sums.len();
            sums[at % length] ^= 1 << (at % 7);
            fs::write(captured.at("MD5SUMS"), sums).unwrap();
        }
        let output = captured.import(&[]);
        let code = output.status.code();
        prop_assert!(matches!(code, Some(0..=4)), "{}", words(&output));
        if !captured.target().exists() {
            prop_assert!(!matches!(code, Some(0 | 3)), "{}", words(&output));
            return Ok(());
        }
        let mut images = 0;
        for mtd in 0..4 {
            if let Ok(image) = fs::read(captured.target().join(format!("mtd{mtd}.bin"))) {
                images += 1;
                let right = image == captured.bench.device.partition_bytes(mtd);
                prop_assert!(right, "mtd{mtd}: {}", words(&output));
            }
        }
        prop_assert!(code == Some(3) || images == 4, "{}", words(&output));
        mtdkeep().arg("verify").arg(captured.target()).assert().code(code.unwrap_or(-1));
    }
}
