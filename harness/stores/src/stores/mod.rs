//! A driver for each store.

pub mod ekv;
pub mod esp_nvs;
#[cfg(feature = "littlefs")]
pub mod littlefs;
pub mod savegame;
pub mod sequential_storage;
pub mod tickv;
pub mod wasefire;
