//! The page about a backup, for a browser, also a phone's: as `index.html` in its
//! folder, and from the server. One file, no script, nothing from elsewhere, links
//! relative. In a folder it carries a copy of the manifest, exact to the byte, from
//! which a torn one can be restored.
//!
//! The script's page (`capture`) has the same head, and the same order of things.
//!
//! Invariant: text from outside is escaped wherever it stands, and shows no character
//! that would be obeyed.

mod chip;
mod copy;
mod sources;
mod words;

use super::erased::Used;
use super::known;
use super::manifest::{Image, LayoutEntry, MANIFEST, Manifest, SUMS};
use crate::backup::units::size;
use crate::printable::printable;
pub(crate) use copy::manifest_copy;
use std::fmt::Write as _;
pub(crate) use words::{GENERATOR, head};
use words::{LINUX, MACOS, WINDOWS};

/// Where a page is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// Beside the files, with the manifest's text.
    Folder(&'a [u8]),
    /// From a server.
    Server {
        /// It has the whole chip as one file.
        has_chip: bool,
        /// It streams from flash, and nothing is stored.
        is_live: bool,
    },
}

/// What a page is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page<'a> {
    pub(crate) manifest: &'a Manifest,
    /// Which parts of the images are more than erased flash, by N of mtdN.
    pub(crate) used: &'a [(u32, Used)],
    pub(crate) place: Place<'a>,
}

impl Page<'_> {
    /// The page's text.
    pub(crate) fn render(&self) -> String {
        let mut page = String::with_capacity(16 << 10);
        let device = Escaped(&self.manifest.device.description).to_string();
        head(&mut page, &device);
        self.state(&mut page);
        self.secrets(&mut page);
        self.everything(&mut page);
        chip::draw(&mut page, self.manifest, self.used);
        self.partitions(&mut page);
        self.proof(&mut page);
        self.digests(&mut page);
        if let Place::Folder(text) = self.place {
            copy::put(&mut page, &String::from_utf8_lossy(text));
        }
        page.push_str("</main>\n<footer><p class=m>");
        page.push_str(&Escaped(&self.manifest.tool).to_string());
        page.push_str("</p></footer>\n</body>\n</html>\n");
        page
    }

    /// Whole or not, and when.
    fn state(&self, page: &mut String) {
        let manifest = self.manifest;
        let bytes = crate::mtd::total_bytes(manifest.images.iter().map(|image| image.size_bytes));
        let count = super::count(manifest.images.len() as u64, "partition");
        let word = match manifest.is_partial() {
            true => "<strong class=r>Partial: something that was wanted is missing.</strong>",
            false => "<strong>Whole:</strong>",
        };
        // Writing into a String cannot fail, here and below.
        let twice = match lie_in_others(&manifest.layout) {
            true => "; some lie in others, and are counted in both",
            false => "",
        };
        let _ = writeln!(page, "<p>{word} {count}, {}{twice}.</p>", size(bytes));
        for (entry, why) in manifest.missing() {
            missing(page, entry, &why.reason);
        }
        for image in &manifest.images {
            let (mtd, name, lost) = (image.mtd, Escaped(&image.name), image.unreadable_bytes());
            if lost > 0 {
                let lost = size(lost);
                let _ = writeln!(
                    page,
                    "<p class=r>mtd{mtd} {name}: {lost} could not be read</p>"
                );
            }
        }
        let left = manifest.layout.iter().filter(|entry| is_by_choice(entry));
        let left = left.count() as u64;
        if left > 0 {
            let count = super::count(left, "other partition");
            let _ = writeln!(
                page,
                "<p>{count} of this device had not been asked for.</p>"
            );
        }
        let created = Escaped(&manifest.created_utc);
        // No device is older than this program's first backup.
        let unset = match manifest.created_utc.as_str() < "2010" {
            true => ", by a clock that had not been set",
            false => "",
        };
        let _ = writeln!(page, "<p class=m>Begun {created}{unset}.</p>");
        if let Some(origin) = &manifest.origin {
            let _ = writeln!(page, "<p>Captured by {}</p>", Escaped(&origin.captured_by));
            for what in &origin.not_proven {
                let _ = writeln!(page, "<p>Not proven: {}</p>", Escaped(what));
            }
        }
    }

    fn secrets(&self, page: &mut String) {
        page.push_str(words::SECRETS);
        page.push_str(match self.place {
            Place::Folder(_) => words::REMOVE_FOLDER,
            // The device's program serves nothing else.
            Place::Server { is_live, .. } if is_live || cfg!(not(feature = "full")) => {
                words::REMOVE_NOTHING
            }
            Place::Server { .. } => words::REMOVE_SERVED,
        });
        page.push_str("</section>\n");
    }

    fn everything(&self, page: &mut String) {
        page.push_str("<section aria-labelledby=g><h2 id=g>Get it</h2>\n");
        match self.place {
            Place::Folder(_) => page.push_str(words::WGET),
            Place::Server { has_chip, .. } => {
                page.push_str(words::TAR);
                if has_chip {
                    page.push_str(words::CHIP);
                }
            }
        }
        page.push_str("</section>\n");
    }

    fn partitions(&self, page: &mut String) {
        page.push_str("<section aria-labelledby=p><h2 id=p>Partitions</h2>\n<ul>\n");
        let names = self.manifest.layout.iter().map(|entry| entry.name.as_str());
        let is_ispot = known::is_ispot(names);
        for image in &self.manifest.images {
            partition(page, image, is_ispot);
        }
        page.push_str("</ul>\n");
        sources::put(page, self.manifest);
        page.push_str("<p>And what proves them: ");
        link(page, MANIFEST);
        if self.has_sums() {
            page.push_str(", ");
            link(page, SUMS);
        }
        page.push_str("</p></section>\n");
    }

    /// Whether there are sums, or will be once the images were read.
    fn has_sums(&self) -> bool {
        let unknown = |image: &Image| image.digests().is_none();
        self.manifest.has_sha256() || self.manifest.images.iter().any(unknown)
    }

    fn proof(&self, page: &mut String) {
        page.push_str("<section aria-labelledby=v><h2 id=v>Prove it</h2>\n");
        page.push_str(words::VERIFY);
        if self.has_sums() {
            for (system, command) in [LINUX, MACOS, WINDOWS] {
                let _ = writeln!(page, "<p>{system}:</p><pre><code>{command}</code></pre>");
            }
        }
        page.push_str("</section>\n");
    }

    fn digests(&self, page: &mut String) {
        page.push_str("<details><summary>Digests</summary><ul>\n");
        for image in &self.manifest.images {
            let _ = write!(page, "<li>{}", Escaped(&image.file));
            for (name, value) in image.named_digests() {
                let _ = write!(page, "<br><code>{name} {}</code>", Escaped(value));
            }
            if image.digests().is_none() {
                page.push_str(" <span class=m>is not read yet</span>");
            }
            page.push_str("</li>\n");
        }
        page.push_str("</ul></details>\n");
    }
}

/// Whether partitions overlap, as far as their places are certain.
fn lie_in_others(layout: &[LayoutEntry]) -> bool {
    for (at, one) in layout.iter().enumerate() {
        for other in &layout[..at] {
            if let (Some(one), Some(other)) = (one.place(), other.place()) {
                if one.0 == other.0 && one.1 < other.2 && other.1 < one.2 {
                    return true;
                }
            }
        }
    }
    false
}

fn is_by_choice(entry: &LayoutEntry) -> bool {
    entry.left_out.as_ref().is_some_and(|why| why.by_choice)
}

fn missing(page: &mut String, entry: &LayoutEntry, reason: &str) {
    let _ = writeln!(
        page,
        "<p class=r>Not in this backup: mtd{} {}: {}</p>",
        entry.mtd,
        Escaped(&entry.name),
        Escaped(reason)
    );
}

fn link(page: &mut String, file: &str) {
    let file = Escaped(file);
    let _ = write!(page, "<a href=\"{file}\" download>{file}</a>");
}

fn partition(page: &mut String, image: &Image, is_ispot: bool) {
    page.push_str("<li>");
    link(page, &image.file);
    let _ = write!(
        page,
        " {}, {}",
        Escaped(&image.name),
        size(image.size_bytes)
    );
    // A name says little of a device that is not known.
    let what = match is_ispot {
        true => known::description(&image.name),
        false => None,
    };
    let is_of_one = known::is_called_as_of_one_device(&image.name);
    if let Some(what) = what.or_else(|| is_of_one.then_some(words::OF_ONE_DEVICE)) {
        let class = if is_of_one { "r" } else { "m" };
        let _ = write!(page, "<br><span class={class}>{what}</span>");
    }
    if image.unreadable_bytes() > 0 {
        let _ = write!(
            page,
            "<br><span class=r>{} could not be read and stand as 0xFF</span>",
            size(image.unreadable_bytes())
        );
    }
    if let Some(doubt) = &image.doubt {
        let _ = write!(page, "<br><span class=r>{}</span>", Escaped(doubt));
    }
    if let Some(blank) = &image.blank {
        let _ = write!(page, "<br><span class=r>{blank}</span>");
    }
    page.push_str("</li>\n");
}

/// The page in a backup's folder, with the text of its manifest.
pub(crate) fn of_folder(manifest: &Manifest, text: &[u8], used: &[(u32, Used)]) -> String {
    let place = Place::Folder(text);
    let page = Page {
        manifest,
        used,
        place,
    };
    page.render()
}

/// Text from outside, harmless in text and in quoted attributes, and without a
/// character that would be obeyed instead of shown.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in printable(self.0).chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => std::fmt::Write::write_char(f, c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// What a name is taken for: on the iSpot that is known, elsewhere only that such a
    /// partition belongs to one device, and that this is by its name.
    #[rstest]
    #[case("rootfs", true, "the root file system (JFFS2)")]
    #[case("param", true, "class=r>made at the factory")]
    #[case("rootfs", false, "rootfs, 1 KiB</li>")]
    #[case(
        "ART",
        false,
        "class=r>By its name, made at the factory for this one device"
    )]
    #[case("factory", false, "Irreplaceable")]
    #[case("firmware", false, "firmware, 1 KiB</li>")]
    fn what_a_name_is_taken_for(#[case] name: &str, #[case] is_ispot: bool, #[case] says: &str) {
        let image = Image {
            mtd: 1,
            name: name.into(),
            file: "mtd1.bin".into(),
            size_bytes: 1024,
            erase_block_bytes: 1024,
            crc32: None,
            sha256: None,
            unreadable: Vec::new(),
            second_reading: None,
            doubt: None,
            blank: None,
        };
        let mut page = String::new();
        partition(&mut page, &image, is_ispot);
        assert!(page.contains(says), "{page}");
    }

    #[rstest]
    #[case("RedBoot param ver_1 ver_2", true)]
    #[case("u-boot firmware kernel rootfs rootfs_data art", false)]
    #[case("param rootfs", false)]
    fn the_ispot_is_known_by_its_layout(#[case] names: &str, #[case] expected: bool) {
        assert_eq!(known::is_ispot(names.split(' ')), expected);
    }
}
