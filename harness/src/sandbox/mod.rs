//! Runs unmodified programs against a simulated device.
//!
//! The program sees `/proc/mtd`, `/dev/mtdN`, `/dev/mtdNro`, `/dev/mtdblockN`
//! and `/sys/class/mtd` of the device, with Linux MTD's behaviour behind them,
//! whatever it is: a script, a static binary, a foreign binary under QEMU user
//! mode. Nothing of it needs privileges, a kernel module or a container.
//!
//! How: a seccomp filter stops the system calls that take a path, and those on
//! descriptors that a node would answer otherwise than a file. A supervisor
//! thread answers them from the harness's MTD layer ([`crate::mtd`]) or lets
//! them through. What an open of a node hands out is a re-open of the memory in
//! which the chip's cells are (`flash`), so reads are the kernel's own. Writes are
//! emulated, in the processes that opened flash for writing (`tracing`).
//!
//! From below, each naming only what stands before it:
//!
//! - `call`: the terms in which a stopped call is told and answered; `error`: what a user
//!   is told where there is no sandbox;
//! - `kernel`: what the host's kernel gives;
//! - `waiting`: a stopped call that gets exactly one answer; `killer` and `power`: killing
//!   a program, also because a chip lost its power;
//! - `flash` and `view`: what is behind a descriptor, and behind a path;
//! - `trace`: warnings, and each call as a value; `covered` (the numbers under which a
//!   process had flash) and `child_handlers` (whom the end of a child interrupts);
//! - `state`: what one sandbox knows; `shared`: whose turn it is to use that;
//! - `calls`: a table of the system calls, and who decides about each;
//! - `tracing`: the processes that write to flash;
//! - `supervisor`: has one call decided and performed, and replies;
//! - `dispatcher`: the threads that receive the calls;
//! - `run`, `builder`: what a user holds; `cuts`: a program under cuts of power.
//!
//! This is a test bench, not a jail: a hostile program is not contained.
//!
//! # Example
//!
//! ```
//! use mtd_harness::profile;
//! use mtd_harness::sandbox::Sandbox;
//! use std::process::Command;
//!
//! let device = profile::ispot(1);
//! let outcome = Sandbox::builder(device.clone())
//!     .exact(true)
//!     .build()?
//!     .output(Command::new("cat").arg("/dev/mtd1"))?;
//! assert!(outcome.status.success());
//! assert_eq!(outcome.stdout, device.partition_bytes(1));
//! let read = device.system.with_chip(0, |chip| chip.counters().bytes_read());
//! assert_eq!(read, 0x20000);
//! # Ok::<(), mtd_harness::sandbox::SandboxError>(())
//! ```

mod builder;
mod call;
mod calls;
mod child_handlers;
mod covered;
mod cuts;
mod dispatcher;
mod error;
mod flash;
mod kernel;
mod killer;
mod power;
mod run;
mod shared;
mod state;
mod supervisor;
mod trace;
mod tracing;
mod view;
mod waiting;

pub use builder::Builder;
pub use cuts::{CutRun, CutRunError, UnderCuts};
pub use error::SandboxError;
pub use kernel::kernels::{Version, VersionError};
pub use killer::Killer;
pub use run::{Outcome, Running, Sandbox};
pub use trace::{Call, Sink, Trace};
