//! Partitions in a device tree: of a `.dtb` file, or of a folder such as
//! `/proc/device-tree`, in which a node is a folder and a property a file.
//!
//! ```text
//! flash@0 {
//!     compatible = "jedec,spi-nor";
//!     partitions {
//!         compatible = "fixed-partitions";
//!         #address-cells = <1>;
//!         #size-cells = <1>;
//!         partition@0 { label = "u-boot"; reg = <0x0 0x40000>; read-only; };
//! ```
//!
//! Sources: Linux 6.1, drivers/mtd/parsers/ofpart_core.c, and the binding
//! Documentation/devicetree/bindings/mtd/partitions/fixed-partitions.yaml. As there, a
//! flash node without a node `partitions` has its partitions right below it, and a
//! partition can be `fixed-partitions` itself, or have such a node; those in it count
//! from its start and are registered before the next one. A device whose `status` is
//! neither `okay` nor `ok` is none (drivers/of/base.c, of_device_is_available).

mod blob;

use super::error::LayoutTextError;
use super::{ChipFacts, FactSources, Form, PartitionFacts, Reading};
use crate::mtd::{FactSource, PartitionOffset};
use std::fs;
use std::ops::Range;
use std::path::Path;

/// Folders deeper than this, and more of them, are no device tree.
const DEPTH_MAX: usize = 64;
const NODES_MAX: usize = 100_000;
/// No property that is of interest here is longer.
const PROPERTY_BYTES_MAX: u64 = 4096;

/// A node with what is below it.
#[derive(Debug, Default)]
struct Node {
    name: String,
    properties: Vec<(String, Vec<u8>)>,
    children: Vec<Node>,
}

impl Node {
    fn new(name: String) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    fn property(&self, name: &str) -> Option<&[u8]> {
        let found = self.properties.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_slice())
    }

    fn cells(&self, name: &str) -> Option<usize> {
        let value = self.property(name)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(value)).ok()
    }

    fn compatible(&self) -> impl Iterator<Item = &[u8]> {
        let all = self.property("compatible").unwrap_or_default();
        all.split(|byte| *byte == 0)
    }

    fn is_fixed_partitions(&self) -> bool {
        self.compatible().any(|one| one == b"fixed-partitions")
    }

    /// Whether the kernel makes a device of it.
    fn is_available(&self) -> bool {
        self.property("status")
            .is_none_or(|status| matches!(status, b"okay\0" | b"ok\0"))
    }

    /// Whether old trees have partitions right below it.
    fn is_flash(&self) -> bool {
        const KINDS: [&[u8]; 4] = [b"jedec,spi-nor", b"cfi-flash", b"jedec-flash", b"m25p80"];
        self.compatible()
            .any(|one| KINDS.contains(&one) || one.ends_with(b"-nand") || one.ends_with(b"m25p80"))
            || self.children.iter().any(Self::is_plain_partition)
    }

    /// What only a partition looks like.
    fn is_plain_partition(&self) -> bool {
        self.plain_name() == "partition"
            && self.property("label").is_some()
            && self.property("reg").is_some()
            && self.property("compatible").is_none()
    }

    /// Without the address behind the `@`.
    fn plain_name(&self) -> &str {
        self.name.split('@').next().unwrap_or_default()
    }
}

/// Reads a blob that begins like one; `None` where it does not.
pub(super) fn read(bytes: &[u8]) -> Option<Result<Reading, LayoutTextError>> {
    if !bytes.starts_with(&blob::MAGIC) {
        return None;
    }
    let tree = blob::read(bytes);
    Some(match tree {
        Ok(root) => partitions(&root).and_then(|found| found.ok_or(LayoutTextError::Unknown)),
        Err((at_bytes, what)) => Err(LayoutTextError::BadTable { at_bytes, what }),
    })
}

/// Reads a folder such as `/proc/device-tree`; `None` where it is none, or has no
/// partitions. Links in it are not followed.
///
/// # Errors
/// [`LayoutTextError`]: a partition that cannot be.
pub(crate) fn read_device_tree(folder: &Path) -> Option<Result<Reading, LayoutTextError>> {
    let mut nodes = 0;
    let root = node(folder, String::new(), 0, &mut nodes)?;
    partitions(&root).transpose()
}

fn node(folder: &Path, name: String, depth: usize, nodes: &mut usize) -> Option<Node> {
    *nodes += 1;
    if depth > DEPTH_MAX || *nodes > NODES_MAX {
        return None;
    }
    let mut found = Node::new(name);
    let mut entries: Vec<_> = fs::read_dir(folder).ok()?.flatten().collect();
    // The kernel has them in the tree's order; a copy may have lost it.
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let name = entry.file_name().to_string_lossy().into_owned();
        if kind.is_dir() {
            found
                .children
                .extend(node(&entry.path(), name, depth + 1, nodes));
        } else if kind.is_file() && wanted(&name, &entry) {
            if let Ok(value) = fs::read(entry.path()) {
                found.properties.push((name, value));
            }
        }
    }
    Some(found)
}

fn wanted(name: &str, entry: &fs::DirEntry) -> bool {
    const WANTED: [&str; 7] = [
        "compatible",
        "#address-cells",
        "#size-cells",
        "label",
        "reg",
        "read-only",
        "status",
    ];
    WANTED.contains(&name)
        && entry
            .metadata()
            .is_ok_and(|data| data.len() <= PROPERTY_BYTES_MAX)
}

/// The partitions of a tree; none where it has none.
fn partitions(root: &Node) -> Result<Option<Reading>, LayoutTextError> {
    let mut reading = Reading::new(Form::DeviceTree);
    look(root, &mut reading)?;
    Ok((!reading.partitions.is_empty()).then_some(reading))
}

fn look(node: &Node, reading: &mut Reading) -> Result<(), LayoutTextError> {
    if !node.is_available() {
        return Ok(());
    }
    let inner = node
        .children
        .iter()
        .find(|child| child.name == "partitions");
    let table = match inner {
        Some(inner) if inner.is_fixed_partitions() => Some(inner),
        None if node.is_flash() => Some(node),
        _ => None,
    };
    if let Some(table) = table {
        let before = reading.partitions.len();
        let chip = reading.chips.len();
        reading.chips.push(ChipFacts {
            name: node.name.clone(),
            ..ChipFacts::default()
        });
        add_all(table, chip, None, reading)?;
        if reading.partitions.len() == before {
            reading.chips.pop();
        }
        return Ok(());
    }
    // Another parser's table is not understood here, whatever it looks like.
    let others = node.children.iter().filter(|one| one.name != "partitions");
    others
        .into_iter()
        .try_for_each(|child| look(child, reading))
}

/// The partitions of a table, each with its own behind it.
fn add_all(
    table: &Node,
    chip: usize,
    parent: Option<usize>,
    reading: &mut Reading,
) -> Result<(), LayoutTextError> {
    let address_cells = table.cells("#address-cells").unwrap_or(1);
    let size_cells = table.cells("#size-cells").unwrap_or(1);
    for node in &table.children {
        let Some(reg) = node.property("reg") else {
            continue;
        };
        // In an old tree other devices stand beside the partitions.
        if !table.is_fixed_partitions() && parent.is_none() && node.property("compatible").is_some()
        {
            continue;
        }
        let line = reading.partitions.len() + 1;
        let bad = |what| LayoutTextError::BadLine {
            line,
            what,
            found: node.name.clone(),
        };
        let outer = parent.map(|at| &reading.partitions[at]);
        let place = place(reg, address_cells, size_cells, outer).map_err(bad)?;
        let label = node.property("label").or_else(|| node.property("name"));
        let label = label.map(|label| {
            String::from_utf8_lossy(label.split(|b| *b == 0).next().unwrap_or_default())
                .into_owned()
        });
        reading.partitions.push(PartitionFacts {
            line,
            index: None,
            name: label.unwrap_or_else(|| node.plain_name().to_owned()),
            chip: Some(chip),
            parent,
            offset: Some(PartitionOffset {
                bytes: place.start,
                source: FactSource::DeviceTree,
            }),
            size_bytes: Some(place.end - place.start),
            erase_block_bytes: None,
            read_only: node.property("read-only").map(|_| true),
            sources: FactSources::default(),
        });
        let at = reading.partitions.len() - 1;
        let inner = node
            .children
            .iter()
            .find(|child| child.name == "partitions");
        match inner {
            Some(inner) if inner.is_fixed_partitions() => add_all(inner, chip, Some(at), reading)?,
            None if node.is_fixed_partitions() => add_all(node, chip, Some(at), reading)?,
            _ => {}
        }
    }
    Ok(())
}

/// Where a partition lies on its chip, in bytes, by its `reg`; what is wrong with it.
fn place(
    reg: &[u8],
    address_cells: usize,
    size_cells: usize,
    outer: Option<&PartitionFacts>,
) -> Result<Range<u64>, &'static str> {
    let wanted = 4 * address_cells.saturating_add(size_cells);
    if reg.len() != wanted || address_cells > 2 || size_cells > 2 || size_cells == 0 {
        return Err("a partition whose `reg` is no offset and size");
    }
    let (offset, size) = reg.split_at(4 * address_cells);
    let from_bytes = outer.and_then(|outer| outer.offset).map_or(0, |o| o.bytes);
    let start = from_bytes.checked_add(number(offset));
    let end = start.and_then(|start| start.checked_add(number(size)));
    let (Some(start), Some(end)) = (start, end.filter(|end| i64::try_from(*end).is_ok())) else {
        return Err("a partition past 63 bits");
    };
    match outer.and_then(PartitionFacts::end_bytes) {
        Some(limit) if end > limit => Err("a partition that ends past the one it lies in"),
        _ => Ok(start..end),
    }
}

/// Big-endian; at most eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests;
