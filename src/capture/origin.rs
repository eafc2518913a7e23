//! What is said of an import: what was proven of the captured files, and what
//! could not be.

use super::evidence::Evidence;
use super::format::SCRIPT_PAGE;
use super::inspect::{Found, Inspected};
use super::layout::KnownLayout;
use super::record::Fate;
use crate::backup::Origin;
use crate::mtd::{MtdIndex, MtdInfo};
use std::collections::{BTreeMap, BTreeSet};

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
        let without: Vec<u32> = images
            .iter()
            .filter(|(_, image)| !image.has_device_digest)
            .map(|(mtd, _)| *mtd)
            .collect();
        if without.len() < count {
            proven.push(format!(
                "{} files are what the device stored: they have the MD5 made there",
                count - without.len()
            ));
        }
        if !without.is_empty() {
            not_proven.push(format!(
                "that files are what the device stored: it made no digest of {}",
                list(&without)
            ));
        }
        self.readings(images, &mut proven, &mut not_proven);
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
        if self.record.as_ref().is_some_and(|record| !record.complete) {
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
                "that the flash gives the same bytes again: {} was read once",
                list(&once)
            ));
        }
    }

    fn read_twice(&self, images: &BTreeMap<u32, Inspected>, wanted: bool) -> Vec<u32> {
        let fits = |mtd: &u32| matches!(self.fate(*mtd), Some(Fate::Image { same: Some(same), .. }) if *same == wanted);
        images.keys().copied().filter(fits).collect()
    }

    fn captured_by(&self) -> String {
        match (&self.record, &self.index) {
            (Some(record), _) => format!("the script of {}", record.tool),
            (None, Some(page)) if page.starts_with(SCRIPT_PAGE) => {
                "the well-known shell script".into()
            }
            _ => "unknown means".into(),
        }
    }
}

/// `mtd0, mtd1, mtd2`.
fn list(numbers: &[u32]) -> String {
    let names: Vec<String> = numbers.iter().map(|n| MtdIndex(*n).to_string()).collect();
    names.join(", ")
}
