use super::*;
use crate::layout::Layout;
use crate::profile::{from_layout, ispot};
use rstest::rstest;

/// A device that is quick to write out.
fn small() -> SimulatedDevice {
    let layout = Layout::from_proc_mtd(
        "dev:    size   erasesize  name\n\
         mtd0: 00050000 00010000 \"kernel\"\n\
         mtd1: 00002000 00001000 \"with blanks\"\n",
    );
    from_layout(&layout.unwrap(), 1)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn files_hold_the_exact_bytes() {
    let device = ispot(1);
    let tree = Tree::of(&device).unwrap();
    assert_eq!(names(tree.root()), ["dev", "proc", "sys"]);
    assert_eq!(
        fs::read_to_string(tree.path("proc/mtd")).unwrap(),
        device.system.proc_mtd()
    );
    for index in 0..10 {
        let bytes = device.partition_bytes(index);
        for (name, _) in nodes_of(index) {
            let found = fs::read(tree.path(&format!("dev/{name}"))).unwrap();
            assert!(found == bytes, "{name}");
        }
    }
    assert_eq!(names(&tree.path("dev")).len(), 30, "mtd10 has no nodes");
    for (file, text) in device.system.sysfs(10).unwrap() {
        let path = tree.path(&format!("sys/class/mtd/mtd10/{file}"));
        assert_eq!(fs::read_to_string(path).unwrap(), text);
    }
}

#[test]
fn names_of_one_partition_are_one_file() {
    let tree = Tree::of(&small()).unwrap();
    fs::write(tree.path("dev/mtd1"), "changed").unwrap();
    assert_eq!(fs::read(tree.path("dev/mtdblock1")).unwrap(), b"changed");
    assert_ne!(fs::read(tree.path("dev/mtd0")).unwrap(), b"changed");
}

#[test]
fn a_temporary_folder_goes_unless_it_is_kept() {
    let tree = Tree::of(&small()).unwrap();
    let root = tree.root().to_owned();
    drop(tree);
    assert!(!root.exists());
    let kept = Tree::of(&small()).unwrap().keep();
    assert!(kept.join("dev/mtd0").exists());
    fs::remove_dir_all(kept).unwrap();
}

#[rstest]
#[case::as_it_is(TreeBuilder::default(), 3, &["dev", "proc", "sys"])]
#[case::old_kernel(TreeBuilder::default().without_sys(), 3, &["dev", "proc"])]
#[case::all_nodes(TreeBuilder::default().all_nodes(), 6, &["dev", "proc", "sys"])]
fn options(#[case] builder: TreeBuilder, #[case] nodes: usize, #[case] folders: &[&str]) {
    let mut device = small();
    device.nodes.retain(|path, _| !path.contains('1'));
    let tree = builder.build(&device).unwrap();
    assert_eq!(names(&tree.path("dev")).len(), nodes);
    assert_eq!(names(tree.root()), folders);
}

#[test]
fn a_given_folder_stays_and_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("new");
    let builder = TreeBuilder::default().in_folder(&root);
    drop(builder.clone().build(&small()).unwrap());
    fs::write(root.join("proc/mtd"), "mine").unwrap();
    let error = builder.build(&small()).unwrap_err().to_string();
    assert!(error.contains("proc/mtd"), "{error}");
    assert_eq!(fs::read(root.join("proc/mtd")).unwrap(), b"mine");
}

#[test]
fn nodes_may_stand_anywhere_below_the_root() {
    let mut device = small();
    device.nodes.insert("tmp/flash".into(), NodeId::mtd(0));
    // No driver, and no such MTD device: a file cannot stand for either.
    device.nodes.insert(
        "dev/console".into(),
        NodeId::Character { major: 5, minor: 1 },
    );
    device.nodes.insert("dev/mtd9".into(), NodeId::mtd(9));
    let tree = Tree::of(&device).unwrap();
    assert_eq!(
        fs::read(tree.path("tmp/flash")).unwrap(),
        device.partition_bytes(0)
    );
    assert_eq!(names(&tree.path("dev")).len(), 6);
    for path in ["../mtd0", "/dev/mtd0", "dev/../../mtd0", ""] {
        let mut device = small();
        device.nodes.insert(path.into(), NodeId::mtd(0));
        let error = Tree::of(&device).unwrap_err();
        assert!(
            matches!(error, TreeError::Outside { .. }),
            "{path}: {error}"
        );
    }
}
