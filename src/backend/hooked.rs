//! A backend for tests: another one's answers, but for those that a test hooks.
//!
//! Invariant: what is not hooked is handed on. Whoever hooks readings only reads, so that
//! opening for writing is a failure of the test.

use super::SimulatedBackend;
use crate::mtd::{InUse, MtdBackend, MtdError, MtdIndex, MtdInfo, MtdRead, MtdWrite, WritePermit};

/// Changes what discovery tells.
type Edit<'a> = Box<dyn Fn(&mut Vec<MtdInfo>) + Sync + 'a>;
/// Opens a device in place of the backend that it gets.
type Open<'a> =
    Box<dyn Fn(&SimulatedBackend, &MtdInfo) -> Result<Box<dyn MtdRead>, MtdError> + Sync + 'a>;
/// Who uses the flash now: N of mtdN, and how.
type User<'a> = Box<dyn Fn() -> Option<(u32, &'static str)> + Sync + 'a>;
/// Reads in place of the device that it gets.
type Read = Box<dyn FnMut(&mut dyn MtdRead, u64, &mut [u8]) -> Result<usize, MtdError> + Send>;

/// A simulated backend of which some answers are a test's own.
pub(crate) struct HookedBackend<'a> {
    inner: SimulatedBackend,
    devices: Option<Edit<'a>>,
    open: Option<Open<'a>>,
    user: Option<User<'a>>,
}

impl<'a> HookedBackend<'a> {
    pub(crate) fn new(inner: SimulatedBackend) -> Self {
        Self {
            inner,
            devices: None,
            open: None,
            user: None,
        }
    }

    pub(crate) fn on_devices(self, edit: impl Fn(&mut Vec<MtdInfo>) + Sync + 'a) -> Self {
        Self {
            devices: Some(Box::new(edit)),
            ..self
        }
    }

    pub(crate) fn on_open(
        self,
        open: impl Fn(&SimulatedBackend, &MtdInfo) -> Result<Box<dyn MtdRead>, MtdError> + Sync + 'a,
    ) -> Self {
        Self {
            open: Some(Box::new(open)),
            ..self
        }
    }

    pub(crate) fn on_in_use(
        self,
        user: impl Fn() -> Option<(u32, &'static str)> + Sync + 'a,
    ) -> Self {
        Self {
            user: Some(Box::new(user)),
            ..self
        }
    }
}

impl MtdBackend for HookedBackend<'_> {
    fn description(&self) -> String {
        self.inner.description()
    }

    fn devices(&self) -> Result<Vec<MtdInfo>, MtdError> {
        let mut devices = self.inner.devices()?;
        if let Some(edit) = &self.devices {
            edit(&mut devices);
        }
        Ok(devices)
    }

    fn open(&self, device: &MtdInfo) -> Result<Box<dyn MtdRead>, MtdError> {
        match &self.open {
            Some(open) => open(&self.inner, device),
            None => self.inner.open(device),
        }
    }

    fn open_for_writing(
        &self,
        device: &MtdInfo,
        permit: &WritePermit,
    ) -> Result<Box<dyn MtdWrite>, MtdError> {
        assert!(self.open.is_none(), "whoever hooks readings only reads");
        self.inner.open_for_writing(device, permit)
    }

    fn in_use(&self, devices: &[MtdInfo]) -> Vec<InUse> {
        let Some(user) = &self.user else {
            return self.inner.in_use(devices);
        };
        let used = user().map(|(number, how)| InUse {
            index: MtdIndex(number),
            how: how.into(),
        });
        used.into_iter().collect()
    }
}

/// An open device whose readings are a test's own.
pub(crate) struct HookedDevice {
    inner: Box<dyn MtdRead>,
    read: Read,
}

impl HookedDevice {
    /// `read` gets the device, the offset in bytes, and the buffer to fill.
    pub(crate) fn boxed(
        inner: Box<dyn MtdRead>,
        read: impl FnMut(&mut dyn MtdRead, u64, &mut [u8]) -> Result<usize, MtdError> + Send + 'static,
    ) -> Box<dyn MtdRead> {
        Box::new(Self {
            inner,
            read: Box::new(read),
        })
    }
}

impl MtdRead for HookedDevice {
    fn info(&self) -> &MtdInfo {
        self.inner.info()
    }

    fn read_at(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, MtdError> {
        (self.read)(&mut *self.inner, offset_bytes, buf)
    }
}
