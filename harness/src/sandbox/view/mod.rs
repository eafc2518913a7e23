//! What the program sees: which path means what, and the texts of `/proc` and `/sys`.

pub(in crate::sandbox) mod block;
pub(in crate::sandbox) mod namespace;
pub(in crate::sandbox) mod resolve;
pub(in crate::sandbox) mod scratch;
pub(in crate::sandbox) mod shadow;
