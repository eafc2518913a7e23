use super::*;
use crate::backend::SimulatedBackend;
use crate::backup::between::Between;
use crate::backup::{self, Folder, Request};
use mtd_harness::layout::Layout;
use mtd_harness::profile;

/// Should the power go between the two, it must not be that the file is gone by which the
/// folder is known, and the images are still there.
#[test]
fn the_last_file_goes_when_the_others_are_gone_from_the_medium() {
    let outer = tempfile::tempdir().unwrap();
    let table = "dev:    size   erasesize  name\nmtd0: 00000800 00000400 \"boot\"\n";
    let device = profile::from_layout(&Layout::from_proc_mtd(table).unwrap(), 1);
    let folder = Folder::open_or_create(outer.path()).unwrap();
    let backend = SimulatedBackend::new(device);
    backup::backup(
        &backend,
        &folder,
        &Request::default(),
        &backup::Work::default(),
    )
    .unwrap();
    let between = Between::new(&folder, &|_| {});
    clean(&between).unwrap();
    let asked = between.asked();
    let [.., before, last] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(
        (before.as_str(), last.as_str()),
        ("sync", "remove manifest.json"),
        "{asked:?}"
    );
    let others = ["mtd0.bin", "SHA256SUMS", "index.html"];
    for file in others {
        assert!(asked.contains(&format!("remove {file}")), "{asked:?}");
    }
    assert_eq!(asked.len(), others.len() + 2, "{asked:?}");
}

/// Only what is being written of a backup's own files is called so: `thesis.part` is not.
#[test]
fn what_only_looks_half_written_is_somebody_s() {
    let outer = tempfile::tempdir().unwrap();
    let table = "dev:    size   erasesize  name\nmtd0: 00000800 00000400 \"boot\"\n";
    let device = profile::from_layout(&Layout::from_proc_mtd(table).unwrap(), 1);
    let folder = Folder::open_or_create(outer.path()).unwrap();
    let backend = SimulatedBackend::new(device);
    let (request, work) = (Request::default(), backup::Work::default());
    backup::backup(&backend, &folder, &request, &work).unwrap();
    for name in ["mtd0.bin.part", "manifest.json.part"] {
        std::fs::write(outer.path().join(name), "torn").unwrap();
    }
    assert!(plan_clean(&folder).is_ok());
    for name in ["thesis.part", "mtd7.bin.part"] {
        std::fs::write(outer.path().join(name), "mine").unwrap();
        let error = clean(&folder).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        std::fs::remove_file(outer.path().join(name)).unwrap();
    }
    assert!(outer.path().join("mtd0.bin").exists());
}
