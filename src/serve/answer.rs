//! What is answered to a request.

use super::body::Body;
use super::content::Content;
use super::part::Part;
use super::range::{Wanted, wanted};
use super::request::Request;
use super::response::{Head, Kind, Status};
use super::route::{Name, Route, is_address, route};
use crate::backup::digest;

/// A head, and what follows it.
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Body,
    /// Whether the connection stays.
    pub(crate) stays: bool,
    /// What is sent, where it is something that a backup has, and how long it is.
    pub(crate) name: Option<(String, u64)>,
}

impl Answer {
    /// A status alone, after which the connection is closed: what follows on it may be
    /// anything.
    pub(crate) fn refused(status: Status) -> Self {
        Self::short(status, None, false, false)
    }

    fn short(status: Status, location: Option<&str>, head_only: bool, stays: bool) -> Self {
        let text = format!("{}\n", status.text());
        let head = Head {
            status,
            kind: Kind::Text,
            size_bytes: text.len() as u64,
            part: None,
            digest_follows: false,
            tag: None,
            location,
            stays,
        };
        Self {
            head: head.render(),
            body: body_of(text.into_bytes(), head_only),
            stays,
            name: None,
        }
    }
}

fn body_of(text: Vec<u8>, head_only: bool) -> Body {
    Body::new(match head_only {
        true => Vec::new(),
        false => vec![Part::Text(text)],
    })
}

/// The answer; none before images are known that it has to tell of.
pub(crate) fn answer(
    request: &Request<'_>,
    token: Option<&str>,
    content: &mut Content,
) -> Option<Answer> {
    let short = |status, location| {
        Some(Answer::short(
            status,
            location,
            request.head_only,
            request.stays,
        ))
    };
    // With a token, only who has it comes here.
    if token.is_none() && request.host.is_some_and(|host| !is_address(host)) {
        return short(Status::NotFound, None);
    }
    let name = match route(request.target, token) {
        Route::To(name) => name,
        Route::ToPage => return short(Status::Moved, Some(&format!("{}/", request.target))),
        Route::Nowhere => return short(Status::NotFound, None),
    };
    if let Name::Verified(digest) = name {
        let status = match !request.head_only && content.verify(digest) {
            true => Status::Ok,
            false => Status::NotFound,
        };
        return short(status, None);
    }
    if let Some(made) = content.file(name) {
        let tag = made.tag.clone();
        let mut body = Body::of(made);
        body.digest_follows = request.trailers && content.has_digest(body.image());
        return Some(file(request, body, Kind::Bytes, &tag));
    }
    let kind = match name {
        Name::Page | Name::Index => Kind::Page,
        Name::Manifest => Kind::Json,
        // Of a text, a browser would store SHA256SUMS.txt.
        Name::Sums => Kind::Bytes,
        _ => return short(Status::NotFound, None),
    };
    let Some(text) = content.text(name)? else {
        return short(Status::NotFound, None);
    };
    // The same text has the same tag.
    let tag = format!(
        "\"{}\"",
        digest::sha256(&text).get(..16).unwrap_or_default()
    );
    let mut body = Body::new(vec![Part::Text(text)]);
    body.ends_backup = name == Name::Manifest;
    Some(file(request, body, kind, &tag))
}

/// A file, or the part of it that is wanted.
fn file(request: &Request<'_>, mut body: Body, kind: Kind, tag: &str) -> Answer {
    let size_bytes = body.left_bytes();
    // A part of what has changed since would not fit what the client has.
    let is_same = request.if_range.is_none_or(|theirs| theirs == tag);
    let range = request.range.filter(|_| is_same);
    let (status, part) = match range.map_or(Wanted::Whole, |range| wanted(range, size_bytes)) {
        Wanted::Whole => (Status::Ok, None),
        Wanted::Part(part) => (Status::Part, Some(part)),
        Wanted::Nothing => (Status::NoSuchPart, Some(0..0)),
    };
    if let Some(part) = &part {
        body.cut(part);
    }
    body.digest_follows &= part.is_none() && !request.head_only && size_bytes > 0;
    let head = Head {
        status,
        kind,
        size_bytes,
        part,
        digest_follows: body.digest_follows,
        tag: Some(tag),
        location: None,
        stays: request.stays,
    };
    let mut head = head.render();
    if body.digest_follows {
        // All of it is one chunk: a client need not look for the next one.
        head += &format!("{size_bytes:x}\r\n");
    }
    let sent_bytes = body.left_bytes();
    if request.head_only {
        body = Body::new(Vec::new());
    }
    let name = match request.target.rsplit('/').next() {
        None | Some("") => "the page",
        Some(name) => name,
    };
    let shown = !request.head_only && sent_bytes > 0;
    Answer {
        head,
        body,
        stays: request.stays,
        name: shown.then(|| (name.to_owned(), sent_bytes)),
    }
}
