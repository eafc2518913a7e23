//! As much of HTTP/1.1 as a backup needs: GET of plain names below one address.
//!
//! Invariants: no other host is ever asked, and no redirect followed; a body that ends
//! before its length is a loss; whoever is silent for a minute is gone; a stop that the
//! user asked for is heard within a quarter of a second.

use crate::fetch::wire::Fault;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// A head is no longer.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// How long one address may take to answer.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long one look at a socket waits, and how many of them are silence.
const LOOK: Duration = Duration::from_millis(250);
const LOOKS_MAX: u32 = 240;

/// `http://HOST[:PORT]/FOLDER/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    host: String,
    port: u16,
    /// Begins and ends with a slash.
    folder: String,
}

impl Url {
    /// Understands an address; none where it is no such one. What stands behind the
    /// last slash is dropped where it is a page's name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("http://")?;
        let (place, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let (host, port) = match place.strip_prefix('[').and_then(|p| p.split_once(']')) {
            Some((host, "")) => (host, "80"),
            Some((host, port)) => (host, port.strip_prefix(':')?),
            None => place.split_once(':').unwrap_or((place, "80")),
        };
        let is_plain = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}@?#".contains(c);
        if host.is_empty() || !host.chars().all(is_plain) || !path.chars().all(is_plain) {
            return None;
        }
        let mut folder = path.to_owned();
        if let Some(page) = folder.strip_suffix("index.html") {
            folder = page.to_owned();
        }
        if !folder.ends_with('/') {
            folder.push('/');
        }
        Some(Self {
            host: host.into(),
            port: port.parse().ok().filter(|port| *port > 0)?,
            folder,
        })
    }

    /// For messages: without what may be a token.
    pub(crate) fn place(&self) -> String {
        match self.port {
            80 => format!("http://{}", self.host),
            port => format!("http://{}:{port}", self.host),
        }
    }
}

/// An answer's head, and its body to come.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Of the body.
    pub(super) length_bytes: Option<u64>,
    /// What tells this version of the file from another one.
    pub(super) validator: Option<String>,
    /// Where the body starts in the file, and how long the file is, of a part.
    pub(super) part: Option<(u64, u64)>,
    body: Body,
}

struct Body {
    stream: TcpStream,
    interrupt: &'static AtomicBool,
    /// What came with the head.
    ready: Vec<u8>,
    left: Left,
}

/// How a body ends.
#[derive(Debug, Clone, Copy)]
enum Left {
    Bytes(u64),
    /// So many bytes of the chunk; then another chunk.
    Chunk(u64),
    ToTheEnd,
}

/// Offset, and version.
pub(super) type From<'a> = (u64, Option<&'a str>);

/// Asks for names below an address.
pub(super) struct Client {
    pub(super) url: Url,
    pub(super) interrupt: &'static AtomicBool,
}

impl Client {
    /// HEAD: the head alone.
    pub(super) fn head(&self, name: &str) -> Result<Answer, Fault> {
        self.ask("HEAD", name, None)
    }

    /// GET; `from` is where to go on in the file, with the version that it must be, where
    /// that is known.
    pub(super) fn get(&self, name: &str, from: Option<From<'_>>) -> Result<Answer, Fault> {
        self.ask("GET", name, from)
    }

    fn ask(&self, method: &str, name: &str, from: Option<From<'_>>) -> Result<Answer, Fault> {
        let Url { host, port, folder } = &self.url;
        let lost = |error: io::Error| Fault::Lost(error.to_string());
        let mut stream = self.connect()?;
        stream.set_read_timeout(Some(LOOK)).map_err(lost)?;
        let host = match host.contains(':') {
            true => format!("[{host}]"),
            false => host.clone(),
        };
        let mut request = format!(
            "{method} {folder}{name} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: mtdkeep\r\n\
             Accept-Encoding: identity\r\nConnection: close\r\n"
        );
        if let Some((from, validator)) = from {
            request += &format!("Range: bytes={from}-\r\n");
            if let Some(validator) = validator {
                request += &format!("If-Range: {validator}\r\n");
            }
        }
        request += "\r\n";
        stream.write_all(request.as_bytes()).map_err(lost)?;
        self.answer(stream)
    }

    /// A connection, to whichever of the host's addresses answers. A name's look-up and
    /// a connection to nobody wait for long, and hear of no wish to stop: so a thread
    /// does it, which is left alone then.
    fn connect(&self) -> Result<TcpStream, Fault> {
        let lost = |error: io::Error| Fault::Lost(error.to_string());
        let (host, port) = (self.url.host.clone(), self.url.port);
        let (send, receive) = mpsc::channel();
        let reach = move || drop(send.send(reach(&host, port)));
        thread::Builder::new().spawn(reach).map_err(lost)?;
        while !self.interrupt.load(Ordering::Relaxed) {
            match receive.recv_timeout(LOOK) {
                Ok(reached) => return reached.map_err(lost),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(lost(io::ErrorKind::NotConnected.into()));
                }
            }
        }
        Err(Fault::Stopped)
    }

    fn answer(&self, stream: TcpStream) -> Result<Answer, Fault> {
        let mut body = Body {
            stream,
            interrupt: self.interrupt,
            ready: Vec::new(),
            left: Left::ToTheEnd,
        };
        loop {
            let mut chunk = [0; 4096];
            let count = body.receive(&mut chunk)?;
            body.ready.extend_from_slice(&chunk[..count]);
            let head = std::mem::take(&mut body.ready);
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut parsed = httparse::Response::new(&mut headers);
            match parsed.parse(&head) {
                Ok(httparse::Status::Complete(end)) => {
                    body.ready = head[end..].to_vec();
                    return answer(&parsed, body);
                }
                Ok(httparse::Status::Partial) if count > 0 && head.len() < HEAD_BYTES_MAX => {
                    body.ready = head.clone();
                }
                Ok(httparse::Status::Partial) if count == 0 => {
                    return Err(Fault::Lost("the server hung up".into()));
                }
                _ => {
                    return Err(hopeless(
                        "what answers there is no web server",
                        "look at the address",
                    ));
                }
            }
        }
    }
}

fn reach(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = None;
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIME) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::other("the name has no address")))
}

fn answer(parsed: &httparse::Response<'_, '_>, mut body: Body) -> Result<Answer, Fault> {
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
    /// The next bytes of the connection; 0 where it ended.
    fn receive(&mut self, buf: &mut [u8]) -> Result<usize, Fault> {
        if !self.ready.is_empty() {
            let count = buf.len().min(self.ready.len());
            buf[..count].copy_from_slice(&self.ready[..count]);
            self.ready.drain(..count);
            return Ok(count);
        }
        for _ in 0..LOOKS_MAX {
            if self.interrupt.load(Ordering::Relaxed) {
                return Err(Fault::Stopped);
            }
            match self.stream.read(buf) {
                Ok(count) => return Ok(count),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock
                    | io::ErrorKind::TimedOut
                    | io::ErrorKind::Interrupted => {}
                    _ => return Err(Fault::Lost(error.to_string())),
                },
            }
        }
        Err(Fault::Lost("nothing came for a minute".into()))
    }

    /// The length of the next chunk.
    fn next_chunk(&mut self) -> Result<u64, Fault> {
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            if self.receive(&mut byte)? == 0 {
                return Err(Fault::Lost("the connection ended before the file".into()));
            }
            // The end of the chunk before.
            if line.is_empty() && (byte[0] == b'\r' || byte[0] == b'\n') {
                continue;
            }
            line.push(byte[0]);
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
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("http://192.168.1.1", "192.168.1.1", 80, "/")]
    #[case("http://192.168.1.1/mtd_backup", "192.168.1.1", 80, "/mtd_backup/")]
    #[case("http://ap.lan:8080/TOKEN/", "ap.lan", 8080, "/TOKEN/")]
    #[case("http://[fe80::1]:81/x/index.html", "fe80::1", 81, "/x/")]
    fn addresses(#[case] text: &str, #[case] host: &str, #[case] port: u16, #[case] folder: &str) {
        let url = Url::parse(text).unwrap();
        assert_eq!((url.host.as_str(), url.port), (host, port));
        assert_eq!(url.folder, folder);
    }

    #[rstest]
    #[case("https://host/")]
    #[case("http://")]
    #[case("http://host:0/")]
    #[case("http://user@host/")]
    #[case("http://host/a b")]
    #[case("http://host/?x")]
    #[case("http://host/\r\nX: y")]
    fn no_addresses(#[case] text: &str) {
        assert_eq!(Url::parse(text), None);
    }
}
