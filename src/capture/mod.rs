//! What a device without this program can do, and what becomes of it on the PC: a
//! script that captures, and the import of what it captured. Two ends of one thing;
//! `backup::capture_format` is what passes between them.

#[cfg(feature = "full")]
mod assign;
#[cfg(feature = "full")]
mod beside;
#[cfg(feature = "full")]
mod captured;
#[cfg(feature = "full")]
mod check;
#[cfg(feature = "full")]
mod decode;
#[cfg(feature = "full")]
mod diagnose;
#[cfg(feature = "full")]
mod error;
#[cfg(feature = "full")]
mod evidence;
#[cfg(feature = "full")]
mod found;
#[cfg(feature = "full")]
mod import;
#[cfg(feature = "full")]
mod inspect;
#[cfg(feature = "full")]
mod kinds;
#[cfg(feature = "full")]
mod layout;
#[cfg(feature = "full")]
mod memory_dump;
#[cfg(feature = "full")]
mod missing;
#[cfg(all(test, feature = "full"))]
mod mutations;
#[cfg(feature = "full")]
mod names;
#[cfg(feature = "full")]
mod oob;
#[cfg(feature = "full")]
mod origin;
#[cfg(feature = "full")]
mod own_manifest;
#[cfg(feature = "full")]
mod record;
#[cfg(feature = "full")]
mod script;
#[cfg(feature = "full")]
mod sums;
#[cfg(feature = "full")]
mod text_mode;

#[cfg(feature = "full")]
pub(crate) use crate::backup::capture_format::RECORD;
#[cfg(feature = "full")]
pub(crate) use error::ImportError;
#[cfg(feature = "full")]
pub(crate) use import::import;
#[cfg(feature = "full")]
pub(crate) use inspect::{Capture, ImportRequest, inspect};
#[cfg(feature = "full")]
pub(crate) use oob::OobPages;
#[cfg(feature = "full")]
pub(crate) use oob::WithoutOob;
#[cfg(feature = "full")]
pub(crate) use script::{
    ScriptError, ScriptRequest, SendRequest, quoted, render, render_send, render_stream,
};
