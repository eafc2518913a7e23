//! A device that sends its flash to a PC's end in this process, and that is a program in
//! the test's hands; as a command, and with real shells, it is in `tests/suite/receive`.

mod canary;
mod device;
mod support;
mod wire;
