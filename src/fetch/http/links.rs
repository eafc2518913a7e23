//! The names that a page links to: the page of a backup, of a capture script, or a web
//! server's list of a folder.

use crate::backup::capture_format::{MD5_SUMS, RECORD, TABLE};
use crate::backup::contents::script_image;
use crate::backup::{INDEX, MANIFEST, SUMS};
use std::collections::BTreeSet;

/// Texts that are fetched beside the images.
pub(super) const TEXTS: &[&str] = &[MANIFEST, SUMS, INDEX, TABLE, MD5_SUMS, RECORD];

/// Plain names of files that belong to a backup or a capture, in order; what leads
/// elsewhere is left out.
pub(super) fn names(page: &str) -> BTreeSet<String> {
    let lower = page.to_ascii_lowercase();
    let mut names = BTreeSet::new();
    let mut at = 0;
    while let Some(found) = lower[at..].find("href") {
        at += found + "href".len();
        let rest = lower[at..].trim_start();
        let Some(rest) = rest.strip_prefix('=').map(str::trim_start) else {
            continue;
        };
        let start = lower.len() - rest.len();
        let value = &page[start..];
        let link = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split(quote).next(),
            _ => value.split(|c: char| c.is_whitespace() || c == '>').next(),
        };
        let name = link.unwrap_or_default();
        let name = name.strip_prefix("./").unwrap_or(name);
        if script_image(name).is_some() || TEXTS.contains(&name) {
            names.insert(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn links_of_every_kind() {
        let page = "<HTML><body>\n<A HREF=\"mtd0.bin\">x</A><a download href='./mtd1.bin'> \
                    <a href=mtd2.bin>y <a href = \"manifest.json\"> <a href=\"../mtd3.bin\"> \
                    <a href=\"http://other/mtd4.bin\"> <a href=\"/mtd5.bin\"> \
                    <a href=\"mtd01.bin\"> <a href=\"thesis.doc\"> href";
        let found: Vec<_> = names(page).into_iter().collect();
        assert_eq!(found, ["manifest.json", "mtd0.bin", "mtd1.bin", "mtd2.bin"]);
    }

    proptest! {
        #[test]
        fn no_page_makes_it_panic(page in "\\PC{0,200}(href ?= ?[\"']?.{0,20}){0,5}") {
            names(&page);
        }
    }
}
