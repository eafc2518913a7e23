//! The pipeline: backups with faults, cut off, resumed, repaired, and read wrongly.

mod allocations;
mod fault_suite;
mod memory_folder;
mod odd_devices;
mod properties;
mod readings;
mod repair;
mod resume;
mod small_device;
mod verify;
