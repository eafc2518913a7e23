//! As much of HTTP/1.1 as a backup needs: GET of plain names below one address.
//!
//! Invariants: no other host is ever asked, and no redirect followed; a body that ends
//! before its length is a loss; whoever is silent for a minute, or as good as that, is gone; a stop that the
//! user asked for is heard within a quarter of a second.

use super::answer::{Answer, Body, answer};
use crate::fetch::wire::Fault;
use std::io::{self, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// How long one address may take to answer.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// How long one look at a socket waits.
const LOOK: Duration = Duration::from_millis(250);

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
            80 => format!("http://{}", self.bracketed()),
            port => format!("http://{}:{port}", self.bracketed()),
        }
    }

    /// The host, as it stands before a port.
    fn bracketed(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        }
    }
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
        let Url { port, folder, .. } = &self.url;
        let lost = |error: io::Error| Fault::Lost(error.to_string());
        let mut stream = self.connect()?;
        stream.set_read_timeout(Some(LOOK)).map_err(lost)?;
        // Which of this machine's wires leads there is nobody else's business (RFC 6874).
        let mut host = self.url.bracketed();
        if let (Some(from), Some(to)) = (host.find('%'), host.find(']')) {
            host.replace_range(from..to, "");
        }
        let mut request = format!(
            "{method} {folder}{name} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: mtdkeep\r\n\
             Accept-Encoding: identity\r\nTE: trailers\r\nConnection: TE, close\r\n"
        );
        if let Some((from, validator)) = from {
            request += &format!("Range: bytes={from}-\r\n");
            if let Some(validator) = validator {
                request += &format!("If-Range: {validator}\r\n");
            }
        }
        request += "\r\n";
        stream.write_all(request.as_bytes()).map_err(lost)?;
        answer(Body::new(stream, self.interrupt))
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
