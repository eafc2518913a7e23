//! The partitions of a device's chips.

use crate::chip::Geometry;

/// One partition as a layout asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionSpec {
    /// Its name; may hold blanks.
    pub name: String,
    /// Where it starts on its chip.
    pub offset_bytes: u64,
    /// How long it is.
    pub size_bytes: u64,
}

/// One chip and its partitions, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChipLayout {
    /// The chip.
    pub geometry: Geometry,
    /// Its partitions; they get their MTD numbers in this order.
    pub partitions: Vec<PartitionSpec>,
}

/// All chips of a device. A device with mixed erase-block sizes has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The chips in the order in which Linux numbers their partitions.
    pub chips: Vec<ChipLayout>,
}

/// Why a text is no layout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {}

impl Layout {
    /// The eleven partitions of the Clear iSpot.
    pub fn ispot() -> Self {
        todo!()
    }
    /// The layout that a captured `/proc/mtd` describes (running sums per chip).
    pub fn from_proc_mtd(text: &str) -> Result<Self, LayoutError> {
        let _ = text;
        todo!()
    }
}
