//! The explicit word that flash may be written.
//!
//! Invariant: only a caller that names a reason gets a permit; nothing in this
//! crate makes one on its own.

/// The caller's explicit word that flash may be erased and programmed. There is
/// no default and no conversion: a caller must name why.
///
#[cfg_attr(feature = "full", doc = "```")]
#[cfg_attr(not(feature = "full"), doc = "```ignore")]
/// use mtdkeep::backend::SimulatedBackend;
/// use mtdkeep::mtd::{MtdBackend, MtdError, WritePermit};
///
/// let backend = SimulatedBackend::new(mtd_harness::profile::ispot(1));
/// let devices = backend.devices()?;
/// let permit = WritePermit::granted_because("an example");
/// let mut param = backend.open_for_writing(&devices[1], &permit)?;
/// param.erase(0, 0x20000)?;
/// param.program(0x10, b"new")?;
///
/// // A partition that ends inside an erase block is read-only to Linux.
/// let refused = backend.open_for_writing(&devices[9], &permit).err();
/// assert!(matches!(refused, Some(MtdError::ReadOnly { reason: "an example", .. })));
/// # Ok::<(), MtdError>(())
/// ```
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
