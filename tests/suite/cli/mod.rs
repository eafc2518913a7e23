//! The program itself, started as a user starts it.

#[cfg(feature = "full")]
pub mod backup;
#[cfg(feature = "full")]
pub mod bad_input;
#[cfg(feature = "full")]
pub mod blank;
#[cfg(feature = "full")]
pub mod clean;
#[cfg(all(
    feature = "full",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub mod closing;
#[cfg(feature = "full")]
pub mod commands;
#[cfg(all(
    feature = "full",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub mod cuts;
#[cfg(feature = "full")]
pub mod digest;
#[cfg(feature = "full")]
pub mod dumps;
#[cfg(feature = "full")]
pub mod ecc;
#[cfg(feature = "full")]
pub mod errors;
#[cfg(feature = "full")]
pub mod field;
#[cfg(feature = "full")]
pub mod generated;
#[cfg(feature = "full")]
pub mod hints;
#[cfg(feature = "full")]
pub mod image;
#[cfg(feature = "full")]
pub mod interrupt;
#[cfg(feature = "full")]
pub mod layouts;
#[cfg(feature = "full")]
pub mod limits;
#[cfg(feature = "full")]
pub mod lock;
#[cfg(feature = "full")]
pub mod manifest;
#[cfg(feature = "full")]
pub mod offsets;
#[cfg(feature = "full")]
pub mod repair;
#[cfg(feature = "full")]
pub mod restore;
#[cfg(feature = "full")]
pub mod restore_consent;
#[cfg(all(
    feature = "full",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub mod restore_cuts;
#[cfg(feature = "full")]
pub mod restore_stops;
#[cfg(all(
    feature = "full",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub mod sandbox;
#[cfg(feature = "full")]
pub mod schema;
#[cfg(feature = "full")]
pub mod stream;
pub mod support;
#[cfg(feature = "full")]
pub mod terminal;
#[cfg(feature = "full")]
pub mod threads;
#[cfg(feature = "full")]
pub mod together;
pub mod tree;
#[cfg(feature = "full")]
pub mod verify;
#[cfg(feature = "full")]
pub mod width;
