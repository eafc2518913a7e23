//! What a manifest must be like to be trusted.

use super::super::digest::is_hex;
use super::{Image, LayoutEntry, Manifest, ManifestError, image_file};
use crate::mtd::MtdIndex;

/// No MTD device has more bytes: offsets are signed to Linux (`loff_t`).
const SIZE_BYTES_MAX: u64 = i64::MAX as u64;

/// `mtd_info.erasesize` has 32 bits (Linux 6.1, include/linux/mtd/mtd.h).
const ERASE_BLOCK_BYTES_MAX: u64 = u32::MAX as u64;

impl Manifest {
    pub(super) fn check(&self) -> Result<(), ManifestError> {
        for entry in &self.layout {
            entry.check()?;
        }
        for image in &self.images {
            image.check()?;
        }
        // Whoever adds them up need not look at every sum.
        let layout = self.layout.iter().map(|entry| entry.size_bytes);
        check_sum("partitions", layout)?;
        check_sum("images", self.images.iter().map(|image| image.size_bytes))?;
        let entries = self.layout.iter().map(|entry| entry.mtd);
        let images = self.images.iter().map(|image| image.mtd);
        let what = repeated(entries).map(|mtd| MtdIndex(mtd).to_string());
        let what =
            what.or_else(|| repeated(images).map(|mtd| format!("an image of {}", MtdIndex(mtd))));
        what.map_or(Ok(()), |what| Err(ManifestError::Duplicate { what }))
    }
}

impl LayoutEntry {
    fn check(&self) -> Result<(), ManifestError> {
        check_numbers(self.index(), self.size_bytes, self.erase_block_bytes)?;
        let end_bytes = self.offset_bytes.unwrap_or(0).checked_add(self.size_bytes);
        if end_bytes.is_none_or(|end_bytes| end_bytes > SIZE_BYTES_MAX) {
            return impossible(format!(
                "{} cannot start at {:#x}: no chip reaches past it",
                self.index(),
                self.offset_bytes.unwrap_or(0)
            ));
        }
        Ok(())
    }
}

impl Image {
    fn check(&self) -> Result<(), ManifestError> {
        let mtd = MtdIndex(self.mtd);
        check_numbers(mtd, self.size_bytes, self.erase_block_bytes)?;
        if self.file != image_file(mtd) {
            return Err(ManifestError::ForeignFileName {
                file: self.file.clone(),
                mtd,
            });
        }
        if self.digests().is_none() {
            return impossible(format!("{:?} has no digest", self.file));
        }
        let digests = [(&self.crc32, 8), (&self.sha256, 64)];
        let is_digest = |(text, digits): (&Option<String>, usize)| {
            text.as_ref().is_none_or(|text| is_hex(text, digits))
        };
        if !digests.into_iter().all(is_digest) {
            return impossible(format!("a digest of {:?} is no digest", self.file));
        }
        let end = |blank: &super::Blank| blank.offset_bytes.checked_add(blank.length_bytes);
        if self
            .blank
            .is_some_and(|blank| end(&blank) != Some(self.size_bytes))
        {
            return impossible(format!("the blank range of {:?} ends elsewhere", self.file));
        }
        let mut free_from = 0;
        for range in &self.unreadable {
            let end = range.offset_bytes.checked_add(range.length_bytes);
            let inside = end.is_some_and(|end| end <= self.size_bytes);
            if !inside || range.length_bytes == 0 || range.offset_bytes < free_from {
                return impossible(format!(
                    "an unreadable range of {:?}, {:#x} bytes at {:#x}, is outside the image or out of order",
                    self.file, range.length_bytes, range.offset_bytes
                ));
            }
            free_from = end.unwrap_or(u64::MAX);
        }
        Ok(())
    }
}

fn check_numbers(
    mtd: MtdIndex,
    size_bytes: u64,
    erase_block_bytes: u64,
) -> Result<(), ManifestError> {
    if mtd > MtdIndex::MAX {
        return impossible(format!(
            "there can be no {mtd}: Linux ends at {}",
            MtdIndex::MAX
        ));
    }
    if size_bytes > SIZE_BYTES_MAX {
        return impossible(format!("{mtd} cannot have {size_bytes} bytes"));
    }
    if erase_block_bytes > ERASE_BLOCK_BYTES_MAX {
        return impossible(format!(
            "an erase block of {mtd} cannot have {erase_block_bytes} bytes"
        ));
    }
    Ok(())
}

fn check_sum(what: &str, mut sizes_bytes: impl Iterator<Item = u64>) -> Result<(), ManifestError> {
    match sizes_bytes.try_fold(0_u64, u64::checked_add) {
        Some(_) => Ok(()),
        None => impossible(format!("its {what} have more than 2^64 bytes")),
    }
}

fn impossible<T>(what: String) -> Result<T, ManifestError> {
    Err(ManifestError::Impossible { what })
}

/// The smallest value that comes up twice. Sorts, because a manifest from
/// somewhere may have tens of thousands.
fn repeated<T: Ord>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_unstable();
    let at = values.windows(2).position(|pair| pair[0] == pair[1])?;
    Some(values.swap_remove(at))
}
