//! Cells in an image file, which is only ever read.
//!
//! Invariants: the file is opened read-only and never written; erase blocks
//! that were changed live in memory on top of it. [`FileStorage::save_to`]
//! writes the chip as it is now to a file of the caller's choice.
//! Faults tolerated: a file that somebody shortens meanwhile gives EIO, never
//! made-up bytes.
//!
//! Reading goes through pread rather than a mapping: a mapping of a file that
//! somebody shortens kills the process with SIGBUS, and needs `unsafe`.

use super::memory::{self, and_into, pieces};
use super::table::SparseTable;
use crate::storage::{ERASED, hash_of, is_erased};
use crate::{EraseBlock, Errno, Geometry, Storage};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What holds an erase block's cells.
#[derive(Clone, Default)]
enum Cells {
    /// The image file.
    #[default]
    Image,
    /// Nothing: every cell is 0xFF.
    Erased,
    /// Memory.
    Changed(Arc<memory::Cells>),
}

/// Why an image file cannot serve as a chip.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file could not be opened or examined.
    #[error("cannot open the image {path}: {source}; name a readable file", path = path.display())]
    Open {
        /// The image.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not as long as the chip, or ends before the chip's part of it does.
    #[error(
        "the image {path} is {found_bytes} bytes (0x{found_bytes:x}) long, the chip \
         {expected_bytes} (0x{expected_bytes:x}); give an image of the whole chip",
        path = path.display()
    )]
    Length {
        /// The image.
        path: PathBuf,
        /// How long it is.
        found_bytes: u64,
        /// How long it ought to be.
        expected_bytes: u64,
    },
}

/// Cells that start as an image file says; changes stay in memory. Clones share the
/// file and the erase blocks that neither has changed.
#[derive(Clone)]
pub struct FileStorage {
    geometry: Geometry,
    image: Arc<File>,
    /// Where in the file the chip begins.
    start_bytes: u64,
    blocks: SparseTable<Cells>,
}

impl FileStorage {
    /// Opens an image of the whole chip, read-only. Its length must be the
    /// chip's.
    ///
    /// # Errors
    /// A file that cannot be opened, or that has another length.
    pub fn open(geometry: Geometry, path: impl AsRef<Path>) -> Result<Self, ImageError> {
        let path = path.as_ref();
        let (image, found_bytes) = open_file(path)?;
        if found_bytes != geometry.size_bytes {
            return Err(ImageError::Length {
                path: path.to_owned(),
                found_bytes,
                expected_bytes: geometry.size_bytes,
            });
        }
        Ok(Self {
            geometry,
            image: Arc::new(image),
            start_bytes: 0,
            blocks: SparseTable::new(),
        })
    }

    /// Opens part of a file, read-only: the chip begins `start_bytes` into it. Where
    /// the file ends before the chip does, cells past its end are EIO.
    ///
    /// # Errors
    /// A file that cannot be opened.
    pub fn open_part(
        geometry: Geometry,
        path: impl AsRef<Path>,
        start_bytes: u64,
    ) -> Result<Self, ImageError> {
        let (image, _) = open_file(path.as_ref())?;
        Ok(Self {
            geometry,
            image: Arc::new(image),
            start_bytes,
            blocks: SparseTable::new(),
        })
    }

    /// Bytes of memory that changed erase blocks take now.
    pub fn held_bytes(&self) -> u64 {
        let changed = |cells: &Cells| matches!(cells, Cells::Changed(_));
        let held = self.blocks.iter().filter(|(_, cells)| changed(cells));
        held.count() as u64 * u64::from(self.geometry.erase_block_bytes)
    }

    fn block_bytes(&self) -> usize {
        self.geometry.erase_block_bytes as usize
    }

    fn read_image(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), Errno> {
        read_exact_at(&self.image, self.start_bytes + offset_bytes, buf)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }

    /// The block's cells in memory, fetched from the image if need be.
    fn changed(&mut self, block: u64) -> Result<&mut [u8], Errno> {
        let size = self.block_bytes();
        let fetched = match self.blocks.get(block).unwrap_or(&Cells::Image) {
            Cells::Changed(_) => None,
            Cells::Erased => Some(vec![0xff; size]),
            Cells::Image => {
                let mut cells = vec![0; size];
                self.read_image(block * size as u64, &mut cells)?;
                Some(cells)
            }
        };
        let entry = self.blocks.entry(block);
        if let Some(cells) = fetched {
            *entry = Cells::Changed(memory::Cells::new(cells.into()));
        }
        match entry {
            Cells::Changed(cells) => Ok(memory::Cells::bytes_mut(cells)),
            _ => Err(Errno::IO),
        }
    }
}

/// The file and its length.
fn open_file(path: &Path) -> Result<(File, u64), ImageError> {
    let failed = |source| ImageError::Open {
        path: path.to_owned(),
        source,
    };
    // Before it is opened: a pipe would wait for its writer, and cannot be read in places.
    let kind = path.metadata().map_err(failed)?;
    if kind.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    if !kind.is_file() {
        return Err(failed(io::Error::other("it is no regular file")));
    }
    let image = File::open(path).map_err(failed)?;
    let length = image.metadata().map_err(failed)?.len();
    Ok((image, length))
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset_bytes: u64, buf: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, offset_bytes)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut offset_bytes: u64, mut buf: &mut [u8]) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    while !buf.is_empty() {
        match file.seek_read(buf, offset_bytes)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                buf = &mut buf[read..];
                offset_bytes += read as u64;
            }
        }
    }
    Ok(())
}

impl Storage for FileStorage {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&self, offset_bytes: u64, buf: &mut [u8]) -> Result<(), Errno> {
        for piece in pieces(self.block_bytes(), offset_bytes, buf.len()) {
            let out = &mut buf[piece.done..piece.done + piece.length];
            match self.blocks.get(piece.block).unwrap_or(&Cells::Image) {
                Cells::Changed(cells) => {
                    let cells = &cells.bytes()[piece.start..piece.start + piece.length];
                    out.copy_from_slice(cells)
                }
                Cells::Erased => out.fill(0xff),
                Cells::Image => self.read_image(offset_bytes + piece.done as u64, out)?,
            }
        }
        Ok(())
    }

    fn program(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        for piece in pieces(self.block_bytes(), offset_bytes, data.len()) {
            let data = &data[piece.done..piece.done + piece.length];
            if is_erased(data) {
                // Programming ones changes no cell: leave it with the image.
                continue;
            }
            let cells = self.changed(piece.block)?;
            and_into(&mut cells[piece.start..piece.start + piece.length], data);
        }
        Ok(())
    }

    fn erase(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<(), Errno> {
        let block_bytes = u64::from(self.geometry.erase_block_bytes);
        let end = offset_bytes + length_bytes;
        let mut at = offset_bytes;
        while at < end {
            let start = at % block_bytes;
            let length = (block_bytes - start).min(end - at);
            if length == block_bytes {
                *self.blocks.entry(at / block_bytes) = Cells::Erased;
            } else {
                let range = start as usize..(start + length) as usize;
                self.changed(at / block_bytes)?[range].fill(0xff);
            }
            at += length;
        }
        Ok(())
    }

    fn load(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), Errno> {
        for piece in pieces(self.block_bytes(), offset_bytes, data.len()) {
            let data = &data[piece.done..piece.done + piece.length];
            if piece.length == self.block_bytes() {
                *self.blocks.entry(piece.block) = Cells::Changed(memory::Cells::new(data.into()));
            } else {
                let cells = self.changed(piece.block)?;
                cells[piece.start..piece.start + piece.length].copy_from_slice(data);
            }
        }
        Ok(())
    }

    fn fork(&self) -> Result<Box<dyn Storage>, Errno> {
        Ok(Box::new(self.clone()))
    }

    fn identity(&self, block: EraseBlock) -> Option<usize> {
        Some(match self.blocks.get(block.0).unwrap_or(&Cells::Image) {
            Cells::Changed(cells) => memory::Cells::identity(cells),
            Cells::Erased => 0,
            Cells::Image => Arc::as_ptr(&self.image) as usize,
        })
    }

    fn hash(&self, block: EraseBlock) -> Result<u128, Errno> {
        match self.blocks.get(block.0).unwrap_or(&Cells::Image) {
            Cells::Changed(cells) => Ok(cells.hash()),
            Cells::Erased => Ok(ERASED),
            Cells::Image => {
                let mut cells = vec![0; self.block_bytes()];
                self.read_image(self.geometry.start_of(block), &mut cells)?;
                Ok(hash_of(&cells))
            }
        }
    }
}
