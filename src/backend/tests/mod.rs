//! Trees as real devices have them. The traits' contract is in `tests/suite/backend`.

#[cfg(feature = "full")]
mod both_backends;
mod kernel_layout;
#[cfg(feature = "full")]
mod linux_tree;
mod nesting;
#[path = "../../../tests/suite/backend/tree.rs"]
#[allow(dead_code)] // what only the contract needs
mod tree;
