//! Clients that are slow, silent, many, or send anything.

use super::client::TOKEN;
use super::support::{Serving, flash, ispot};
use crate::backend::SimulatedBackend;
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use rstest::rstest;
use std::io::{Read as _, Write as _};

#[test]
fn sixty_four_clients_at_once() {
    let backend = ispot();
    let serving = Serving::of(&backend);
    let flashes: Vec<Vec<u8>> = (0..11).map(|mtd| flash(&backend, mtd)).collect();
    std::thread::scope(|scope| {
        for at in 0..64 {
            let (serving, flashes) = (&serving, &flashes);
            scope.spawn(move || {
                let mtd = at % 11;
                let image = serving.get(&format!("mtd{mtd}.bin"));
                assert!(image == flashes[mtd], "client {at}");
            });
        }
    });
    let manifest = crate::backup::Manifest::parse(&serving.get("manifest.json")).unwrap();
    for image in &manifest.images {
        let expected = crate::backup::sha256(&flashes[image.mtd as usize]);
        assert_eq!(image.sha256, Some(expected));
    }
}

/// More silent ones than there are places, and some that take nothing of what they
/// asked for.
#[test]
fn the_slow_and_the_silent_block_nobody() {
    let backend = ispot();
    let serving = Serving::of(&backend);
    let mut held = Vec::new();
    for at in 0..300 {
        let mut client = serving.client();
        match at % 3 {
            0 => {}
            1 => client.stream.write_all(b"GET /let").unwrap(),
            _ if at < 120 => {
                let ask = format!("GET /{TOKEN}/flash.bin HTTP/1.1\r\nHost: a\r\n\r\n");
                client.stream.write_all(ask.as_bytes()).unwrap();
            }
            _ => client.stream.write_all(b"\r\n").unwrap(),
        }
        held.push(client);
    }
    assert!(serving.get("mtd1.bin") == flash(&backend, 1));
    drop(held);
    assert!(serving.get("mtd1.bin") == flash(&backend, 1));
}

/// Requests of all shapes, on one connection each: how they are answered, and how many
/// answers come.
#[rstest]
// What may hide another request is refused, and nothing behind it is looked at.
#[case("GET /TOKEN/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nGET /TOKEN/mtd7.bin HTTP/1.0\r\n\r\n", &[400])]
#[case("GET /TOKEN/mtd7.bin HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /TOKEN/mtd7.bin HTTP/1.0\r\n\r\n", &[400])]
#[case("GET /TOKEN/mtd7.bin HTTP/1.1\r\nHost: a\r\nX: y\r\n Content-Length: 9\r\n\r\n", &[400])]
#[case("GET /TOKEN/mtd7.bin\0 HTTP/1.0\r\n\r\n", &[400])]
#[case("GET /TOKEN/mtd7.bin  HTTP/1.0\r\n\r\n", &[400])]
#[case("get /TOKEN/mtd7.bin HTTP/1.0\r\n\r\n", &[405])]
#[case("PUT /TOKEN/mtd7.bin HTTP/1.0\r\nContent-Length: 1\r\n\r\nx", &[405])]
#[case("CONNECT evil:80 HTTP/1.0\r\n\r\n", &[405])]
#[case("GET http://evil/TOKEN/mtd7.bin HTTP/1.0\r\n\r\n", &[200])]
#[case("GET https://evil/TOKEN/mtd7.bin HTTP/1.0\r\n\r\n", &[404])]
#[case("GET /TOKEN/%6dtd7.bin HTTP/1.0\r\n\r\n", &[404])]
#[case("GET /TOKEN/..%2fetc%2fpasswd HTTP/1.0\r\n\r\n", &[404])]
#[case("GET /TOKEN/../../etc/passwd HTTP/1.0\r\n\r\n", &[404])]
#[case("GET /TOKEN//etc/passwd HTTP/1.0\r\n\r\n", &[404])]
// As many requests as came, one after the other.
#[case("GET /TOKEN/mtd10.bin HTTP/1.1\r\nHost: a\r\n\r\nHEAD /TOKEN/x HTTP/1.1\r\nHost: a\r\n\r\nGET /TOKEN/mtd10.bin HTTP/1.0\r\n\r\n", &[200, 404, 200])]
#[case("HEAD /TOKEN/mtd10.bin HTTP/1.0\r\nRange: bytes=0-9\r\n\r\n", &[206])]
#[case("GET /TOKEN/mtd10.bin HTTP/1.0\r\nRange: bytes=5-9\r\nIf-Range: W/\"x\"\r\n\r\n", &[200])]
#[case("GET /TOKEN/mtd10.bin HTTP/1.0\r\nRange: bytes=5-9\r\nIf-Range: Tue, 24 Nov 2026 00:00:00 GMT\r\n\r\n", &[200])]
#[case("GET /TOKEN/mtd10.bin HTTP/1.0\r\nRange: bytes=5-9, 1-2\r\n\r\n", &[200])]
#[case("GET /TOKEN/mtd10.bin HTTP/1.0\r\nRange: bytes=18446744073709551615-\r\n\r\n", &[416])]
#[case("GET /TOKEN/mtd10.bin HTTP/1.0\r\nRange: bytes=0-18446744073709551616\r\n\r\n", &[206])]
fn shapes_of_requests(#[case] request: &str, #[case] statuses: &[u16]) {
    let serving = Serving::of(&ispot());
    let mut client = serving.client();
    client.send(&request.replace("TOKEN", TOKEN)).unwrap();
    let heads = request
        .split("\r\n\r\n")
        .map(|head| head.starts_with("HEAD"));
    for (status, is_head) in statuses.iter().zip(heads) {
        let answer = client.answer(is_head).unwrap();
        assert_eq!(answer.status, *status, "{}", answer.head);
    }
    assert!(client.more().is_err() && client.received().is_empty());
}

/// A request that is almost one.
fn malformed(random: &mut Xoshiro256PlusPlus) -> Vec<u8> {
    let right =
        format!("GET /{TOKEN}/mtd1.bin HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes=0-9\r\n\r\n");
    let mut bytes = right.into_bytes();
    match random.random_range(0..6) {
        0 => {
            bytes = (0..random.random_range(1..2000))
                .map(|_| random.random())
                .collect()
        }
        1 => {
            let cut = random.random_range(0..bytes.len());
            bytes.truncate(cut);
        }
        2 => {
            for _ in 0..random.random_range(1..8) {
                let at = random.random_range(0..bytes.len());
                bytes[at] = random.random();
            }
        }
        3 => {
            let at = random.random_range(0..bytes.len());
            let long = vec![random.random(); random.random_range(1..6000)];
            bytes.splice(at..at, long);
        }
        4 => {
            let at = random.random_range(0..bytes.len());
            let end = random.random_range(at..bytes.len());
            bytes.drain(at..end);
        }
        _ => bytes = bytes.repeat(random.random_range(2..40)),
    }
    bytes
}

/// How many descriptors this process has open.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn ten_thousand_malformed_requests() {
    const SEED: u64 = 17;
    println!("seed {SEED}");
    let mut random = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let backend = ispot();
    let serving = Serving::of(&backend);
    let before = descriptors();
    for number in 0..10_000 {
        let bytes = malformed(&mut random);
        let mut client = serving.client();
        // The server may have closed in the middle.
        let _ = client.stream.write_all(&bytes);
        let _ = client.stream.shutdown(std::net::Shutdown::Write);
        if number % 50 == 0 {
            // To its end: whatever comes is an answer, or nothing.
            let mut answer = Vec::new();
            let _ = client.stream.read_to_end(&mut answer);
            assert!(
                answer.is_empty() || answer.starts_with(b"HTTP/1.1 "),
                "{number}"
            );
        }
    }
    assert!(serving.get("mtd1.bin") == flash(&backend, 1));
    // The server closes what it has, at most a place a client; other tests of this
    // process have some of their own.
    let after = descriptors();
    assert!(after < before + 700, "{before}, then {after} descriptors");
}

#[test]
fn a_byte_at_a_time_is_a_request_too() {
    let backend = ispot();
    let serving = Serving::of(&backend);
    let mut client = serving.client();
    let ask = format!("GET /{TOKEN}/mtd7.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    for byte in ask.as_bytes() {
        client.stream.write_all(&[*byte]).unwrap();
    }
    assert!(client.answer(false).unwrap().body == flash(&backend, 7));
}

/// A flash of nothing but holes: the tar's promised length is kept.
#[test]
fn a_device_that_gives_nothing_is_served_as_holes() {
    let device = mtd_harness::profile::ispot(1);
    device.set_faults(0, Some("read-error@0x0+0x1000000".parse().unwrap()));
    let backend = SimulatedBackend::new(device);
    let serving = Serving::of(&backend);
    let tar = serving.get("backup.tar");
    assert!(tar.len() > 16 << 20);
    let manifest = crate::backup::Manifest::parse(&serving.get("manifest.json")).unwrap();
    assert!(
        manifest
            .images
            .iter()
            .all(|image| image.unreadable_bytes() == image.size_bytes)
    );
}
