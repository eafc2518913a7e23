//! A device that says what a test wants; for the tests of the program too.

use sha2::{Digest as _, Sha256};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

pub(crate) const TOKEN: &str = "letmein";

/// mtd0 has three erase blocks and a half, mtd1 one.
pub(crate) const TABLE: &str = "dev:    size   erasesize  name
mtd0: 00000e00 00000400 \"boot\"
mtd1: 00000400 00000400 \"param\"
";

/// The flash of mtdN of that table.
pub(crate) fn flash(mtd: u32) -> Vec<u8> {
    let length = if mtd == 0 { 0xe00 } else { 0x400 };
    let byte = |at: u32| (at.wrapping_mul(2_654_435_761 + mtd) >> 24) as u8;
    (0..length).map(byte).collect()
}

/// SHA-256 in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A connection.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    // A hang shall fail and not hang.
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

/// Says something, and nothing more; all that is answered.
pub(crate) fn say(address: SocketAddr, words: &[u8]) -> String {
    let mut stream = connect(address);
    // It may have been refused in the middle.
    let _ = stream.write_all(words);
    let _ = stream.shutdown(Shutdown::Write);
    answer(stream)
}

/// What is answered, to its end.
pub(crate) fn answer(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// The head before a transfer's bytes.
pub(crate) fn head(path: &str, length: usize) -> String {
    format!("POST /{TOKEN}/{path} HTTP/1.0\nContent-Length: {length}\n\n")
}

/// A device.
pub(crate) struct Device {
    pub(crate) address: SocketAddr,
    pub(crate) session: u32,
}

impl Device {
    /// One that was let in.
    pub(crate) fn greet(address: SocketAddr, table: &str) -> Self {
        let said = Self::hello(address, table);
        let session = said.strip_prefix("ok ").unwrap_or_else(|| panic!("{said}"));
        Self {
            session: session.parse().unwrap(),
            address,
        }
    }

    pub(crate) fn hello(address: SocketAddr, table: &str) -> String {
        let words = head("hello", table.len()) + table;
        reply(&say(address, words.as_bytes()))
    }

    pub(crate) fn ask(&self, path: &str) -> String {
        let words = format!("GET /{TOKEN}/{}/{path} HTTP/1.0\n\n", self.session);
        reply(&say(self.address, words.as_bytes()))
    }

    /// Sends bytes, of which only the first `sent` get through.
    pub(crate) fn post(&self, path: &str, body: &[u8], sent: usize) -> String {
        let mut words = head(&format!("{}/{path}", self.session), body.len()).into_bytes();
        words.extend(&body[..sent]);
        reply(&say(self.address, &words))
    }

    /// Sends all of a partition from an offset on.
    pub(crate) fn send(&self, mtd: u32, pass: &str, offset: usize, bytes: &[u8]) -> String {
        let rest = &bytes[offset..];
        let path = format!("mtd{mtd}/{pass}/raw/{offset}/{}", rest.len());
        self.post(&path, rest, rest.len())
    }

    /// Sends all of it, and its digest.
    pub(crate) fn send_and_prove(&self, mtd: u32) {
        let flash = flash(mtd);
        let at = format!("at {}", flash.len());
        assert_eq!(self.send(mtd, "first", 0, &flash), at);
        assert_eq!(self.prove(mtd, &flash), "ok");
    }

    pub(crate) fn prove(&self, mtd: u32, flash: &[u8]) -> String {
        self.ask(&format!("mtd{mtd}/sha256/{}", sha256(flash)))
    }
}

/// What the script reads of an answer.
fn reply(answer: &str) -> String {
    let words = answer.split("mtdkeep: ").nth(1).unwrap_or_default();
    words.trim_end().to_owned()
}

/// What lies in a folder, by name.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}
