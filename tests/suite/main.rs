//! The one integration-test binary.

mod backend;
mod backup;
mod capture;
mod cli;
mod device;
#[cfg(feature = "full")]
mod examples;
#[cfg(feature = "full")]
mod page;
#[cfg(feature = "full")]
mod serve;
mod style;
