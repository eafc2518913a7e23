//! Unmodified programs in a sandbox: what they see, what they do to the flash,
//! and what is left when they end.
#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]

mod calls;
mod chroot;
mod cut_programs;
mod cuts;
mod device_folder;
mod edges;
mod files;
mod kernel_reads;
mod kills;
mod library;
mod life;
mod listings;
mod looks;
mod lookups;
mod names;
mod nodes;
mod notices;
mod numbers;
mod odd_calls;
mod probe;
mod programs;
mod reads;
mod real;
mod signals;
mod sockets;
mod support;
mod threads;
mod writes;
