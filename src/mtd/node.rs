//! Device nodes: their names and numbers, which are missing, and the `mknod` lines.
//! Making and looking at them is the backend's (`backend::linux`).
//!
//! The numbers are the kernel's (Linux, Documentation/admin-guide/devices.txt): character
//! 90, two minors a device, the even one for reading and writing; block 31.

use super::info::{MTD_BLOCK_MAJOR, MTD_CHAR_MAJOR, MtdIndex, MtdInfo, NodeState};
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

impl Node {
    /// The character node of a device: `dev/mtdN`, 90:2N.
    pub fn character(index: MtdIndex) -> Self {
        Self {
            index,
            kind: NodeKind::Character,
            path: format!("dev/mtd{}", index.0),
            major: MTD_CHAR_MAJOR,
            minor: index.char_minor(),
        }
    }

    /// The block node of a device: `dev/mtdblockN`, 31:N.
    pub fn block(index: MtdIndex) -> Self {
        Self {
            index,
            kind: NodeKind::Block,
            path: format!("dev/mtdblock{}", index.0),
            major: MTD_BLOCK_MAJOR,
            minor: index.block_minor(),
        }
    }

    /// The shell command that makes it, such as `mknod /dev/mtd10 c 90 20`.
    pub fn mknod_line(&self) -> String {
        let kind = match self.kind {
            NodeKind::Character => 'c',
            NodeKind::Block => 'b',
        };
        format!("mknod {self} {kind} {} {}", self.major, self.minor)
    }
}

/// The nodes that these devices lack, character before block, in the order of
/// numbers. Where something else stands in a node's place it is not listed: that
/// is for a person to remove.
pub fn missing_nodes(devices: &[MtdInfo]) -> Vec<Node> {
    let lacking = |device: &MtdInfo| {
        let character = (device.node == NodeState::Missing).then(|| Node::character(device.index));
        let block = (device.block_node == NodeState::Missing).then(|| Node::block(device.index));
        [character, block]
    };
    devices.iter().flat_map(lacking).flatten().collect()
}
