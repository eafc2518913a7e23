//! Clients that are slow, silent, many, or send anything.

use super::support::{Client, Serving, TOKEN, flash, ispot};
use mtdkeep::backend::SimulatedBackend;
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::io::{Read as _, Write as _};
use std::time::Duration;

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
    let manifest = mtdkeep::backup::Manifest::parse(&serving.get("manifest.json")).unwrap();
    for image in &manifest.images {
        let expected = super::support::sha256(&flashes[image.mtd as usize]);
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

/// All places are taken by clients that asked for much and take nothing: the next one
/// does not wait until their time is over, half a minute.
#[test]
fn who_takes_nothing_gives_its_place_away() {
    let backend = ispot();
    let serving = Serving::of(&backend);
    let mut held = Vec::new();
    for _ in 0..140 {
        let mut client = serving.client();
        // So that the system does not take megabytes for each of them.
        rustix::net::sockopt::set_socket_recv_buffer_size(&client.stream, 4096).unwrap();
        client
            .send(&format!(
                "GET /{TOKEN}/flash.bin HTTP/1.1\r\nHost: a\r\n\r\n"
            ))
            .unwrap();
        held.push(client);
    }
    let mut client = serving.client();
    let patience = Some(Duration::from_secs(20));
    client.stream.set_read_timeout(patience).unwrap();
    assert!(client.get("mtd1.bin", "").unwrap().body == flash(&backend, 1));
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

/// The peak of this process does not follow the flash: read in a process of its own.
#[test]
fn memory_does_not_grow_with_the_flash() {
    let outer = tempfile::tempdir().unwrap();
    let mut peaks = Vec::new();
    for megabytes in [8, 256] {
        let table = outer.path().join(format!("{megabytes}.txt"));
        let half = (megabytes << 20) / 2;
        let text = format!(
            "dev:    size   erasesize  name\nmtd0: {half:08x} 00020000 \"a\"\nmtd1: {half:08x} 00020000 \"b\"\n"
        );
        std::fs::write(&table, text).unwrap();
        let simulate = format!("--simulate={}", table.display());
        let mut child = crate::cli::support::program()
            .args([
                "serve",
                &simulate,
                "--listen",
                "127.0.0.1:0",
                "--token",
                TOKEN,
            ])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("http://") {
            line.clear();
            assert_ne!(
                std::io::BufRead::read_line(&mut said, &mut line).unwrap(),
                0
            );
        }
        let address = line.trim().trim_start_matches("http://");
        let address = address.split('/').next().unwrap().parse().unwrap();
        let mut client = Client::connect(address).unwrap();
        client
            .stream
            .set_read_timeout(Some(Duration::from_secs(300)))
            .unwrap();
        let ask = format!("GET /{TOKEN}/backup.tar HTTP/1.0\r\n\r\n");
        client.stream.write_all(ask.as_bytes()).unwrap();
        let sent = std::io::copy(&mut client.stream, &mut std::io::sink()).unwrap();
        assert!(sent > megabytes << 20);
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
        peaks.push(peak);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(peaks[1] < peaks[0] + 8192, "{peaks:?} KiB");
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
    let manifest = mtdkeep::backup::Manifest::parse(&serving.get("manifest.json")).unwrap();
    assert!(
        manifest
            .images
            .iter()
            .all(|image| image.unreadable_bytes() == image.size_bytes)
    );
}
