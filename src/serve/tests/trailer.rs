//! The digest that follows an image, for a client that says that it reads trailers.

use super::client::{Client, TOKEN};
use super::support::{Serving, flash, ispot};
use crate::backup::DigestChoice;
use crate::backup::sha256;
use crate::serve::{Content, Until};
use rstest::rstest;
use std::io;
use std::time::SystemTime;

const TE: &str = "TE: trailers\r\nConnection: TE\r\n";

/// An answer in chunks: its bytes, and what follows them; by RFC 9112, 7.1.
fn chunked(client: &mut Client) -> io::Result<(String, Vec<u8>, String)> {
    let head = client.until(b"\r\n\r\n")?;
    let head = String::from_utf8(head).unwrap();
    let mut body = Vec::new();
    loop {
        let line = client.until(b"\r\n")?;
        let line = std::str::from_utf8(&line).unwrap().trim().to_owned();
        let count = usize::from_str_radix(&line, 16).unwrap();
        if count == 0 {
            break;
        }
        body.extend(client.exactly(count)?);
        assert_eq!(client.exactly(2)?, b"\r\n");
    }
    let mut trailer = String::new();
    loop {
        match client.until(b"\r\n")?.as_slice() {
            b"\r\n" => return Ok((head, body, trailer)),
            line => trailer += std::str::from_utf8(line).unwrap(),
        }
    }
}

fn ask(client: &mut Client, name: &str) -> io::Result<(String, Vec<u8>, String)> {
    client.send(&format!(
        "GET /{TOKEN}/{name} HTTP/1.1\r\nHost: 127.0.0.1\r\n{TE}\r\n"
    ))?;
    chunked(client)
}

/// `sha-256` of RFC 9530 as another encoder makes it.
fn repr_digest(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let hex = sha256(bytes);
    let bits: String = hex
        .chars()
        .map(|digit| format!("{:04b}", digit.to_digit(16).unwrap()))
        .collect::<String>()
        + "00";
    let letters = bits.as_bytes().chunks(6).map(|six| {
        let at = usize::from_str_radix(std::str::from_utf8(six).unwrap(), 2).unwrap();
        char::from(LETTERS[at])
    });
    let text: String = letters.collect();
    format!("Repr-Digest: sha-256=:{text}=:\r\n")
}

/// On one connection, the first reading and a later one; then the connection goes on.
#[test]
fn an_image_s_digest_follows_it() {
    let backend = ispot();
    let serving = Serving::of(&backend);
    let mut client = serving.client();
    for mtd in [1, 10, 1] {
        let expected = flash(&backend, mtd);
        let (head, body, trailer) = ask(&mut client, &format!("mtd{mtd}.bin")).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("\r\nTrailer: Repr-Digest\r\n"), "{head}");
        assert!(!head.contains("Content-Length"), "{head}");
        assert!(body == expected, "mtd{mtd}");
        assert_eq!(trailer, repr_digest(&expected), "mtd{mtd}");
    }
    assert!(client.get("mtd7.bin", "").unwrap().body == flash(&backend, 7));
}

/// Everything else says its length, as it does to whoever knows no trailers.
#[rstest]
#[case::a_part("GET", "mtd1.bin", "TE: trailers\r\nRange: bytes=0-9\r\n", "10")]
#[case::no_such_part("GET", "mtd1.bin", "TE: trailers\r\nRange: bytes=999999999-\r\n", "0")]
#[case::a_head("HEAD", "mtd1.bin", "TE: trailers\r\n", "131072")]
#[case::the_chip("HEAD", "flash.bin", "TE: trailers\r\n", "16777216")]
#[case::gzip_alone("GET", "mtd1.bin", "TE: gzip\r\n", "131072")]
fn what_has_no_trailer(
    #[case] method: &str,
    #[case] name: &str,
    #[case] lines: &str,
    #[case] length: &str,
) {
    let serving = Serving::of(&ispot());
    let request = format!("{method} /{TOKEN}/{name} HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let answer = serving.client().ask(&request).unwrap();
    assert_eq!(
        answer.line("Content-Length"),
        Some(length),
        "{}",
        answer.head
    );
    assert_eq!(answer.line("Trailer"), None);
}

#[test]
fn without_sha256_there_is_nothing_to_follow() {
    let backend = ispot();
    let served = backend.clone();
    let serving = Serving::start(Until::Stopped, Some(TOKEN), move |work| {
        let (crc32, now) = (DigestChoice::Crc32, SystemTime::UNIX_EPOCH);
        Content::of_device(&served, &[], crc32, now, work).unwrap()
    });
    let answer = serving.client().get("mtd1.bin", TE).unwrap();
    assert!(answer.body == flash(&backend, 1));
}

/// A client that has other bytes than the ones that were digested gets another digest,
/// or none.
#[test]
fn flash_that_changed_has_not_the_old_digest() {
    let backend = ispot();
    let serving = Serving::of(&backend);
    let mut client = serving.client();
    let (_, before, _) = ask(&mut client, "mtd1.bin").unwrap();
    // Behind RedBoot's 256 KiB.
    let system = &backend.device().system;
    system.with_chip(0, |chip| chip.load(0x4_0000, &[0x5a; 16]).unwrap());
    let (_, after, trailer) = ask(&mut client, "mtd1.bin").unwrap();
    assert!(before != after);
    assert_eq!(trailer, "");
    // The third reading is the first of what is there now.
    let (_, again, trailer) = ask(&mut client, "mtd1.bin").unwrap();
    assert!(again == after);
    assert_eq!(trailer, repr_digest(&after));
}
