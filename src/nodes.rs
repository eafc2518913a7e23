//! Device nodes: their names and numbers, which are missing, the `mknod` lines,
//! and making them.
//!
//! Invariants: nothing that exists is ever replaced or removed; a node is made
//! with mode 0600. Nothing is made unless the caller asks.
//!
//! Faults tolerated: a `/dev` of the devfs kind (`/dev/mtd/N`), a node that
//! somebody else makes at the same time.

use crate::mtd::{MTD_BLOCK_MAJOR, MTD_CHAR_MAJOR, MtdIndex};
use std::fmt;

/// Character or block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeKind {
    /// /dev/mtdN.
    Character,
    /// /dev/mtdblockN.
    Block,
}

/// A device node as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its device.
    pub index: MtdIndex,
    /// Character or block.
    pub kind: NodeKind,
    /// Its path below the root, such as `dev/mtd10`.
    pub path: String,
    /// Its major number.
    pub major: u32,
    /// Its minor number.
    pub minor: u32,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.path)
    }
}

/// The character node of a device: `dev/mtdN`, 90:2N.
pub fn char_node(index: MtdIndex) -> Node {
    Node {
        index,
        kind: NodeKind::Character,
        path: format!("dev/mtd{}", index.0),
        major: MTD_CHAR_MAJOR,
        minor: index.char_minor(),
    }
}

/// The block node of a device: `dev/mtdblockN`, 31:N.
pub fn block_node(index: MtdIndex) -> Node {
    Node {
        index,
        kind: NodeKind::Block,
        path: format!("dev/mtdblock{}", index.0),
        major: MTD_BLOCK_MAJOR,
        minor: index.block_minor(),
    }
}

/// The shell command that makes a node, such as `mknod /dev/mtd10 c 90 20`.
pub fn mknod_line(node: &Node) -> String {
    let kind = match node.kind {
        NodeKind::Character => 'c',
        NodeKind::Block => 'b',
    };
    format!("mknod /{} {kind} {} {}", node.path, node.major, node.minor)
}
