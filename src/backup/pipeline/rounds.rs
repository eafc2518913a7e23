//! A backup that is made in rounds: images of earlier rounds stay, with their digests.
//!
//! Invariant: an image of an earlier round is carried over only where its bytes are what
//! its record says; its record is in the mark before anything is changed, so that a run
//! that is cut off loses none.

use super::Run;
use crate::backup::buffer::read_full;
use crate::backup::contents;
use crate::backup::digest::Digests;
use crate::backup::directory::Entry;
use crate::backup::error::BackupError;
use crate::backup::manifest::{Image, Manifest, Origin};
use crate::backup::naming::Naming;

const BUFFER_BYTES: usize = 16 << 10;

impl Run<'_> {
    /// Whether this run makes an image that the earlier one, which had finished, has not.
    pub(super) fn adds_to(&self, earlier: &Manifest) -> bool {
        let there = contents::sorted(earlier.images.iter().map(|image| image.mtd));
        let mut wanted = contents::planned(&self.manifest).into_iter();
        wanted.any(|mtd| there.binary_search(&mtd).is_err())
    }

    /// Takes over what the earlier rounds have and this one does not make again: images
    /// with their records, and the reasons why there are none. What is left of `own` is
    /// for this run to compare.
    pub(super) fn carry_over(
        &mut self,
        earlier: &Manifest,
        own: Vec<Entry>,
    ) -> Result<Vec<Entry>, Box<BackupError>> {
        let planned = contents::planned(&self.manifest);
        let there = contents::image_numbers(&own);
        let carried: Vec<&Image> = earlier
            .images
            .iter()
            .filter(|image| planned.binary_search(&image.mtd).is_err())
            .filter(|image| there.binary_search(&image.mtd).is_ok())
            .collect();
        let numbers = contents::sorted(carried.iter().map(|image| image.mtd));
        for image in &carried {
            self.carry(image)?;
        }
        for (now, before) in self.manifest.layout.iter_mut().zip(&earlier.layout) {
            let is_carried = numbers.binary_search(&now.mtd).is_ok();
            match now.left_out.as_ref().is_some_and(|why| why.by_choice) {
                true if is_carried => now.left_out = None,
                // Wanted then, and not to be had: that stays so.
                true if before.left_out.is_some() => now.left_out.clone_from(&before.left_out),
                _ => {}
            }
        }
        if self.manifest.device.identity.is_none() {
            let identity = &earlier.device.identity;
            self.manifest.device.identity.clone_from(identity);
        }
        if self.manifest.rebuilt.is_none() {
            self.manifest.rebuilt.clone_from(&earlier.rebuilt);
        }
        self.manifest.origin = both(earlier.origin.as_ref(), self.manifest.origin.take());
        let is_carried = |entry: &Entry| contents::is_image_of(&numbers, &entry.name);
        let rest = own.into_iter().filter(|entry| !is_carried(entry));
        Ok(rest.collect())
    }

    /// One image of an earlier round, if it is what its record says.
    fn carry(&mut self, image: &Image) -> Result<(), Box<BackupError>> {
        let file = image.file.as_str();
        let failed = |source| self.error("cannot read", file, source);
        let naming = Naming(self.folder);
        let id = naming.existing(file)?;
        let mut digests = Digests::new(image.digests().unwrap_or_default());
        let mut stream = self.folder.open(file).map_err(failed)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            self.work.stop().check()?;
            match read_full(stream.as_mut(), &mut buffer).map_err(failed)? {
                0 => break,
                count => digests.update(&buffer[..count]),
            }
        }
        let values = digests.finish();
        if values.length_bytes != image.size_bytes || !image.has(&values) {
            return Err(self.refuse(
                format!("has {file}, which is not what its manifest says"),
                "`mtdkeep verify` says what is still good of it; back up into another folder \
                 with --output",
            ));
        }
        self.work.observer.image_done(image, true, 0);
        self.kept += 1;
        self.placed.push(naming.kept(file, id, values));
        self.manifest.images.push(image.clone());
        Ok(())
    }
}

/// What is said of the images of all rounds.
fn both(earlier: Option<&Origin>, now: Option<Origin>) -> Option<Origin> {
    let (Some(earlier), Some(mut now)) = (earlier, now.clone()) else {
        return now.or_else(|| earlier.cloned());
    };
    let lists = [
        (&earlier.proven, &mut now.proven),
        (&earlier.not_proven, &mut now.not_proven),
    ];
    for (before, list) in lists {
        let fresh = std::mem::take(list);
        *list = before.clone();
        list.extend(fresh.into_iter().filter(|what| !before.contains(what)));
    }
    for mtd in &earlier.changed_while_read {
        if !now.changed_while_read.contains(mtd) {
            now.changed_while_read.push(*mtd);
        }
    }
    if now.captured_by != earlier.captured_by {
        now.captured_by = format!("{}; {}", earlier.captured_by, now.captured_by);
    }
    if now.layout_from != earlier.layout_from {
        now.layout_from = format!("{}; {}", earlier.layout_from, now.layout_from);
    }
    Some(now)
}
