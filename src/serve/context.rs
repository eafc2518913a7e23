//! What a connection sees of the server, and who is told of it.

use std::cell::Cell;

/// Is told what goes on.
pub(crate) trait Watcher {
    /// A client has got all that it asked for: a file, or a part of it.
    fn sent(&self, peer: &str, file: &str, bytes: u64) {
        let _ = (peer, file, bytes);
    }
    /// Something that whoever started it should know.
    fn warn(&self, text: &str) {
        let _ = text;
    }
}

/// Who comes in, and what has to be said; what a connection sees of the server.
pub(super) struct Context<'a> {
    pub(super) token: Option<&'a str>,
    pub(super) watcher: &'a dyn Watcher,
    /// A connection waits for images to be read.
    pub(super) waits: Cell<bool>,
}

impl Context<'_> {
    pub(super) fn token(&self) -> Option<&str> {
        self.token
    }

    pub(super) fn warn(&self, text: &str) {
        self.watcher.warn(text);
    }

    pub(super) fn wait(&self) {
        self.waits.set(true);
    }
}
