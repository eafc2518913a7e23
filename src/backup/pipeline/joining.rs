//! What a folder holds decides whether a backup may go on there: one that was cut off,
//! is partial, or was made of some partitions alone, of which others follow (`rounds`).

use super::Run;
use crate::backup::contents::{self, Contents, State, names};
use crate::backup::directory::{Directory, Entry};
use crate::backup::error::BackupError;
use crate::backup::manifest::Manifest;
use crate::backup::opening::Opened;
use crate::backup::rejoin;

/// Refuses what needs no look at the device.
pub(super) fn refuse_at_first_sight(
    folder: &dyn Directory,
    found: &Contents,
) -> Result<(), Box<BackupError>> {
    let refuse = |holds: String, help: &str| {
        Err(BackupError::Refused {
            folder: folder.describe(),
            holds,
            help: help.into(),
        }
        .into())
    };
    match &found.state {
        State::Script | State::Capture { .. } => refuse(
            "holds a backup made by a shell script".into(),
            "save it elsewhere, and `mtdkeep clean` removes it; or choose another folder with --output",
        ),
        State::Damaged(damage) if !damage.may_go_on => refuse(
            format!("may hold a backup, but its {} {}", damage.file, damage.why),
            "`mtdkeep verify` says what is proven of it; choose another folder with --output",
        ),
        _ if !found.foreign.is_empty() => refuse(
            format!("holds what no backup made: {}", names(&found.foreign)),
            "a backup needs a folder of its own: choose an empty or a new one with --output",
        ),
        _ => Ok(()),
    }
}

impl Run<'_> {
    /// Goes on with an earlier run of the same device, or refuses the folder.
    pub(super) fn join_earlier_run(&mut self, found: Contents) -> Result<(), Box<BackupError>> {
        let earlier = match &found.state {
            State::Finished(manifest) | State::Unfinished(manifest) => manifest,
            _ => return Ok(()),
        };
        let finished = matches!(found.state, State::Finished(_));
        if !earlier.is_of_same_device(&self.manifest) {
            return Err(self.refuse(
                format!(
                    "holds the backup of another device: {}",
                    earlier.device.description
                ),
                "choose another folder with --output; two devices are never mixed",
            ));
        }
        if finished && !earlier.is_partial() && !self.adds_to(earlier) {
            return Err(self.refuse_finished(earlier, &found.own));
        }
        self.manifest.folder_created |= earlier.folder_created;
        let rest = self.carry_over(earlier, found.own)?;
        self.take_over(rest, found.parts)?;
        self.demote = finished;
        Ok(())
    }

    /// Goes on with an earlier run whose manifest or mark is damaged, so that
    /// nobody tells of which device it is: only where each image that is there is
    /// what this device's flash holds. All of them are compared before anything is
    /// changed.
    pub(super) fn join_damaged_run(
        &mut self,
        found: Contents,
        finished: bool,
        opened: &mut Opened,
    ) -> Result<(), Box<BackupError>> {
        let other = rejoin::first_other(self.folder, &found.own, self.backend, opened, self.work)?;
        if let Some(file) = other {
            return Err(self.refuse(
                format!(
                    "holds {file}, which is not what this device's flash holds now, and the \
                     manifest that would tell whose it is is damaged"
                ),
                "`mtdkeep verify` says what is proven of the images there; back up into another \
                 folder with --output",
            ));
        }
        self.take_over(found.own, found.parts)?;
        self.set_aside = finished;
        Ok(())
    }

    /// Takes over the images of an earlier run; what was half written goes.
    fn take_over(&mut self, own: Vec<Entry>, parts: Vec<Entry>) -> Result<(), Box<BackupError>> {
        let (images, _): (Vec<_>, Vec<_>) = own
            .into_iter()
            .partition(|entry| contents::script_image(&entry.name).is_some());
        let planned = contents::planned(&self.manifest);
        let stranger = images
            .iter()
            .find(|entry| !contents::is_image_of(&planned, &entry.name));
        if let Some(stranger) = stranger {
            return Err(self.refuse(
                format!(
                    "holds an earlier, unfinished backup with {}, which this one would not make",
                    stranger.name
                ),
                "start with the same partitions as then, choose another folder with --output, \
                 or remove the unfinished backup with `mtdkeep clean`",
            ));
        }
        self.existing = images;
        for entry in &parts {
            self.folder
                .remove(&entry.name)
                .map_err(|source| self.error("cannot remove", &entry.name, source))?;
        }
        Ok(())
    }

    /// There is nothing to complete; or a clean was killed, or something else
    /// removed a part.
    fn refuse_finished(&self, earlier: &Manifest, own: &[Entry]) -> Box<BackupError> {
        let there = contents::image_numbers(own);
        let mut images = earlier.images.iter();
        match images.find(|image| there.binary_search(&image.mtd).is_err()) {
            Some(image) => self.refuse(
                format!(
                    "has the manifest of a finished backup of this device, but no {}",
                    image.file
                ),
                "`mtdkeep verify` says what is still good of it, `mtdkeep clean` removes it; or \
                 choose another folder with --output",
            ),
            None => self.refuse(
                format!(
                    "already holds a finished backup of this device, made {}",
                    earlier.created_utc
                ),
                "choose another folder with --output, check this one with `mtdkeep verify`, or \
                 remove it with `mtdkeep clean`",
            ),
        }
    }

    pub(super) fn refuse(&self, holds: String, help: &str) -> Box<BackupError> {
        BackupError::Refused {
            folder: self.folder.describe(),
            holds,
            help: help.into(),
        }
        .into()
    }
}
