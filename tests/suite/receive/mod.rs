//! A device that sends its flash to a PC: one that is a program in the test's hands
//! (`wire`, `command`), and the script in real shells (`shell`).

mod canary;
mod command;
mod shell;
mod support;
mod wire;
