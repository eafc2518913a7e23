use super::*;
use crate::backup::calls::faults::{self, Fault, How, Plan};
use rstest::rstest;
use std::fs;

fn make(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = SingleFile::create(path)?;
    if let Err(error) = file.write_all(bytes) {
        file.discard();
        return Err(error);
    }
    file.finish().map_err(|error| error.source)
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_a_killed_run_left_is_replaced() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("a/f");
    drop(SingleFile::create(&path).unwrap());
    assert_eq!(files(&outer.path().join("a")), ["f.mtdkeep-part"]);
    make(&path, b"all").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"all");
    assert_eq!(files(&outer.path().join("a")), ["f"]);
}

#[test]
fn what_somebody_is_writing_is_left_alone() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("f");
    let mut first = SingleFile::create(&path).unwrap();
    let error = make(&path, b"second").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    first.write_all(b"first").unwrap();
    first.finish().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"first");
}

/// A file with `new` in it that is given its name, where another one may have appeared,
/// by the first of the three ways that is not missing; and the calls of that.
fn named(
    path: &Path,
    appears: bool,
    missing_calls: usize,
    fault: Option<Fault>,
) -> (Result<(), NotFinished>, Vec<Call>) {
    let mut file = SingleFile::create(path).unwrap();
    file.write_all(b"new").unwrap();
    if appears {
        fs::write(path, b"mine").unwrap();
    }
    let without = [(Call::RenameNew, Errno::INVAL), (Call::Link, Errno::PERM)];
    let plan = Plan {
        cannot: without[..missing_calls].to_vec(),
        fault,
        ..Plan::default()
    };
    faults::with(plan, || file.finish())
}

/// By each of the three ways in which a file can be named.
#[rstest]
fn a_file_that_appeared_meanwhile_stays(
    #[values(0, 1, 2)] missing_calls: usize,
    #[values(false, true)] appears: bool,
) {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("f");
    let (named, calls) = named(&path, appears, missing_calls, None);
    assert_eq!(calls.contains(&Call::Link), missing_calls > 0);
    assert_eq!(calls.contains(&Call::Create), missing_calls > 1);
    if appears {
        let error = named.unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AlreadyExists);
        assert!(!error.is_named, "what is there is somebody else's");
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    } else {
        named.unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
    assert_eq!(files(outer.path()), ["f"]);
}

#[test]
fn it_is_synced_before_it_has_its_name_and_the_name_is_synced() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("f");
    let (made, calls) = faults::with(Plan::default(), || make(&path, b"all of it"));
    made.unwrap();
    let last = |call| calls.iter().rposition(|other| *other == call);
    let order = [Call::Write, Call::Sync, Call::RenameNew, Call::SyncFolder].map(last);
    assert!(order.is_sorted() && order[0].is_some(), "{calls:?}");
}

/// Whatever fails and whatever is there: only the file that was written is called so.
#[rstest]
fn what_is_told_to_be_there_is_the_file_that_was_written(
    #[values(false, true)] appears: bool,
    #[values(0, 1, 2)] missing_calls: usize,
) {
    for at in 0.. {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("f");
        let fault = Fault {
            at,
            errno: Errno::IO,
            how: How::Once,
        };
        let (ended, calls) = named(&path, appears, missing_calls, Some(fault));
        if let Err(error) = ended {
            let there = fs::read(&path).ok();
            let is_ours = there.as_deref() == Some(b"new");
            assert_eq!(error.is_named, is_ours, "{at}: {error:?} {calls:?}");
            assert!(appears == (there.as_deref() == Some(b"mine")) || is_ours);
        }
        if at >= calls.len() {
            break;
        }
    }
}

#[test]
fn another_file_in_its_place_gets_no_name() {
    let outer = tempfile::tempdir().unwrap();
    let path = outer.path().join("f");
    let file = SingleFile::create(&path).unwrap();
    let temporary = file.temporary().to_owned();
    fs::remove_file(&temporary).unwrap();
    fs::write(&temporary, b"theirs").unwrap();
    file.finish().unwrap_err();
    assert_eq!(files(outer.path()), ["f.mtdkeep-part"]);
    assert_eq!(fs::read(&temporary).unwrap(), b"theirs");
}

/// Every call fails in every way, until a run gets by without.
#[rstest]
fn every_call_fails(
    #[values(
        Errno::IO,
        Errno::NOSPC,
        Errno::INTR,
        Errno::EXIST,
        Errno::NOENT,
        Errno::INVAL
    )]
    errno: Errno,
    #[values(How::Once, How::KindFromThenOn, How::AllFromThenOn, How::Done)] how: How,
) {
    for at in 0.. {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("a/f");
        let fault = Some(Fault { at, errno, how });
        let plan = Plan {
            fault,
            ..Plan::default()
        };
        let (made, calls) = faults::with(plan, || make(&path, b"all of it"));
        let whole = fs::read(&path).is_ok_and(|bytes| bytes == b"all of it");
        assert!(whole || !path.exists(), "{fault:?}: half of it: {calls:?}");
        if made.is_ok() {
            assert!(whole, "{fault:?}: a false success: {calls:?}");
        } else if !whole {
            // What looks like another's (its name is gone) is left to it.
            if how == How::Once && errno != Errno::NOENT {
                let left = path.parent().filter(|folder| folder.exists());
                assert_eq!(left.map(files).unwrap_or_default(), [""; 0], "{fault:?}");
            }
            make(&path, b"all of it").unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        }
        if at >= calls.len() {
            assert!(at > 8, "{calls:?}");
            break;
        }
    }
}
