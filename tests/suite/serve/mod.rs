//! A backup over HTTP from the program itself: with a client of a few lines, and with real
//! ones (`clients`). The server's parts are tested in `src/serve`.

#[path = "../../../src/serve/tests/client.rs"]
#[allow(dead_code)] // what only the tests of the library need
pub(crate) mod client;
mod clients;
mod costs;
mod folder;
pub(crate) mod support;
