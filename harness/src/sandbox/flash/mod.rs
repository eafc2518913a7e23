//! What is behind an open node: the stand-ins in shared memory, and the handles.

pub(in crate::sandbox) mod handles;
mod memory;
pub(in crate::sandbox) mod mirror;
mod stand_in;
