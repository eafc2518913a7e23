//! What there is under which name, and how it is asked for.

use super::client::{Client, TOKEN};
use super::support::{Serving, flash, ispot};
use crate::backend::SimulatedBackend;
use crate::backup::Manifest;
use crate::backup::sha256;
use crate::serve::Until;
use rstest::rstest;
use std::io::Read as _;

const MTDS: std::ops::Range<u32> = 0..11;

fn manifest(serving: &Serving) -> Manifest {
    Manifest::parse(&serving.get("manifest.json")).unwrap()
}

#[test]
fn images_are_the_flash_and_the_manifest_tells_of_them() {
    let backend = ispot();
    let serving = Serving::of(&backend);
    let mut chip = Vec::new();
    for mtd in MTDS {
        let image = serving.get(&format!("mtd{mtd}.bin"));
        assert!(image == flash(&backend, mtd), "mtd{mtd}");
        chip.extend(image);
    }
    let manifest = manifest(&serving);
    assert_eq!(manifest.images.len(), MTDS.len());
    for image in &manifest.images {
        let bytes = flash(&backend, image.mtd);
        assert_eq!(image.sha256, Some(sha256(&bytes)), "{}", image.file);
    }
    assert!(!manifest.is_partial());
    assert!(serving.get("flash.bin") == chip);
    let sums = String::from_utf8(serving.get("SHA256SUMS")).unwrap();
    let text = serving.get("manifest.json");
    let last = format!("{}  manifest.json\n", sha256(&text));
    assert!(
        sums.ends_with(&last) && sums.lines().count() == 12,
        "{sums}"
    );
    assert!(serving.get("").starts_with(b"<!DOCTYPE html>"));
    assert_eq!(serving.get("index.html"), serving.get(""));
}

/// The digests are made of the pieces that are sent.
#[test]
fn nothing_is_read_twice() {
    let backend = ispot();
    let system = backend.device().system.clone();
    let count = || system.with_chip(0, |chip| chip.counters().bytes_read());
    let serving = Serving::of(&backend);
    // What tells the device apart is read until two readings agree.
    serving.get("");
    let before = count();
    for mtd in MTDS {
        serving.get(&format!("mtd{mtd}.bin"));
    }
    manifest(&serving);
    serving.get("SHA256SUMS");
    assert_eq!(count() - before, 16 << 20);
    let before = count();
    serving.get("backup.tar");
    assert_eq!(count() - before, 16 << 20);
}

/// Who wants the digests first has them made, once.
#[test]
fn a_manifest_that_comes_first_is_waited_for() {
    let backend = ispot();
    let serving = Serving::of(&backend);
    let mut others = serving.client();
    let first = manifest(&serving);
    assert_eq!(first.images[3].sha256, Some(sha256(&flash(&backend, 3))));
    others.get("mtd3.bin", "").unwrap();
    assert_eq!(manifest(&serving), first);
}

#[test]
fn the_tar_is_a_backup() {
    let backend = ispot();
    let serving = Serving::of_some(&backend, &[], Until::Fetched);
    let tar = serving.get("backup.tar");
    assert_eq!(tar.len() % 512, 0);
    let mut names = Vec::new();
    let mut manifest = None;
    for entry in tar::Archive::new(tar.as_slice()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        match &*name {
            "manifest.json" => manifest = Some(Manifest::parse(&bytes).unwrap()),
            "SHA256SUMS" | "index.html" => {}
            image => {
                let mtd = image[3..image.len() - 4].parse().unwrap();
                assert!(bytes == flash(&backend, mtd));
            }
        }
        names.push(name);
    }
    let images = MTDS.map(|mtd| format!("mtd{mtd}.bin"));
    let texts = ["manifest.json", "SHA256SUMS", "index.html"].map(String::from);
    assert_eq!(names, images.chain(texts).collect::<Vec<_>>());
    assert_eq!(manifest.unwrap().images.len(), 11);
    assert_eq!(
        serving.end(true),
        (true, true),
        "it ends when all was fetched"
    );
}

#[test]
fn it_ends_when_all_files_were_fetched_one_by_one() {
    let serving = Serving::of_some(&ispot(), &["ver_1", "ver_2"], Until::Fetched);
    serving.get("mtd7.bin");
    serving.get("manifest.json");
    // The first half alone does not do, nor the second.
    let mut client = serving.client();
    client.get("mtd8.bin", "Range: bytes=65536-\r\n").unwrap();
    client.get("mtd8.bin", "Range: bytes=0-65535\r\n").unwrap();
    client.get("", "").unwrap();
    client.get("mtd8.bin", "Range: bytes=65536-\r\n").unwrap();
    drop(client);
    assert_eq!(serving.end(true), (true, true));
}

/// `wget -r` gets the tar first, which is all, and asks for the other files on the same
/// connection: it is waited for, until it has gone. Who never got anything is not.
#[test]
fn who_has_got_all_may_ask_for_more() {
    let backend = ispot();
    let serving = Serving::of_some(&backend, &["ver_1"], Until::Fetched);
    let stranger = serving.client();
    let mut client = serving.client();
    client.get("backup.tar", "").unwrap();
    for _ in 0..10 {
        assert!(client.get("mtd7.bin", "").unwrap().body == flash(&backend, 7));
    }
    drop(client);
    assert_eq!(serving.end(true), (true, true));
    drop(stranger);
}

#[test]
fn one_connection_is_enough() {
    let backend = ispot();
    let serving = Serving::of(&backend);
    let mut client = serving.client();
    for name in ["mtd7.bin", "nothing", "mtd1.bin", "manifest.json", ""] {
        let answer = client.get(name, "").unwrap();
        assert_eq!(answer.line("Connection"), None, "{name}");
    }
    // Several at once, and the head alone.
    let get = |name: &str| format!("GET /{TOKEN}/{name} HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = get("mtd7.bin").replace("GET", "HEAD");
    let all = head + &get("mtd1.bin") + &get("mtd8.bin");
    let answer = client.ask(&all).unwrap();
    assert_eq!(answer.line("Content-Length"), Some("131072"));
    assert!(client.answer(false).unwrap().body == flash(&backend, 1));
    assert!(client.answer(false).unwrap().body == flash(&backend, 8));
    let closing = client.get("mtd8.bin", "Connection: close\r\n").unwrap();
    assert_eq!(closing.line("Connection"), Some("close"));
    assert!(client.more().is_err(), "it is closed");
}

#[rstest]
#[case("bytes=0-0", 206, 0..1)]
#[case("bytes=1000-131071", 206, 1000..131_072)]
#[case("bytes=131071-", 206, 131_071..131_072)]
#[case("bytes=-70000", 206, 61_072..131_072)]
#[case("bytes=5-2", 200, 0..131_072)]
#[case("bytes=131072-", 416, 0..0)]
fn parts(#[case] range: &str, #[case] status: u16, #[case] part: std::ops::Range<usize>) {
    let backend = ispot();
    let serving = Serving::of(&backend);
    let line = format!("Range: {range}\r\n");
    let answer = serving.client().get("mtd1.bin", &line).unwrap();
    assert_eq!(answer.status, status);
    assert!(answer.body == flash(&backend, 1)[part.clone()]);
    let expected = match status {
        206 => Some(format!("bytes {}-{}/131072", part.start, part.end - 1)),
        416 => Some("bytes */131072".into()),
        _ => None,
    };
    assert_eq!(answer.line("Content-Range"), expected.as_deref());
}

#[test]
fn a_part_of_the_tar_and_of_the_chip_is_theirs() {
    let backend = ispot();
    let serving = Serving::of(&backend);
    for name in ["backup.tar", "flash.bin"] {
        let whole = serving.get(name);
        for (from, to) in [(511, 513), (262_000, 400_000), (16_000_000, whole.len())] {
            let line = format!("Range: bytes={from}-{}\r\n", to - 1);
            let answer = serving.client().get(name, &line).unwrap();
            assert!(answer.body == whole[from..to], "{name} {from}");
        }
    }
}

/// The end of a tar of which nobody fetched the beginning.
#[test]
fn the_texts_of_a_tar_wait_for_its_images() {
    let backend = ispot();
    let serving = Serving::of(&backend);
    let range = "Range: bytes=-60000\r\n";
    let end = serving.client().get("backup.tar", range).unwrap().body;
    let whole = serving.get("backup.tar");
    assert!(whole.ends_with(&end));
}

#[test]
fn a_part_of_something_that_changed_is_the_whole() {
    let serving = Serving::of(&ispot());
    let mut client = serving.client();
    let first = client.get("mtd1.bin", "").unwrap();
    let tag = first.line("ETag").unwrap().to_owned();
    let lines = |tag: &str| format!("Range: bytes=0-9\r\nIf-Range: {tag}\r\n");
    let same = client.get("mtd1.bin", &lines(&tag)).unwrap();
    assert_eq!((same.status, same.body.len()), (206, 10));
    for other in ["\"other\"", "W/\"x\"", "Wed, 21 Oct 2015 07:28:00 GMT"] {
        let whole = client.get("mtd1.bin", &lines(other)).unwrap();
        assert_eq!((whole.status, whole.body.len()), (200, 131_072));
    }
    let again = Serving::of(&ispot()).client().get("mtd1.bin", "").unwrap();
    assert_ne!(again.line("ETag").unwrap(), tag, "of another run");
}

#[rstest]
#[case("GET /TOKEN/nothing HTTP/1.1\r\nHost: a\r\n\r\n", 404)]
#[case("GET /TOKEN HTTP/1.1\r\nHost: a\r\n\r\n", 301)]
#[case("GET /wrong/mtd1.bin HTTP/1.1\r\nHost: a\r\n\r\n", 404)]
#[case("GET /mtd1.bin HTTP/1.1\r\nHost: a\r\n\r\n", 404)]
#[case("GET /TOKEN/mtd99.bin HTTP/1.1\r\nHost: a\r\n\r\n", 404)]
#[case("GET /TOKEN/../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 404)]
#[case("GET http://a/TOKEN/mtd1.bin HTTP/1.1\r\nHost: a\r\n\r\n", 200)]
#[case("GET /TOKEN/mtd1.bin HTTP/1.0\r\n\r\n", 200)]
#[case("POST /TOKEN/ HTTP/1.1\r\nHost: a\r\n\r\n", 405)]
#[case("GET /TOKEN/ HTTP/1.1\r\n\r\n", 400)]
#[case(
    "GET /TOKEN/ HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
    400
)]
#[case("nonsense\r\n\r\n", 400)]
fn statuses(#[case] request: &str, #[case] status: u16) {
    let serving = Serving::of(&ispot());
    let mut client = serving.client();
    let answer = client.ask(&request.replace("TOKEN", TOKEN)).unwrap();
    assert_eq!(answer.status, status);
    match status {
        301 => assert_eq!(answer.line("Location"), Some(&*format!("/{TOKEN}/"))),
        405 => assert_eq!(answer.line("Allow"), Some("GET, HEAD")),
        _ => {}
    }
    if matches!(status, 400 | 405) {
        assert!(client.more().is_err(), "nothing more is taken there");
    }
}

#[test]
fn a_head_that_is_too_large_is_told_so() {
    let serving = Serving::of(&ispot());
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(5000));
    assert_eq!(serving.client().ask(&long).unwrap().status, 431);
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(60));
    assert_eq!(serving.client().ask(&many).unwrap().status, 431);
}

/// Without a token, a name that somebody made to lead here gets nothing.
#[test]
fn without_a_token_it_is_asked_for_by_address_only() {
    let backend = ispot();
    let serving = Serving::start(Until::Stopped, None, move |work| {
        let (choice, now) = (Default::default(), std::time::SystemTime::now());
        crate::serve::Content::of_device(&backend, &[], choice, now, work).unwrap()
    });
    let mut client = Client::connect(serving.address).unwrap();
    for (host, status) in [
        ("127.0.0.1:80", 200),
        ("localhost", 200),
        ("evil.example", 404),
    ] {
        let request = format!("GET /mtd1.bin HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(client.ask(&request).unwrap().status, status, "{host}");
    }
}

#[test]
fn a_hole_is_in_the_manifest_and_the_image_is_whole() {
    let device = mtd_harness::profile::ispot(1);
    device.set_faults(0, Some("read-error@0x1a0000".parse().unwrap()));
    let backend = SimulatedBackend::new(device);
    let serving = Serving::of(&backend);
    let image = serving.get("mtd3.bin");
    assert_eq!(image.len(), 6 << 20);
    // mtd3 starts at 0x180000.
    assert!(image[0x20000..0x40000].iter().all(|byte| *byte == 0xff));
    let manifest = manifest(&serving);
    let hole = &manifest.images[3].unreadable;
    assert_eq!(hole.len(), 1, "{hole:?}");
    assert_eq!(
        (hole[0].offset_bytes, hole[0].length_bytes),
        (0x20000, 0x20000)
    );
    assert_eq!(manifest.images[3].sha256, Some(sha256(&image)));
    assert!(manifest.is_partial());
}

/// A mounted file system changes while it is served: the next reading shows it, the
/// manifest is of that one, and says so.
#[test]
fn flash_that_changes_is_told() {
    let backend = ispot();
    let system = backend.device().system.clone();
    let serving = Serving::of(&backend);
    let first = serving.client().get("mtd7.bin", "").unwrap();
    // ver_1 is at 0xfa0000 on the chip's layout: the offset comes from the manifest.
    let before = manifest(&serving);
    let at = before.layout[7].offset_bytes.unwrap();
    system.with_chip(0, |chip| chip.load(at + 0x1_0000, &[0x5a; 16]).unwrap());
    let second = serving.client().get("mtd7.bin", "").unwrap();
    assert_ne!(first.body, second.body);
    let after = manifest(&serving);
    assert_eq!(after.images[7].sha256, Some(sha256(&second.body)));
    assert!(!after.images[7].second_reading.as_ref().unwrap().same);
    assert!(
        serving
            .said()
            .iter()
            .any(|line| line.contains("changes while"))
    );
    let third = serving.client().get("mtd7.bin", "").unwrap();
    assert_ne!(first.line("ETag"), third.line("ETag"));
}

/// As a text, a browser would store it as SHA256SUMS.txt, which verify does not know.
#[test]
fn sums_are_no_text_to_a_browser() {
    let serving = Serving::of_some(&ispot(), &["param"], Until::Stopped);
    let answer = serving.client().get("SHA256SUMS", "").unwrap();
    let kind = answer.line("Content-Type");
    assert_eq!(kind, Some("application/octet-stream"));
}

#[test]
fn some_partitions_alone_make_no_chip() {
    let serving = Serving::of_some(&ispot(), &["param", "ver_1"], Until::Stopped);
    let mut client = serving.client();
    assert_eq!(client.get("flash.bin", "").unwrap().status, 404);
    assert_eq!(client.get("mtd0.bin", "").unwrap().status, 404);
    assert_eq!(manifest(&serving).images.len(), 2);
}
