//! Writes to flash: the few processes that are traced, and what is answered there.

pub(in crate::sandbox) mod coverage;
pub(in crate::sandbox) mod emulate;
pub(in crate::sandbox) mod interrupted;
pub(in crate::sandbox) mod ptrace;
mod puppet;
pub(in crate::sandbox) mod tracer;
