//! A backup of a device that is somewhere else, made on a PC.
//!
//! ```text
//! ssh: session ─▶ probe ─▶ devices ┐
//!         │                        ├─▶ RemoteBackend ─▶ the pipeline of every backup
//!         └─ bytes, digests ─▶ Source ┘
//! ```
//!
//! A device over a wire is an [`MtdBackend`](crate::mtd::MtdBackend) like any other, so
//! that everything that holds of a backup holds of one that was fetched: the folder's
//! lock, names only for what is whole, the manifest last, completing what was cut off.
//!
//! Invariants: nothing is stored on the device but for a private node, which is gone
//! before the first byte is read; a wire that breaks is mended and reading goes on where
//! it stopped, and where it cannot be mended the backup stops: bytes that did not come
//! are never taken for flash that cannot be read.

pub(crate) mod http;
mod remote;
pub(crate) mod ssh;
#[cfg(test)]
mod tests;
mod wire;

pub(crate) use remote::{FetchRequest, Proof, RemoteBackend, fetch};
pub(crate) use wire::Patience;
