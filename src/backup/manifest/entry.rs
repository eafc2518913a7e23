//! What an entry of the manifest says beside its fields: an image's, and a device's of the
//! layout.

use super::{Image, LayoutEntry};
use crate::backup::digest::{DigestChoice, DigestValues, Ending};
#[cfg(feature = "full")]
use crate::mtd::PartitionOffset;
use crate::mtd::{FactSource, MtdIndex, MtdInfo, total_bytes};

impl Image {
    /// The partition's name, which need not be unique.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file in the backup's folder: `mtdN.bin`.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Length of that file in bytes, which is the partition's size.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// SHA-256 of the file, 64 lower-case hex digits; none where the backup was made without it.
    pub fn sha256(&self) -> Option<&str> {
        self.sha256.as_deref()
    }

    /// Which digests it has; none only where a manifest that was never checked
    /// has neither.
    pub(crate) fn digests(&self) -> Option<DigestChoice> {
        DigestChoice::of(self.crc32.is_some(), self.sha256.is_some())
    }

    /// Whether these are its digests: all that it has, and no others.
    pub(crate) fn has(&self, values: &DigestValues) -> bool {
        values.crc32 == self.crc32 && values.sha256 == self.sha256
    }

    /// Its digests with what they are called, in the order of their lengths.
    pub(crate) fn named_digests(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let named = [("crc32", &self.crc32), ("sha256", &self.sha256)];
        named
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
    }

    /// What its file's digests are to be.
    pub(crate) fn told(&self) -> DigestValues {
        DigestValues {
            length_bytes: self.size_bytes,
            crc32: self.crc32.clone(),
            sha256: self.sha256.clone(),
            ending: Ending::default(),
        }
    }

    /// How many bytes the flash did not give.
    pub(crate) fn unreadable_bytes(&self) -> u64 {
        total_bytes(self.unreadable.iter().map(|range| range.length_bytes))
    }
}

impl LayoutEntry {
    /// Its number.
    pub(crate) fn index(&self) -> MtdIndex {
        MtdIndex(self.mtd)
    }

    /// Whether its offset is told by that source.
    pub(crate) fn is_told_by(&self, source: FactSource) -> bool {
        let told = self.offset_source.as_deref();
        told.is_some_and(|told| told == source.to_string())
    }

    /// Its chip, and where it starts and ends there, where somebody tells that and
    /// nobody else contradicts it.
    pub(crate) fn place(&self) -> Option<(u32, u64, u64)> {
        let is_certain = !self.is_told_by(FactSource::Sum) && self.contradictions.is_empty();
        let start = self.offset_bytes.filter(|_| is_certain)?;
        // The one layout that is known has one chip.
        let known = self.is_told_by(FactSource::Known);
        let chip = self.chip.or(known.then_some(0))?;
        Some((chip, start, start.checked_add(self.size_bytes)?))
    }

    /// The device that it tells of.
    #[cfg(feature = "full")]
    pub(crate) fn info(&self) -> MtdInfo {
        let mut device = MtdInfo::new(
            self.index(),
            self.name.clone(),
            self.size_bytes,
            self.erase_block_bytes,
        );
        let source = self.offset_source.as_deref();
        let source = source.and_then(FactSource::from_word);
        device.offset = self
            .offset_bytes
            .zip(source)
            .map(|(bytes, source)| PartitionOffset { bytes, source });
        device.chip = self.chip;
        device.chip_bytes = self.chip_bytes;
        device.contradictions.clone_from(&self.contradictions);
        if source == Some(FactSource::Known) {
            // The one layout that is known has one chip.
            device.chip = Some(0);
        }
        device
    }

    /// The layout's entry of a device, without a word on its image.
    pub(crate) fn new(info: &MtdInfo) -> Self {
        Self {
            mtd: info.index.0,
            name: info.name.clone(),
            size_bytes: info.size_bytes,
            erase_block_bytes: info.erase_block_bytes,
            offset_bytes: info.offset_bytes(),
            offset_source: info.offset.map(|offset| offset.source.to_string()),
            contradictions: info.contradictions.clone(),
            chip: info.chip,
            chip_bytes: info.chip_bytes,
            parent: info.parent.map(|parent| parent.0),
            writeable: info.writeable,
            left_out: None,
        }
    }
}
