//! A backup over HTTP, straight from flash: nothing is stored on the device.
//!
//! | name | what it is |
//! | --- | --- |
//! | `/` | the page |
//! | `/mtdN.bin` | an image |
//! | `/flash.bin` | the whole chip, where it is certain how the partitions make it |
//! | `/backup.tar` | images, manifest, sums and page in one |
//! | `/manifest.json`, `/SHA256SUMS` | what was read, once all of it was |
//! | `/verified/SHA256` | a client says that he has proven the backup with that manifest |
//!
//! [`Content`] is what is served, [`Server`] the loop. Below them the parts that know no
//! socket: `request` (a head, read), `route` (the closed table of names), `range`,
//! `answer` and `response` (heads), `body` (bytes, piece by piece), `source` (an image,
//! and what is known of it).
//!
//! Invariants: flash is only read; what cannot be delivered as it was promised ends with
//! a cut connection, short of its length; a manifest tells of bytes that were read from
//! end to end; who has no token learns nothing.

mod address;
mod answer;
#[cfg(feature = "full")]
pub(crate) mod anything;
mod body;
mod connection;
mod content;
mod context;
#[cfg(feature = "full")]
mod folder;
mod part;
mod range;
mod request;
mod response;
mod route;
mod server;
mod source;
#[cfg(all(test, feature = "full"))]
mod tests;
mod token;

pub(crate) use address::parse as parse_address;
#[cfg(feature = "full")]
pub(crate) use address::{host, is_near, own as own_addresses};
pub(crate) use content::Content;
pub(crate) use context::Watcher;
pub(crate) use server::{Server, Until};
#[cfg(feature = "full")]
pub(crate) use token::is_same as is_same_token;
pub(crate) use token::{is_plain as is_plain_token, random as random_token};
