//! The traits of [`embedded_storage`] and [`embedded_storage_async`] on a simulated flash
//! chip, so that a store, a bootloader or an updater can be put through every power cut.
//!
//! - [`Flash`]: `ReadNorFlash`, `NorFlash`, `MultiwriteNorFlash`, and the asynchronous ones.
//! - [`OnceFlash`]: the same without `MultiwriteNorFlash`; a word written twice is an error.
//! - [`ByteStorage`]: `ReadStorage` and `Storage`, which erase where they must.
//! - [`every_cut`]: a store, driven by a few lines, through every cut and every way in
//!   which flash can tear, but for bits that read differently each time.
//!
//! Sizes of words and erase blocks are in the traits' constants, so they are in the types:
//! `Flash<_, 4, 4096>` writes words of 4 bytes and erases 4096. What breaks the traits'
//! contract (unaligned, past the end, a word written twice) is an error that says so, or a
//! panic if that is preferred ([`Flash::strict`]).
//!
//! Futures of this crate never wait: [`ready`] runs them.
#![doc = concat!("```\n", include_str!("../examples/twenty_lines.rs"), "```")]

mod bytes;
mod cuts;
mod error;
mod flash;

pub use bytes::ByteStorage;
pub use cuts::{driver, erased, every_cut, ready};
pub use error::FlashError;
pub use flash::{Flash, OnceFlash};
pub use mtd_chip::{self as chip, cut};

// The example of README.md runs as a doc test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
