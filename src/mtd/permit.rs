//! The explicit word that flash may be written.
//!
//! Invariant: only a caller that names a reason gets a permit; nothing in this
//! crate makes one on its own.

/// The caller's explicit word that flash may be erased and programmed. There is
/// no default and no conversion: a caller must name why.
#[derive(Debug)]
pub struct WritePermit {
    reason: &'static str,
}

impl WritePermit {
    /// Allows writing, for a reason that error messages can quote.
    pub fn granted_because(reason: &'static str) -> Self {
        Self { reason }
    }

    /// Why writing was allowed.
    pub(crate) fn reason(&self) -> &'static str {
        self.reason
    }
}
