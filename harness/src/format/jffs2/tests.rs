use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rstest::rstest;
use std::sync::Arc;

mod hostile;

const ERASE_BLOCK_BYTES: u32 = 0x2_0000;

struct Counting(u32);

impl Source for Counting {
    fn length_bytes(&self) -> u32 {
        self.0
    }
    fn fill(&self, offset_bytes: u32, buf: &mut [u8]) {
        for (i, byte) in buf.iter_mut().enumerate() {
            let at = offset_bytes as usize + i;
            *byte = (at ^ (at >> 8)) as u8;
        }
    }
}

fn counting(length: u32) -> Vec<u8> {
    let mut bytes = vec![0; length as usize];
    Counting(length).fill(0, &mut bytes);
    bytes
}

fn tree() -> Builder {
    let mut files = Builder::new(1_300_000_000);
    files.directory("dev", 0o755).unwrap();
    files
        .device("dev/mtd1", 0o600, DeviceClass::Character, 90, 2)
        .unwrap();
    files
        .device("dev/mtdblock1", 0o640, DeviceClass::Block, 31, 1)
        .unwrap();
    files.directory("lib", 0o755).unwrap();
    files
        .file(
            "lib/large",
            0o755,
            Data::Source(Arc::new(Counting(300_001))),
        )
        .unwrap();
    files.symlink("lib/link", "large").unwrap();
    files.file("empty", 0o644, "").unwrap();
    files.file("zeros", 0o600, Data::Zeros(10_000)).unwrap();
    files
        .rewritten_file("settings", 0o644, "a=1\n", "a=2\nb=3\n")
        .unwrap();
    files
}

#[test]
fn a_tree_comes_back() {
    let found = check(
        &tree().build(ERASE_BLOCK_BYTES, 6).unwrap().to_bytes(),
        ERASE_BLOCK_BYTES,
    );
    assert_eq!(found.problems, []);
    let entry = |mode, content| Entry {
        mode,
        time: 1_300_000_000,
        content,
    };
    let expected = [
        ("", entry(0o755, Content::Directory)),
        ("dev", entry(0o755, Content::Directory)),
        (
            "dev/mtd1",
            entry(0o600, Content::Device(DeviceClass::Character, 90, 2)),
        ),
        (
            "dev/mtdblock1",
            entry(0o640, Content::Device(DeviceClass::Block, 31, 1)),
        ),
        ("empty", entry(0o644, Content::File(vec![]))),
        ("lib", entry(0o755, Content::Directory)),
        ("lib/large", entry(0o755, Content::File(counting(300_001)))),
        ("lib/link", entry(0o777, Content::Symlink("large".into()))),
        (
            "settings",
            entry(0o644, Content::File(b"a=2\nb=3\n".to_vec())),
        ),
        ("zeros", entry(0o600, Content::File(vec![0; 10_000]))),
    ];
    let expected = expected
        .into_iter()
        .map(|(path, entry)| (path.to_owned(), entry));
    assert_eq!(found.files, expected.collect());
    assert_eq!(
        (
            found.cleanmarkers,
            found.free_erase_blocks,
            found.obsolete_nodes
        ),
        (6, 3, 1)
    );
}

/// Bytes written out by hand from the format's description, not by the builder.
#[test]
fn nodes_byte_by_byte() {
    let mut files = Builder::new(0x1122_3344);
    files.file("ab", 0o644, "xyz").unwrap();
    let bytes = files.build(ERASE_BLOCK_BYTES, 1).unwrap().to_bytes();
    // The cleanmarker as every little-endian NOR has it.
    assert_eq!(
        bytes[..12],
        [0x85, 0x19, 3, 0x20, 12, 0, 0, 0, 0xb1, 0xb0, 0x1e, 0xe4]
    );
    let root = &bytes[12..80];
    assert_eq!(root[..8], [0x85, 0x19, 2, 0xe0, 68, 0, 0, 0]);
    assert_eq!(root[12..24], [1, 0, 0, 0, 1, 0, 0, 0, 0xed, 0x41, 0, 0]);
    let dirent = &bytes[80..122];
    assert_eq!(dirent[..8], [0x85, 0x19, 1, 0xe0, 42, 0, 0, 0]);
    assert_eq!(dirent[12..24], [1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]);
    assert_eq!(dirent[24..32], [0x44, 0x33, 0x22, 0x11, 2, 8, 0, 0]);
    assert_eq!(&dirent[40..], b"ab");
    assert_eq!(bytes[122..124], [0xff, 0xff]);
    let inode = &bytes[124..195];
    assert_eq!(inode[..8], [0x85, 0x19, 2, 0xe0, 71, 0, 0, 0]);
    assert_eq!(inode[20..24], [0xa4, 0x81, 0, 0]);
    assert_eq!(inode[28..32], [3, 0, 0, 0]);
    assert_eq!(inode[48..60], [3, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(&inode[68..], b"xyz");
    assert!(bytes[195..].iter().all(|&b| b == 0xff));
}

#[test]
fn erase_blocks_can_be_written_alone_over_anything() {
    let image = tree().build(ERASE_BLOCK_BYTES, 4).unwrap();
    let whole = image.to_bytes();
    assert_eq!(image.used_erase_blocks(), 3);
    for index in (0..4).rev() {
        let mut block = vec![0x5a; ERASE_BLOCK_BYTES as usize];
        image.fill_erase_block(index, &mut block);
        assert!(
            block == whole[index * block.len()..][..block.len()],
            "erase block {index}"
        );
    }
}

#[test]
fn padding_is_a_node_that_counts_for_nothing() {
    let mut bytes = tree().build(ERASE_BLOCK_BYTES, 4).unwrap().to_bytes();
    let before = check(&bytes, ERASE_BLOCK_BYTES);
    let free = 3 * ERASE_BLOCK_BYTES as usize + 12;
    node::put_padding(&mut bytes[free..free + 100]);
    let after = check(&bytes, ERASE_BLOCK_BYTES);
    assert_eq!(after.problems, []);
    assert_eq!(after.files, before.files);
    assert_eq!(after.nodes, before.nodes + 1);
}

/// Every kind of damage is seen: a bit of each part of each kind of node.
#[rstest]
#[case::cleanmarker(4, "header's CRC")]
#[case::magic(12, "magic")]
#[case::header(12 + 4, "header's CRC")]
#[case::inode(12 + 28, "inode node's CRC")]
#[case::dirent(80 + 24, "dirent node's CRC")]
#[case::name(80 + 40, "dirent node's name")]
#[case::data(124 + 68, "inode node's data")]
fn damage_is_seen(#[case] at: usize, #[case] message: &str) {
    let mut files = Builder::new(0);
    files.file("ab", 0o644, "xyz").unwrap();
    let mut bytes = files.build(ERASE_BLOCK_BYTES, 1).unwrap().to_bytes();
    bytes[at] ^= 0x04;
    let found = check(&bytes, ERASE_BLOCK_BYTES);
    assert!(
        found.problems.iter().any(|p| p.what.contains(message)),
        "{:?}",
        found.problems
    );
}

#[test]
fn a_torn_last_node_is_named_with_its_offset() {
    let mut files = Builder::new(0);
    files.file("ab", 0o644, "xyz").unwrap();
    let bytes = files.build(ERASE_BLOCK_BYTES, 1).unwrap().to_bytes();
    let found = check(&bytes[..190], ERASE_BLOCK_BYTES);
    assert_eq!(found.problems[0].offset, 124);
    assert!(
        found.problems[0]
            .to_string()
            .starts_with("JFFS2 at 0x7c: a node of 71 bytes")
    );
}

#[test]
fn trees_that_cannot_be() {
    let mut files = Builder::new(0);
    files.file("a", 0o644, "").unwrap();
    let no_parent = |path: &str| Err(BuildError::NoParent { path: path.into() });
    let bad_name = |path: &str| Err(BuildError::Name { path: path.into() });
    assert_eq!(files.file("b/c", 0o644, ""), no_parent("b/c"));
    assert_eq!(files.file("a/c", 0o644, ""), no_parent("a/c"));
    assert_eq!(files.directory("a", 0o755), bad_name("a"));
    assert_eq!(files.directory("", 0o755), bad_name(""));
    let long = "x".repeat(255);
    assert_eq!(files.directory(&long, 0o755), bad_name(&long));
    let full = tree().build(ERASE_BLOCK_BYTES, 2).err();
    assert_eq!(
        full,
        Some(BuildError::Full {
            needed: 3,
            available: 2
        })
    );
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let _ = check(&bytes, 1024);
    }

    /// No damage makes other files of the tree without a problem being named:
    /// a changed byte is seen, unless it lies in a gap or an obsolete node, or
    /// makes a node obsolete.
    #[test]
    fn no_silent_damage(at in 0usize..0x4000, bit in 0u8..8) {
        let mut bytes = tree().build(ERASE_BLOCK_BYTES, 4).unwrap().to_bytes();
        let before = check(&bytes, ERASE_BLOCK_BYTES);
        bytes[at] ^= 1 << bit;
        let after = check(&bytes, ERASE_BLOCK_BYTES);
        prop_assert!(
            after.files == before.files
                || !after.problems.is_empty()
                || after.obsolete_nodes != before.obsolete_nodes
        );
    }

    #[test]
    fn files_of_any_length_come_back(lengths in prop::collection::vec(0u32..20_000, 0..12)) {
        let mut files = Builder::new(7);
        for (index, length) in lengths.iter().enumerate() {
            files.file(&format!("f{index}"), 0o644, counting(*length)).unwrap();
        }
        let found = check(&files.build(0x1_0000, 8).unwrap().to_bytes(), 0x1_0000);
        prop_assert_eq!(&found.problems, &[]);
        for (index, length) in lengths.iter().enumerate() {
            let content = &found.files[&format!("f{index}")].content;
            prop_assert_eq!(content, &Content::File(counting(*length)));
        }
    }
}
