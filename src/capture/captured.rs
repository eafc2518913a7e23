//! A capture as a device, so that the pipeline which reads flash reads it too.
//!
//! Invariant: files are opened for reading only, and never through a link (`decode`).

use super::decode::{self, Form};
use super::inspect::Capture;
use crate::mtd::{Errno, MtdBackend, MtdError, MtdInfo, MtdRead, MtdWrite, Operation, WritePermit};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

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
                reason: format!("{} is not in the capture: {reason}", device.id()),
            });
        }
        let file = self.0.file_of(device.index.0);
        let stream = file.map(|(path, form)| Stream::open(path, form));
        let stream = stream.transpose().map_err(|error| MtdError::File {
            operation: Operation::Open,
            path: file.map(|(path, _)| path.clone()).unwrap_or_default(),
            source: Errno::from_io_error(&error).unwrap_or(Errno::IO),
        })?;
        Ok(Box::new(CapturedFile {
            info: device.clone(),
            stream,
            holes: self.0.holes_of(device.index.0).to_vec(),
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

/// A stream that can be started again: most forms cannot be read from anywhere.
struct Stream {
    path: PathBuf,
    form: Form,
    reader: Box<dyn Read + Send>,
    position_bytes: u64,
}

impl Stream {
    fn open(path: &Path, form: Form) -> io::Result<Self> {
        Ok(Self {
            reader: decode::open(path, form)?,
            path: path.to_path_buf(),
            form,
            position_bytes: 0,
        })
    }

    fn read_at(&mut self, offset_bytes: u64, buf: &mut [u8]) -> io::Result<usize> {
        if offset_bytes < self.position_bytes {
            *self = Self::open(&self.path, self.form)?;
        }
        let ahead_bytes = offset_bytes - self.position_bytes;
        let passed = io::copy(&mut (&mut self.reader).take(ahead_bytes), &mut io::sink())?;
        self.position_bytes += passed;
        if passed < ahead_bytes {
            return Ok(0);
        }
        let count = self.reader.read(buf)?;
        self.position_bytes += count as u64;
        Ok(count)
    }
}

struct CapturedFile {
    info: MtdInfo,
    /// None for a partition without a byte, of which nobody needs a file.
    stream: Option<Stream>,
    /// What the device could not read: offset and length, in bytes.
    holes: Vec<(u64, u64)>,
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
        let mut length = buf.len().min(left_bytes.max(1));
        let ahead = self
            .holes
            .iter()
            .find(|(at, bytes)| offset_bytes < at + bytes);
        match ahead {
            Some((at, bytes)) if offset_bytes >= *at => {
                return Err(MtdError::NotCaptured {
                    device: device(),
                    reason: format!(
                        "{} says that the device could not read {bytes:#x} bytes at {at:#x}",
                        crate::backup::capture_format::RECORD
                    ),
                });
            }
            Some((at, _)) => {
                let room = usize::try_from(at - offset_bytes).unwrap_or(usize::MAX);
                length = length.min(room);
            }
            None => {}
        }
        let read = match &mut self.stream {
            Some(stream) => stream.read_at(offset_bytes, &mut buf[..length]),
            None => Ok(0),
        };
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
