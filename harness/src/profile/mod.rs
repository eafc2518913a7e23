//! A layout with contents for a known device, and the nodes it has.

use crate::mtd::{MtdSystem, NodeId};
use std::collections::BTreeMap;

/// A simulated device: the kernel's view plus the nodes in its `/dev`.
#[derive(Clone)]
pub struct SimulatedDevice {
    /// What the device calls itself, such as `Clear iSpot (simulated, seed 1)`.
    pub description: String,
    /// Chips and MTD devices.
    pub system: MtdSystem,
    /// Nodes by path below the root, such as `dev/mtd0`.
    pub nodes: BTreeMap<String, NodeId>,
}
