//! Device nodes: their names and numbers, which are missing, and the `mknod` lines.
//! Making and looking at them is the backend's (`backend::linux`).
//!
//! The numbers are the kernel's (Linux, Documentation/admin-guide/devices.txt): character
//! 90, two minors a device, the even one for reading and writing; block 31.

use super::info::{MTD_BLOCK_MAJOR, MTD_CHAR_MAJOR, MtdIndex, MtdInfo, NodeState};
use std::fmt;

/// Character or block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum NodeKind {
    /// /dev/mtdN.
    Character,
    /// /dev/mtdblockN.
    Block,
}

/// A device node as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its device.
    pub(crate) index: MtdIndex,
    /// Character or block.
    pub(crate) kind: NodeKind,
    /// Its path below the root, such as `dev/mtd10`.
    pub(crate) path: String,
    /// Its major number.
    pub(crate) major: u32,
    /// Its minor number.
    pub(crate) minor: u32,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.path)
    }
}

impl Node {
    /// The character node of a device: `dev/mtdN`, 90:2N.
    pub(crate) fn character(index: MtdIndex) -> Self {
        Self {
            index,
            kind: NodeKind::Character,
            path: format!("dev/mtd{}", index.0),
            major: MTD_CHAR_MAJOR,
            minor: index.char_minor(),
        }
    }

    /// The block node of a device: `dev/mtdblockN`, 31:N.
    pub(crate) fn block(index: MtdIndex) -> Self {
        Self {
            index,
            kind: NodeKind::Block,
            path: format!("dev/mtdblock{}", index.0),
            major: MTD_BLOCK_MAJOR,
            minor: index.block_minor(),
        }
    }

    /// The shell command that makes it, such as `mknod /dev/mtd10 c 90 20`.
    pub(crate) fn mknod_line(&self) -> String {
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
pub(crate) fn missing_nodes(devices: &[MtdInfo]) -> Vec<Node> {
    let lacking = |device: &MtdInfo| {
        let character = (device.node == NodeState::Missing).then(|| Node::character(device.index));
        let block = (device.block_node == NodeState::Missing).then(|| Node::block(device.index));
        [character, block]
    };
    devices.iter().flat_map(lacking).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_nodes_are_listed_with_their_mknod_lines() {
        let device = |index, node, block_node| MtdInfo {
            node,
            block_node,
            ..MtdInfo::new(MtdIndex(index), "a", 4, 4)
        };
        let devices = [
            device(0, NodeState::Present, NodeState::Present),
            device(1, NodeState::Missing, NodeState::Missing),
            device(2, NodeState::Wrong("a file".into()), NodeState::Present),
            device(4, NodeState::Present, NodeState::Missing),
        ];
        let lines: Vec<_> = missing_nodes(&devices)
            .iter()
            .map(Node::mknod_line)
            .collect();
        assert_eq!(
            lines,
            [
                "mknod /dev/mtd1 c 90 2",
                "mknod /dev/mtdblock1 b 31 1",
                "mknod /dev/mtdblock4 b 31 4"
            ]
        );
    }
}
