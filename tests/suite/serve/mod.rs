//! A backup over HTTP: the server in this process over the simulated flash, with a
//! client of a few lines that sees every byte; real clients are in `clients`.

pub mod clients;
pub mod cuts;
pub mod folder;
pub mod hostile;
pub mod names;
pub(crate) mod support;
pub mod trailer;
