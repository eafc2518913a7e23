//! The Linux backend on trees of plain files, and what it says of bad ones.

use super::tree::Tree;
use crate::backend::LinuxBackend;
use crate::mtd::{Errno, FactSource, MtdBackend, MtdError, MtdErrorKind, NodeState, WritePermit};
use rstest::rstest;
use rustix::fs::{CWD, FileType, Mode};
use std::fs;
use std::os::unix::fs::symlink;

fn backend(tree: &Tree) -> LinuxBackend {
    LinuxBackend::new(Some(tree.root().to_owned()))
}

/// `open` without the handle, which has no Debug.
fn open_error(backend: &LinuxBackend, position: usize) -> MtdError {
    let device = &backend.devices().unwrap()[position];
    backend.open(device).err().expect("it must not open")
}

#[rstest]
#[case::no_such_file(None, MtdErrorKind::NoMtd, "cannot be read")]
#[case::empty(Some(""), MtdErrorKind::BadTable, "empty")]
#[case::foreign(Some("hello\n"), MtdErrorKind::BadTable, "first line is \"hello\"")]
#[case::torn(
    Some("dev:    size   erasesize  name\nmtd0: 0004"),
    MtdErrorKind::BadTable,
    "line 2 is torn"
)]
#[case::no_device(
    Some("dev:    size   erasesize  name\n"),
    MtdErrorKind::NoMtd,
    "lists no MTD device"
)]
fn a_bad_table_is_a_clear_error(
    #[case] table: Option<&str>,
    #[case] kind: MtdErrorKind,
    #[case] says: &str,
) {
    let tree = Tree::new();
    if let Some(table) = table {
        tree.write("proc/mtd", table.as_bytes());
    }
    let error = backend(&tree).devices().unwrap_err();
    assert_eq!(error.kind(), kind);
    assert!(error.to_string().contains(says), "{error}");
    assert!(error.to_string().contains("proc/mtd"), "{error}");
    assert!(error.help().is_some());
}

#[test]
fn a_table_that_is_a_folder_a_pipe_or_huge_is_an_error() {
    let tree = Tree::new();
    fs::create_dir(tree.path("proc/mtd")).unwrap();
    let error = backend(&tree).devices().unwrap_err();
    assert_eq!(error.errno(), Some(Errno::ISDIR));

    let tree = Tree::new();
    let path = tree.path("proc/mtd");
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let error = backend(&tree).devices().unwrap_err();
    assert_eq!(error.kind(), MtdErrorKind::BadTable, "a pipe must not hang");

    let tree = Tree::new();
    let file = fs::File::create(tree.path("proc/mtd")).unwrap();
    file.set_len(1 << 40).unwrap();
    let error = backend(&tree).devices().unwrap_err();
    assert_eq!(error.errno(), Some(Errno::FBIG));
}

#[test]
fn a_root_that_is_not_there_is_an_error_that_says_what_it_must_hold() {
    let tree = Tree::new();
    let backend = LinuxBackend::new(Some(tree.path("nowhere")));
    let error = backend.devices().unwrap_err();
    assert_eq!(error.errno(), Some(Errno::NOENT));
    assert!(error.help().unwrap().contains("--root"));
}

#[test]
fn this_machine_s_devices_are_found_or_it_says_what_else_there_is() {
    match LinuxBackend::new(None).devices() {
        Ok(devices) => assert!(fs::exists("/proc/mtd").unwrap() && !devices.is_empty()),
        Err(error) => {
            assert_eq!(error.kind(), MtdErrorKind::NoMtd);
            assert!(error.help().unwrap().contains("--simulate"));
        }
    }
}

#[rstest]
#[case::shorter(0xfff)]
#[case::longer(0x1001)]
#[case::empty(0)]
fn a_file_of_another_length_than_the_table_says_is_not_opened(#[case] length: usize) {
    let tree = Tree::with_table(&[("a", 0x1000, 0x1000)]);
    tree.write("dev/mtd0", &vec![0; length]);
    let error = open_error(&backend(&tree), 0);
    assert_eq!(error.kind(), MtdErrorKind::Disagreement);
    let text = error.to_string();
    assert!(text.contains("/proc/mtd says 0x1000"), "{text}");
    assert!(
        text.contains(&format!("the file that stands for it says {length:#x}")),
        "{text}"
    );
}

#[test]
fn a_file_that_shrinks_after_opening_ends_in_an_error() {
    let tree = Tree::with_table(&[("a", 0x1000, 0x1000)]);
    tree.write("dev/mtd0", &[7; 0x1000]);
    let backend = backend(&tree);
    let mut open = backend.open(&backend.devices().unwrap()[0]).unwrap();
    tree.write("dev/mtd0", &[7; 0x800]);
    let mut buf = [0; 0x1000];
    assert_eq!(open.read_at(0, &mut buf).unwrap(), 0x800);
    let error = open.read_at(0x800, &mut buf).unwrap_err();
    assert_eq!(error.kind(), MtdErrorKind::Disagreement);
    assert!(error.to_string().contains("ended at 0x800"), "{error}");
}

#[test]
fn a_file_that_grows_after_opening_is_read_to_its_old_end_and_found_out() {
    let tree = Tree::with_table(&[("a", 0x1000, 0x1000)]);
    tree.write("dev/mtd0", &[7; 0x1000]);
    let backend = backend(&tree);
    let mut open = backend.open(&backend.devices().unwrap()[0]).unwrap();
    tree.write("dev/mtd0", &[7; 0x2000]);
    let mut buf = [0; 0x2000];
    assert_eq!(open.read_at(0, &mut buf).unwrap(), 0x1000);
    let error = open.read_at(0x1000, &mut buf).unwrap_err();
    assert!(matches!(error, MtdError::GoesOn { .. }), "{error:?}");
    assert_eq!(error.kind(), MtdErrorKind::Disagreement);
}

#[test]
fn sysfs_that_contradicts_the_table_is_an_error_that_names_both() {
    let tree = Tree::with_table(&[("a", 0x1000, 0x1000)]);
    tree.write("sys/class/mtd/mtd0/size", b"8192\n");
    let error = backend(&tree).devices().unwrap_err();
    assert_eq!(error.kind(), MtdErrorKind::Disagreement);
    let text = error.to_string();
    assert!(
        text.contains("0x1000") && text.contains("sysfs says 0x2000"),
        "{text}"
    );
}

#[test]
fn sysfs_adds_offset_and_permission_and_its_absence_adds_nothing() {
    let tree = Tree::with_table(&[("a", 0x1000, 0x1000), ("b", 0x1000, 0x1000), ("c", 8, 8)]);
    tree.write("sys/class/mtd/mtd0/offset", b"12288\n");
    tree.write("sys/class/mtd/mtd0/flags", b"0xc00\n");
    tree.write("sys/class/mtd/mtd1/flags", b"0x800\n");
    tree.write("sys/class/mtd/mtd1/offset", b"not a number\n");
    let devices = backend(&tree).devices().unwrap();
    let offset = devices[0].offset.unwrap();
    assert_eq!((offset.bytes, offset.source), (12288, FactSource::Sysfs));
    assert_eq!(devices[0].writeable, Some(true));
    assert_eq!(
        (devices[1].offset, devices[1].writeable),
        (None, Some(false))
    );
    assert_eq!((devices[2].offset, devices[2].writeable), (None, None));
}

#[rstest]
#[case::devfs("dev/mtd/0", "dev/mtdblock/0")]
#[case::android("dev/mtd/mtd0", "dev/block/mtdblock0")]
fn nodes_in_folders_are_found(#[case] character: &str, #[case] block: &str) {
    let tree = Tree::with_table(&[("a", 4, 4)]);
    tree.write(character, b"data");
    tree.write(block, b"data");
    let backend = backend(&tree);
    let device = &backend.devices().unwrap()[0];
    assert_eq!(device.node, NodeState::Present);
    assert_eq!(device.block_node, NodeState::Present);
    let mut buf = [0; 4];
    assert_eq!(
        backend.open(device).unwrap().read_at(0, &mut buf).unwrap(),
        4
    );
    assert_eq!(&buf, b"data");
}

#[test]
fn something_else_in_a_nodes_place_is_named_and_not_opened() {
    let tree = Tree::with_table(&[("a", 4, 4), ("b", 4, 4)]);
    fs::create_dir(tree.path("dev/mtd0")).unwrap();
    let path = tree.path("dev/mtd1");
    rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap();
    let backend = backend(&tree);
    let devices = backend.devices().unwrap();
    assert_eq!(devices[0].node, NodeState::Wrong("a folder".into()));
    assert_eq!(devices[1].node, NodeState::Wrong("a pipe".into()));
    let error = open_error(&backend, 1);
    assert_eq!(error.kind(), MtdErrorKind::NodeMissing);
    assert!(error.to_string().contains("a pipe"), "{error}");
}

/// A copied tree may hold links, and they lead to files of the machine that has it.
#[rstest]
#[case::absolute(None)]
#[case::relative(Some("../../other"))]
fn a_link_out_of_a_copied_tree_is_not_followed(#[case] target: Option<&str>) {
    let outer = tempfile::tempdir().unwrap();
    let other = outer.path().join("other");
    fs::write(&other, b"mine").unwrap();
    let root = outer.path().join("tree");
    for folder in ["dev", "proc"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let table = "dev:    size   erasesize  name\nmtd0: 00000004 00000004 \"a\"\nmtd1: 00000004 00000004 \"b\"\n";
    fs::write(root.join("proc/mtd"), table).unwrap();
    symlink(target.map_or(other, Into::into), root.join("dev/mtd0")).unwrap();
    // One that stays inside is as good as a file.
    fs::write(root.join("dev/inside"), b"data").unwrap();
    symlink("inside", root.join("dev/mtd1")).unwrap();
    let backend = LinuxBackend::new(Some(root));
    let devices = backend.devices().unwrap();
    let error = backend.open(&devices[0]).err().expect("it leads out");
    assert_eq!(error.kind(), MtdErrorKind::NodeMissing);
    assert!(backend.open(&devices[1]).is_ok());
}

/// A copied tree may hold nodes. They lead to the flash of the machine that has
/// the copy, so they must never be read in place of the copied device's.
#[test]
#[ignore = "needs root"]
fn a_node_in_a_copied_tree_is_never_opened_by_root() {
    let tree = Tree::with_table(&[("a", 4, 4)]);
    let (kind, mode) = (FileType::CharacterDevice, Mode::RUSR | Mode::WUSR);
    rustix::fs::mknodat(
        CWD,
        tree.path("dev/mtd0"),
        kind,
        mode,
        rustix::fs::makedev(90, 0),
    )
    .unwrap();
    assert_eq!(
        open_error(&backend(&tree), 0).kind(),
        MtdErrorKind::NodeMissing
    );
    let state = &backend(&tree).devices().unwrap()[0].node;
    assert_eq!(*state, NodeState::Wrong("character node 90:0".into()));
}

#[test]
#[ignore = "needs an ordinary user"]
fn a_file_that_an_ordinary_user_may_not_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let tree = Tree::with_table(&[("a", 4, 4)]);
    tree.write("dev/mtd0", b"data");
    fs::set_permissions(tree.path("dev/mtd0"), fs::Permissions::from_mode(0o000)).unwrap();
    let error = open_error(&backend(&tree), 0);
    assert_eq!(error.kind(), MtdErrorKind::NotPermitted);
    assert!(error.to_string().contains("mtd0 (a)"), "{error}");
}

#[test]
#[ignore = "needs an ordinary user"]
fn an_ordinary_user_opens_a_read_only_file_for_reading_and_not_for_writing() {
    use std::os::unix::fs::PermissionsExt;
    let tree = Tree::with_table(&[("a", 4, 4)]);
    tree.write("dev/mtd0", b"data");
    fs::set_permissions(tree.path("dev/mtd0"), fs::Permissions::from_mode(0o444)).unwrap();
    let backend = backend(&tree);
    let device = &backend.devices().unwrap()[0];
    assert!(backend.open(device).is_ok());
    let permit = WritePermit::granted_because("a test");
    let error = backend.open_for_writing(device, &permit).err().unwrap();
    assert_eq!(error.kind(), MtdErrorKind::NotPermitted);
}

#[test]
fn nodes_that_are_missing_are_told() {
    let tree = Tree::with_table(&[("a", 4, 4), ("b", 4, 4)]);
    tree.write("dev/mtd0", b"data");
    tree.write("dev/mtdblock0", b"data");
    let devices = backend(&tree).devices().unwrap();
    for (device, state) in devices.iter().zip([NodeState::Present, NodeState::Missing]) {
        assert_eq!((&device.node, &device.block_node), (&state, &state));
    }
}

/// A tree, and a folder beside it that is none of its business.
fn tree_and_outside() -> (Tree, tempfile::TempDir) {
    let tree = Tree::with_table(&[("a", 4, 4)]);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("mtd0"), b"else").unwrap();
    (tree, outside)
}

#[test]
fn a_link_out_of_the_tree_leads_nowhere() {
    let (tree, outside) = tree_and_outside();
    symlink(outside.path().join("mtd0"), tree.path("dev/mtd0")).unwrap();
    let found = backend(&tree).devices().unwrap();
    assert_eq!(found[0].node, NodeState::Missing);
    let error = open_error(&backend(&tree), 0);
    assert_eq!(error.kind(), MtdErrorKind::NodeMissing);

    // The folder as a whole, and the way up.
    fs::remove_file(tree.path("dev/mtd0")).unwrap();
    fs::remove_dir(tree.path("dev")).unwrap();
    symlink(outside.path(), tree.path("dev")).unwrap();
    // Where temporary folders lie below /dev themselves, this link leads to itself.
    assert_ne!(
        backend(&tree).devices().unwrap()[0].node,
        NodeState::Present
    );
    fs::remove_file(tree.path("dev")).unwrap();
    let beside = format!(
        "../{}",
        outside.path().file_name().unwrap().to_str().unwrap()
    );
    symlink(beside, tree.path("dev")).unwrap();
    assert_eq!(
        backend(&tree).devices().unwrap()[0].node,
        NodeState::Missing
    );
}

#[test]
fn links_count_from_the_trees_root() {
    let (tree, _outside) = tree_and_outside();
    // As on a device: an absolute link, one that climbs above the root, a chain.
    tree.write("flash/a", b"data");
    symlink("/flash/b", tree.path("dev/mtd0")).unwrap();
    symlink("../../../.././flash//a", tree.path("flash/b")).unwrap();
    let backend = backend(&tree);
    let device = &backend.devices().unwrap()[0];
    let mut bytes = [0; 8];
    let count = backend
        .open(device)
        .unwrap()
        .read_at(0, &mut bytes)
        .unwrap();
    assert_eq!(&bytes[..count], b"data");
}

#[test]
fn links_that_lead_to_each_other_are_told() {
    let (tree, _outside) = tree_and_outside();
    symlink("mtd1", tree.path("dev/mtd0")).unwrap();
    symlink("mtd0", tree.path("dev/mtd1")).unwrap();
    let error = open_error(&backend(&tree), 0);
    assert!(matches!(error, MtdError::NodeWrong { .. }), "{error:?}");
    // In the words of the C library: glibc says "symbolic links", musl "Symbolic link".
    let said = error.to_string().to_lowercase();
    assert!(said.contains("symbolic link"), "{error}");
}

#[test]
fn a_table_and_sysfs_outside_of_the_tree_are_not_read() {
    let (tree, outside) = tree_and_outside();
    let table = fs::read(tree.path("proc/mtd")).unwrap();
    fs::write(outside.path().join("table"), table).unwrap();
    fs::write(outside.path().join("size"), "77\n").unwrap();
    tree.write("sys/class/mtd/mtd0/flags", b"0x400\n");
    symlink(
        outside.path().join("size"),
        tree.path("sys/class/mtd/mtd0/size"),
    )
    .unwrap();
    // Where it was read, it would disagree.
    let found = backend(&tree).devices().unwrap();
    assert_eq!(found[0].writeable, Some(true));
    fs::remove_file(tree.path("proc/mtd")).unwrap();
    symlink(outside.path().join("table"), tree.path("proc/mtd")).unwrap();
    let error = backend(&tree).devices().unwrap_err();
    assert_eq!(error.errno(), Some(Errno::NOENT));
}

/// Ten thousand partitions would read it ten thousand times.
#[test]
fn the_table_is_read_once_for_all_devices() {
    let tree = Tree::with_table(&[("a", 4, 4)]);
    tree.write("dev/mtd0", b"data");
    let backend = backend(&tree);
    let devices = backend.devices().unwrap();
    fs::remove_file(tree.path("proc/mtd")).unwrap();
    assert!(backend.open(&devices[0]).is_ok());
}
