//! JFFS2: the log-structured file system of such devices, small and readable.
//!
//! [`Builder`] takes a tree of folders, files, links and device nodes and lays
//! its nodes out over erase blocks, as a device that was updated and then used
//! would have them: a cleanmarker at the start of each erase block, obsolete
//! nodes where a file was written again, free erase blocks at the end. File
//! data is not compressed (or is a run of zeros), 4096 bytes a node. Linux 6.1
//! mounts it. [`check`] reads any such image back and names what is wrong.
//!
//! Numbers are little-endian. Every node starts at a multiple of 4 with magic
//! 1985, type, total length and a CRC of these eight bytes; no node crosses an
//! erase block. Clearing bit 0x2000 of the type makes a node obsolete, which
//! NOR can do in place; its CRCs count as if the bit were set.
//!
//! Sources: Linux 6.1 `fs/jffs2/scan.c`, `readinode.c`; mtd-utils
//! `include/linux/jffs2.h`.

mod build;
mod check;
mod data;
mod node;
#[cfg(test)]
mod tests;
mod tree;

pub use build::{BuildError, Builder, Image};
pub use check::{Checked, Content, Entry, Problem, check};
pub use data::{Data, Source};
pub use node::{make_obsolete, put_cleanmarker, put_padding};

/// Bytes of a file in one node; Linux keeps to its page size.
pub const DATA_BYTES: usize = 4096;

/// A device node's class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceClass {
    /// Character.
    Character,
    /// Block.
    Block,
}
