//! A driver for each store.

pub mod ekv;
pub mod esp_nvs;
pub mod savegame;
pub mod sequential_storage;
pub mod tickv;
