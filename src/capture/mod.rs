//! What a device without this program can do, and what becomes of it on the PC: a
//! script that captures, and the import of what it captured. Two ends of one thing.

mod captured;
mod error;
mod evidence;
mod import;
mod inspect;
mod layout;
mod origin;
mod record;
mod script;
mod sums;

pub use error::ImportError;
pub use import::{ImportRequest, import};
pub use inspect::{Capture, inspect};
pub use script::{ScriptError, ScriptRequest, render};
