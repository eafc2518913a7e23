//! Implementations of the traits in [`crate::mtd`]: Linux's real devices, and
//! the simulation.
//!
//! Both find and open in their own way; what comes after opening (comparing the
//! device's own word with the table, reading, erasing, programming) is one piece
//! of code over a handful of system calls, so that the simulation exercises what
//! runs on the device.

#[cfg(all(test, feature = "full"))]
pub(crate) mod hooked;
mod ioctl;
mod linux;
mod open_device;
#[cfg(feature = "full")]
mod simulated;
#[cfg(test)]
mod tests;

pub use linux::LinuxBackend;
pub(crate) use linux::make_node;
#[cfg(feature = "full")]
pub(crate) use simulated::Provenance;
#[cfg(feature = "full")]
pub use simulated::SimulatedBackend;

use crate::mtd::{MtdError, MtdInfo, WritePermit};

/// Refuses to open a device for writing that discovery found read-only.
fn refuse_read_only(device: &MtdInfo, permit: &WritePermit) -> Result<(), MtdError> {
    if device.writeable == Some(false) {
        return Err(MtdError::ReadOnly {
            device: device.id(),
            reason: permit.reason(),
        });
    }
    Ok(())
}
