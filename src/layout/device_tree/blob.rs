//! A flattened device tree (`.dtb`), as the Devicetree Specification 0.4, chapter 5,
//! has it: a header of big-endian words, a block of tokens, a block of names.
//!
//! Invariant: any bytes are answered; depth and number of nodes are bounded.
//!
//! Written here because nothing fits: of the crates for it, `dtoolkit` needs Rust 1.88,
//! `hermit-dtb` and `fdt-rs` begin with a raw pointer and trust the header, `fdt` is
//! under another kind of licence and panics at torn blobs.

use super::Node;

pub(super) const MAGIC: [u8; 4] = [0xd0, 0x0d, 0xfe, 0xed];

/// Deeper or larger trees are none: Linux's own limit is 64 levels
/// (drivers/of/fdt.c, FDT_MAX_DEPTH).
const DEPTH_MAX: usize = 64;
const NODES_MAX: usize = 100_000;

/// The root of the tree, or what is wrong and where.
pub(super) fn read(blob: &[u8]) -> Result<Node, (u64, &'static str)> {
    let word = |at: usize| word(blob, at).ok_or((at as u64, "it ends inside its header"));
    let (total, tokens_at, names_at) = (word(4)?, word(8)?, word(12)?);
    let (version, oldest) = (word(20)?, word(24)?);
    if version < 16 || oldest > 17 {
        return Err((20, "a version of the format that is not known"));
    }
    let blob = blob
        .get(..total)
        .ok_or((4, "it is shorter than its header says"))?;
    let names = blob.get(names_at..).ok_or((12, "its names lie outside"))?;
    let mut reader = Reader {
        blob,
        names,
        at: tokens_at,
        nodes: 0,
    };
    reader.tree().map_err(|what| (reader.at as u64, what))
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_be_bytes(bytes.try_into().ok()?)).ok()
}

struct Reader<'a> {
    blob: &'a [u8],
    names: &'a [u8],
    at: usize,
    nodes: usize,
}

const TORN: &str = "it ends in the middle of a node";

impl Reader<'_> {
    fn word(&mut self) -> Result<usize, &'static str> {
        let found = word(self.blob, self.at).ok_or(TORN)?;
        self.at += 4;
        Ok(found)
    }

    /// So many bytes, and up to the next word.
    fn bytes(&mut self, length: usize) -> Result<Vec<u8>, &'static str> {
        let end = self.at.checked_add(length).ok_or(TORN)?;
        let found = self.blob.get(self.at..end).ok_or(TORN)?.to_vec();
        self.at = end.next_multiple_of(4);
        Ok(found)
    }

    fn tree(&mut self) -> Result<Node, &'static str> {
        let mut open: Vec<Node> = Vec::new();
        loop {
            match self.word()? {
                1 => {
                    self.nodes += 1;
                    if open.len() >= DEPTH_MAX || self.nodes > NODES_MAX {
                        return Err("it has too many nodes, or too deep ones");
                    }
                    let rest = self.blob.get(self.at..).ok_or(TORN)?;
                    let length = rest.iter().position(|byte| *byte == 0).ok_or(TORN)?;
                    let name = self.bytes(length + 1)?;
                    open.push(Node::new(text(&name)));
                }
                2 => {
                    let node = open.pop().ok_or("a node ends that never began")?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(node),
                        None => return Ok(node),
                    }
                }
                3 => {
                    let (length, name_at) = (self.word()?, self.word()?);
                    let value = self.bytes(length)?;
                    let name = self.names.get(name_at..).ok_or("a name lies outside")?;
                    let node = open.last_mut().ok_or("a property outside of all nodes")?;
                    node.properties.push((text(name), value));
                }
                4 => {}
                _ => return Err("a word that begins nothing"),
            }
        }
    }
}

/// Up to the NUL.
fn text(bytes: &[u8]) -> String {
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}
