//! Reads files or devices as a backup does, with the digests that are named and
//! nothing else: what is a digest's share of a backup on a slow core?
//!
//!     digest-cost none|crc32|sha256|both FILE…
//!
//! Prints nothing but the digests' end, so that a shell can time it. For the
//! device it is built as the program is:
//! `.ci/cross build armv5te --release --no-default-features --features device --example digest-cost`

use sha2::Digest as _;
use std::fs::File;
use std::io::Read as _;

fn main() {
    let mut words = std::env::args().skip(1);
    let wanted = words.next().unwrap_or_default();
    let (crc32, sha256) = match wanted.as_str() {
        "none" => (false, false),
        "crc32" => (true, false),
        "sha256" => (false, true),
        "both" => (true, true),
        _ => panic!("digest-cost none|crc32|sha256|both FILE…"),
    };
    let mut buf = vec![0; 128 << 10];
    let mut crc = crc32fast::Hasher::new();
    let mut sha = sha2::Sha256::new();
    for path in words {
        let mut file = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        loop {
            let count = file.read(&mut buf);
            let count = count.unwrap_or_else(|error| panic!("{path}: {error}"));
            if count == 0 {
                break;
            }
            if crc32 {
                crc.update(&buf[..count]);
            }
            if sha256 {
                sha.update(&buf[..count]);
            }
        }
    }
    println!("{:08x} {:02x}", crc.finalize(), sha.finalize()[0]);
}
