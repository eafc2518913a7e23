//! What is behind an open node: the cells in shared memory, and the handles.

pub(in crate::sandbox) mod handles;
pub(in crate::sandbox) mod storage;
