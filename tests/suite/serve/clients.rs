//! Real clients, which have to be installed: `ci/page` runs these.

use super::client::TOKEN;
use super::support::{Serving, flash};
use crate::cli::support::{mtdkeep, snapshot};
use std::path::Path;
use std::process::{Command, Output};

fn run(folder: &Path, program: &str, words: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(words).current_dir(folder);
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {words:?}: {output:?}");
    output
}

fn base(serving: &Serving) -> String {
    format!("http://{}/{TOKEN}/", serving.address)
}

/// The line that the page shows for one download of everything.
#[test]
#[ignore = "needs curl"]
fn curl_fetches_the_tar_and_resumes() {
    let outer = tempfile::tempdir().unwrap();
    let serving = Serving::ispot();
    let base = base(&serving);
    let tar = base.clone() + "backup.tar";
    run(outer.path(), "curl", &["-sS", "-f", "-O", &tar]);
    let file = outer.path().join("backup.tar");
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..5_000_001]).unwrap();
    run(outer.path(), "curl", &["-sS", "-f", "-C", "-", "-O", &tar]);
    assert!(std::fs::read(&file).unwrap() == whole);
    mtdkeep().arg("verify").arg(&file).assert().success();
    // Several on one connection, and the heads.
    let some = format!("{base}mtd[0-10].bin");
    run(outer.path(), "curl", &["-sS", "-f", "-O", &some]);
    run(outer.path(), "curl", &["-sS", "-f", "-I", &some]);
    let outcome = Command::new("curl")
        .args(["-sS", "-f", &(base + "x")])
        .output();
    assert_eq!(outcome.unwrap().status.code(), Some(22), "404");
}

/// The page's links are all there is: recursive wget makes a backup of them.
#[test]
#[ignore = "needs wget"]
fn wget_follows_the_page() {
    let outer = tempfile::tempdir().unwrap();
    let serving = Serving::ispot();
    let words = [
        "-q",
        "-r",
        "-l1",
        "-np",
        "-nd",
        "-P",
        "got",
        "-R",
        "*.tar,flash.bin",
    ];
    let base = base(&serving);
    run(outer.path(), "wget", &[&words[..], &[&base]].concat());
    let got = outer.path().join("got");
    assert_eq!(snapshot(&got).len(), 14, "{:?}", snapshot(&got).keys());
    assert!(std::fs::read(got.join("mtd3.bin")).unwrap() == flash(3));
    mtdkeep().arg("verify").arg(&got).assert().success();
    run(&got, "sha256sum", &["-c", "SHA256SUMS"]);
    run(&got, "wget", &["-q", "-c", &(base + "mtd6.bin")]);
}

/// The device's own wget, between two devices.
#[test]
#[ignore = "needs busybox"]
fn busybox_wget_fetches_files() {
    let outer = tempfile::tempdir().unwrap();
    let serving = Serving::ispot();
    for mtd in [1, 10] {
        let file = format!("mtd{mtd}.bin");
        let address = base(&serving) + &file;
        run(outer.path(), "busybox", &["wget", "-q", &address]);
        assert!(std::fs::read(outer.path().join(file)).unwrap() == flash(mtd));
    }
}
