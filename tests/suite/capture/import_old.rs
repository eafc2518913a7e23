//! `mtdkeep import` of what a shell script of the old style leaves: no digests, no
//! table, mtd10 missing.

use crate::capture::import::{assert_code, manifest, run_import, words};
use crate::cli::support::{mtdkeep, text};
use mtd_harness::profile::{self, SimulatedDevice};
use std::fs;
use tempfile::TempDir;

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
