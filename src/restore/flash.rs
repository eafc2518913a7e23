//! Reads of whole ranges, of flash and of images.
//!
//! Faults tolerated: short and interrupted reads.

use super::error::RestoreError;
use crate::backup::{BackupError, Directory};
use crate::mtd::{Errno, MtdError, MtdRead};
use std::io::{self, Read};

/// How many interruptions in a row are taken for what signals do.
const INTERRUPTIONS: u32 = 1000;

/// Fills a buffer from a device.
pub(crate) fn read<D: MtdRead + ?Sized>(
    device: &mut D,
    offset_bytes: u64,
    buf: &mut [u8],
) -> Result<(), MtdError> {
    let (mut done, mut interruptions) = (0, 0);
    while done < buf.len() {
        let at = offset_bytes + done as u64;
        match device.read_at(at, &mut buf[done..]) {
            Ok(0) => {
                return Err(MtdError::EndedEarly {
                    device: device.info().id(),
                    offset_bytes: at,
                    size_bytes: device.info().size_bytes,
                });
            }
            Ok(count) => (done, interruptions) = (done + count, 0),
            Err(error) if error.errno() == Some(Errno::INTR) && interruptions < INTERRUPTIONS => {
                interruptions += 1;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// An image of the backup, read from front to back, and from its start again where that
/// is asked for.
pub(crate) struct Source<'a> {
    pub(crate) folder: &'a dyn Directory,
    pub(crate) file: &'a str,
    open: Option<Box<dyn Read + Send>>,
    position_bytes: u64,
}

impl<'a> Source<'a> {
    pub(crate) fn new(folder: &'a dyn Directory, file: &'a str) -> Self {
        Self {
            folder,
            file,
            open: None,
            position_bytes: 0,
        }
    }

    /// Fills a buffer from the image.
    pub(crate) fn read(
        &mut self,
        offset_bytes: u64,
        buf: &mut [u8],
    ) -> Result<(), Box<RestoreError>> {
        self.try_read(offset_bytes, buf).map_err(|source| {
            let error = BackupError::File {
                operation: "cannot read",
                file: self.file.into(),
                folder: self.folder.describe(),
                offset_bytes: Some(offset_bytes),
                length_bytes: Some(buf.len() as u64),
                source,
            };
            error.into()
        })
    }

    fn try_read(&mut self, offset_bytes: u64, buf: &mut [u8]) -> io::Result<()> {
        if self.open.is_none() || self.position_bytes > offset_bytes {
            self.open = Some(self.folder.open(self.file)?);
            self.position_bytes = 0;
        }
        let Some(file) = &mut self.open else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut passed = [0; 4096];
        while self.position_bytes < offset_bytes {
            let left = offset_bytes - self.position_bytes;
            let piece = &mut passed[..left.min(4096) as usize];
            file.read_exact(piece)?;
            self.position_bytes += piece.len() as u64;
        }
        file.read_exact(buf)?;
        self.position_bytes += buf.len() as u64;
        Ok(())
    }
}
