//! An answer: its head, its body in whichever form that comes, and what follows it.
//!
//! Invariants: a body that ends before its length, or before its last chunk, is a loss; a
//! digest is told only once all bytes that it is of were read.

use super::pace::{self, Pace};
use crate::fetch::wire::Fault;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};

/// A head is no longer.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// What follows a body is no longer.
const TRAILER_BYTES_MAX: usize = 8 << 10;

/// An answer's head, and its body to come.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Of the body.
    pub(super) length_bytes: Option<u64>,
    /// What tells this version of the file from another one.
    pub(super) validator: Option<String>,
    /// Where the body starts in the file, and how long the file is, of a part.
    pub(super) part: Option<(u64, u64)>,
    /// The file's SHA-256 in base64, as the server has it; from behind the body where it
    /// reads the file while it sends it.
    digest: Option<String>,
    body: Body,
}

/// A connection, and how much of it is still the answer.
pub(super) struct Body {
    stream: Box<dyn Read + Send>,
    interrupt: &'static AtomicBool,
    /// What came with the head.
    ready: Vec<u8>,
    left: Left,
    pace: Pace,
}

/// How a body ends.
#[derive(Debug, Clone, Copy)]
enum Left {
    Bytes(u64),
    /// So many bytes of the chunk; then another chunk.
    Chunk(u64),
    ToTheEnd,
}

/// The answer that comes there.
pub(super) fn answer(mut body: Body) -> Result<Answer, Fault> {
    let mut head = Vec::new();
    // All of it has its minute.
    body.pace.begin(u64::MAX);
    loop {
        let mut chunk = [0; 4096];
        let count = body.receive(&mut chunk)?;
        head.extend_from_slice(&chunk[..count]);
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut headers);
        match parsed.parse(&head) {
            // 1xx is no answer yet (RFC 9110, 15.2).
            Ok(httparse::Status::Complete(end)) if matches!(parsed.code, Some(100..200)) => {
                body.ready = head.split_off(end);
                head.clear();
            }
            Ok(httparse::Status::Complete(end)) => {
                body.ready = head[end..].to_vec();
                body.pace.begin(pace::LEAST_BYTES);
                return understood(&parsed, body);
            }
            Ok(httparse::Status::Partial) if count == 0 => {
                return Err(Fault::Lost("the server hung up".into()));
            }
            Ok(httparse::Status::Partial) if head.len() < HEAD_BYTES_MAX => {}
            _ => {
                return Err(hopeless(
                    "what answers there is no web server",
                    "look at the address",
                ));
            }
        }
    }
}

/// What its head says.
fn understood(parsed: &httparse::Response<'_, '_>, mut body: Body) -> Result<Answer, Fault> {
    let header = |name: &str| {
        let found = parsed
            .headers
            .iter()
            .find(|h| h.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let status = parsed.code.unwrap_or(0);
    if (300..400).contains(&status) {
        return Err(hopeless(
            &format!("the server sends elsewhere ({status}), which is not followed"),
            "name the address of the files themselves",
        ));
    }
    let encoding = header("content-encoding").unwrap_or("identity");
    if !encoding.eq_ignore_ascii_case("identity") {
        return Err(hopeless(
            &format!("the server sends {encoding} in place of the file's bytes"),
            "have it send files as they are",
        ));
    }
    let length = header("content-length").and_then(|text| text.trim().parse::<u64>().ok());
    let chunked = header("transfer-encoding").is_some_and(|text| text.contains("chunked"));
    body.left = match (chunked, length) {
        (true, _) => Left::Chunk(0),
        (false, Some(length)) => Left::Bytes(length),
        (false, None) => Left::ToTheEnd,
    };
    // `bytes 100-199/200`
    let part = header("content-range").and_then(|text| {
        let (range, size) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let start = range.split_once('-')?.0.parse().ok()?;
        Some((start, size.parse().ok()?))
    });
    let strong = header("etag").filter(|tag| tag.starts_with('"'));
    Ok(Answer {
        status,
        length_bytes: length.filter(|_| !chunked),
        validator: strong.or_else(|| header("last-modified")).map(String::from),
        part,
        digest: header("repr-digest").and_then(sha256_of),
        body,
    })
}

impl Answer {
    /// The next bytes of the body; 0 at its end.
    pub(super) fn read(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        let body = &mut self.body;
        let want = match body.left {
            Left::Bytes(0) => return Ok(0),
            Left::Chunk(0) => match body.next_chunk()? {
                0 => {
                    if let Some(digest) = body.trailers()? {
                        self.digest = Some(digest);
                    }
                    body.left = Left::Bytes(0);
                    return Ok(0);
                }
                bytes => bytes,
            },
            Left::Bytes(left) | Left::Chunk(left) => left,
            Left::ToTheEnd => u64::MAX,
        };
        let want = usize::try_from(want).unwrap_or(usize::MAX).min(buf.len());
        let count = body.receive(&mut buf[..want])?;
        let took = count as u64;
        match &mut body.left {
            Left::ToTheEnd => return Ok(count),
            _ if count == 0 => {}
            Left::Bytes(left) => *left -= took,
            Left::Chunk(left) => *left -= took,
        }
        match count {
            0 => Err(Fault::Lost("the connection ended before the file".into())),
            _ => Ok(count),
        }
    }

    /// The file's SHA-256 in base64, once all was read.
    pub(super) fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// All of a short body.
    pub(super) fn text(mut self, bytes_max: usize) -> Result<Vec<u8>, Fault> {
        let mut text = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            match self.read(&mut chunk)? {
                0 => return Ok(text),
                count => text.extend_from_slice(&chunk[..count]),
            }
            if text.len() > bytes_max {
                return Err(hopeless("a text there is too long", "look at the address"));
            }
        }
    }
}

impl Body {
    pub(super) fn new(stream: impl Read + Send + 'static, interrupt: &'static AtomicBool) -> Self {
        Self {
            stream: Box::new(stream),
            interrupt,
            ready: Vec::new(),
            left: Left::ToTheEnd,
            pace: Pace::real(),
        }
    }

    /// The next bytes of the connection; 0 where it ended.
    fn receive(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        if !self.ready.is_empty() {
            let count = buf.len().min(self.ready.len());
            buf[..count].copy_from_slice(&self.ready[..count]);
            self.ready.drain(..count);
            return Ok(count);
        }
        loop {
            if self.interrupt.load(Ordering::Relaxed) {
                return Err(Fault::Stopped);
            }
            match self.pace.wait(|| self.stream.read(buf)) {
                Ok(count) => {
                    if count > 0 {
                        self.pace.took(count)?;
                    }
                    return Ok(count);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::Interrupted => self.pace.took(0)?,
                    _ => return Err(Fault::Lost(error.to_string())),
                },
            }
        }
    }

    /// One byte of what stands around the body.
    fn byte(&mut self) -> Result<u8, Fault> {
        if self.ready.is_empty() {
            let mut some = [0; 256];
            let count = self.receive(&mut some)?;
            self.ready.extend(&some[..count]);
        }
        match self.ready.is_empty() {
            true => Err(Fault::Lost("the connection ended before the file".into())),
            false => Ok(self.ready.remove(0)),
        }
    }

    /// Lines up to an empty one, which end the chunks; the digest among them.
    fn trailers(&mut self) -> Result<Option<String>, Fault> {
        let mut text = Vec::new();
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 16];
            match httparse::parse_headers(&text, &mut headers) {
                Ok(httparse::Status::Complete((_, lines))) => {
                    let its = |line: &&httparse::Header<'_>| {
                        line.name.eq_ignore_ascii_case("repr-digest")
                    };
                    let value = lines.iter().find(its).map(|line| line.value);
                    return Ok(value.and_then(|text| sha256_of(std::str::from_utf8(text).ok()?)));
                }
                Ok(httparse::Status::Partial) if text.len() < TRAILER_BYTES_MAX => {}
                _ => return Err(Fault::Lost("what follows the chunks is torn".into())),
            }
            let byte = self.byte()?;
            text.push(byte);
        }
    }

    /// The length of the next chunk.
    fn next_chunk(&mut self) -> Result<u64, Fault> {
        let mut line = Vec::new();
        loop {
            let byte = self.byte()?;
            // The end of the chunk before.
            if line.is_empty() && (byte == b'\r' || byte == b'\n') {
                continue;
            }
            line.push(byte);
            match httparse::parse_chunk_size(&line) {
                Ok(httparse::Status::Complete((_, bytes))) => {
                    self.left = Left::Chunk(bytes);
                    return Ok(bytes);
                }
                Ok(httparse::Status::Partial) if line.len() < 256 => {}
                _ => return Err(Fault::Lost("the server's chunks are torn".into())),
            }
        }
    }
}

/// The SHA-256 in a `Repr-Digest` (RFC 9530): `sha-256=:BASE64:`.
fn sha256_of(text: &str) -> Option<String> {
    let digest = |one: &str| {
        one.trim()
            .strip_prefix("sha-256=:")?
            .strip_suffix(':')
            .map(String::from)
    };
    text.split(',').find_map(digest)
}

pub(super) fn hopeless(why: &str, help: &str) -> Fault {
    Fault::Hopeless {
        why: why.into(),
        help: help.into(),
    }
}

/// What an answer's status means for a file that a page linked to.
pub(super) fn of_status(answer: &Answer, name: &str) -> Result<(), Fault> {
    let (name, missing) = match name {
        "" => ("the page", "such page"),
        name => (name, name),
    };
    match answer.status {
        200 | 206 => Ok(()),
        401 | 403 => Err(hopeless(
            &format!("the server does not give {name} away"),
            "look at the address: a token may be a part of it",
        )),
        404 | 410 => Err(hopeless(
            &format!("the server has no {missing}"),
            "look at the address",
        )),
        429 | 500.. => Err(Fault::Lost(format!(
            "the server answers {} to {name}",
            answer.status
        ))),
        status => Err(hopeless(
            &format!("the server answers {status} to {name}"),
            "look at the address",
        )),
    }
}

#[cfg(test)]
mod tests;
