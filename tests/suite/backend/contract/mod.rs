//! The contract of the MTD traits, run on every backend; and a canary: backends
//! that break it, each in one way, which the suite must catch.

mod broken;
mod checks;
mod model;
#[cfg(target_os = "linux")]
mod real;
mod subjects;

use checks::CHECKS;
use mtdkeep::mtd::{MtdBackend, MtdInfo};
#[cfg(feature = "full")]
pub use subjects::Simulated;

/// The erase-block size of the device under test, in bytes.
pub const ERASE_BLOCK_BYTES: u64 = 0x2000;

/// One partition of the device under test.
pub struct Part {
    pub name: &'static str,
    pub offset_bytes: u64,
    pub size_bytes: u64,
    pub writeable: bool,
    pub has_node: bool,
}

const fn part(name: &'static str, offset_bytes: u64, size_bytes: u64) -> Part {
    Part {
        name,
        offset_bytes,
        size_bytes,
        writeable: true,
        has_node: true,
    }
}

/// The device under test, a small iSpot: a chip of 128 KiB; the last two
/// partitions share an erase block, so they are read-only; the last has no node.
pub const PARTS: [Part; 5] = [
    part("boot", 0, 0x4000),
    part("data", 0x4000, 0x8000),
    part("a name with blanks", 0xc000, 0x12000),
    Part {
        writeable: false,
        ..part("table", 0x1e000, 0x1c00)
    },
    Part {
        writeable: false,
        has_node: false,
        ..part("config", 0x1fc00, 0x400)
    },
];
/// The chip of [`PARTS`].
pub const CHIP_BYTES: u64 = 0x20000;
/// Position of the partition that checks may change.
pub const WRITEABLE: usize = 1;
/// Position of a read-only partition with a node.
pub const READ_ONLY: usize = 3;
/// Position of the partition without a node.
pub const WITHOUT_NODE: usize = 4;

/// What a subject's backend works on.
pub struct Device {
    pub parts: &'static [Part],
    pub erase_block_bytes: u64,
    /// Positions of the partition that checks may change (four erase blocks or more), of
    /// a read-only one with a node, and of one without a node.
    pub writeable: usize,
    pub read_only: usize,
    pub without_node: usize,
}

/// The small iSpot of [`PARTS`].
const SMALL: Device = Device {
    parts: &PARTS,
    erase_block_bytes: ERASE_BLOCK_BYTES,
    writeable: WRITEABLE,
    read_only: READ_ONLY,
    without_node: WITHOUT_NODE,
};

/// A backend over the device under test, with a look past it at the cells.
pub trait Subject {
    fn backend(&self) -> &dyn MtdBackend;
    fn device(&self) -> &Device {
        &SMALL
    }
    /// Whether a bit that is 0 stays so until it is erased: not on QEMU's NOR.
    fn only_clears_bits(&self) -> bool {
        true
    }
    /// What a partition holds at the start.
    fn contents(&self, position: usize) -> Vec<u8> {
        part_contents(position)
    }
    /// The bytes of a partition, read without the backend.
    fn cells(&self, position: usize) -> Vec<u8>;
    /// Makes the device shorter, behind the backend's back.
    fn shorten(&self, position: usize, size_bytes: u64);
}

/// What the cells hold at the start: bytes of a fixed xorshift sequence, so that
/// no two erase blocks are equal.
pub fn contents() -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..CHIP_BYTES).map(|_| next()).collect()
}

/// What a partition holds at the start.
pub fn part_contents(position: usize) -> Vec<u8> {
    let part = &PARTS[position];
    let start = usize::try_from(part.offset_bytes).unwrap();
    let length = usize::try_from(part.size_bytes).unwrap();
    contents()[start..start + length].to_vec()
}

/// The devices that a subject's backend finds.
fn devices(subject: &dyn Subject) -> Vec<MtdInfo> {
    subject.backend().devices().expect("discovery works")
}

/// Runs every check on a fresh subject; all that fail are told.
fn keeps_the_contract<S: Subject>(fresh: impl Fn() -> S) {
    keeps_it_but_for(&[], fresh);
}

/// The same but for the checks of these names.
fn keeps_it_but_for<S: Subject>(left_out: &[&str], fresh: impl Fn() -> S) {
    let failed: Vec<String> = CHECKS
        .iter()
        .filter(|(name, _)| !left_out.contains(name))
        .filter_map(|(name, check)| {
            let verdict = check(&fresh());
            verdict.err().map(|why| format!("{name}: {why}"))
        })
        .collect();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[test]
fn linux_on_a_tree_of_plain_files_keeps_the_contract() {
    keeps_the_contract(subjects::PlainTree::new);
}

#[cfg(feature = "full")]
#[test]
fn the_simulation_keeps_the_contract() {
    keeps_the_contract(subjects::Simulated::new);
}
