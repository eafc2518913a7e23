//! Makes a manifest anew where nobody has the old one whole: from the images, the
//! lines of `SHA256SUMS`, what the torn text still tells, and a layout.
//!
//! Invariants: an image counts as proven only by a digest that the backup left;
//! what is not known to be all of the flash makes the backup partial; at least one
//! image is proven, or there is no manifest.

use super::super::contents::script_image;
use super::super::digest::{DigestValues, Digests};
use super::super::directory;
use super::super::known;
use super::super::manifest::{
    Device, FORMAT, FORMAT_VERSION, Identity, Image, LayoutEntry, LeftOut, MANIFEST, Manifest,
    Rebuilt, SUMS, image_file,
};
use super::super::sums::SumLine;
use super::super::time;
use super::super::work::Work;
use super::super::{BackupError, DigestChoice, Directory, Entry};
use super::salvage::Salvaged;
use super::{RepairLayout, RepairRequest};
use crate::mtd::{ISPOT_TABLE, MtdInfo, parse_proc_mtd, total_bytes};
use std::collections::{BTreeMap, BTreeSet};

/// What there is to rebuild from.
pub(super) struct Sources<'a> {
    pub(super) folder: &'a dyn Directory,
    pub(super) own: &'a [Entry],
    /// Of `SHA256SUMS`, by file.
    pub(super) lines: BTreeMap<&'a str, &'a SumLine>,
    pub(super) salvaged: Salvaged,
}

/// A layout, with whether it tells why partitions have no image.
struct Layout {
    entries: Vec<LayoutEntry>,
    from: String,
    doubt: Option<&'static str>,
    tells_reasons: bool,
}

/// Images by what is known of them.
#[derive(Default)]
struct Tally {
    by_sums: Vec<String>,
    by_torn: Vec<String>,
    damaged: Vec<String>,
    missing: Vec<String>,
    unknown: Vec<String>,
    holes_unknown: Vec<String>,
}

impl Sources<'_> {
    pub(super) fn rebuild(
        self,
        request: &RepairRequest,
        work: &Work<'_>,
    ) -> Result<Manifest, Box<BackupError>> {
        let mut layout = self.layout(request.layout.as_ref())?;
        self.all_are_in(&layout)?;
        let mut tally = Tally::default();
        let mut images = Vec::new();
        let bytes = total_bytes(self.own.iter().filter_map(|entry| entry.size_bytes));
        let names: Vec<&str> = layout.entries.iter().map(|e| e.name.as_str()).collect();
        work.observer.planned(&names, bytes);
        for entry in &mut layout.entries {
            work.observer.begin(&entry.name);
            match self.image(entry, &mut tally, work)? {
                Some(image) => {
                    entry.left_out = None;
                    images.push(image);
                }
                None if entry.left_out.is_some() && layout.tells_reasons => {}
                None => {
                    let reason = "there is no image of it, and the manifest that told why was lost";
                    entry.left_out = Some(LeftOut {
                        by_choice: false,
                        reason: reason.into(),
                    });
                }
            }
        }
        if tally.by_sums.is_empty() && tally.by_torn.is_empty() {
            return Err(self.refuse(
                "holds no image that anything left there proves".into(),
                "`mtdkeep backup` into this folder, with the device, compares each image with the \
                 flash; `mtdkeep import --layout FILE` takes images that nothing proves, from a \
                 folder that holds them alone",
            ));
        }
        Ok(self.manifest(layout, images, &tally, request))
    }

    fn refuse(&self, holds: String, help: &str) -> Box<BackupError> {
        BackupError::Refused {
            folder: self.folder.describe(),
            holds,
            help: help.into(),
        }
        .into()
    }

    fn layout(&self, given: Option<&RepairLayout>) -> Result<Layout, Box<BackupError>> {
        if let Some(given) = given {
            return self.given_layout(given);
        }
        if let Some(entries) = &self.salvaged.layout {
            return Ok(Layout {
                entries: entries.clone(),
                from: format!("the layout that the torn {MANIFEST} still tells"),
                doubt: Some("that names, erase blocks and offsets are unchanged in it"),
                tells_reasons: true,
            });
        }
        match self.ispot() {
            Some(devices) => Ok(Layout {
                entries: devices.iter().map(LayoutEntry::new).collect(),
                from: "the Clear iSpot's layout, assumed because all files have its sizes".into(),
                doubt: Some("that the layout is the device's: it was assumed"),
                tells_reasons: false,
            }),
            None => Err(self.refuse(
                "has lost the layout with its manifest: nothing tells the partitions' names".into(),
                "give the text of the device's /proc/mtd with --layout FILE, or the device itself \
                 with --device",
            )),
        }
    }

    fn given_layout(&self, given: &RepairLayout) -> Result<Layout, Box<BackupError>> {
        let entries: Vec<LayoutEntry> = given.devices.iter().map(LayoutEntry::new).collect();
        let what = |entry: &LayoutEntry| {
            let LayoutEntry { mtd, name, .. } = entry;
            (
                *mtd,
                name.clone(),
                entry.size_bytes,
                entry.erase_block_bytes,
            )
        };
        if let Some(told) = &self.salvaged.layout {
            if !told.iter().map(what).eq(entries.iter().map(what)) {
                return Err(self.refuse(
                    format!(
                        "is of another layout than {}, by what its torn {MANIFEST} still tells",
                        given.from
                    ),
                    "leave the layout away, or give the right one",
                ));
            }
            return Ok(Layout {
                entries: told.clone(),
                from: format!(
                    "{}, which the torn {MANIFEST} still tells as well",
                    given.from
                ),
                doubt: None,
                tells_reasons: true,
            });
        }
        Ok(Layout {
            entries,
            from: given.from.clone(),
            doubt: Some("that the backup was of this layout: only numbers and sizes fit"),
            tells_reasons: false,
        })
    }

    /// The iSpot's devices, where every image has its size and none is missing but
    /// that of mtd10, which has no node there.
    fn ispot(&self) -> Option<Vec<MtdInfo>> {
        let mut devices = parse_proc_mtd(ISPOT_TABLE.as_bytes()).ok()?;
        let size = |file: &str| {
            let entry = directory::named(self.own, file)?;
            entry.size_bytes
        };
        let fits = |device: &MtdInfo| match size(&image_file(device.index)) {
            Some(bytes) => bytes == device.size_bytes,
            None => device.index.0 == 10,
        };
        devices.iter().all(fits).then(|| {
            crate::mtd::infer_offsets(&mut devices);
            devices
        })
    }

    /// Every image that is there, or that a digest is of, is of the layout.
    fn all_are_in(&self, layout: &Layout) -> Result<(), Box<BackupError>> {
        let files = self.own.iter().map(|entry| entry.name.as_str());
        let mut files = files.chain(self.lines.keys().copied());
        let known: BTreeSet<u32> = layout.entries.iter().map(|entry| entry.mtd).collect();
        let stranger =
            files.find(|file| script_image(file).is_some_and(|mtd| !known.contains(&mtd)));
        match stranger {
            Some(file) => Err(self.refuse(
                format!("has {file}, of a partition that is not in {}", layout.from),
                "give the layout of the device that the backup is of, with --layout FILE",
            )),
            None => Ok(()),
        }
    }

    /// An image's entry: from its file, what proves it, and what is still told.
    fn image(
        &self,
        entry: &LayoutEntry,
        tally: &mut Tally,
        work: &Work<'_>,
    ) -> Result<Option<Image>, Box<BackupError>> {
        let file = image_file(entry.index());
        let stored = directory::named(self.own, &file);
        let line = self.lines.get(file.as_str()).copied();
        let told = self.salvaged.image(entry.mtd).filter(|image| {
            image.file == file
                && image.size_bytes == entry.size_bytes
                && line.is_none_or(|line| image.sha256.as_ref().is_none_or(|s| *s == line.sha256))
        });
        let mut image = promised(entry, &file, told, line);
        let Some(stored) = stored else {
            let is_known = image.digests().is_some();
            if is_known {
                tally.missing.push(file);
            }
            return Ok(is_known.then_some(image));
        };
        let values = self.digest(&file, work)?;
        let is_it = is_it(&image, &values);
        let size_fits = stored.size_bytes == Some(entry.size_bytes);
        if !size_fits && is_it != Some(false) {
            return Err(self.refuse(
                format!(
                    "has a {file} of {} bytes; by the layout it has {}",
                    values.length_bytes, entry.size_bytes
                ),
                "give the layout of the device that the backup is of, with --layout FILE",
            ));
        }
        match is_it {
            Some(true) if line.is_some() => tally.by_sums.push(file),
            Some(true) => tally.by_torn.push(file),
            Some(false) => tally.damaged.push(file),
            None => tally.unknown.push(file.clone()),
        }
        if is_it == Some(false) {
            // What it should be stays, so that the damage is told for ever.
            return Ok(Some(image));
        }
        (image.crc32, image.sha256) = (values.crc32, values.sha256);
        doubts(&mut image, told, is_it.is_some(), tally);
        Ok(Some(image))
    }

    fn digest(&self, file: &str, work: &Work<'_>) -> Result<DigestValues, Box<BackupError>> {
        let mut digests = Digests::new(DigestChoice::Both);
        super::each_piece(self.folder, file, work, |piece| {
            digests.update(piece);
            work.observer.progress(piece.len() as u64);
        })?;
        Ok(digests.finish())
    }

    fn manifest(
        self,
        layout: Layout,
        images: Vec<Image>,
        tally: &Tally,
        request: &RepairRequest,
    ) -> Manifest {
        let now = time::utc(request.now);
        let mut rebuilt = tally.told();
        rebuilt.rebuilt_utc.clone_from(&now);
        rebuilt.made_from.push(layout.from);
        rebuilt.made_from.push("the images".into());
        rebuilt.not_proven.extend(layout.doubt.map(String::from));
        if self.salvaged.created_utc.is_none() {
            let when = "when the backup was begun: the time is that of the repair";
            rebuilt.not_proven.push(when.into());
        }
        let device = self.salvaged.device.unwrap_or_else(|| Device {
            description: "unknown: the manifest was lost".into(),
            identity: None,
        });
        let identity = device.identity.or_else(|| {
            let its_own = |image: &&Image| {
                known::tells_devices_apart(&image.name)
                    && (tally.by_sums.contains(&image.file) || tally.by_torn.contains(&image.file))
            };
            let image = images.iter().find(its_own)?;
            Some(Identity {
                partition: image.name.clone(),
                sha256: image.sha256.clone()?,
            })
        });
        Manifest {
            format: FORMAT.into(),
            format_version: format!("{}.{}", FORMAT_VERSION.0, FORMAT_VERSION.1),
            tool: concat!("mtdkeep ", env!("CARGO_PKG_VERSION")).into(),
            created_utc: self.salvaged.created_utc.unwrap_or(now),
            device: Device {
                description: device.description,
                identity,
            },
            layout: layout.entries,
            images,
            folder_created: self.salvaged.folder_created,
            origin: self.salvaged.origin,
            rebuilt: Some(rebuilt),
        }
    }
}

/// Whether a file's digests are the ones that are known; none where none is.
fn is_it(image: &Image, values: &DigestValues) -> Option<bool> {
    let same = |known: &Option<String>, value: &Option<String>| {
        known.as_ref().map(|known| Some(known) == value.as_ref())
    };
    let by_sha256 = same(&image.sha256, &values.sha256);
    by_sha256.or_else(|| same(&image.crc32, &values.crc32))
}

impl Tally {
    fn told(&self) -> Rebuilt {
        let mut rebuilt = Rebuilt::default();
        let list = |files: &[String]| files.join(", ");
        if !self.by_sums.is_empty() {
            rebuilt.made_from.push(SUMS.into());
            let text = format!("{} have the SHA-256 in {SUMS}", list(&self.by_sums));
            rebuilt.proven.push(text);
        }
        if !self.by_torn.is_empty() {
            let text = format!(
                "{} have the digest that the torn {MANIFEST} still tells",
                list(&self.by_torn)
            );
            rebuilt.proven.push(text);
        }
        let mut not = |files: &[String], text: &str| {
            if !files.is_empty() {
                rebuilt.not_proven.push(format!("{text}: {}", list(files)));
            }
        };
        not(&self.damaged, "these are not what the backup stored");
        not(&self.missing, "these are missing");
        not(&self.unknown, "that these are what the backup stored");
        not(&self.holes_unknown, "that the flash gave all of these");
        rebuilt
    }
}

/// An image as manifest and sums promise it, as far as they do.
fn promised(
    entry: &LayoutEntry,
    file: &str,
    told: Option<&Image>,
    line: Option<&SumLine>,
) -> Image {
    Image {
        mtd: entry.mtd,
        name: entry.name.clone(),
        file: file.into(),
        size_bytes: entry.size_bytes,
        erase_block_bytes: entry.erase_block_bytes,
        crc32: told.and_then(|told| told.crc32.clone()),
        sha256: line
            .map(|line| line.sha256.clone())
            .or_else(|| told.and_then(|told| told.sha256.clone())),
        unreadable: Vec::new(),
        second_reading: None,
        doubt: None,
        blank: None,
    }
}

/// What stays in doubt of an image that is there: what the manifest told of it, or that
/// nobody tells.
fn doubts(image: &mut Image, told: Option<&Image>, is_proven: bool, tally: &mut Tally) {
    match told {
        Some(told) => {
            image.unreadable.clone_from(&told.unreadable);
            image.second_reading.clone_from(&told.second_reading);
            image.doubt.clone_from(&told.doubt);
        }
        None if !is_proven => {
            image.doubt = Some("nothing proves that these are the backup's bytes".into());
        }
        None => {
            tally.holes_unknown.push(image.file.clone());
            let doubt = "whether the flash gave all of it is not known: the manifest that \
                         told was lost";
            image.doubt = Some(doubt.into());
        }
    }
}
