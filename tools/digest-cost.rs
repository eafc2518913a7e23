//! Reads files or devices as a backup does, with the digests that are named and
//! nothing else: what is a digest's share of a backup on a slow core?
//!
//!     digest-cost none|crc32|sha256|both FILE…
//!
//! Prints nothing but the digests' end, so that a shell can time it.
//! `tools/device-build` makes one for the device, beside the program.

use mtdkeep::backup::{DigestChoice, Digests};
use std::fs::File;
use std::io::Read as _;

fn main() {
    let mut words = std::env::args().skip(1);
    let wanted = words.next().unwrap_or_default();
    let choice = match wanted.as_str() {
        "none" => None,
        "crc32" => Some(DigestChoice::Crc32),
        "sha256" => Some(DigestChoice::Sha256),
        "both" => Some(DigestChoice::Both),
        _ => panic!("digest-cost none|crc32|sha256|both FILE…"),
    };
    let mut buf = vec![0; 128 << 10];
    let mut digests = choice.map(Digests::new);
    for path in words {
        let mut file = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        loop {
            let count = file.read(&mut buf);
            let count = count.unwrap_or_else(|error| panic!("{path}: {error}"));
            if count == 0 {
                break;
            }
            if let Some(digests) = &mut digests {
                digests.update(&buf[..count]);
            }
        }
    }
    if let Some(values) = digests.map(Digests::finish) {
        println!(
            "{} {}",
            values.crc32.unwrap_or_default(),
            values.sha256.unwrap_or_default()
        );
    }
}
