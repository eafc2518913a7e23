//! The oracle of these tests, tried on a receiver that is wrong.

use super::device::{Device, TABLE, flash};
use super::support::Receiving;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// Transfers that are cut, then proven: what is taken for whole has to be the flash.
fn trial(address: SocketAddr, folder: &Path) {
    let device = Device::greet(address, TABLE);
    for mtd in [0, 1] {
        let whole = flash(mtd);
        let path = format!("mtd{mtd}/first/raw/0/{}", whole.len());
        device.post(&path, &whole, 700);
        if device.prove(mtd, &whole) != "ok" {
            device.send_and_prove(mtd);
        }
    }
    assert_eq!(device.ask("done"), "ok");
    for mtd in [0, 1] {
        let image = fs::read(folder.join(format!("mtd{mtd}.bin"))).unwrap();
        assert!(image == flash(mtd), "mtd{mtd} is not the flash");
    }
}

#[test]
fn the_receiver_passes() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("f");
    let receiving = Receiving::into(&folder);
    trial(receiving.address, &folder);
    receiving.end(true).unwrap();
}

/// Stores what comes, and believes every digest.
fn gullible(folder: PathBuf) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // It ends with the test program.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut said = Vec::new();
            let _ = stream.read_to_end(&mut said);
            let end = said
                .windows(2)
                .position(|two| two == b"\n\n")
                .unwrap_or(said.len());
            let head = String::from_utf8_lossy(&said[..end]).into_owned();
            let words: Vec<&str> = head.split(['/', ' ']).collect();
            let answer = if words.contains(&"hello") {
                "ok 1"
            } else if words.contains(&"raw") {
                let mtd = words.iter().find(|word| word.starts_with("mtd")).unwrap();
                let body = said.get(end + 2..).unwrap_or_default();
                fs::write(folder.join(format!("{mtd}.bin")), body).unwrap();
                "at 0"
            } else {
                "ok"
            };
            let _ = stream.write_all(format!("mtdkeep: {answer}\n").as_bytes());
        }
    });
    address
}

#[test]
#[should_panic(expected = "mtd0 is not the flash")]
fn one_that_believes_everything_is_found() {
    let outer = tempfile::tempdir().unwrap();
    trial(gullible(outer.path().into()), outer.path());
}
