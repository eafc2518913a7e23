//! The PC's end of a device that has a shell, a network and no more: its script sends
//! each partition, and this takes them.
//!
//! ```text
//! a shell on the device          server ─▶ connection ─▶ asked, decode  heads, text to bytes
//! nc, or wget --post-data ─────▶                │
//!                                               └──▶ store ─▶ coming   a folder, as a capture
//! ```
//!
//! What has come lies in a folder in the form of a capture, and becomes a backup as any
//! capture does ([`crate::capture`]): layout and manifest last.
//!
//! Invariants: no name or path is made of what a device says; what is short, torn or
//! another's never ends as a whole image; each image is proven by a digest that the device
//! made of its flash afterwards, or by a second sending, before it gets its name.

mod asked;
mod coming;
mod connection;
mod decode;
mod server;
mod store;
#[cfg(all(
    test,
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod tests;

pub(crate) use connection::Watcher;
pub(crate) use server::Receiver;

/// What a fuzzer throws at the reader of a device's requests.
pub(crate) fn anything(bytes: &[u8]) {
    asked::anything(bytes);
}
