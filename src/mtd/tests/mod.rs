//! What is known of MTD devices before one is opened.

mod oddities;
mod offsets;
mod proc_mtd;
mod select;
