//! What a backup costs.

#[cfg(feature = "full")]
mod device_time;
