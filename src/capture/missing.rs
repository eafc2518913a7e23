//! Why a partition has no image: what was not asked for, what the device could not
//! give, what was not fetched. Nothing is called absent that somebody saw.

use super::check;
use super::found::CaptureFolder;
use super::inspect::Found;
use super::record::Fate;
use crate::backup::{INDEX, MANIFEST};
use crate::mtd::{MtdIndex, MtdInfo};
use std::collections::{BTreeMap, BTreeSet};

impl Found {
    /// Why partitions have no image, and which nobody had asked for.
    pub(super) fn missing(&self, devices: &[MtdInfo]) -> (BTreeMap<u32, String>, BTreeSet<u32>) {
        let (mut missing, mut skipped) = (BTreeMap::new(), BTreeSet::new());
        let given = check::Index::new(&self.given);
        for info in devices {
            let mtd = info.index.0;
            // Of a partition without a byte nothing can be missing.
            if self.assignment.files.contains_key(&mtd) || info.size_bytes == 0 {
                continue;
            }
            let file = format!("{}.bin", MtdIndex(mtd));
            let has_link = |folder: &CaptureFolder| {
                let page = folder.page.as_ref();
                page.is_some_and(|page| page.contains(&format!("\"{file}\"")))
            };
            let listed = given.of(None, info).into_iter().next();
            let reason = match self.fate(mtd) {
                Some(Fate::Skipped) => {
                    skipped.insert(mtd);
                    continue;
                }
                Some(Fate::Left(reason)) => format!("on the device, {reason}"),
                Some(Fate::Image { .. }) => format!("the device stored {file}; it was not fetched"),
                None if self.folders.iter().any(has_link) => {
                    format!("the device stored {file}; it was not fetched")
                }
                None => match listed {
                    Some(given) if [MANIFEST, INDEX].contains(&given.file.as_str()) => {
                        format!("{} has an image of it; it is not there", given.file)
                    }
                    Some(given) => format!(
                        "{} has a digest of {}; it was not fetched",
                        given.file, given.sum.name
                    ),
                    None if self.folders.iter().any(|f| !f.records.is_empty()) => {
                        "the capture was cut off before it".into()
                    }
                    None => format!(
                        "there is no {file}; scripts leave a partition without a node out and say nothing"
                    ),
                },
            };
            missing.insert(mtd, reason);
        }
        (missing, skipped)
    }
}
