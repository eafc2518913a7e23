//! An image of a backup's folder as a device that is read.

use crate::backup::calls::{Call, call};
use crate::backup::{BackupError, Destination as _, Folder, Image, LayoutEntry};
use crate::mtd::{Errno, MtdError, MtdIndex, MtdInfo, MtdRead, Operation};
use rustix::fd::OwnedFd;

pub(super) struct FileImage {
    file: OwnedFd,
    info: MtdInfo,
}

impl FileImage {
    /// # Errors
    /// It is missing, or has another length than the manifest says.
    pub(super) fn open(
        folder: &Folder,
        image: &Image,
        entry: Option<&LayoutEntry>,
    ) -> Result<Self, BackupError> {
        let failed = |source| BackupError::File {
            operation: "cannot open",
            file: image.file.clone(),
            folder: folder.describe(),
            offset_bytes: None,
            length_bytes: None,
            source,
        };
        let file = folder.open_file(&image.file).map_err(failed)?;
        let length_bytes = folder.id(&image.file).map_err(failed)?.size_bytes;
        if length_bytes != image.size_bytes {
            return Err(failed(std::io::Error::other(format!(
                "it has {length_bytes:#x} bytes, and {:#x} by the manifest",
                image.size_bytes
            ))));
        }
        let mut info = match entry {
            Some(entry) => entry.info(),
            None => MtdInfo::new(MtdIndex(image.mtd), image.name.as_str(), 0, 0),
        };
        info.size_bytes = image.size_bytes;
        info.erase_block_bytes = image.erase_block_bytes;
        Ok(Self { file, info })
    }
}

impl MtdRead for FileImage {
    fn info(&self) -> &MtdInfo {
        &self.info
    }

    fn read_at(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, MtdError> {
        let length = buf.len();
        let read = call(Call::Read, || {
            rustix::io::pread(&self.file, &mut *buf, offset_bytes)
        });
        let count = read.map_err(|error| MtdError::Device {
            operation: Operation::Read,
            device: self.info.id(),
            offset_bytes: Some(offset_bytes),
            length_bytes: Some(length as u64),
            source: Errno::from_io_error(&error).unwrap_or(Errno::IO),
        })?;
        match count {
            0 if offset_bytes < self.info.size_bytes => Err(MtdError::EndedEarly {
                device: self.info.id(),
                offset_bytes,
                size_bytes: self.info.size_bytes,
            }),
            count => Ok(count),
        }
    }
}
