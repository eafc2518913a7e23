//! The system calls that the sandbox answers: one table of them, and a file for
//! each kind that decides about them.

pub(in crate::sandbox) mod asynchronous;
pub(in crate::sandbox) mod attributes;
pub(in crate::sandbox) mod changes;
pub(in crate::sandbox) mod descriptors;
pub(in crate::sandbox) mod folders;
pub(in crate::sandbox) mod looks;
pub(in crate::sandbox) mod names;
pub(in crate::sandbox) mod opening;
pub(in crate::sandbox) mod passing;
pub(in crate::sandbox) mod private;
pub(in crate::sandbox) mod programs;
pub(in crate::sandbox) mod refused;
pub(in crate::sandbox) mod signals;
pub(in crate::sandbox) mod sockets;
pub(in crate::sandbox) mod table;
pub(in crate::sandbox) mod transfers;
pub(in crate::sandbox) mod xattrs;
