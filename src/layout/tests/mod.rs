//! Layouts as texts: this reader and the harness's own against each other, over random
//! layouts and over texts that are nearly right; chips cut and put together; texts as they stand in threads.

mod agree;
mod captures;
pub(crate) mod model;
mod mutations;
mod round_trip;
mod threads;
