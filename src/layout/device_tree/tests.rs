use super::*;
use proptest::prelude::*;
use rstest::rstest;

/// A tree for tests: name, properties, children.
struct TreeNode(&'static str, Vec<(&'static str, Vec<u8>)>, Vec<TreeNode>);

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn partition(label: &'static str, at: u32, size: u32) -> TreeNode {
    let label = format!("{label}\0").into_bytes();
    TreeNode(
        "partition@x",
        vec![("label", label), ("reg", words(&[at, size]))],
        vec![],
    )
}

fn fixed(name: &'static str, parts: Vec<TreeNode>) -> TreeNode {
    let properties = vec![
        ("compatible", b"fixed-partitions\0".to_vec()),
        ("#address-cells", words(&[1])),
        ("#size-cells", words(&[1])),
    ];
    TreeNode(name, properties, parts)
}

/// A router: `firmware` has parts of its own.
fn router() -> TreeNode {
    let mut boot = partition("u-boot", 0, 0x4_0000);
    boot.1.push(("read-only", vec![]));
    let mut firmware = partition("firmware", 0x4_0000, 0xfb_0000);
    firmware.2 = vec![fixed("partitions", vec![partition("kernel", 0, 0x20_0000)])];
    let parts = vec![boot, firmware, partition("art", 0xff_0000, 0x1_0000)];
    let flash = TreeNode(
        "flash@0",
        vec![("compatible", b"winbond,w25q128\0jedec,spi-nor\0".to_vec())],
        vec![fixed("partitions", parts)],
    );
    TreeNode(
        "",
        vec![],
        vec![TreeNode("spi@1f000000", vec![], vec![flash])],
    )
}

/// Several flashes: one that is switched off, one whose table is another parser's, one
/// of an unknown kind with partitions right below it.
#[test]
fn what_the_kernel_makes_no_partitions_of() {
    let flash = |name, status: &'static [u8], kind: &'static str, inner| {
        let properties = vec![
            ("status", status.to_vec()),
            ("compatible", format!("{kind}\0").into_bytes()),
        ];
        TreeNode(name, properties, inner)
    };
    let table = || fixed("partitions", vec![partition("boot", 0, 0x1_0000)]);
    let mut other = table();
    other.1[0].1 = b"vendor,partitions\0".to_vec();
    let plain = vec![partition("all", 0, 0x10_0000)];
    let root = TreeNode(
        "",
        vec![],
        vec![
            flash("off@0", b"disabled\0", "jedec,spi-nor", vec![table()]),
            flash("other@0", b"ok\0", "jedec,spi-nor", vec![other]),
            flash("old@0", b"okay\0", "vendor,flash", plain),
            flash("nand@0", b"okay\0", "spi-nand", vec![table()]),
        ],
    );
    let found = read(&blob(&root)).unwrap().unwrap();
    let chips: Vec<_> = found.chips.iter().map(|chip| chip.name.as_str()).collect();
    assert_eq!(chips, ["old@0", "nand@0"]);
    let names: Vec<_> = found.partitions.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["all", "boot"]);
}

fn blob(root: &TreeNode) -> Vec<u8> {
    fn put(node: &TreeNode, tokens: &mut Vec<u8>, names: &mut Vec<u8>) {
        let padded = |bytes: &[u8], tokens: &mut Vec<u8>| {
            tokens.extend_from_slice(bytes);
            tokens.resize(tokens.len().next_multiple_of(4), 0);
        };
        tokens.extend(words(&[1]));
        padded(format!("{}\0", node.0).as_bytes(), tokens);
        for (name, value) in &node.1 {
            tokens.extend(words(&[3, value.len() as u32, names.len() as u32]));
            padded(value, tokens);
            names.extend_from_slice(format!("{name}\0").as_bytes());
        }
        for child in &node.2 {
            put(child, tokens, names);
        }
        tokens.extend(words(&[2]));
    }
    let (mut tokens, mut names) = (Vec::new(), Vec::new());
    put(root, &mut tokens, &mut names);
    tokens.extend(words(&[9]));
    let names_at = 56 + tokens.len() as u32;
    let total = names_at + names.len() as u32;
    let mut blob = words(&[
        0xd00d_feed,
        total,
        56,
        names_at,
        40,
        17,
        16,
        0,
        names.len() as u32,
        tokens.len() as u32,
    ]);
    blob.resize(56, 0);
    blob.extend(tokens);
    blob.extend(names);
    blob
}

fn folder(root: &TreeNode, at: &Path) {
    fs::create_dir_all(at).unwrap();
    for (name, value) in &root.1 {
        fs::write(at.join(name), value).unwrap();
    }
    for (number, child) in root.2.iter().enumerate() {
        let name = child.0.replace("@x", &format!("@{number}"));
        folder(child, &at.join(name));
    }
}

#[test]
fn blob_and_folder_tell_the_same() {
    let outer = tempfile::tempdir().unwrap();
    folder(&router(), outer.path());
    for reading in [
        read(&blob(&router())).unwrap().unwrap(),
        read_device_tree(outer.path()).unwrap().unwrap(),
    ] {
        assert_eq!(reading.chips.len(), 1);
        assert_eq!(reading.chips[0].name, "flash@0");
        let got: Vec<_> = reading
            .partitions
            .iter()
            .map(|p| {
                (
                    p.name.as_str(),
                    p.parent,
                    p.offset.unwrap().bytes,
                    p.size_bytes.unwrap(),
                    p.read_only,
                )
            })
            .collect();
        assert_eq!(
            got,
            [
                ("u-boot", None, 0, 0x4_0000, Some(true)),
                ("firmware", None, 0x4_0000, 0xfb_0000, None),
                ("kernel", Some(1), 0x4_0000, 0x20_0000, None),
                ("art", None, 0xff_0000, 0x1_0000, None),
            ]
        );
        assert!(
            reading
                .partitions
                .iter()
                .all(|p| p.offset.unwrap().source == FactSource::DeviceTree)
        );
    }
}

/// Before there was a node `partitions`: right below the flash, beside other things.
#[test]
fn an_old_tree() {
    let other = TreeNode(
        "chip@0",
        vec![("compatible", b"x\0".to_vec()), ("reg", words(&[0]))],
        vec![],
    );
    let parts = vec![partition("boot", 0, 0x1000), other];
    let flash = TreeNode(
        "flash@0",
        vec![("compatible", b"cfi-flash\0".to_vec())],
        parts,
    );
    let reading = read(&blob(&TreeNode("", vec![], vec![flash])))
        .unwrap()
        .unwrap();
    assert_eq!(reading.partitions.len(), 1);
    assert_eq!(reading.partitions[0].name, "boot");
}

#[rstest]
#[case::past_its_parent(|tree: &mut TreeNode| tree.2[0].2[0].2[0].2[1].2[0].2.push(partition("x", 0, 0xfc_0000)))]
#[case::torn_reg(|tree: &mut TreeNode| tree.2[0].2[0].2[0].2[0].1[1].1.truncate(4))]
#[case::many_cells(|tree: &mut TreeNode| tree.2[0].2[0].2[0].1[1].1 = words(&[0x4000_0000]))]
fn what_is_none(#[case] change: fn(&mut TreeNode)) {
    let mut tree = router();
    change(&mut tree);
    read(&blob(&tree)).unwrap().unwrap_err();
}

#[test]
fn a_torn_blob_is_an_error_with_its_place() {
    let whole = blob(&router());
    for length in 4..whole.len() {
        assert!(read(&whole[..length]).unwrap().is_err(), "{length}");
    }
    let mut deep = TreeNode("x", vec![], vec![]);
    for _ in 0..200 {
        deep = TreeNode("x", vec![], vec![deep]);
    }
    let error = read(&blob(&deep)).unwrap().unwrap_err();
    assert!(error.to_string().contains("too deep"), "{error}");
    assert!(read(b"dtb").is_none());
}

proptest! {
    #[test]
    fn no_blob_makes_it_panic(at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 1..8)) {
        let mut blob = blob(&router());
        let at = at.index(blob.len() - bytes.len());
        blob[at..at + bytes.len()].copy_from_slice(&bytes);
        let _ = read(&blob);
    }
}
