//! `mtdkeep fetch`: from web servers, and over an ssh that is none: a script that runs what it gets in the
//! sandbox, where the simulated device is.

pub mod hostile;
pub mod http;
pub mod open_ssh;
pub mod runs;
pub mod servers;
pub mod ssh;
pub mod support;
pub mod trouble;
pub mod v6;
