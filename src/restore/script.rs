//! `mtdkeep script --restore`: a restore for a device that runs no program of ours, as a
//! shell script for what such devices have.
//!
//! The script itself is `restore.sh` beside this file; here the backup's facts are put
//! in. Invariants: whatever a partition is called, it stands in the script as part of one
//! quoted word, and never as something that a shell obeys; what the script could not keep
//! to is refused here.

use super::blocks::{on_chip, overlap};
use super::error::{Obstacle, RestoreError};
use super::prepare::right;
use super::roles::{Role, bank};
use crate::backup::{self, Directory, Image, Manifest, Work, file_error};
use crate::capture::quoted;
use crate::mtd::{MtdError, MtdInfo, select};
use md5::{Digest as _, Md5};
use std::fmt::Write as _;
use std::io::Read as _;

const TEMPLATE: &str = include_str!("restore.sh");

/// What the script writes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// `flashcp`, of mtd-utils or BusyBox.
    Flashcp,
    /// `flash_eraseall`, of the same, and dd to the erased partition.
    FlashEraseall,
    /// OpenWrt's `mtd`.
    Mtd,
    /// dd to `/dev/mtdblockN`.
    Dd,
}

impl Tool {
    /// All of them, with their words.
    pub(crate) const ALL: [(&'static str, Self); 4] = [
        ("flashcp", Self::Flashcp),
        ("flash_eraseall", Self::FlashEraseall),
        ("mtd", Self::Mtd),
        ("dd", Self::Dd),
    ];

    fn word(self) -> &'static str {
        let named = Self::ALL.iter().find(|(_, tool)| *tool == self);
        named.map_or("", |(word, _)| word)
    }

    fn words(self) -> &'static str {
        match self {
            Self::Flashcp => "flashcp",
            Self::FlashEraseall => "flash_eraseall and dd",
            Self::Mtd => "OpenWrt's mtd",
            Self::Dd => "dd to mtdblock",
        }
    }

    /// What cannot be promised on its account, as lines of the script.
    fn cannot(self) -> &'static str {
        match self {
            Self::Flashcp => {
                "\
# - flashcp erases a whole partition, then writes it from its first erase block on: until
#   that is done, all of the partition is neither old nor new, and its start (by which
#   others know it) is written first.
"
            }
            Self::FlashEraseall => {
                "\
# - flash_eraseall erases a whole partition: until it is written again, all of it is
#   neither old nor new. Its first erase block is written last.
"
            }
            Self::Mtd => {
                "\
# - mtd erases and writes one erase block after another, the first one first (by which
#   others know the partition), and those that are right already as well.
"
            }
            Self::Dd => {
                "\
# - mtdblock reads, erases and programs one erase block at a time: that one is neither old
#   nor new meanwhile. Others are whole; the first one is written last.
"
            }
        }
    }
}

/// What the script is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScriptRequest<'a> {
    /// What it writes with.
    pub(crate) tool: Tool,
    /// As [`super::Request`] has it.
    pub(crate) restore: super::Request<'a>,
    /// The folder on the device with the images; absolute.
    pub(crate) folder: &'a str,
}

/// A script, and what is to be said of it.
#[derive(Debug)]
pub(crate) struct Script {
    /// Its text.
    pub(crate) text: String,
    /// A sentence each.
    pub(crate) notes: Vec<String>,
}

/// Makes a script of a backup.
///
/// # Errors
/// What keeps the backup from being restored so. Nothing is changed.
pub(crate) fn script(
    backup: &dyn Directory,
    request: &ScriptRequest<'_>,
    work: &Work<'_>,
) -> Result<Script, Box<RestoreError>> {
    let report = backup::verify::verify(backup, None, work).map_err(|failure| failure.error)?;
    right(backup, &report)?;
    let manifest = &report.manifest;
    let devices: Vec<_> = manifest.layout.iter().map(|entry| entry.info()).collect();
    if let Some(device) = devices.iter().find(|d| d.name.contains(char::is_control)) {
        return Err(RestoreError::OtherLayout {
            difference: format!("the name of {} cannot stand in a script", device.index),
        }
        .into());
    }
    let mut made = Planner {
        backup,
        devices: &devices,
        allowed: match request.restore.allow {
            [] => Vec::new(),
            names => select(&devices, names)?,
        },
        request,
        notes: Vec::new(),
    };
    let plan = made.plan(manifest)?;
    let identity = made.identity(manifest)?;
    let values = [
        ("TOOL", request.tool.words().to_owned()),
        ("CANNOT", request.tool.cannot().to_owned()),
        ("VERSION", env!("CARGO_PKG_VERSION").to_owned()),
        ("WITH", request.tool.word().to_owned()),
        ("DIR", quoted(request.folder)),
        ("PLAN", quoted(&plan)),
        ("TABLE", quoted(&table(&devices))),
        ("IDENTITY", quoted(&identity)),
    ];
    Ok(Script {
        text: filled(&values),
        notes: made.notes,
    })
}

/// The script with its values, put in in one pass: one that looks like a mark stays text.
fn filled(values: &[(&str, String)]) -> String {
    let mut text = String::with_capacity(TEMPLATE.len() + 4096);
    let mut rest = TEMPLATE;
    while let Some((before, after)) = rest.split_once('@') {
        text += before;
        let value = after.split_once('@').and_then(|(mark, after)| {
            let found = values.iter().find(|(name, _)| *name == mark)?;
            Some((&found.1, after))
        });
        match value {
            Some((value, after)) => {
                text += value;
                rest = after;
            }
            // "$@" of the shell.
            None => {
                text.push('@');
                rest = after;
            }
        }
    }
    text + rest
}

/// `/proc/mtd` below its first line, as a kernel writes it.
fn table(devices: &[MtdInfo]) -> String {
    let lines = devices.iter().map(|device| {
        let (size, block) = (device.size_bytes, device.erase_block_bytes);
        format!(
            "{}: {size:08x} {block:08x} \"{}\"",
            device.index, device.name
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

struct Planner<'a> {
    backup: &'a dyn Directory,
    devices: &'a [MtdInfo],
    allowed: Vec<MtdInfo>,
    request: &'a ScriptRequest<'a>,
    notes: Vec<String>,
}

impl Planner<'_> {
    /// The lines of the plan, in the order in which partitions are written.
    fn plan(&mut self, manifest: &Manifest) -> Result<String, Box<RestoreError>> {
        let is_named = !self.request.restore.partitions.is_empty();
        let mut rows = Vec::new();
        for device in select(self.devices, self.request.restore.partitions)? {
            let image = manifest
                .images
                .iter()
                .find(|image| image.mtd == device.index.0);
            match self.row(&device, image) {
                Ok(row) => rows.push((Role::of(&device.name), row)),
                Err(error) if is_named => return Err(error),
                Err(error) => self.notes.push(format!("left out: {error}")),
            }
        }
        if rows.is_empty() {
            return Err(RestoreError::Mtd(MtdError::NoDevices {
                path: "the backup".into(),
            })
            .into());
        }
        rows.sort_by_key(|(role, _)| *role);
        let rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
        Ok(rows.join("\n"))
    }

    fn row(&self, device: &MtdInfo, image: Option<&Image>) -> Result<String, Box<RestoreError>> {
        let partition = device.id();
        let cannot = |why| {
            Box::new(RestoreError::CannotWrite {
                partition: partition.clone(),
                why,
            })
        };
        let Some(image) = image else {
            return Err(RestoreError::NotInBackup { partition }.into());
        };
        if let Some(why) = &image.doubt {
            let why = why.clone();
            return Err(RestoreError::Doubtful { partition, why }.into());
        }
        if !image.unreadable.is_empty() {
            let why = "the flash did not give all of it".into();
            return Err(RestoreError::Doubtful { partition, why }.into());
        }
        let block = device.erase_block_bytes;
        if block == 0 {
            return Err(cannot(Obstacle::NoEraseBlocks));
        }
        if device.size_bytes % block != 0 || device.offset_bytes().unwrap_or(0) % block != 0 {
            let with = super::blocks::neighbours(device, self.devices);
            return Err(cannot(Obstacle::SharesEraseBlock { with }));
        }
        let there: Vec<_> = self.beside(device).collect();
        let (role, bank) = self.role_and_bank(device, &there)?;
        let others: Vec<_> = there.iter().map(|d| d.index.0.to_string()).collect();
        let over = match others.is_empty() {
            true => device.index.0.to_string(),
            false => others.join(","),
        };
        let md5 = self.md5(&image.file)?;
        Ok(format!(
            "{} {} {block} {role} {bank} {over} {md5} {}",
            device.index.0, device.size_bytes, device.name
        ))
    }

    /// The other partitions on the same flash.
    fn beside(&self, device: &MtdInfo) -> impl Iterator<Item = &MtdInfo> {
        let here = on_chip(device);
        let (index, chip) = (device.index, device.chip);
        self.devices.iter().filter(move |other| {
            let there = on_chip(other);
            other.index != index
                && other.chip == chip
                && matches!((&here, &there), (Some(a), Some(b)) if overlap(a, b))
        })
    }

    fn role_and_bank(
        &self,
        device: &MtdInfo,
        beside: &[&MtdInfo],
    ) -> Result<(char, u8), Box<RestoreError>> {
        let names: Vec<_> = self.devices.iter().map(|d| d.name.as_str()).collect();
        let (mut letter, mut of_bank) = ('-', None::<(u8, &MtdInfo)>);
        for one in std::iter::once(&device).chain(beside) {
            let role = Role::of(&one.name);
            let (partition, what) = (one.id(), role.words());
            if role.is_own() && self.request.restore.other_device {
                return Err(RestoreError::Stays { partition, what }.into());
            }
            let is_allowed = self.allowed.iter().any(|d| d.index == one.index);
            match role {
                _ if !role.is_protected() => {}
                _ if is_allowed => letter = if letter == '-' { '+' } else { letter },
                Role::BootLoader => letter = 'b',
                Role::Factory => letter = 'f',
                _ => letter = 't',
            }
            match (bank(&one.name, &names), of_bank) {
                (Some(new), Some((old, other))) if new != old => {
                    let (one, other) = (other.id(), one.id());
                    return Err(RestoreError::BothBanks { one, other }.into());
                }
                (Some(new), _) => of_bank = Some((new, one)),
                (None, _) => {}
            }
        }
        Ok((letter, of_bank.map_or(0, |(bank, _)| bank)))
    }

    /// What tells the device from others: number and MD5, where the backup has it.
    fn identity(&mut self, manifest: &Manifest) -> Result<String, Box<RestoreError>> {
        let own = manifest.device.identity.as_ref();
        let image = own.and_then(|identity| {
            let mut images = manifest.images.iter();
            images.find(|image| image.name == identity.partition && image.unreadable.is_empty())
        });
        let is_itself = |image: &Image| {
            let named = self.request.restore.partitions;
            let is_named =
                |word: &String| *word == image.name || *word == format!("mtd{}", image.mtd);
            named.iter().any(is_named) && self.allowed.iter().any(|d| d.index.0 == image.mtd)
        };
        match image {
            _ if self.request.restore.other_device => {}
            Some(image) if is_itself(image) => {}
            Some(image) => return Ok(format!("{} {}", image.mtd, self.md5(&image.file)?)),
            None => {
                let why = "the backup does not tell one device from another".into();
                return Err(RestoreError::OtherDevice { why }.into());
            }
        }
        let note = "the script does not look whether this is the device that was backed up";
        self.notes.push(note.into());
        Ok(String::new())
    }

    fn md5(&self, file: &str) -> Result<String, Box<RestoreError>> {
        let read = || {
            let mut image = self.backup.open(file)?;
            let (mut md5, mut buffer) = (Md5::new(), vec![0; 1 << 16]);
            loop {
                match image.read(&mut buffer)? {
                    0 => break,
                    count => md5.update(&buffer[..count]),
                }
            }
            let mut text = String::new();
            for byte in md5.finalize() {
                // Writing into a String cannot fail.
                let _ = write!(text, "{byte:02x}");
            }
            Ok(text)
        };
        read().map_err(|source| (*file_error(self.backup, "cannot read", file, source)).into())
    }
}
