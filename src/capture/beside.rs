//! Which layout goes with what was found, and which texts beside the images could be one:
//! they are named, and not taken, because nobody says that they are this device's.

use super::error::ImportError;
use super::inspect::Found;
use super::layout::{self, KnownLayout};
use super::own_manifest;
use crate::mtd::parse_proc_mtd;
use std::collections::BTreeMap;

impl Found {
    /// The given layout, the captured one, that of a manifest, or the iSpot's.
    pub(super) fn layout(&self, given: Option<(&str, &[u8])>) -> Result<KnownLayout, ImportError> {
        let tables = || self.folders.iter().flat_map(|folder| &folder.tables);
        let first = tables().next();
        let entries = |text: &[u8]| parse_proc_mtd(text).ok();
        if let Some((file, text)) = first {
            if let Some((other, _)) = tables().find(|(_, its)| entries(its) != entries(text)) {
                return Err(ImportError::LayoutsDiffer {
                    file: other.clone(),
                    why: format!(": {file} is another one"),
                });
            }
        }
        let manifest = self.folders.iter().find_map(|f| f.manifest.as_ref());
        if let (None, None, Some(manifest)) = (given, first, manifest) {
            return Ok(own_manifest::layout(manifest));
        }
        let mut sizes_bytes = BTreeMap::new();
        for candidate in &self.candidates {
            let number = candidate.name.number;
            let Some(number) = number else { continue };
            sizes_bytes.entry(number).or_insert(candidate.size_bytes);
        }
        let captured = first.map(|(_, text)| text.as_slice());
        layout::find(given, captured, &sizes_bytes).map_err(|error| match error {
            ImportError::NeedsLayout { why, .. } => ImportError::NeedsLayout {
                why,
                beside: self.layouts_beside(),
            },
            error => error,
        })
    }

    /// Texts in the folders that read as a layout, each with its form, and that nobody
    /// named: they may be another device's.
    pub(super) fn layouts_beside(&self) -> Vec<String> {
        let layouts = self.folders.iter().flat_map(|folder| &folder.layouts);
        let said = layouts.map(|(file, forms)| format!("{file}, which reads as {forms}"));
        said.collect()
    }
}
