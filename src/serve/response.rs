//! The heads of answers.

use std::ops::Range;

/// How a request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    Part,
    Moved,
    Bad,
    NotFound,
    WrongMethod,
    NoSuchPart,
    TooLarge,
}

impl Status {
    /// The status line's end, and the text of an answer that has nothing else.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::Part => "206 Partial Content",
            Self::Moved => "301 Moved Permanently",
            Self::Bad => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::WrongMethod => "405 Method Not Allowed",
            Self::NoSuchPart => "416 Range Not Satisfiable",
            Self::TooLarge => "431 Request Header Fields Too Large",
        }
    }
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Page,
    Text,
    Json,
    /// To be stored, not shown.
    Bytes,
}

impl Kind {
    fn lines(self) -> &'static str {
        match self {
            Self::Page => "text/html; charset=utf-8",
            Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/json",
            Self::Bytes => "application/octet-stream\r\nContent-Disposition: attachment",
        }
    }
}

/// A head.
#[derive(Debug, Clone)]
pub(crate) struct Head<'a> {
    pub(crate) status: Status,
    pub(crate) kind: Kind,
    /// How large the whole is, in bytes.
    pub(crate) size_bytes: u64,
    /// The part of it that follows, where it is not the whole.
    pub(crate) part: Option<Range<u64>>,
    /// The body comes as a chunk, and its digest after it (RFC 9530).
    pub(crate) digest_follows: bool,
    /// The same as long as the bytes are the same.
    pub(crate) tag: Option<&'a str>,
    /// Where the thing asked for is.
    pub(crate) location: Option<&'a str>,
    /// Whether the connection stays.
    pub(crate) stays: bool,
}

/// What is the same in all of them. What is served is secret: nobody on the way keeps
/// it, and the address, with its token, goes to no other server.
const ALWAYS: &str = "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n";

impl Head<'_> {
    /// The head's text, with the empty line.
    pub(crate) fn render(&self) -> String {
        let mut text = String::with_capacity(512);
        let mut add = |pieces: &[&str]| pieces.iter().for_each(|piece| text.push_str(piece));
        add(&["HTTP/1.1 ", self.status.text(), "\r\n", ALWAYS]);
        add(&["Content-Type: ", self.kind.lines(), "\r\n"]);
        let length = self
            .part
            .as_ref()
            .map_or(self.size_bytes, |part| part.end - part.start);
        match self.digest_follows {
            true => add(&["Transfer-Encoding: chunked\r\nTrailer: Repr-Digest\r\n"]),
            false => add(&["Content-Length: ", &length.to_string(), "\r\n"]),
        }
        if let Some(tag) = self.tag {
            add(&["Accept-Ranges: bytes\r\nETag: ", tag, "\r\n"]);
        }
        let size = self.size_bytes.to_string();
        match (&self.part, self.status) {
            (Some(part), Status::Part) => {
                let (first, last) = (part.start.to_string(), (part.end - 1).to_string());
                add(&[
                    "Content-Range: bytes ",
                    &first,
                    "-",
                    &last,
                    "/",
                    &size,
                    "\r\n",
                ]);
            }
            (_, Status::NoSuchPart) => add(&["Content-Range: bytes */", &size, "\r\n"]),
            _ => {}
        }
        if self.status == Status::WrongMethod {
            add(&["Allow: GET, HEAD\r\n"]);
        }
        if let Some(location) = self.location {
            add(&["Location: ", location, "\r\n"]);
        }
        if !self.stays {
            add(&["Connection: close\r\n"]);
        }
        add(&["\r\n"]);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: Status) -> Head<'static> {
        Head {
            status,
            kind: Kind::Bytes,
            size_bytes: 100,
            part: None,
            digest_follows: false,
            tag: Some("\"x\""),
            location: None,
            stays: true,
        }
    }

    /// As another's parser reads it: status, and what `name` says.
    fn read(text: &str, name: &str) -> (u16, Option<String>) {
        let mut lines = [httparse::EMPTY_HEADER; 20];
        let mut response = httparse::Response::new(&mut lines);
        let read = response.parse(text.as_bytes()).unwrap();
        assert_eq!(read, httparse::Status::Complete(text.len()));
        let line = response.headers.iter().find(|line| line.name == name);
        let value = line.map(|line| String::from_utf8(line.value.to_vec()).unwrap());
        (response.code.unwrap(), value)
    }

    #[test]
    fn heads_are_what_another_reads() {
        let whole = head(Status::Ok).render();
        assert_eq!(read(&whole, "Content-Length"), (200, Some("100".into())));
        assert_eq!(read(&whole, "ETag"), (200, Some("\"x\"".into())));
        assert_eq!(read(&whole, "Connection"), (200, None));
        let follows = Head {
            digest_follows: true,
            ..head(Status::Ok)
        };
        let follows = follows.render();
        assert_eq!(read(&follows, "Content-Length"), (200, None));
        assert_eq!(read(&follows, "Trailer"), (200, Some("Repr-Digest".into())));
        let part = Head {
            part: Some(10..20),
            stays: false,
            ..head(Status::Part)
        };
        let part = part.render();
        assert_eq!(read(&part, "Content-Length"), (206, Some("10".into())));
        let range = Some("bytes 10-19/100".into());
        assert_eq!(read(&part, "Content-Range"), (206, range));
        assert_eq!(read(&part, "Connection"), (206, Some("close".into())));
        let none = Head {
            part: Some(0..0),
            ..head(Status::NoSuchPart)
        };
        let none = none.render();
        assert_eq!(
            read(&none, "Content-Range"),
            (416, Some("bytes */100".into()))
        );
        assert_eq!(read(&none, "Content-Length"), (416, Some("0".into())));
    }

    #[test]
    fn secrets_are_kept_by_nobody_on_the_way() {
        let text = head(Status::Ok).render();
        assert_eq!(read(&text, "Cache-Control").1.unwrap(), "no-store");
        assert_eq!(read(&text, "Referrer-Policy").1.unwrap(), "no-referrer");
    }
}
