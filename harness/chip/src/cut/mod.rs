//! Power cuts: what they leave on flash.

pub use crate::chip::Journal;
pub use crate::power::{Model, Operation, OperationKind, PowerCut, Strike, Tear, TearError};
