//! Faults, seeded and switchable, apart from the pristine contents.

/// What goes wrong on the flash side.
#[derive(Debug, Clone, Default)]
pub struct FaultPlan {}
