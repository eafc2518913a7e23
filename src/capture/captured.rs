//! A capture as a device, so that the pipeline which reads flash reads it too.
//!
//! Invariant: files are opened for reading only, and never through a link.

use super::inspect::Capture;
use crate::mtd::{Errno, MtdBackend, MtdError, MtdInfo, MtdRead, MtdWrite, Operation, WritePermit};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Opens a regular file that is no link.
pub(super) fn open_file(path: &Path) -> io::Result<File> {
    if !std::fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    File::open(path)
}

/// The captured files as a backend.
pub(super) struct CapturedBackend<'a>(&'a Capture);

impl<'a> CapturedBackend<'a> {
    pub(super) fn new(capture: &'a Capture) -> Self {
        Self(capture)
    }
}

impl MtdBackend for CapturedBackend<'_> {
    fn description(&self) -> String {
        format!("captured by {}", self.0.origin.captured_by)
    }

    fn devices(&self) -> Result<Vec<MtdInfo>, MtdError> {
        Ok(self.0.layout.clone())
    }

    fn open(&self, device: &MtdInfo) -> Result<Box<dyn MtdRead>, MtdError> {
        if let Some(reason) = self.0.missing.get(&device.index.0) {
            return Err(MtdError::NotCaptured {
                device: device.id(),
                reason: reason.clone(),
            });
        }
        let path = self.0.folder.join(format!("{}.bin", device.index));
        let file = open_file(&path).map_err(|error| MtdError::File {
            operation: Operation::Open,
            path,
            source: Errno::from_io_error(&error).unwrap_or(Errno::IO),
        })?;
        Ok(Box::new(CapturedFile {
            info: device.clone(),
            file,
        }))
    }

    fn open_for_writing(
        &self,
        device: &MtdInfo,
        permit: &WritePermit,
    ) -> Result<Box<dyn MtdWrite>, MtdError> {
        Err(MtdError::ReadOnly {
            device: device.id(),
            reason: permit.reason(),
        })
    }
}

struct CapturedFile {
    info: MtdInfo,
    file: File,
}

impl MtdRead for CapturedFile {
    fn info(&self) -> &MtdInfo {
        &self.info
    }

    fn read_at(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, MtdError> {
        let size_bytes = self.info.size_bytes;
        let device = || self.info.id();
        if buf.is_empty() || offset_bytes > size_bytes {
            return Ok(0);
        }
        let left_bytes = usize::try_from(size_bytes - offset_bytes).unwrap_or(usize::MAX);
        // At the end, one byte more is asked for, to see that there is none.
        let length = buf.len().min(left_bytes.max(1));
        let read = self.file.read_at(&mut buf[..length], offset_bytes);
        let count = read.map_err(|error| MtdError::Device {
            operation: Operation::Read,
            device: device(),
            offset_bytes: Some(offset_bytes),
            length_bytes: Some(length as u64),
            source: Errno::from_io_error(&error).unwrap_or(Errno::IO),
        })?;
        match (count, offset_bytes == size_bytes) {
            (0, true) => Ok(0),
            (_, true) => Err(MtdError::GoesOn {
                device: device(),
                size_bytes,
            }),
            (0, false) => Err(MtdError::EndedEarly {
                device: device(),
                offset_bytes,
                size_bytes,
            }),
            _ => Ok(count),
        }
    }
}
