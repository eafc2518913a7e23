//! Implementations of the traits in [`crate::mtd`]: Linux's real devices, and
//! the simulation.
