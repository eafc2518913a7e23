//! A request's head, read.
//!
//! Invariants: a head is understood whole or refused; nothing that may have a body, and
//! so hide another request in it, is answered on a connection that stays open.

use super::response::Status;

/// A head longer than this is refused.
pub(crate) const HEAD_BYTES_MAX: usize = 4096;

/// A head with more lines than this is refused; a browser sends fifteen.
const LINES_MAX: usize = 40;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    /// HEAD: the answer without its body.
    pub(crate) head_only: bool,
    /// What is asked for, as the client wrote it.
    pub(crate) target: &'a str,
    pub(crate) host: Option<&'a str>,
    pub(crate) range: Option<&'a str>,
    pub(crate) if_range: Option<&'a str>,
    /// The client reads what follows a body: its digest may.
    pub(crate) trailers: bool,
    /// Whether another request may follow on this connection.
    pub(crate) stays: bool,
    /// How long the head is, in bytes.
    pub(crate) length: usize,
}

/// What came of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// They are the beginning of a head.
    More,
    /// They begin with one.
    Request(Request<'a>),
    /// They are none that is answered.
    Refused(Status),
}

/// Reads a head at the start of `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let mut lines = [httparse::EMPTY_HEADER; LINES_MAX];
    let mut head = httparse::Request::new(&mut lines);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= HEAD_BYTES_MAX => length,
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => return Parsed::More,
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Parsed::Refused(Status::TooLarge),
        Err(_) => return Parsed::Refused(Status::Bad),
    };
    let head_only = match head.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Parsed::Refused(Status::WrongMethod),
    };
    let is_new = head.version == Some(1);
    let mut request = Request {
        head_only,
        target: head.path.unwrap_or_default(),
        host: None,
        range: None,
        if_range: None,
        trailers: false,
        stays: is_new,
        length,
    };
    for line in head.headers.iter() {
        let is = |name: &str| line.name.eq_ignore_ascii_case(name);
        let field = if is("Host") {
            &mut request.host
        } else if is("Range") {
            &mut request.range
        } else if is("If-Range") {
            &mut request.if_range
        } else {
            if is("Connection") {
                request.stays &= !lists(line.value, "close");
            }
            // In older versions of HTTP nothing can follow a body.
            request.trailers |= is_new && is("TE") && lists(line.value, "trailers");
            let has_body = is("Content-Length") && line.value != b"0";
            if has_body || is("Transfer-Encoding") {
                return Parsed::Refused(Status::Bad);
            }
            continue;
        };
        let Ok(value) = std::str::from_utf8(line.value) else {
            return Parsed::Refused(Status::Bad);
        };
        // Of two, each side might take another one.
        if field.replace(value).is_some() {
            return Parsed::Refused(Status::Bad);
        }
    }
    if is_new && request.host.is_none() {
        return Parsed::Refused(Status::Bad);
    }
    Parsed::Request(request)
}

/// Whether a word stands in a list (RFC 9110, 5.6.1).
fn lists(value: &[u8], word: &str) -> bool {
    let is_it = |one: &[u8]| one.trim_ascii().eq_ignore_ascii_case(word.as_bytes());
    value.split(|byte| *byte == b',').any(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn request(head: &str) -> Request<'_> {
        match parse(head.as_bytes()) {
            Parsed::Request(request) => request,
            other => panic!("{head}: {other:?}"),
        }
    }

    #[test]
    fn what_is_asked_for_is_understood() {
        let head =
            "GET /t/mtd0.bin HTTP/1.1\r\nHost: a\r\nrange: bytes=1-\r\nIf-Range: \"x\"\r\n\r\n";
        let expected = Request {
            head_only: false,
            target: "/t/mtd0.bin",
            host: Some("a"),
            range: Some("bytes=1-"),
            if_range: Some("\"x\""),
            trailers: false,
            stays: true,
            length: head.len(),
        };
        assert_eq!(request(head), expected);
        let more = format!("{head}GET / HT");
        assert_eq!(request(&more), expected, "what follows is another's");
    }

    #[rstest]
    #[case("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", true, true)]
    #[case("GET / HTTP/1.0\r\n\r\n", false, false)]
    #[case("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false, false)]
    #[case(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n",
        false,
        false
    )]
    #[case(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, TE\r\n\r\n",
        false,
        false
    )]
    #[case(
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: notclose\r\n\r\n",
        false,
        true
    )]
    #[case("GET / HTTP/1.1\nHost: a\nContent-Length: 0\n\n", false, true)]
    fn how_it_goes_on(#[case] head: &str, #[case] head_only: bool, #[case] stays: bool) {
        let request = request(head);
        assert_eq!((request.head_only, request.stays), (head_only, stays));
    }

    #[rstest]
    #[case("GET / HTTP/1.1\r\nHost: a\r\nTE: gzip;q=0.5, Trailers\r\n\r\n", true)]
    #[case("GET / HTTP/1.1\r\nHost: a\r\nTE: gzip\r\n\r\n", false)]
    #[case("GET / HTTP/1.0\r\nTE: trailers\r\n\r\n", false)]
    fn who_reads_trailers(#[case] head: &str, #[case] trailers: bool) {
        assert_eq!(request(head).trailers, trailers);
    }

    #[rstest]
    #[case("POST / HTTP/1.1\r\nHost: a\r\n\r\n", Status::WrongMethod)]
    #[case("get / HTTP/1.1\r\nHost: a\r\n\r\n", Status::WrongMethod)]
    #[case("GET / HTTP/1.1\r\n\r\n", Status::Bad)]
    #[case("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Status::Bad)]
    #[case(
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        Status::Bad
    )]
    #[case(
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        Status::Bad
    )]
    #[case("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Status::Bad)]
    #[case("GET / HTTP/2.0\r\nHost: a\r\n\r\n", Status::Bad)]
    #[case("GET /\r\n\r\n", Status::Bad)]
    #[case("\u{16}\u{3}\u{1}\u{2}\0", Status::Bad)]
    fn what_is_refused(#[case] head: &str, #[case] status: Status) {
        assert_eq!(parse(head.as_bytes()), Parsed::Refused(status));
    }

    #[test]
    fn a_head_that_is_too_long_is_refused() {
        let line = format!(
            "GET /{} HTTP/1.1\r\nHost: a\r\n",
            "x".repeat(HEAD_BYTES_MAX)
        );
        let large = Parsed::Refused(Status::TooLarge);
        assert_eq!(parse(&line.as_bytes()[..HEAD_BYTES_MAX - 1]), Parsed::More);
        assert_eq!(parse(&line.as_bytes()[..HEAD_BYTES_MAX]), large);
        assert_eq!(parse((line + "\r\n").as_bytes()), large);
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(LINES_MAX + 1));
        assert_eq!(parse(many.as_bytes()), large);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            parse(&bytes);
        }

        /// Cut anywhere, a head is not yet one, and never a refused one.
        #[test]
        fn a_part_is_told_from_the_whole(cut in 0_usize..60) {
            let head = b"GET /token/mtd0.bin HTTP/1.1\r\nHost: 192.168.1.1:8080\r\n\r\n";
            prop_assume!(cut < head.len());
            prop_assert_eq!(parse(&head[..cut]), Parsed::More);
        }
    }
}
