//! Single nodes, written in place.

use super::super::crc32;

pub(super) const MAGIC: u16 = 0x1985;
pub(super) const DIRENT: u16 = 0xe001;
pub(super) const INODE: u16 = 0xe002;
pub(super) const CLEANMARKER: u16 = 0x2003;
pub(super) const PADDING: u16 = 0x2004;
/// The bit of a type whose clearing makes the node obsolete.
pub(super) const ACCURATE: u16 = 0x2000;

pub(super) const HEADER_BYTES: usize = 12;
pub(super) const INODE_BYTES: usize = 68;
pub(super) const DIRENT_BYTES: usize = 40;

/// The fields of an inode node that vary.
pub(super) struct Inode {
    pub ino: u32,
    pub version: u32,
    pub mode: u32,
    pub file_size_bytes: u32,
    pub time: u32,
    pub offset_bytes: u32,
    /// Compressed length: what stands after the header.
    pub stored_bytes: u32,
    pub length_bytes: u32,
    /// 0: none; 1: a run of zeros, nothing stored.
    pub compression: u8,
}

/// The fields of a dirent node that vary.
pub(super) struct Dirent<'a> {
    pub parent: u32,
    pub version: u32,
    pub ino: u32,
    pub time: u32,
    /// DT_DIR and so on.
    pub kind: u8,
    pub name: &'a str,
}

fn put16(node: &mut [u8], at: usize, value: u16) {
    node[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

fn put32(node: &mut [u8], at: usize, value: u32) {
    node[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn header(node: &mut [u8], kind: u16, total_bytes: u32) {
    put16(node, 0, MAGIC);
    put16(node, 2, kind);
    put32(node, 4, total_bytes);
    let crc = crc32(&node[..8]);
    put32(node, 8, crc);
}

/// Makes a written node obsolete, as the kernel does: one bit is cleared, which
/// NOR can do in place.
///
/// # Panics
/// If `node` has fewer than four bytes.
pub fn make_obsolete(node: &mut [u8]) {
    let kind = u16::from_le_bytes([node[2], node[3]]);
    put16(node, 2, kind & !ACCURATE);
}

/// Writes the mark of an erase block that was erased completely: 12 bytes.
///
/// # Panics
/// If `node` has fewer bytes than that.
pub fn put_cleanmarker(node: &mut [u8]) {
    header(node, CLEANMARKER, HEADER_BYTES as u32);
}

/// Writes a node that fills all of `node` with nothing.
///
/// # Panics
/// If `node` has fewer than 12 bytes.
pub fn put_padding(node: &mut [u8]) {
    header(node, PADDING, node.len() as u32);
    node[HEADER_BYTES..].fill(0);
}

/// Writes the header before data that stands in `node` already.
pub(super) fn put_inode(node: &mut [u8], inode: &Inode) {
    let end = INODE_BYTES + inode.stored_bytes as usize;
    header(node, INODE, end as u32);
    for (at, value) in [
        (12, inode.ino),
        (16, inode.version),
        (20, inode.mode),
        (24, 0), // uid and gid: root
        (28, inode.file_size_bytes),
        (32, inode.time),
        (36, inode.time),
        (40, inode.time),
        (44, inode.offset_bytes),
        (48, inode.stored_bytes),
        (52, inode.length_bytes),
    ] {
        put32(node, at, value);
    }
    node[56] = inode.compression;
    node[57] = 0; // the user asked for no compression
    put16(node, 58, 0); // flags
    let data_crc = crc32(&node[INODE_BYTES..end]);
    put32(node, 60, data_crc);
    let node_crc = crc32(&node[..60]);
    put32(node, 64, node_crc);
}

pub(super) fn put_dirent(node: &mut [u8], dirent: &Dirent<'_>) {
    let name = dirent.name.as_bytes();
    header(node, DIRENT, (DIRENT_BYTES + name.len()) as u32);
    for (at, value) in [
        (12, dirent.parent),
        (16, dirent.version),
        (20, dirent.ino),
        (24, dirent.time),
    ] {
        put32(node, at, value);
    }
    node[28] = name.len() as u8;
    node[29] = dirent.kind;
    put16(node, 30, 0);
    let node_crc = crc32(&node[..32]);
    put32(node, 32, node_crc);
    put32(node, 36, crc32(name));
    node[DIRENT_BYTES..DIRENT_BYTES + name.len()].copy_from_slice(name);
}
