//! Connections that break, and what is fetched in spite of it.

use super::support::{Serving, flash, ispot};
use crate::backup::Manifest;
use crate::serve::Until;
use std::io::{Read as _, Write as _};

/// Cut at every kilobyte, and gone on with where it was cut: the client's bytes are the
/// flash's, and the server's digest is of them too.
#[test]
fn a_download_that_is_cut_at_every_kilobyte_goes_on() {
    let backend = ispot();
    let serving = Serving::of_some(&backend, &["param"], Until::Fetched);
    let expected = flash(&backend, 1);
    let mut got: Vec<u8> = Vec::new();
    let mut tag = String::new();
    let mut connections = 0;
    while got.len() < expected.len() {
        let mut client = serving.client();
        let lines = match got.len() {
            0 => String::new(),
            at => format!("Range: bytes={at}-\r\nIf-Range: {tag}\r\n"),
        };
        let ask = format!(
            "GET /{}/mtd1.bin HTTP/1.1\r\nHost: a\r\n{lines}\r\n",
            super::client::TOKEN
        );
        client.stream.write_all(ask.as_bytes()).unwrap();
        // The head, and a kilobyte behind it.
        let head = loop {
            let end = client.received().windows(4).position(|w| w == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
            client.more().unwrap();
        };
        let left = expected.len() - got.len();
        while client.received().len() < head + left.min(1024) {
            client.more().unwrap();
        }
        let text = String::from_utf8_lossy(&client.received()[..head]).into_owned();
        let status = if got.is_empty() { "200" } else { "206" };
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{text}");
        let line = text.lines().find_map(|line| line.strip_prefix("ETag: "));
        tag = line.unwrap().into();
        let body = &client.received()[head..];
        got.extend(&body[..left.min(1024)]);
        connections += 1;
    }
    assert_eq!(connections, 128);
    assert!(got == expected);
    let manifest = Manifest::parse(&serving.get("manifest.json")).unwrap();
    assert_eq!(manifest.images[0].sha256, Some(crate::backup::sha256(&got)));
    assert_eq!(serving.end(true), (true, true));
}

/// A client that goes in the middle of everything.
#[test]
fn a_client_that_goes_harms_nobody() {
    let backend = ispot();
    let serving = Serving::of(&backend);
    for (at, name) in ["backup.tar", "mtd3.bin", "manifest.json", "flash.bin"]
        .into_iter()
        .cycle()
        .take(40)
        .enumerate()
    {
        let mut client = serving.client();
        let ask = format!(
            "GET /{}/{name} HTTP/1.1\r\nHost: a\r\n\r\n",
            super::client::TOKEN
        );
        client.stream.write_all(ask.as_bytes()).unwrap();
        let mut some = vec![0; 1 + at * 3000];
        let _ = client.stream.read(&mut some);
    }
    assert!(serving.get("mtd3.bin") == flash(&backend, 3));
}
