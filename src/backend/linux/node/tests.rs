//! Private nodes, as far as a machine without MTD goes: what is left behind, and
//! what is said. Whether the process may make nodes decides which half runs.

use super::*;
use crate::mtd::MtdErrorKind;

/// A device whose number no machine has, so that nothing real is opened.
fn ghost() -> MtdInfo {
    MtdInfo::new(MtdIndex::MAX, "ghost", 0x1000, 0x1000)
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn a_private_node_leaves_nothing_behind_whatever_comes_of_it() {
    let folder = tempfile::tempdir().unwrap();
    match try_private(folder.path(), &ghost(), false) {
        // It was made and opened, and the kernel has no such device.
        Err(error) => assert!(
            matches!(error.errno(), Some(Errno::NXIO | Errno::NODEV)),
            "{error:?}"
        ),
        Ok(Err(Obstacle::NoPermission)) => println!("this process may make no nodes"),
        Ok(Err(Obstacle::Folder(why))) => println!("none there: {why}"),
        Ok(Ok(_)) => panic!("there is no such device"),
    }
    assert!(is_empty(folder.path()));
}

#[test]
fn a_private_folder_is_closed_to_others_and_passes_foreign_files_by() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let first = make_private_folder(parent.path()).unwrap();
    std::fs::write(first.join("node"), "somebody's").unwrap();
    let second = make_private_folder(parent.path()).unwrap();
    assert_ne!(first, second);
    assert_eq!(
        std::fs::metadata(&second).unwrap().permissions().mode() & 0o777,
        0o700
    );
    remove_private(&second, None).unwrap();
    assert!(!second.exists());
    let error = remove_private(&first, None).unwrap_err();
    assert!(matches!(error, MtdError::LeftBehind { .. }), "{error:?}");
    assert!(
        error.to_string().contains(first.to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn a_folder_that_is_not_there_is_an_obstacle_and_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere");
    let Ok(Err(Obstacle::Folder(_))) = try_private(&nowhere, &ghost(), false) else {
        panic!("it must name the folder's problem");
    };
}

#[test]
fn without_a_private_node_the_missing_one_is_named_with_its_mknod_line() {
    let missing = Path::new("/dev/mtd524287");
    let error = open_private(missing, &ghost(), false).unwrap_err();
    if error.kind() == MtdErrorKind::Io {
        assert!(error.help().unwrap().contains("no such device"), "{error}");
        return;
    }
    assert_eq!(error.kind(), MtdErrorKind::NodeMissing);
    assert!(
        error.to_string().contains("/dev/mtd524287 is missing"),
        "{error}"
    );
    let help = error.help().unwrap();
    assert_eq!(help, "as root: mknod /dev/mtd524287 c 90 1048574");
}

#[test]
#[ignore = "needs root"]
fn a_node_is_made_once_and_never_replaced_by_root() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("dev")).unwrap();
    let node = Node::character(MtdIndex(4));
    make_node(root.path(), &node, &ghost().id()).unwrap();
    let again = make_node(root.path(), &node, &ghost().id()).unwrap_err();
    assert_eq!(again.errno(), Some(Errno::EXIST));
}

/// Whoever may write would otherwise open flash for that only to read it.
#[test]
fn what_is_opened_to_be_read_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mtd0");
    std::fs::write(&path, "data").unwrap();
    for (for_writing, mode) in [(false, OFlags::RDONLY), (true, OFlags::RDWR)] {
        let opened = open(&path, &ghost(), DeviceFiles::PlainFiles, for_writing).unwrap();
        let flags = rustix::fs::fcntl_getfl(&opened.fd).unwrap();
        assert_eq!(flags & OFlags::RWMODE, mode);
    }
}

/// Between the look at it and its opening, a node may have become another one.
#[test]
fn what_was_opened_is_looked_at_again() {
    let folder = tempfile::tempdir().unwrap();
    let error = open(folder.path(), &ghost(), DeviceFiles::PlainFiles, false).unwrap_err();
    assert!(matches!(error, MtdError::NodeWrong { .. }), "{error:?}");
}
