//! `index.html`: the backup for a browser, also a phone's, from the device's own
//! web server or from a folder. One file, no script, links relative. It carries a
//! copy of the manifest, exact to the byte, from which a torn one can be restored.

use super::known;
use super::manifest::{Image, LayoutEntry, MANIFEST, Manifest, SUMS};
use crate::backup::units::size;
use crate::printable::printable;
use std::fmt::Write as _;

/// By this text `clean` knows the page as a backup's own.
pub(crate) const GENERATOR: &str = "<meta name=\"generator\" content=\"mtdkeep";

/// Before and after the copy of the manifest.
const COPY: &str = "<pre id=\"manifest\">";
const COPY_END: &str = "</pre>";

const STYLE: &str = "body{font:16px/1.45 sans-serif;max-width:46em;margin:0 auto;padding:.7em;\
color:#222;background:#fff}li{margin:.9em 0}ul{list-style:none;padding:0}\
a{font-weight:bold;padding:.3em 0}code,pre{font-size:.8em;overflow-wrap:anywhere;color:#555}pre{white-space:pre-wrap}\
.bad{color:#a00}@media(prefers-color-scheme:dark){body{color:#ddd;background:#111}a{color:#8bf}\
code,pre{color:#aaa}.bad{color:#f88}}";

/// The page for a finished backup, with the text of its manifest.
pub fn render(manifest: &Manifest, text: &[u8]) -> String {
    let mut page = String::with_capacity(8192 + 2 * text.len());
    let device = Escaped(&manifest.device.description);
    let total = crate::mtd::total_bytes(manifest.images.iter().map(|image| image.size_bytes));
    let with_sums = manifest.has_sha256();
    let manifest_link = format!("<a href=\"{MANIFEST}\">{MANIFEST}</a>");
    // Writing into a String cannot fail, here and below.
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         {GENERATOR} {version}\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>Flash backup: {device}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>Flash backup</h1>\n<p>{device}<br>{created}<br>{count} images, {total}</p>\n\
         <p>Save every image, and {texts} beside them; then {prove} tells whether \
         all arrived whole.</p>\n<ul>\n",
        version = env!("CARGO_PKG_VERSION"),
        created = Escaped(&manifest.created_utc),
        count = manifest.images.len(),
        total = size(total),
        texts = if with_sums {
            format!("<a href=\"{SUMS}\">{SUMS}</a> and {manifest_link}")
        } else {
            manifest_link
        },
        prove = if with_sums {
            format!("<code>sha256sum -c {SUMS}</code> or <code>mtdkeep verify</code>")
        } else {
            "<code>mtdkeep verify</code>".into()
        },
    );
    for image in &manifest.images {
        let entry = manifest.layout.iter().find(|entry| entry.mtd == image.mtd);
        render_image(&mut page, image, entry);
    }
    page.push_str("</ul>\n");
    for (entry, why) in manifest.missing_partitions() {
        let _ = writeln!(
            page,
            "<p class=\"bad\">Not in this backup: mtd{} {}: {}</p>",
            entry.mtd,
            Escaped(&entry.name),
            Escaped(&why.reason)
        );
    }
    if let Some(origin) = &manifest.origin {
        let _ = writeln!(page, "<p>Captured by {}</p>", Escaped(&origin.captured_by));
        for what in &origin.not_proven {
            let _ = writeln!(page, "<p>Not proven: {}</p>", Escaped(what));
        }
    }
    let _ = write!(
        page,
        "<details><summary>A copy of {MANIFEST}, should it be lost: \
         <code>mtdkeep repair</code> takes it</summary>\n{COPY}"
    );
    copy_exactly(&mut page, &String::from_utf8_lossy(text));
    let _ = write!(page, "{COPY_END}\n</details>\n</body>\n</html>\n");
    page
}

/// Text that comes back to the byte, and is no markup. Control characters are
/// escaped by JSON already, but for the line end and those of the second set.
fn copy_exactly(page: &mut String, text: &str) {
    for c in text.chars() {
        if c != '\n' && (c.is_control() || "&<>".contains(c)) {
            let _ = write!(page, "&#{};", u32::from(c));
        } else {
            page.push(c);
        }
    }
}

/// The copy of the manifest in a page, as far as it goes; none where there is none.
pub(crate) fn manifest_copy(page: &str) -> Option<Vec<u8>> {
    let (_, copy) = page.split_once(COPY)?;
    let copy = copy.split(COPY_END).next().unwrap_or(copy);
    let mut text = String::with_capacity(copy.len());
    let mut pieces = copy.split("&#");
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (number, rest) = piece.split_once(';')?;
        text.push(char::from_u32(number.parse().ok()?)?);
        text.push_str(rest);
    }
    Some(text.into_bytes())
}

fn render_image(page: &mut String, image: &Image, entry: Option<&LayoutEntry>) {
    let file = Escaped(&image.file);
    let _ = write!(
        page,
        "<li><a href=\"{file}\">{file}</a> {} ({})",
        Escaped(&image.name),
        size(image.size_bytes)
    );
    if let Some(what) = known::description(&image.name) {
        let _ = write!(page, "<br>{what}");
    }
    let place =
        entry.and_then(|entry| Some((entry.offset_bytes?, entry.offset_source.as_deref()?)));
    if let Some((offset_bytes, source)) = place {
        let _ = write!(page, "<br>at {offset_bytes:#x} (by: {})", Escaped(source));
    }
    for what in entry.iter().flat_map(|entry| &entry.contradictions) {
        let _ = write!(
            page,
            "<br><span class=\"bad\">contradicted: {}</span>",
            Escaped(what)
        );
    }
    if image.unreadable_bytes() > 0 {
        let _ = write!(
            page,
            "<br><span class=\"bad\">{} could not be read and stand as 0xFF</span>",
            size(image.unreadable_bytes())
        );
    }
    if let Some(doubt) = &image.doubt {
        let _ = write!(page, "<br><span class=\"bad\">{}</span>", Escaped(doubt));
    }
    if let Some(blank) = &image.blank {
        let _ = write!(page, "<br>{blank}");
    }
    page.push_str("<br><code>");
    let digests = image.named_digests();
    for (at, (name, value)) in digests.enumerate() {
        let _ = write!(page, "{}{name} {value}", if at > 0 { "<br>" } else { "" });
    }
    page.push_str("</code></li>\n");
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
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_copy_comes_back_to_the_byte(text in any::<String>()) {
            let mut page = format!("<p>{COPY}");
            copy_exactly(&mut page, &text);
            page += COPY_END;
            let markup = page.matches('<').count();
            prop_assert_eq!(markup, 3, "no markup of the text's own");
            prop_assert_eq!(manifest_copy(&page), Some(text.into_bytes()));
        }

        #[test]
        fn no_page_makes_it_panic(text in any::<String>()) {
            manifest_copy(&format!("{COPY}{text}"));
        }
    }
}
