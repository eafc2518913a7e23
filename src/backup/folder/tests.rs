use super::*;
use crate::backup::calls::faults::{self, Plan};
use rstest::rstest;
use std::os::unix::ffi::OsStrExt as _;

#[rstest]
#[case("../x")]
#[case("a/b")]
#[case("/x")]
#[case("..")]
#[case(".")]
#[case("")]
fn a_name_never_leads_out(#[case] name: &str) {
    let outer = tempfile::tempdir().unwrap();
    std::fs::write(outer.path().join("x"), b"mine").unwrap();
    let folder = Folder::open_or_create(&outer.path().join("inner")).unwrap();
    assert!(folder.create(name).is_err());
    assert!(folder.open(name).is_err());
    assert!(folder.remove(name).is_err());
    assert!(folder.rename(name, "y").is_err());
    assert_eq!(std::fs::read(outer.path().join("x")).unwrap(), b"mine");
}

#[test]
fn a_link_is_neither_written_nor_read_through() {
    let outer = tempfile::tempdir().unwrap();
    let target = outer.path().join("target");
    std::fs::write(&target, b"mine").unwrap();
    let folder = Folder::open_or_create(&outer.path().join("inner")).unwrap();
    std::os::unix::fs::symlink(&target, outer.path().join("inner/mtd0.bin.part")).unwrap();
    assert_eq!(folder.list().unwrap()[0].size_bytes, None);
    assert!(folder.open("mtd0.bin.part").is_err());
    let mut file = folder.create("mtd0.bin.part").unwrap();
    file.write_all(b"new").unwrap();
    file.sync().unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"mine");
    assert_eq!(folder.list().unwrap()[0].size_bytes, Some(3));
    folder.sync().unwrap();
}

/// Bytes that somebody else knows by another name would go as well.
#[cfg(feature = "full")]
#[test]
fn what_has_another_name_is_not_gone_on_with() {
    let outer = tempfile::tempdir().unwrap();
    let mine = outer.path().join("mine");
    std::fs::write(&mine, b"precious").unwrap();
    let folder = Folder::open_or_create(&outer.path().join("inner")).unwrap();
    std::fs::hard_link(&mine, outer.path().join("inner/x.part")).unwrap();
    assert!(folder.append("x.part", 0).is_err());
    assert_eq!(std::fs::read(&mine).unwrap(), b"precious");
}

#[test]
fn only_a_folder_that_was_missing_counts_as_created() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("new");
    assert!(Folder::open_or_create(&path).unwrap().was_created());
    assert!(!Folder::open_or_create(&path).unwrap().was_created());
}

#[test]
fn what_is_missing_around_it_is_made_and_goes_with_it() {
    let outer = tempfile::tempdir().unwrap();
    std::fs::create_dir(outer.path().join("a")).unwrap();
    let folder = Folder::open_or_create(&outer.path().join("a/b/./c/d/")).unwrap();
    assert!(folder.was_created());
    assert!(outer.path().join("a/b/c/d").is_dir());
    assert!(folder.remove_if_empty());
    assert!(outer.path().join("a").is_dir() && !outer.path().join("a/b").exists());

    let folder = Folder::open_or_create(&outer.path().join("a/b/c")).unwrap();
    std::fs::write(outer.path().join("a/b/mine"), b"").unwrap();
    assert!(folder.remove_if_empty());
    assert!(outer.path().join("a/b/mine").exists() && !outer.path().join("a/b/c").exists());
}

#[test]
fn what_was_made_in_vain_is_gone_again() {
    let outer = tempfile::tempdir().unwrap();
    std::fs::write(outer.path().join("file"), b"mine").unwrap();
    for path in ["file/a", "new/a/\0"] {
        Folder::open_or_create(&outer.path().join(path)).unwrap_err();
        assert_eq!(
            std::fs::read_dir(outer.path()).unwrap().count(),
            1,
            "{path:?}"
        );
    }
}

#[rstest]
#[case(Access::Change, Access::Change, false)]
#[case(Access::Change, Access::Look, false)]
#[case(Access::Look, Access::Change, false)]
#[case(Access::Look, Access::Look, true)]
fn who_has_it_keeps_others_out(#[case] first: Access, #[case] second: Access, #[case] both: bool) {
    let outer = tempfile::tempdir().unwrap();
    let held = Folder::open(outer.path(), first).unwrap();
    match Folder::open(outer.path(), second) {
        Ok(folder) => assert!(both && folder.unlocked().is_none()),
        Err(error) => assert!(
            !both && error.kind() == io::ErrorKind::WouldBlock,
            "{error}"
        ),
    }
    drop(held);
    Folder::open(outer.path(), second).unwrap();
}

#[test]
fn who_may_only_look_removes_no_folder() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    std::fs::create_dir(&path).unwrap();
    assert!(!Folder::open(&path, Access::Look).unwrap().remove_if_empty());
    let folder = Folder::open(&path, Access::Change).unwrap();
    std::fs::rename(&path, outer.path().join("moved")).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(!folder.remove_if_empty(), "another folder has its name");
    assert!(path.is_dir());
}

/// Work stays in the folder that was looked at, wherever it is now.
#[test]
fn a_folder_that_was_moved_takes_its_files_along() {
    let outer = tempfile::tempdir().unwrap();
    let (path, moved) = (outer.path().join("b"), outer.path().join("moved"));
    let folder = Folder::open_or_create(&path).unwrap();
    std::fs::rename(&path, &moved).unwrap();
    std::fs::create_dir(&path).unwrap();
    folder.create("x").unwrap();
    folder.rename("x", "y").unwrap();
    assert!(moved.join("y").exists() && !path.join("y").exists());
}

/// Another process removes the folder between opening and locking, and may make
/// it anew.
#[rstest]
#[case::gone(false)]
#[case::another(true)]
fn a_folder_that_went_before_it_was_locked_is_noticed(#[case] anew: bool) {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("b");
    std::fs::create_dir(&path).unwrap();
    let open = {
        let path = path.clone();
        move || Folder::open_or_create(&path).unwrap()
    };
    let (_, calls) = faults::with(Plan::default(), &open);
    let at = calls.iter().position(|call| *call == Call::Lock).unwrap();
    let action = {
        let path = path.clone();
        move || {
            std::fs::remove_dir(&path).unwrap();
            if anew {
                std::fs::create_dir(&path).unwrap();
            }
        }
    };
    let plan = Plan {
        before: Some((at, Box::new(action))),
        ..Plan::default()
    };
    let (folder, _) = faults::with(plan, open);
    assert_eq!(folder.was_created(), !anew);
    folder.create("x").unwrap();
    assert!(path.join("x").exists());
}

#[test]
fn a_name_that_is_no_text_is_shown_and_never_a_backups() {
    let outer = tempfile::tempdir().unwrap();
    let folder = Folder::open(outer.path(), Access::Look).unwrap();
    let names: [&[u8]; 3] = [b"mtd0.bin", b"mtd\xff.bin", b"mtd\xfe.bin"];
    for name in names {
        let name = std::ffi::OsStr::from_bytes(name);
        std::fs::write(outer.path().join(name), b"x").unwrap();
    }
    let entries = folder.list().unwrap();
    let seen: Vec<_> = entries
        .iter()
        .map(|entry| (entry.name.as_str(), entry.size_bytes))
        .collect();
    let expected = [
        ("mtd0.bin", Some(1)),
        ("mtd\\xfe.bin", None),
        ("mtd\\xff.bin", None),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let outer = tempfile::tempdir().unwrap();
    let pipe = outer.path().join("mtd0.bin");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let folder = Folder::open(outer.path(), Access::Look).unwrap();
    assert!(folder.open("mtd0.bin").is_err());
    assert_eq!(folder.list().unwrap()[0].size_bytes, None);
}

/// Going on in a folder of thousands of images looks each of them up in a few steps.
#[cfg(feature = "full")]
#[test]
fn names_are_not_compared_each_with_each() {
    use crate::backend::SimulatedBackend;
    use crate::backup::{self, Request, Work};
    use mtd_harness::{layout::Layout, profile};

    const PARTITIONS: u64 = 600;
    let mut table = String::from("dev:    size   erasesize  name\n");
    for mtd in 0..PARTITIONS {
        table += &format!("mtd{mtd}: 00000010 00000010 \"p{mtd}\"\n");
    }
    let layout = Layout::from_proc_mtd(&table).unwrap();
    let backend = SimulatedBackend::new(profile::from_layout(&layout, 1));
    let outer = tempfile::tempdir().unwrap();
    let folder = Folder::open_or_create(&outer.path().join("b")).unwrap();
    let run = || backup::backup(&backend, &folder, &Request::default(), &Work::default());
    let (compared, _) = faults::with(Plan::default(), || {
        run().unwrap();
        // As if it had been cut off: the mark, and all images.
        let path = outer.path().join("b");
        std::fs::rename(path.join("manifest.json"), path.join("unfinished.json")).unwrap();
        let summary = run().unwrap();
        assert_eq!(summary.kept as u64, PARTITIONS);
        faults::names_looked_at()
    });
    assert!(compared >= PARTITIONS, "{compared}");
    assert!(compared <= PARTITIONS * 12, "{compared}");
}
