//! What is said of an import: what was proven of the captured files, and what
//! could not be.

use super::assign::{Basis, Taken};
use super::check::{Given, Inspected};
use super::decode::Form;
use super::evidence::Evidence;
use super::inspect::Found;
use super::layout::KnownLayout;
use super::names;
use super::record::Fate;
use crate::backup::capture_format::SCRIPT_PAGE;
use crate::backup::{Origin, size};
use crate::mtd::{MtdIndex, MtdInfo, total_bytes};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

impl Found {
    pub(super) fn origin(
        &self,
        layout: &KnownLayout,
        images: &BTreeMap<u32, Inspected>,
        skipped: &BTreeSet<u32>,
        evidence: Evidence,
    ) -> Origin {
        let count = images.len();
        let mut proven = vec![format!(
            "{count} of {count} files have their partition's size"
        )];
        let mut not_proven = Vec::new();
        digests(images, &mut proven, &mut not_proven);
        self.readings(images, &mut proven, &mut not_proven);
        self.converted(&mut proven, &mut not_proven);
        let changed = images.values().filter_map(|image| image.changed.as_ref());
        not_proven.extend(changed.map(|what| format!("that a transfer did not change {what}")));
        let by_name = self.with_basis(Basis::Name);
        if !by_name.is_empty() {
            not_proven.push(format!(
                "that files are of their partitions: their names say so, and their sizes fit: {}",
                by_name.join(", ")
            ));
        }
        let asked = self.with_basis(Basis::Asked);
        if !asked.is_empty() {
            not_proven.push(format!(
                "that files are of their partitions: whoever imported them said so: {}",
                asked.join(", ")
            ));
        }
        if layout.assumed {
            not_proven.push("that the layout is the device's: it was assumed".into());
        }
        not_proven.extend(layout.doubts.iter().cloned());
        let inferred = |info: &MtdInfo| {
            info.offset
                .is_some_and(|offset| offset.source.is_inferred())
        };
        if layout.devices.iter().any(inferred) {
            not_proven.push("where partitions start: the offsets are sums of sizes".into());
        }
        let mut records = self.folders.iter().flat_map(|folder| &folder.records);
        if records.any(|(_, record)| !record.complete) {
            not_proven.push("that the capture came to its end: it was cut off".into());
        }
        if !skipped.is_empty() {
            let skipped: Vec<u32> = skipped.iter().copied().collect();
            proven.push(format!("{} was not asked for", list(&skipped)));
        }
        proven.extend(evidence.proven);
        not_proven.extend(evidence.against);
        Origin {
            captured_by: self.captured_by(),
            layout_from: layout.from.clone(),
            proven,
            not_proven,
            changed_while_read: self.read_twice(images, false),
        }
    }

    /// `mtd0 is u-boot.bin` for each file that is taken for that reason.
    fn with_basis(&self, basis: Basis) -> Vec<String> {
        let files = self.assignment.files.iter();
        let files = files.filter(|(_, taken)| taken.basis == basis);
        files
            .map(|(mtd, taken)| {
                let file = &self.candidates[taken.candidate].file;
                format!("{file} for {}", MtdIndex(*mtd))
            })
            .collect()
    }

    /// What was read a second time on the device.
    fn readings(
        &self,
        images: &BTreeMap<u32, Inspected>,
        proven: &mut Vec<String>,
        not_proven: &mut Vec<String>,
    ) {
        let same = self.read_twice(images, true);
        if !same.is_empty() {
            proven.push(format!(
                "the flash gave the same bytes twice for {}",
                list(&same)
            ));
        }
        let once: Vec<u32> = images
            .keys()
            .copied()
            .filter(|mtd| !matches!(self.fate(*mtd), Some(Fate::Image { same: Some(_), .. })))
            .collect();
        if !once.is_empty() {
            not_proven.push(format!(
                "that the flash gives the same bytes again: {} {} read once",
                list(&once),
                if once.len() == 1 { "was" } else { "were" }
            ));
        }
    }

    /// What was converted, and what that shows.
    fn converted(&self, proven: &mut Vec<String>, not_proven: &mut Vec<String>) {
        for (mtd, taken) in &self.assignment.files {
            let candidate = &self.candidates[taken.candidate];
            let (index, file) = (MtdIndex(*mtd), &candidate.file);
            if let (Some((lines, unchecked)), Form::Text) = (candidate.text_lines, candidate.form) {
                proven.push(format!(
                    "{index} is the bytes in {file}: {lines} lines of a dump, without a gap"
                ));
                if unchecked > 0 {
                    not_proven.push(format!(
                        "that {file} has the right bytes: {unchecked} lines have no column of text"
                    ));
                }
            }
            let without = match self.undone.get(mtd) {
                Some(Form::CrLf) => "without the 0d before each 0a".to_owned(),
                Some(Form::Oob(pages)) => format!("without what lies behind pages of {pages}"),
                _ => continue,
            };
            proven.push(format!("{index} is {file} {without}, and has its size so"));
            not_proven.push(match self.undone.get(mtd) {
                Some(Form::CrLf) => format!("that {file} differs from the flash in that alone"),
                _ => format!("that pages are so in {file}: no dump tells it, it was said"),
            });
        }
    }

    fn read_twice(&self, images: &BTreeMap<u32, Inspected>, wanted: bool) -> Vec<u32> {
        let fits = |mtd: &u32| matches!(self.fate(*mtd), Some(Fate::Image { same: Some(same), .. }) if *same == wanted);
        images.keys().copied().filter(fits).collect()
    }

    fn captured_by(&self) -> String {
        let records = self.folders.iter().flat_map(|folder| &folder.records);
        let tools: BTreeSet<&str> = records.map(|(_, record)| record.tool.as_str()).collect();
        if !tools.is_empty() {
            let tools: Vec<&str> = tools.into_iter().collect();
            return format!("the script of {}", tools.join(" and "));
        }
        let pages = self
            .folders
            .iter()
            .filter_map(|folder| folder.page.as_ref());
        match pages.into_iter().any(|page| page.starts_with(SCRIPT_PAGE)) {
            true => "the well-known shell script".into(),
            false => "unknown means".into(),
        }
    }

    /// Which file became which partition's image, where it has another name than that.
    pub(super) fn taken(&self, devices: &[MtdInfo]) -> Vec<String> {
        let mut lines = Vec::new();
        for (mtd, taken) in &self.assignment.files {
            let candidate = &self.candidates[taken.candidate];
            if names::is_own(&candidate.file, *mtd) && candidate.form == Form::Plain {
                continue;
            }
            let info = devices.iter().find(|info| info.index.0 == *mtd);
            let id = info.map_or_else(|| MtdIndex(*mtd).to_string(), |i| i.id().to_string());
            lines.push(format!(
                "{} is {id}: by {}{}",
                candidate.file,
                told_by(taken),
                match candidate.form {
                    Form::Gzip => ", unpacked",
                    Form::Text => ", converted",
                    _ => "",
                }
            ));
        }
        for (at, mtd) in &self.assignment.same {
            let file = &self.candidates[*at].file;
            lines.push(format!(
                "{file} has the same bytes as the file that is taken for {}",
                MtdIndex(*mtd)
            ));
        }
        lines
    }

    /// Files that are packed in a way that is not unpacked here.
    pub(super) fn packed(&self) -> Vec<String> {
        let files = self.candidates.iter().map(|candidate| &candidate.file);
        files
            .filter(|file| is_packed_otherwise(file))
            .cloned()
            .collect()
    }

    /// What is no part of the capture.
    pub(super) fn foreign(
        &self,
        devices: &[MtdInfo],
        layout: Option<(&str, &[u8])>,
    ) -> Vec<String> {
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        let given = layout.and_then(|(file, _)| real(Path::new(file)));
        let folders = self.folders.iter().flat_map(|folder| &folder.foreign);
        let mut foreign: Vec<String> = folders.map(|name| not_taken(name)).collect();
        let uncompared = self.folders.iter().flat_map(|folder| &folder.uncompared);
        foreign.extend(uncompared.cloned());
        let total = total_bytes(devices.iter().map(|info| info.size_bytes));
        for at in &self.assignment.unused {
            let candidate = &self.candidates[*at];
            if given.is_some() && given == real(&candidate.path) {
                continue;
            }
            let layouts = &self.folders[candidate.folder].layouts;
            let forms = layouts.iter().find(|(file, _)| *file == candidate.file);
            if let Some((file, forms)) = forms {
                foreign.push(format!(
                    "{file} was not used: it reads as {forms}; if it is this device's, name it \
                     with --layout"
                ));
                continue;
            }
            let mut said = not_taken(&candidate.file);
            if candidate.size_bytes == total && total > 0 {
                said += &format!(
                    "; it has {}, as all partitions together: `mtdkeep backup --image` cuts a \
                     whole chip's dump",
                    size(total)
                );
            }
            if is_packed_otherwise(&candidate.file) {
                said += "; it is packed: unpack it, and import again";
            }
            foreign.push(said);
        }
        foreign.sort();
        foreign
    }
}

fn not_taken(name: &str) -> String {
    format!("{name} is no part of the capture and was not taken")
}

/// Packed in a way that is not unpacked here.
fn is_packed_otherwise(file: &str) -> bool {
    const ENDINGS: [&str; 9] = [
        ".xz", ".bz2", ".lzma", ".zst", ".zip", ".7z", ".rar", ".tar", ".tgz",
    ];
    let file = file.to_ascii_lowercase();
    ENDINGS.iter().any(|ending| file.ends_with(ending)) || file.ends_with(".tar.gz")
}

fn told_by(taken: &Taken) -> &'static str {
    match taken.basis {
        Basis::Asked => "what --map says",
        Basis::NumberAndName => "number, name and size",
        Basis::Number => "number and size",
        Basis::Name => "name and size",
    }
}

/// What digests show, and of which images there is none.
fn digests(
    images: &BTreeMap<u32, Inspected>,
    proven: &mut Vec<String>,
    not_proven: &mut Vec<String>,
) {
    let of_device = |image: &&Inspected| image.has.iter().any(|given| given.by_device);
    let by_device: Vec<&Inspected> = images.values().filter(of_device).collect();
    if !by_device.is_empty() {
        let given = by_device.iter().flat_map(|image| &image.has);
        proven.push(format!(
            "{} files are what the device stored: they have the {} made there",
            by_device.len(),
            words(given.filter(|given| given.by_device))
        ));
    }
    let others: Vec<&Given> = images
        .values()
        .filter_map(|image| match of_device(&image) {
            true => None,
            false => image.has.first(),
        })
        .collect();
    if !others.is_empty() {
        let files: BTreeSet<&str> = others.iter().map(|given| given.file.as_str()).collect();
        let files: Vec<&str> = files.into_iter().collect();
        proven.push(format!(
            "{} the {} given in {}; who made it, and of what, is not told",
            match others.len() {
                1 => "1 file has".to_owned(),
                many => format!("{many} files have"),
            },
            words(others.iter().copied()),
            files.join(", ")
        ));
    }
    let without = images.iter().filter(|(_, image)| image.has.is_empty());
    let without: Vec<u32> = without.map(|(mtd, _)| *mtd).collect();
    if !without.is_empty() {
        not_proven.push(format!(
            "that files are what the device stored: it made no digest of {}",
            list(&without)
        ));
    }
}

/// `MD5 and SHA-256`.
fn words<'a>(given: impl Iterator<Item = &'a Given>) -> String {
    let words: BTreeSet<&str> = given.map(|given| given.sum.algorithm.word()).collect();
    let words: Vec<&str> = words.into_iter().collect();
    words.join(" and ")
}

/// `mtd0, mtd1, mtd2`.
fn list(numbers: &[u32]) -> String {
    let names: Vec<String> = numbers.iter().map(|n| MtdIndex(*n).to_string()).collect();
    names.join(", ")
}
