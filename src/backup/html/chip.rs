//! The picture of a chip, to scale: its partitions in colour, erased space lighter,
//! what could not be read hatched. Only of what somebody tells where it lies.

use super::Escaped;
use crate::backup::erased::Used;
use crate::backup::manifest::{LayoutEntry, Manifest};
use std::fmt::Write as _;

/// The picture's units are tenths of a pixel, so that whole numbers do.
const WIDTH: u64 = 3400;
const TOP: u64 = 80;
const LEFT: u64 = 60;
const COLUMN: u64 = 1000;
/// A name's line.
const LINE: u64 = 180;
/// How far a partition inside another is moved in.
const INSIDE: u64 = 120;
/// Of a partition that would hardly be seen.
const LEAST: u64 = 8;
/// More lines than that are no picture.
const PARTITIONS_MAX: usize = 64;
/// Letters of a name for which there is room.
const LETTERS: usize = 20;

/// Eight colours that differ for most eyes, neither light nor dark.
const COLOURS: [&str; 8] = [
    "#4477aa", "#cc6677", "#228833", "#aa8800", "#9966bb", "#33889f", "#a6613c", "#777777",
];

/// A partition in its place.
struct Placed<'a> {
    entry: &'a LayoutEntry,
    chip: u32,
    start: u64,
    end: u64,
}

pub(super) fn draw(page: &mut String, manifest: &Manifest, used: &[(u32, Used)]) {
    let mut placed: Vec<Placed<'_>> = Vec::new();
    for entry in &manifest.layout {
        let Some((chip, start, end)) = entry.place().filter(|(_, start, end)| start < end) else {
            continue;
        };
        let one = Placed {
            entry,
            chip,
            start,
            end,
        };
        // In the order of the chip, those around others before them.
        let is_before =
            |other: &Placed<'_>| (other.chip, other.start, !other.end) <= (chip, start, !end);
        let at = placed.iter().take_while(|other| is_before(other)).count();
        placed.insert(at, one);
    }
    if placed.is_empty() || placed.len() > PARTITIONS_MAX {
        return;
    }
    page.push_str("<section aria-labelledby=c><h2 id=c>The chip</h2>\n");
    for boxes in placed.chunk_by(|one, other| one.chip == other.chip) {
        picture(page, manifest, used, boxes);
    }
    page.push_str("</section>\n");
}

fn picture(page: &mut String, manifest: &Manifest, used: &[(u32, Used)], boxes: &[Placed<'_>]) {
    let told_bytes = boxes.iter().find_map(|one| one.entry.chip_bytes);
    let last = boxes.iter().map(|one| one.end).max().unwrap_or(1);
    let chip_bytes = told_bytes.unwrap_or(last).max(last);
    let height = (boxes.len() as u64 * LINE).max(2000);
    // Bytes of one unit of length, rounded up: nothing lies outside.
    let unit = chip_bytes.div_ceil(height).max(1);
    let at = |bytes: u64| TOP + bytes / unit;
    let _ = write!(
        page,
        "<figure><svg role=img aria-label=\"The chip's partitions, to scale; the list below has them \
         all\" viewBox=\"0 0 {WIDTH} {}\"><defs><pattern id=h \
         width=60 height=60 patternUnits=userSpaceOnUse><path d=\"M0 60L60 0\" stroke=#fff \
         stroke-width=20 /><path d=\"M0 30L30 0\" stroke=#000 stroke-width=12 /></pattern></defs>\
         <rect x={LEFT} y={TOP} width={COLUMN} height={} fill=none />",
        height + 2 * TOP,
        at(chip_bytes) - TOP,
    );
    let mut label = Label {
        last: 0,
        limit: TOP + height - (boxes.len() as u64 - 1) * LINE,
    };
    for (number, one) in boxes.iter().enumerate() {
        let around = boxes[..number].iter().filter(|other| other.end >= one.end);
        let depth = (around.count() as u64).min(6);
        let (x, width) = (LEFT + depth * INSIDE, COLUMN - depth * INSIDE);
        let (top, tall) = (at(one.start), (at(one.end) - at(one.start)).max(LEAST));
        // By its beginning: what lies in it begins later, and lines do not cross.
        let middle = top + tall.min(LINE) / 2;
        let colour = COLOURS[number % COLOURS.len()];
        let name = Escaped(&one.entry.name).to_string();
        let _ = write!(
            page,
            "<rect x={x} y={top} width={width} height={tall} fill={colour}><title>mtd{} {name}\
             </title></rect>",
            one.entry.mtd
        );
        let image = manifest
            .images
            .iter()
            .find(|image| image.mtd == one.entry.mtd);
        let Some(image) = image else {
            hatch(page, x, top, width, tall);
            name_it(page, one, middle, &mut label, " (missing)");
            continue;
        };
        if let Some((_, used)) = used.iter().find(|(mtd, _)| *mtd == image.mtd) {
            erased(page, *used, x, top, width, tall);
        }
        for range in &image.unreadable {
            let from = at(one.start + range.offset_bytes);
            let to = at(one.start + range.offset_bytes + range.length_bytes);
            hatch(page, x, from, width, (to - from).max(40));
        }
        name_it(page, one, middle, &mut label, "");
    }
    page.push_str("</svg><figcaption class=m>");
    if !used.is_empty() {
        page.push_str("Lighter: erased. ");
    }
    page.push_str("Hatched: could not be read.</figcaption></figure>\n");
}

fn hatch(page: &mut String, x: u64, y: u64, width: u64, tall: u64) {
    let _ = write!(
        page,
        "<rect x={x} y={y} width={width} height={tall} fill=url(#h) />"
    );
}

/// The cells in which nothing but 0xFF was read, neighbours as one.
fn erased(page: &mut String, used: Used, x: u64, top: u64, width: u64, tall: u64) {
    let mut path = String::new();
    let mut from = None;
    let count = used.count();
    for cell in 0..=count {
        let is_erased = cell < count && used.is_erased(cell);
        match (is_erased, from) {
            (true, None) => from = Some(cell),
            (false, Some(first)) => {
                let at = |cell: u64| top + tall * cell / count;
                let (y, end) = (at(first), at(cell));
                let _ = write!(path, "M{x} {y}h{width}V{end}h-{width}z");
                from = None;
            }
            _ => {}
        }
    }
    if !path.is_empty() {
        let _ = write!(page, "<path class=e d=\"{path}\" />");
    }
}

/// Where the next name may stand.
#[derive(Clone, Copy)]
struct Label {
    last: u64,
    /// Below it there would be no room for those that follow.
    limit: u64,
}

/// Writes a name beside its partition, or below the name before.
fn name_it(page: &mut String, one: &Placed<'_>, middle: u64, label: &mut Label, more: &str) {
    let y = middle.max(label.last + LINE).min(label.limit);
    *label = Label {
        last: y,
        limit: label.limit + LINE,
    };
    let name = &one.entry.name;
    let end = name
        .char_indices()
        .nth(LETTERS)
        .map_or(name.len(), |(at, _)| at);
    let dots = if end < name.len() { "…" } else { "" };
    let (from, to) = (LEFT + COLUMN, LEFT + COLUMN + 160);
    let _ = write!(
        page,
        "<path class=k d=\"M{from} {middle}L{to} {y}\" /><text x={} y={}>mtd{} {}{dots}{more}</text>",
        to + 40,
        y + 45,
        one.entry.mtd,
        Escaped(&name[..end]),
    );
}
