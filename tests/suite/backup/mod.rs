//! The pipeline: backups with faults, cut off, resumed, and what they cost.

#[cfg(feature = "full")]
pub mod device_time;
#[cfg(feature = "full")]
pub mod fault_suite;
#[cfg(feature = "full")]
pub mod memory_folder;
#[cfg(feature = "full")]
pub mod properties;
#[cfg(feature = "full")]
pub mod readings;
#[cfg(feature = "full")]
pub mod repair;
#[cfg(feature = "full")]
pub mod resume;
#[cfg(feature = "full")]
pub mod verify;
