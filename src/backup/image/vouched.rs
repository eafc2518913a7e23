//! An image that its device vouches for: by a digest that it made itself of its flash,
//! after the bytes had come or in place of sending them again.
//!
//! Invariant: what is compared with the digest is the file as it is stored, so that one
//! look proves flash, wire and file.

use super::{Buffers, FinishedImage, ImageWriter, Used, finish};
use crate::backup::DigestChoice;
use crate::backup::buffer::read_full;
use crate::backup::digest::{DigestValues, Digests, hex};
use crate::backup::error::BackupError;
use crate::backup::manifest::SecondReading;
use crate::backup::naming::Naming;
use crate::backup::reader::Reader;
use crate::mtd::{MtdInfo, MtdRead, OwnDigest};
use md5::{Digest as _, Md5};

/// What a device says of an image that is there.
pub(super) enum Vouched {
    /// It cannot tell.
    Silent,
    /// The image is not what it holds.
    No,
    Yes(Box<FinishedImage>),
}

impl ImageWriter<'_> {
    /// An image of an earlier run, where its device can tell whether it holds the same.
    pub(super) fn vouched(
        &self,
        device: &mut dyn MtdRead,
        info: &MtdInfo,
        file: &str,
        buffers: &mut Buffers,
    ) -> Result<Vouched, Box<BackupError>> {
        self.stop.check()?;
        let Some(own) = device.own_digest()? else {
            return Ok(Vouched::Silent);
        };
        let naming = Naming(self.folder);
        let id = naming.existing(file)?;
        let (values, used, same) = self.is_stored(&own, info, file, buffers)?;
        if !same {
            return Ok(Vouched::No);
        }
        let reader = Reader::new(device, self.stop);
        let (mut image, recovered) = finish(info.clone(), file.into(), &values, reader);
        image.second_reading = self.read_again.then_some(SecondReading {
            same: true,
            first_difference_bytes: None,
        });
        Ok(Vouched::Yes(Box::new(FinishedImage {
            placed: naming.kept(&image.file, id, values),
            image,
            used,
            kept: true,
            recovered,
        })))
    }

    /// Whether a stored file has a device's digest; none where the device has none.
    pub(super) fn is_vouched_for(
        &self,
        device: &mut dyn MtdRead,
        info: &MtdInfo,
        file: &str,
        buffers: &mut Buffers,
    ) -> Result<Option<bool>, Box<BackupError>> {
        self.stop.check()?;
        match device.own_digest()? {
            Some(own) => Ok(Some(self.is_stored(&own, info, file, buffers)?.2)),
            None => Ok(None),
        }
    }

    /// The digests of a stored file, what of it is in use, and whether it has the
    /// device's digest.
    fn is_stored(
        &self,
        own: &OwnDigest,
        info: &MtdInfo,
        file: &str,
        buffers: &mut Buffers,
    ) -> Result<(DigestValues, Used, bool), Box<BackupError>> {
        let cannot = |source| self.error("cannot read", file, None, source);
        let mut stored = self.folder.open(file).map_err(cannot)?;
        let buffer = self.buffer(&mut buffers.file, info)?;
        let (mut digests, mut sha256) = (
            Digests::new(self.digests),
            Digests::new(DigestChoice::Sha256),
        );
        let (mut used, mut at) = (Used::new(info.size_bytes), 0);
        let mut md5 = Md5::new();
        loop {
            self.stop.check()?;
            let count = read_full(stored.as_mut(), buffer).map_err(cannot)?;
            if count == 0 {
                break;
            }
            let piece = &buffer[..count];
            digests.update(piece);
            used.take(at, piece);
            at += count as u64;
            match own {
                OwnDigest::Md5(_) => md5.update(piece),
                OwnDigest::Sha256(_) => sha256.update(piece),
            }
            self.work.observer.progress(count as u64);
        }
        let same = match own {
            OwnDigest::Md5(digest) => hex(&md5.finalize()) == *digest,
            OwnDigest::Sha256(digest) => sha256.finish().sha256.as_ref() == Some(digest),
        };
        Ok((digests.finish(), used, same))
    }
}
