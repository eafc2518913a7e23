//! HTML as far as our pages use it, read strictly: every element is closed in order,
//! but for those that have no end; what a browser would mend is an error here.

/// Elements without an end.
const EMPTY: &[&str] = &["meta", "br"];

/// An element's beginning: its name, and its attributes.
type Element = (String, Vec<(String, String)>);

#[derive(Debug)]
pub(super) struct Structure {
    elements: Vec<Element>,
}

impl Structure {
    pub(super) fn of(text: &str) -> Result<Self, String> {
        let mut elements = Vec::new();
        let mut open: Vec<String> = Vec::new();
        let mut rest = text.strip_prefix("<!DOCTYPE html>").ok_or("no DOCTYPE")?;
        while let Some(at) = rest.find('<') {
            let (before, tag) = rest.split_at(at);
            entities(before)?;
            let end = tag.find('>').ok_or("a tag is not closed")?;
            let (inside, after) = (&tag[1..end], &tag[end + 1..]);
            rest = after;
            if let Some(name) = inside.strip_prefix('/') {
                let last = open.pop();
                if last.as_deref() != Some(name) {
                    return Err(format!("</{name}> closes {last:?}"));
                }
                continue;
            }
            let closed = inside.strip_suffix(" /");
            let element = element(closed.unwrap_or(inside))?;
            let name = element.0.clone();
            elements.push(element);
            if closed.is_some() || EMPTY.contains(&name.as_str()) {
                continue;
            }
            if name == "style" {
                let (style, after) = rest.split_once("</style>").ok_or("<style> stays open")?;
                if style.contains('<') {
                    return Err("a tag in <style>".into());
                }
                rest = after;
                continue;
            }
            open.push(name);
        }
        entities(rest)?;
        match open.is_empty() {
            true => Ok(Self { elements }),
            false => Err(format!("{open:?} stay open")),
        }
    }

    pub(super) fn count(&self, name: &str) -> usize {
        self.elements.iter().filter(|(tag, _)| tag == name).count()
    }

    /// What an attribute says, wherever an element of that name has it.
    pub(super) fn attribute(&self, tag: &str, name: &str) -> Vec<String> {
        let found = self.attributes();
        let found = found.filter(|(t, n, _)| *t == tag && *n == name);
        found.map(|(_, _, value)| value.to_owned()).collect()
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.elements.iter().flat_map(|(tag, attributes)| {
            let each = attributes.iter();
            each.map(move |(name, value)| (tag.as_str(), name.as_str(), value.as_str()))
        })
    }

    /// No id twice, and every one that is named is there.
    pub(super) fn assert_ids(&self, page: &str) {
        let of = |name: &'static str| {
            let found = self.attributes();
            let found = found.filter(move |(_, n, _)| *n == name);
            found
                .map(|(_, _, value)| value.to_owned())
                .collect::<Vec<_>>()
        };
        let mut ids = of("id");
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count, "{page}: an id is there twice");
        for named in of("aria-labelledby") {
            assert!(ids.contains(&named), "{page}: {named}");
        }
    }
}

/// Text may have an ampersand only as the beginning of an entity.
fn entities(text: &str) -> Result<(), String> {
    for piece in text.split('&').skip(1) {
        let name = piece.split(';').next().unwrap_or_default();
        let known = matches!(name, "amp" | "lt" | "gt" | "quot");
        let number = name
            .strip_prefix('#')
            .is_some_and(|n| n.parse::<u32>().is_ok());
        if !known && !number {
            return Err(format!("&{name}"));
        }
    }
    Ok(())
}

fn element(text: &str) -> Result<Element, String> {
    let (name, mut rest) = text.split_once([' ', '\n']).unwrap_or((text, ""));
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(format!("no element: <{text}>"));
    }
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok((name.into(), attributes));
        }
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let (attribute, after) = rest.split_at(end);
        let mut value = "";
        rest = after;
        if let Some(after) = rest.strip_prefix('=') {
            if let Some(quoted) = after.strip_prefix('"') {
                (value, rest) = quoted.split_once('"').ok_or("a quote stays open")?;
            } else {
                let end = after.find(' ').unwrap_or(after.len());
                (value, rest) = after.split_at(end);
                if value.is_empty() || value.contains(['"', '\'', '=', '`']) {
                    return Err(format!("{attribute}={value} needs quotes"));
                }
            }
        }
        entities(value)?;
        if attributes.iter().any(|(known, _)| known == attribute) {
            return Err(format!("{attribute} twice in <{text}>"));
        }
        attributes.push((attribute.to_owned(), value.to_owned()));
    }
}

/// The reader itself sees what is wrong.
#[rstest::rstest]
#[case("<p>", false)]
#[case("<p></p>", true)]
#[case("<p><b></p></b>", false)]
#[case("<p a=\"x\" b=1 c></p>", true)]
#[case("<p a=x a=y></p>", false)]
#[case("<p a=></p>", false)]
#[case("<p>a & b</p>", false)]
#[case("<p>a &amp; b &#39;</p>", true)]
#[case("<path d=x />", true)]
#[case("<br>", true)]
#[case("</p>", false)]
#[case("<p", false)]
fn what_is_well_formed(#[case] text: &str, #[case] good: bool) {
    let read = Structure::of(&format!("<!DOCTYPE html>{text}"));
    assert_eq!(read.is_ok(), good, "{text}: {read:?}");
}
