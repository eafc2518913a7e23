//! `mtdkeep receive`: with a device that is a program in the test's hands (`command`), and
//! with the script in real shells (`shell`).

mod command;
#[path = "../../../src/receive/tests/device.rs"]
#[allow(dead_code)] // what only the tests of the library say
mod device;
mod shell;
