//! Unmodified programs in a sandbox: what they see, what they do to the flash,
//! and what is left when they end.

mod files;
mod life;
mod looks;
mod nodes;
mod programs;
mod reads;
mod support;
mod threads;
mod writes;
