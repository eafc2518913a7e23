//! The one integration-test binary.

#[cfg(feature = "full")]
mod both_backends;
#[cfg(feature = "full")]
mod cli_backup;
#[cfg(feature = "full")]
mod cli_bad_input;
#[cfg(feature = "full")]
mod cli_commands;
#[cfg(feature = "full")]
mod cli_digest;
#[cfg(feature = "full")]
mod cli_interrupt;
#[cfg(feature = "full")]
mod cli_manifest;
#[cfg(all(
    feature = "full",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod cli_sandbox;
mod cli_support;
mod cli_tree;
mod contract;
#[cfg(feature = "full")]
mod device_time;
#[cfg(feature = "full")]
mod fault_suite;
#[cfg(feature = "full")]
mod ioctl_numbers;
mod linux_tree;
#[cfg(feature = "full")]
mod memory_folder;
mod oddities;
mod offsets;
#[cfg(all(feature = "full", target_os = "linux", target_arch = "x86_64"))]
mod old_kernel;
#[cfg(feature = "full")]
mod pipeline_properties;
#[cfg(feature = "full")]
mod pipeline_resume;
mod proc_mtd;
#[cfg(all(feature = "full", unix))]
mod script_accidents;
#[cfg(all(feature = "full", unix))]
mod script_import;
#[cfg(all(feature = "full", unix))]
mod script_import_old;
#[cfg(all(feature = "full", unix))]
mod script_run;
#[cfg(all(
    feature = "full",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod script_sandbox;
#[cfg(all(feature = "full", unix))]
mod script_support;
#[cfg(all(feature = "full", unix))]
mod script_trouble;
mod select;
#[cfg(feature = "full")]
mod simulated;
mod tree;
#[cfg(all(feature = "full", target_os = "linux"))]
mod virtual_ispot;
