//! A backup's folder: its own texts, and its images as devices that are read.

use super::content::{Content, Texts};
use super::source::Source;
use crate::backup::calls::{Call, call};
use crate::backup::contents::{self, State};
use crate::backup::html;
use crate::backup::manifest::{INDEX, MANIFEST, MANIFEST_BYTES_MAX, SUMS};
use crate::backup::{BackupError, Directory as _, Failure, Folder, Image, LayoutEntry};
use crate::mtd::{Errno, MtdError, MtdIndex, MtdInfo, MtdRead, Operation};
use rustix::fd::OwnedFd;

impl Content {
    /// A finished backup.
    ///
    /// # Errors
    /// [`BackupError`]: it is none, or a file of it is missing or has another length.
    pub(crate) fn of_folder(folder: &Folder) -> Result<Self, Failure> {
        let found = contents::look(folder)?;
        let manifest = match found.state {
            State::Finished(manifest) => *manifest,
            State::Unfinished(manifest) => {
                return Err(BackupError::Unfinished {
                    folder: folder.describe(),
                    created_utc: manifest.created_utc,
                }
                .into());
            }
            State::Damaged(_) => {
                return Err(refused(
                    folder,
                    "holds a backup whose manifest is torn or missing",
                    "`mtdkeep verify` says what is proven, and `mtdkeep repair` makes the \
                     manifest anew",
                ));
            }
            State::Script | State::Capture { .. } => {
                return Err(refused(
                    folder,
                    "holds what a script captured, and no backup yet",
                    "`mtdkeep import` makes one of it",
                ));
            }
            State::Empty | State::Foreign => {
                return Err(BackupError::NoManifest {
                    folder: folder.describe(),
                    captured: false,
                }
                .into());
            }
        };
        let read = |name| contents::read_text(folder, name, 2 * MANIFEST_BYTES_MAX);
        let has = |name| contents::has(&found.own, name);
        let text = read(MANIFEST)?;
        let fixed = Texts {
            sums: has(SUMS).then(|| read(SUMS)).transpose()?,
            page: match has(INDEX) {
                true => read(INDEX)?,
                false => html::of_folder(&manifest, &text, &[]).into_bytes(),
            },
            manifest: text,
        };
        let source = |image: &Image| {
            let entry = manifest.layout.iter().find(|entry| entry.mtd == image.mtd);
            let file = FileImage::open(folder, image, entry)?;
            Ok(Source::of_file(Box::new(file), image.clone()))
        };
        let sources = manifest.images.iter().map(source);
        let sources = sources.collect::<Result<Vec<_>, Box<BackupError>>>()?;
        Self::new(manifest, Some(fixed), sources, None, 0)
    }
}

fn refused(folder: &Folder, holds: &str, help: &str) -> Failure {
    BackupError::Refused {
        folder: folder.describe(),
        holds: holds.into(),
        help: help.into(),
    }
    .into()
}

struct FileImage {
    file: OwnedFd,
    info: MtdInfo,
}

impl FileImage {
    /// # Errors
    /// It is missing, or has another length than the manifest says.
    fn open(
        folder: &Folder,
        image: &Image,
        entry: Option<&LayoutEntry>,
    ) -> Result<Self, Box<BackupError>> {
        let failed = |source| {
            Box::new(BackupError::File {
                operation: "cannot open",
                file: image.file.clone(),
                folder: folder.describe(),
                offset_bytes: None,
                length_bytes: None,
                source,
            })
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
