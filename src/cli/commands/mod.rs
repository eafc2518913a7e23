//! The commands, one file each: its entry of the table (`SPEC`), what its words
//! mean (`parse`), and what it does.

pub(crate) mod backup;
mod clean;
#[cfg(feature = "full")]
pub(crate) mod completions;
#[cfg(feature = "full")]
mod fetch;
#[cfg(feature = "full")]
mod image;
#[cfg(feature = "full")]
mod import;
mod list;
#[cfg(feature = "full")]
mod man;
mod nodes;
#[cfg(feature = "full")]
mod receive;
#[cfg(feature = "full")]
mod repair;
mod restore;
#[cfg(feature = "full")]
mod sandbox;
#[cfg(feature = "full")]
mod script;
mod serve;
mod verify;

use super::spec::CommandSpec;

/// All commands of this build, in the order of the help. What the full program alone has
/// is also in [`FULL_ONLY`](super::names::FULL_ONLY).
pub(crate) const COMMANDS: &[CommandSpec] = &[
    list::SPEC,
    backup::SPEC,
    #[cfg(feature = "full")]
    fetch::SPEC,
    #[cfg(feature = "full")]
    receive::SPEC,
    verify::SPEC,
    restore::SPEC,
    #[cfg(feature = "full")]
    repair::SPEC,
    clean::SPEC,
    nodes::SPEC,
    serve::SPEC,
    #[cfg(feature = "full")]
    image::SPEC,
    #[cfg(feature = "full")]
    sandbox::SPEC,
    #[cfg(feature = "full")]
    script::SPEC,
    #[cfg(feature = "full")]
    import::SPEC,
    #[cfg(feature = "full")]
    completions::SPEC,
    #[cfg(feature = "full")]
    man::SPEC,
];
