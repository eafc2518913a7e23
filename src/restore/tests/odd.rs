//! A device that does one thing otherwise than the simulated one behind it.

use super::ways::Bench;
use super::world::BLOCK;
use crate::backend::SimulatedBackend;
use crate::mtd::{
    Errno, MtdBackend, MtdErase, MtdError, MtdInfo, MtdProgram, MtdRead, MtdWrite, Operation,
    WritePermit,
};
use mtd_harness::profile::SimulatedDevice;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// What a device does otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Odd {
    /// It tells nobody which erase blocks are locked, as kernels before 2.6.36.
    NoLocksTold,
    /// Its node says that it cannot be written, the list of devices does not.
    Fixed,
    /// The chip changes there when the last reading begins.
    Changes(u64),
    /// The first byte of the last reading is wrong, once.
    ReadsWrongOnce,
    /// Every other read is interrupted.
    Interrupted,
    /// An erase block of the partition cannot be read before it is erased.
    Unreadable(u64),
    /// It ends in the middle of what is read.
    EndsEarly,
}

#[derive(Clone)]
pub(super) struct Device {
    simulated: SimulatedDevice,
    odd: Odd,
    reads: Arc<AtomicU32>,
    is_written: Arc<AtomicBool>,
    is_done: Arc<AtomicBool>,
}

struct Handle<H: ?Sized> {
    inner: Box<H>,
    info: MtdInfo,
    device: Device,
    is_reader: bool,
}

impl Device {
    pub(super) fn of(bench: &Bench, odd: Odd) -> Self {
        Self {
            simulated: bench.device.clone(),
            odd,
            reads: Arc::default(),
            is_written: Arc::default(),
            is_done: Arc::default(),
        }
    }

    fn handle<H: MtdRead + ?Sized>(&self, inner: Box<H>, is_reader: bool) -> Handle<H> {
        let mut info = inner.info().clone();
        if self.odd == Odd::Fixed {
            info.writeable = Some(false);
        }
        Handle {
            inner,
            info,
            device: self.clone(),
            is_reader,
        }
    }

    /// Whether this is the first time after all was written.
    fn is_first_of_last_reading(&self) -> bool {
        self.is_written.load(Ordering::Relaxed) && !self.is_done.swap(true, Ordering::Relaxed)
    }
}

impl MtdBackend for Device {
    fn description(&self) -> String {
        "odd".into()
    }

    fn devices(&self) -> Result<Vec<MtdInfo>, MtdError> {
        SimulatedBackend::new(self.simulated.clone()).devices()
    }

    fn open(&self, device: &MtdInfo) -> Result<Box<dyn MtdRead>, MtdError> {
        if let Odd::Changes(at) = self.odd {
            if self.is_first_of_last_reading() {
                let change = |chip: &mut mtd_harness::chip::Chip| chip.load(at, &[0x11]);
                self.simulated.system.with_chip(0, change).unwrap();
            }
        }
        let inner = SimulatedBackend::new(self.simulated.clone()).open(device)?;
        Ok(Box::new(self.handle(inner, true)))
    }

    fn open_for_writing(
        &self,
        device: &MtdInfo,
        permit: &WritePermit,
    ) -> Result<Box<dyn MtdWrite>, MtdError> {
        self.is_written.store(true, Ordering::Relaxed);
        let inner = SimulatedBackend::new(self.simulated.clone());
        Ok(Box::new(
            self.handle(inner.open_for_writing(device, permit)?, false),
        ))
    }
}

impl<H: MtdRead + ?Sized> Handle<H> {
    fn failed(&self, at: u64, source: Errno) -> MtdError {
        MtdError::Device {
            operation: Operation::Read,
            device: self.info.id(),
            offset_bytes: Some(at),
            length_bytes: None,
            source,
        }
    }
}

impl<H: MtdRead + ?Sized> MtdRead for Handle<H> {
    fn info(&self) -> &MtdInfo {
        &self.info
    }

    fn read_at(&mut self, at: u64, buf: &mut [u8]) -> Result<usize, MtdError> {
        let block = BLOCK as u64;
        match self.device.odd {
            Odd::Interrupted if self.device.reads.fetch_add(1, Ordering::Relaxed) % 2 == 0 => {
                return Err(self.failed(at, Errno::INTR));
            }
            Odd::Unreadable(bad)
                if !self.device.is_done.load(Ordering::Relaxed)
                    && at < bad + block
                    && bad < at + buf.len() as u64 =>
            {
                return Err(self.failed(at, Errno::IO));
            }
            Odd::EndsEarly if at > 0 => return Ok(0),
            _ => {}
        }
        let count = self.inner.read_at(at, buf)?;
        let is_wrong = self.device.odd == Odd::ReadsWrongOnce && self.is_reader;
        if is_wrong && self.device.is_first_of_last_reading() {
            buf[0] ^= 1;
        }
        Ok(count)
    }

    fn is_locked(&mut self, at: u64, length: u64) -> Option<bool> {
        let told = self.inner.is_locked(at, length);
        told.filter(|_| self.device.odd != Odd::NoLocksTold)
    }
}

impl<H: MtdErase + ?Sized> MtdErase for Handle<H> {
    fn erase(&mut self, at: u64, length: u64) -> Result<(), MtdError> {
        self.inner.erase(at, length)?;
        if self.device.odd == Odd::Unreadable(at) {
            self.device.is_done.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl<H: MtdProgram + ?Sized> MtdProgram for Handle<H> {
    fn program(&mut self, at: u64, data: &[u8]) -> Result<(), MtdError> {
        self.inner.program(at, data)
    }
}

impl<H: MtdWrite + ?Sized> MtdWrite for Handle<H> {
    fn set_locked(&mut self, at: u64, length: u64, locked: bool) -> Result<(), MtdError> {
        self.inner.set_locked(at, length, locked)
    }
}
