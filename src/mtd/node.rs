//! Device nodes: their names and numbers, which are missing, the `mknod` lines,
//! and making them.
//!
//! Invariants: nothing that exists is ever replaced or removed; a node is made
//! with mode 0600. Nothing is made unless the caller asks.
//!
//! Faults tolerated: a `/dev` of the devfs kind (`/dev/mtd/N`), a node that
//! somebody else makes at the same time.

use super::error::{MtdError, Operation};
use super::info::{MTD_BLOCK_MAJOR, MTD_CHAR_MAJOR, MtdIndex, MtdInfo, MtdName, NodeState};
use rustix::fs::{CWD, FileType, Mode};
use rustix::io::Errno;
use std::fmt;
use std::path::Path;

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

/// The nodes that these devices lack, character before block, in the order of
/// numbers. Where something else stands in a node's place it is not listed: that
/// is for a person to remove.
pub fn missing(devices: &[MtdInfo]) -> Vec<Node> {
    let lacking = |device: &MtdInfo| {
        let char_node = (device.node == NodeState::Missing).then(|| char_node(device.index));
        let block_node =
            (device.block_node == NodeState::Missing).then(|| block_node(device.index));
        [char_node, block_node]
    };
    devices.iter().flat_map(lacking).flatten().collect()
}

/// Makes a node of `device`, mode 0600, below `root` (`/` on the device itself). An existing
/// path is an error (EEXIST) and stays as it is.
pub fn make(root: &Path, node: &Node, device: &MtdName) -> Result<(), MtdError> {
    let path = root.join(&node.path);
    let file_type = match node.kind {
        NodeKind::Character => FileType::CharacterDevice,
        NodeKind::Block => FileType::BlockDevice,
    };
    let number = rustix::fs::makedev(node.major, node.minor);
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(CWD, &path, file_type, mode, number).map_err(|source| match source {
        Errno::PERM | Errno::ACCESS => MtdError::NotPermitted {
            operation: Operation::MakeNode,
            device: device.clone(),
            path,
            nodev: false,
            source,
        },
        _ => MtdError::File {
            operation: Operation::MakeNode,
            path,
            source,
        },
    })
}
