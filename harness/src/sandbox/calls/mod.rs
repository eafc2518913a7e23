//! The system calls that the filter stops: one table of them, and a file for each
//! kind that answers them.

pub(in crate::sandbox) mod attributes;
pub(in crate::sandbox) mod changes;
pub(in crate::sandbox) mod descriptors;
pub(in crate::sandbox) mod folders;
pub(in crate::sandbox) mod looks;
pub(in crate::sandbox) mod opening;
pub(in crate::sandbox) mod table;
