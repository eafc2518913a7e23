//! What the host's kernel gives: system calls, filters, processes, tracing,
//! architectures.

pub(in crate::sandbox) mod arch;
pub(in crate::sandbox) mod caller;
pub(in crate::sandbox) mod filter;
pub(in crate::sandbox) mod handover;
pub(in crate::sandbox) mod hosts;
pub(in crate::sandbox) mod keeper;
pub(in crate::sandbox) mod kernels;
mod killing;
pub(in crate::sandbox) mod listener;
pub(in crate::sandbox) mod plain;
pub(in crate::sandbox) mod process;
pub(in crate::sandbox) mod ptrace;
pub(in crate::sandbox) mod read_write;
pub(in crate::sandbox) mod sys;
