//! Images whose every CRC fits and whose numbers mean harm.

use super::super::node::{Dirent, Inode, put_dirent, put_inode};
use super::super::{Checked, Content, check};
use super::ERASE_BLOCK_BYTES;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rstest::rstest;

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_644;

fn name(parent: u32, version: u32, ino: u32, name: &str) -> Vec<u8> {
    let mut node = vec![0xff; (40 + name.len()).next_multiple_of(4)];
    let dirent = Dirent {
        parent,
        version,
        ino,
        time: 0,
        kind: 0,
        name,
    };
    put_dirent(&mut node, &dirent);
    node
}

fn plain(ino: u32, version: u32, mode: u32) -> Inode {
    Inode {
        ino,
        version,
        mode,
        file_size_bytes: 0,
        time: 0,
        offset_bytes: 0,
        stored_bytes: 0,
        length_bytes: 0,
        compression: 0,
    }
}

/// A run of zeros that makes the file as long.
fn zeros(ino: u32, version: u32, length_bytes: u32) -> Inode {
    Inode {
        file_size_bytes: length_bytes,
        length_bytes,
        compression: 1,
        ..plain(ino, version, FILE)
    }
}

fn inode(inode: &Inode) -> Vec<u8> {
    let mut node = vec![0xa5; (68 + inode.stored_bytes as usize).next_multiple_of(4)];
    put_inode(&mut node, inode);
    node
}

/// Nodes one after the other, none across an erase block.
fn image(nodes: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let block_bytes = ERASE_BLOCK_BYTES as usize;
    let mut image = Vec::new();
    for node in nodes {
        if image.len() % block_bytes + node.len() > block_bytes {
            image.resize(image.len().next_multiple_of(block_bytes), 0xff);
        }
        image.extend(node);
    }
    image
}

fn checked(nodes: impl IntoIterator<Item = Vec<u8>>) -> Checked {
    check(&image(nodes), ERASE_BLOCK_BYTES)
}

/// All that a caller is handed, in bytes.
fn weight(found: &Checked) -> usize {
    let entries = found.files.iter().map(|(path, entry)| {
        path.len()
            + match &entry.content {
                Content::File(bytes) => bytes.len(),
                _ => 0,
            }
    });
    let problems = found.problems.iter().map(|problem| problem.what.len());
    entries.sum::<usize>() + problems.sum::<usize>()
}

#[track_caller]
fn assert_problem(found: &Checked, part: &str) {
    let mut problems = found.problems.iter();
    let named = problems.any(|problem| problem.what.contains(part));
    assert!(named, "{part:?} in {:?}", found.problems.first());
}

/// The 88 bytes of names: the root has no node, and a name leads to itself.
#[test]
fn a_name_that_leads_to_itself_is_followed_once() {
    let found = checked([name(1, 1, 2, "a"), name(2, 1, 2, "b")]);
    assert_problem(&found, "/a/b: a folder with two names");
    let below_a_file = [
        inode(&plain(1, 1, FOLDER)),
        name(1, 1, 2, "a"),
        inode(&plain(2, 1, FILE)),
        name(2, 1, 2, "b"),
    ];
    let found = checked(below_a_file);
    assert_problem(&found, "/a: names in what is no folder");
    assert_eq!(found.files.len(), 2);
}

#[test]
fn nested_folders_end_where_paths_end() {
    let nested = (1..6000).flat_map(|ino| {
        [
            inode(&plain(ino, 1, FOLDER)),
            name(ino, 1, ino + 1, &"x".repeat(200)),
        ]
    });
    let found = checked(nested);
    assert_problem(&found, "longer than 4095 bytes");
    assert_eq!(found.files.len(), 21);
}

#[test]
fn many_names_with_long_paths_end_where_the_memory_ends() {
    let above = (1..16).flat_map(|ino| {
        [
            inode(&plain(ino, 1, FOLDER)),
            name(ino, 1, ino + 1, &"y".repeat(250)),
        ]
    });
    let many = (0..100_000).map(|number| name(16, 1, 17, &format!("{number}")));
    let found = checked(
        above
            .chain([inode(&plain(16, 1, FOLDER)), inode(&plain(17, 1, FILE))])
            .chain(many),
    );
    assert_problem(&found, "the others are left out");
    assert!(weight(&found) < 200 << 20);
}

/// Sparse files are told as they are, as long as there is room for them.
#[rstest]
#[case::one(1, 1 << 20, false)]
#[case::large(1, u32::MAX, true)]
#[case::many(200, 1 << 20, true)]
fn runs_of_zeros_end_where_the_memory_ends(
    #[case] count: u32,
    #[case] length_bytes: u32,
    #[case] left_out: bool,
) {
    let files = (2..2 + count).flat_map(|ino| {
        [
            name(1, 1, ino, &ino.to_string()),
            inode(&zeros(ino, 1, length_bytes)),
        ]
    });
    let found = checked([inode(&plain(1, 1, FOLDER))].into_iter().chain(files));
    assert_eq!(!found.problems.is_empty(), left_out);
    assert!(weight(&found) <= 64 << 20);
}

#[test]
fn one_long_file_under_many_names_ends_where_the_memory_ends() {
    let names = (0..1000).map(|number| name(1, 1, 2, &number.to_string()));
    let nodes = [inode(&plain(1, 1, FOLDER)), inode(&zeros(2, 1, 8 << 20))];
    let found = checked(nodes.into_iter().chain(names));
    assert_problem(&found, "the others are left out");
    assert!(weight(&found) <= 64 << 20);
}

/// A hundred thousand versions of one file, each claiming all of it: a quadratic
/// look at them would take minutes here.
#[test]
fn versions_without_number_cost_no_more_than_their_bytes() {
    let mut last = plain(2, 200_000, FILE);
    (last.file_size_bytes, last.offset_bytes) = (8 << 20, 4);
    (last.stored_bytes, last.length_bytes) = (8, 8);
    let versions = (1..100_000).map(|version| inode(&zeros(2, version, 8 << 20)));
    let nodes = [
        inode(&plain(1, 1, FOLDER)),
        name(1, 1, 2, "f"),
        inode(&last),
    ];
    let found = checked(nodes.into_iter().chain(versions));
    assert_eq!(found.problems, []);
    let Content::File(bytes) = &found.files["f"].content else {
        panic!("{:?}", found.files["f"]);
    };
    assert_eq!(bytes.len(), 8 << 20);
    assert_eq!(
        bytes[..16],
        [
            0, 0, 0, 0, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0xa5, 0, 0, 0, 0
        ]
    );
}

#[test]
fn a_second_node_of_a_version_is_a_problem_and_does_not_count() {
    let mut second = plain(2, 1, FILE);
    (
        second.file_size_bytes,
        second.stored_bytes,
        second.length_bytes,
    ) = (4, 4, 4);
    let found = checked([
        inode(&plain(1, 1, FOLDER)),
        name(1, 1, 2, "f"),
        inode(&zeros(2, 1, 4)),
        inode(&second),
    ]);
    assert_problem(&found, "two inode nodes of one version");
    assert_eq!(found.files["f"].content, Content::File(vec![0; 4]));
}

#[test]
fn noise_is_ten_problems_and_a_count() {
    let found = check(&vec![0x5a; ERASE_BLOCK_BYTES as usize], ERASE_BLOCK_BYTES);
    let of_the_block = found.problems.iter().filter(|p| !p.what.starts_with('/'));
    assert_eq!(of_the_block.count(), 11);
    assert_problem(&found, "32756 more problems in this erase block");
}

#[test]
fn an_erase_block_of_0_bytes_is_a_problem() {
    assert_problem(&check(&[0xff; 64], 0), "erase blocks of 0 bytes");
}

fn any_node() -> impl Strategy<Value = Vec<u8>> {
    let modes = prop::sample::select(vec![FOLDER, FILE, 0o120_777, 0o020_600, 0o140_000]);
    let numbers = prop_oneof![0u32..64, Just(1 << 20), Just(u32::MAX - 3), any::<u32>()];
    let inodes = (
        1u32..6,
        0u32..5,
        modes,
        [numbers.clone(), numbers.clone(), numbers],
        0u32..9,
        0u8..3,
    );
    let inodes = inodes.prop_map(|(ino, version, mode, numbers, stored_bytes, compression)| {
        let [file_size_bytes, offset_bytes, length_bytes] = numbers;
        inode(&Inode {
            file_size_bytes,
            offset_bytes,
            stored_bytes,
            length_bytes: if compression == 0 {
                stored_bytes
            } else {
                length_bytes
            },
            compression,
            ..plain(ino, version, mode)
        })
    });
    let names = (1u32..6, 0u32..3, 0u32..6, "[ab/.]{0,3}");
    let names = names.prop_map(|(parent, version, ino, text)| name(parent, version, ino, &text));
    prop_oneof![inodes, names]
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), cases: 512, ..ProptestConfig::default() })]

    /// Good nodes with any numbers: an answer, and no more than there may be.
    #[test]
    fn any_nodes_are_answered(nodes in prop::collection::vec(any_node(), 0..40)) {
        let found = checked(nodes);
        prop_assert!(weight(&found) <= 64 << 20);
        for path in found.files.keys() {
            prop_assert!(path.split('/').all(|name| name != "." && name != ".."));
        }
    }
}
