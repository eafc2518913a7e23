//! Writes to flash: the few processes that are traced, and what is answered there.

pub(in crate::sandbox) mod emulate;
pub(in crate::sandbox) mod interrupted;
pub(in crate::sandbox) mod ptrace;
pub(in crate::sandbox) mod tracer;
