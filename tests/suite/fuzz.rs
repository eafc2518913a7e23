//! The readers of what strangers send, with what is almost right: the functions of
//! `tests/fuzz`, with seeded mutations in place of libFuzzer.

use crate::cli::support::mtdkeep;
use crate::fetch::support::TABLE;
use mtdkeep::fuzz;
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use rstest::rstest;
use std::fs;
use std::path::Path;

/// What is mutated, and what is put in.
struct Corpus {
    whole: Vec<Vec<u8>>,
    words: &'static [&'static str],
}

impl Corpus {
    fn of(whole: &[&str], words: &'static [&'static str]) -> Self {
        let whole = whole.iter().map(|text| text.as_bytes().to_vec()).collect();
        Self { whole, words }
    }

    /// One of them, changed in one to five ways.
    fn next(&self, random: &mut Xoshiro256PlusPlus) -> Vec<u8> {
        let mut bytes = self.whole[random.random_range(0..self.whole.len())].clone();
        for _ in 0..random.random_range(1..6) {
            let at = random.random_range(0..=bytes.len());
            let end = (at + random.random_range(0..40)).min(bytes.len());
            match random.random_range(0..7) {
                0 => {
                    let word = self.words[random.random_range(0..self.words.len())];
                    bytes.splice(at..at, word.bytes());
                }
                1 => bytes.truncate(at),
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                4 => {
                    let other = &self.whole[random.random_range(0..self.whole.len())];
                    let from = random.random_range(0..=other.len());
                    bytes.truncate(at);
                    bytes.extend(&other[from..]);
                }
                5 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
                _ if at < bytes.len() => bytes[at] = random.random(),
                _ => bytes.push(random.random()),
            }
        }
        bytes
    }

    fn run(&self, times: u32, target: impl Fn(&[u8])) {
        let seed = std::env::var("MTDKEEP_SEED").map_or(17, |seed| seed.parse().unwrap());
        println!("MTDKEEP_SEED={seed}");
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        for whole in &self.whole {
            target(whole);
        }
        for _ in 0..times {
            target(&self.next(&mut random));
        }
    }
}

fn requests() -> Corpus {
    Corpus::of(
        &[
            "GET /letmein/mtd0.bin HTTP/1.1\r\nHost: 127.0.0.1:80\r\nRange: bytes=0-9\r\n\r\n",
            "HEAD /letmein/ HTTP/1.1\r\nHost: [::1]\r\nIf-Range: \"x\"\r\nConnection: close\r\n\r\n",
            "GET http://h/letmein/backup.tar HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\nGET / HTTP/1.0\r\n\r\n",
            "GET /letmein/verified/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef HTTP/1.0\n\n",
        ],
        &[
            "\r\n",
            "\n",
            " ",
            "Content-Length: 0\r\n",
            "Transfer-Encoding: chunked\r\n",
            "HTTP/1.1",
            "Host: a\r\n",
            "Range: bytes=",
            "-",
            "18446744073709551615",
            "\0",
            "%2e%2e/",
            "//",
            "letmein",
            "TE: trailers\r\n",
            "/mtd4294967296.bin",
        ],
    )
}

fn asked() -> Corpus {
    Corpus::of(
        &[
            "GET /letmein/send.sh\n",
            "POST /letmein/hello HTTP/1.0\r\nContent-Length: 4\r\n\r\nabc\n",
            "POST /letmein/7/mtd0/first/base64/0/1024 HTTP/1.0\nContent-Length: 9\n\n",
            "GET /letmein/7/mtd0/md5/d41d8cd98f00b204e9800998ecf8427e HTTP/1.0\r\n\r\n",
        ],
        &[
            "/",
            "\n",
            "mtd0",
            "first",
            "hole",
            "18446744073709551616",
            "Content-Length: 1\n",
            " ",
            "\0",
        ],
    )
}

fn answers() -> Corpus {
    Corpus::of(
        &[
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\nabcde",
            "HTTP/1.1 206 P\r\nContent-Range: bytes 1-4/5\r\nContent-Length: 4\r\n\r\nbcde",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Repr-Digest\r\n\r\n\
             00000003\r\nabc\r\n2;x=y\r\nde\r\n0\r\nRepr-Digest: sha-256=:eA==:\r\n\r\n",
            "HTTP/1.0 200 OK\r\nServer: old\r\n\r\nto the end",
        ],
        &[
            "\r\n",
            "0\r\n\r\n",
            "ffffffffffffffff\r\n",
            "Content-Length: 18446744073709551615\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Content-Range: bytes 0-0/1\r\n",
            "302",
            "\0",
        ],
    )
}

fn pages() -> Corpus {
    Corpus::of(
        &[
            "<HTML><A HREF=\"mtd0.bin\">x</A><a download href='./mtd1.bin'><a href=mtd2.bin>y",
            "<!DOCTYPE html><html lang=en><a href = \"manifest.json\" download>x</a><pre>href</pre>",
        ],
        &[
            "href=",
            "\"",
            "'",
            "../",
            "//host/",
            "%2e",
            "mtd",
            ".bin",
            "\u{130}",
            "SHA256SUMS",
            "<",
            "=",
            "ẞ",
        ],
    )
}

/// A backup of a small device as a tar.
fn tars(outer: &Path) -> Corpus {
    fs::write(outer.join("table"), TABLE).unwrap();
    let made = mtdkeep()
        .args(["backup", "--simulate=table", "-q", "-o", "-"])
        .current_dir(outer)
        .assert()
        .code(0);
    let tar = made.get_output().stdout.clone();
    let words = &[
        "ustar",
        "\0",
        "../",
        "mtd0.bin",
        "x/",
        "77777777777",
        "manifest.json",
        "L",
        "2",
    ];
    // A head alone is where most of it is decided.
    Corpus {
        whole: vec![tar[..0x1400].to_vec(), tar],
        words,
    }
}

/// So many of each; a tar is stored and takes longer.
fn all(times: u32) {
    requests().run(times, fuzz::request);
    asked().run(times, fuzz::asked);
    answers().run(times, fuzz::answer);
    pages().run(times, fuzz::page);
    let outer = tempfile::tempdir().unwrap();
    tars(outer.path()).run(times / 10, |bytes| fuzz::tar(bytes, outer.path()));
}

#[test]
fn what_is_almost_right_breaks_no_reader() {
    all(3_000);
}

/// A million.
#[test]
#[ignore = "needs minutes"]
fn a_million_that_are_almost_right() {
    all(245_000);
}

/// The mutations find readers that are wrong: one that takes a length on trust, and one
/// that takes a name as it is.
#[rstest]
#[case::length(answers(), |bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return };
    let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next());
    let length = length.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
    assert!(length <= body.len());
})]
#[case::name(pages(), |bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    assert!(!text.contains("/mtd0.bin"));
})]
#[should_panic]
fn readers_that_are_wrong_are_found(#[case] corpus: Corpus, #[case] crippled: fn(&[u8])) {
    corpus.run(50_000, crippled);
}
