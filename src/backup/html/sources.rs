//! Who tells where the partitions lie, and what contradicts it.

use super::Escaped;
use crate::backup::manifest::Manifest;
use crate::mtd::FactSource;
use std::fmt::Write as _;

pub(super) fn put(page: &mut String, manifest: &Manifest) {
    let mut sources: Vec<&str> = Vec::new();
    let mut inferred = false;
    for entry in &manifest.layout {
        inferred |= entry.is_told_by(FactSource::Sum);
        if let Some(source) = entry.offset_source.as_deref() {
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
    }
    if inferred {
        page.push_str("<p>Where partitions lie is inferred: nobody told it.</p>\n");
    } else if !sources.is_empty() {
        let sources = sources.join(", ");
        let _ = writeln!(
            page,
            "<p>Where they lie is told by: {}.</p>",
            Escaped(&sources)
        );
    }
    for entry in &manifest.layout {
        for what in &entry.contradictions {
            let (mtd, name) = (entry.mtd, Escaped(&entry.name));
            let what = Escaped(what);
            let _ = writeln!(
                page,
                "<p class=r>mtd{mtd} {name} is contradicted: {what}</p>"
            );
        }
    }
}
