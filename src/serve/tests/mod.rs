//! A backup over HTTP: the server in this process over the simulated flash, with a
//! client of a few lines. The program, and real clients, are in `tests/suite/serve`.

mod client;
mod cuts;
mod folder;
mod hostile;
mod names;
mod support;
mod trailer;
