//! Cuts, wrong bytes, wrong lengths, strangers, several at once: nothing of it ends as
//! an image that is not the flash.

use super::device::*;
use super::support::*;
use rstest::rstest;
use std::fs;
use std::io::Write as _;
use std::time::Duration;

fn assert_is_the_flash(folder: &std::path::Path) {
    for mtd in [0, 1] {
        let image = fs::read(folder.join(format!("mtd{mtd}.bin"))).unwrap();
        assert!(image == flash(mtd), "mtd{mtd}");
    }
}

/// Cut anywhere, a transfer goes on at the erase block in which it was cut.
#[test]
fn every_cut_goes_on_where_it_was() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("f");
    let receiving = Receiving::into(&folder);
    let whole = flash(0);
    let cuts = (0..whole.len())
        .step_by(61)
        .chain([0x3ff, 0x400, 0x401, 0xdff]);
    let mut device = Device::greet(receiving.address, TABLE);
    for cut in cuts {
        // A wrong digest before: all of it is forgotten, and begins anew.
        let path = format!("mtd0/first/raw/0/{}", whole.len());
        let floor = cut / 0x400 * 0x400;
        assert_eq!(
            device.post(&path, &whole, cut),
            format!("at {floor}"),
            "{cut}"
        );
        assert_eq!(device.ask("mtd0/first/at"), format!("at {floor}"), "{cut}");
        assert_eq!(device.prove(0, &whole), "no not all of it came", "{cut}");
        assert_eq!(device.send(0, "first", floor, &whole), "at 3584", "{cut}");
        assert_eq!(device.prove(0, b"other"), "again", "{cut}");
        assert_eq!(device.ask("mtd0/first/at"), "at 0", "{cut}");
        fs::remove_file(folder.join("mtd0.bin.part")).unwrap();
        device = Device::greet(receiving.address, TABLE);
    }
    device.send_and_prove(0);
    assert_eq!(device.ask("done"), "no mtd1 did not come");
    device.send_and_prove(1);
    assert_eq!(device.ask("done"), "ok");
    receiving.end(true).unwrap();
    assert_is_the_flash(&folder);
}

/// A device that did not hear the answer asks again.
#[test]
fn an_answer_that_was_lost_is_given_again() {
    let outer = tempfile::tempdir().unwrap();
    let receiving = Receiving::into(&outer.path().join("f"));
    let device = Device::greet(receiving.address, TABLE);
    device.send(0, "first", 0, &flash(0));
    for _ in 0..2 {
        assert_eq!(device.prove(0, b"other"), "again");
    }
    device.send(0, "first", 0, &flash(0));
    for _ in 0..2 {
        assert_eq!(device.prove(0, b"other"), "differs");
        assert_eq!(device.ask("mtd1/left/unreadable"), "ok");
    }
    let device = Device::greet(receiving.address, TABLE);
    for _ in 0..2 {
        assert_eq!(device.prove(0, &flash(0)), "ok");
        assert_eq!(device.ask("mtd1/skipped"), "ok");
    }
    assert!(device.ask("mtd1/left/unreadable").starts_with("no "));
    assert!(device.send(0, "first", 0, &flash(0)).starts_with("no "));
}

/// What changed on the way is sent anew; what changes each time is told as such.
#[rstest]
#[case(0)]
#[case(0x3ff)]
#[case(0xdff)]
fn a_wrong_byte_is_found(#[case] at: usize) {
    let (_outer, folder, receiving, device) = begun();
    let mut wrong = flash(0);
    wrong[at] ^= 1;
    device.send(0, "first", 0, &wrong);
    assert_eq!(device.prove(0, &flash(0)), "again");
    device.send_and_prove(0);
    let mut wrong = flash(1);
    wrong[at % 0x400] ^= 0x80;
    for answer in ["again", "differs"] {
        device.send(1, "first", 0, &wrong);
        assert_eq!(device.prove(1, &flash(1)), answer);
    }
    assert_eq!(device.ask("done"), "ok");
    receiving.end(true).unwrap();
    let record = fs::read_to_string(folder.join("capture.txt")).unwrap();
    assert!(
        record.contains("image mtd0 3584 same\nimage mtd1 1024 differs\n"),
        "{record}"
    );
}

/// A device without a program for digests.
#[test]
fn a_second_sending_proves_or_disproves() {
    let (_outer, folder, receiving, device) = begun();
    let whole = flash(0);
    device.send(0, "first", 0, &whole);
    assert_eq!(device.ask("mtd0/twice"), "no not all of it came");
    let path = format!("mtd0/second/raw/0/{}", whole.len());
    assert_eq!(device.post(&path, &whole, 1500), "at 1024");
    let mut wrong = whole.clone();
    wrong[3000] ^= 4;
    assert_eq!(device.send(0, "second", 1024, &wrong), "at 3584");
    assert_eq!(device.ask("mtd0/twice"), "again");
    device.send(0, "first", 0, &whole);
    assert_eq!(device.send(0, "second", 0, &whole), "at 3584");
    assert_eq!(device.ask("mtd0/twice"), "ok");
    assert!(fs::read(folder.join("mtd0.bin")).unwrap() == whole);
    receiving.end(false).unwrap_err();
}

#[rstest]
#[case::longer_than_promised("mtd0/first/raw/0/100", 200)]
#[case::shorter_than_promised("mtd0/first/raw/0/300", 200)]
#[case::a_gap("mtd0/first/raw/1024/1024", 1024)]
#[case::past_the_end("mtd0/first/raw/0/3585", 3585)]
#[case::far_past_it("mtd0/first/raw/0/18446744073709551615", 10)]
#[case::overflowing("mtd0/first/raw/18446744073709551615/10", 10)]
#[case::no_such_partition("mtd2/first/raw/0/100", 100)]
#[case::second_before_first("mtd0/second/raw/0/100", 100)]
#[case::foreign_letters("mtd0/first/hex/0/100", 200)]
#[case::fewer_letters("mtd0/first/base64/0/100", 40)]
#[case::too_many_letters("mtd0/first/hex/0/100", 4000)]
fn a_wrong_length_or_place_leaves_nothing(#[case] path: &str, #[case] length: usize) {
    let (_outer, _folder, _receiving, device) = begun();
    let said = device.post(path, &vec![b'z'; length], length);
    assert!(said.starts_with("no ") || said == "at 0", "{said}");
    assert_eq!(device.ask("mtd0/first/at"), "at 0");
    device.send_and_prove(0);
}

#[test]
fn bytes_come_as_text_where_wget_cuts_at_zeros() {
    let (_outer, _folder, _receiving, device) = begun();
    let whole = flash(0);
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|b| format!(" {b:02x}"))
            .collect::<String>()
    };
    for (piece, at) in whole.chunks(0x300).zip((0..).step_by(0x300)) {
        let path = format!("mtd0/first/hex/{at}/{}", piece.len());
        let text = hex(piece);
        let torn = &text.as_bytes()[..text.len() - 1];
        assert_eq!(device.post(&path, torn, torn.len()), format!("at {at}"));
        let said = device.post(&path, text.as_bytes(), text.len());
        assert_eq!(said, format!("at {}", at + piece.len()));
    }
    assert_eq!(device.prove(0, &whole), "ok");
}

#[test]
fn of_two_devices_at_once_one_sends() {
    let (_outer, _folder, receiving, first) = begun();
    let whole = flash(0);
    let mut stream = connect(receiving.address);
    let path = format!("{}/mtd0/first/raw/0/{}", first.session, whole.len());
    stream
        .write_all(head(&path, whole.len()).as_bytes())
        .unwrap();
    stream.write_all(&whole[..0x500]).unwrap();
    // Until that was taken.
    while first.ask("mtd0/first/at") != "at 1024" {}
    let busy = "no another device is sending";
    assert_eq!(Device::hello(receiving.address, TABLE), busy);
    stream.write_all(&whole[0x500..]).unwrap();
    assert!(answer(stream).ends_with("at 3584\n"));
    assert_eq!(first.prove(0, &whole), "ok");
    // In between another one may begin, and then the first is out; what it sent is
    // proven anew.
    let second = Device::greet(receiving.address, TABLE);
    assert!(first.ask("mtd0/first/at").starts_with("no "));
    assert!(first.send(1, "first", 0, &flash(1)).starts_with("no "));
    assert!(first.ask("done").starts_with("no "));
    assert_eq!(second.ask("mtd0/first/at"), "at 3584");
    let mut other = whole.clone();
    other[7] ^= 1;
    assert_eq!(second.prove(0, &other), "again");
    assert_eq!(second.send(0, "first", 0, &other), "at 3584");
    assert_eq!(second.prove(0, &other), "ok");
    let table = TABLE.replace("param", "other");
    let said = Device::hello(receiving.address, &table);
    assert_eq!(said, "no the folder on the PC has files of another device");
}

/// Of two transfers of one partition the later one counts: the device that began it
/// has given the first up.
#[test]
fn a_transfer_that_was_given_up_changes_nothing() {
    let (_outer, _folder, receiving, device) = begun();
    let whole = flash(0);
    let mut stream = connect(receiving.address);
    let path = format!("{}/mtd0/first/raw/0/{}", device.session, whole.len());
    stream
        .write_all(head(&path, whole.len()).as_bytes())
        .unwrap();
    stream.write_all(&whole[..0x500]).unwrap();
    while device.ask("mtd0/first/at") != "at 1024" {}
    assert_eq!(device.send(0, "first", 1024, &whole), "at 3584");
    let _ = stream.write_all(&[0; 0xe00 - 0x500]);
    assert!(!answer(stream).contains("at "));
    assert_eq!(device.prove(0, &whole), "ok");
}

#[test]
fn strangers_learn_nothing_and_keep_nobody_away() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("f");
    let receiving = Receiving::into(&folder);
    let silent: Vec<_> = (0..20).map(|_| connect(receiving.address)).collect();
    for words in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"SSH-2.0-scanner\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /letmeout/send.sh HTTP/1.0\n\n",
        b"GET /letmei/send.sh\n",
        b"POST /x/hello HTTP/1.0\nContent-Length: 5\n\nabcde",
        b"GET /letmein/../../etc/passwd HTTP/1.0\n\n",
        b"\n\n\n\n",
        b"",
    ] {
        let said = say(receiving.address, words);
        assert!(
            !said.contains("mtdkeep") && !said.contains("script"),
            "{said}"
        );
    }
    let script = say(receiving.address, b"GET /letmein/send.sh\n");
    let port = receiving.address.port();
    assert_eq!(script, format!("script for 127.0.0.1 {port}\n"));
    let device = Device::greet(receiving.address, TABLE);
    device.send_and_prove(0);
    device.send_and_prove(1);
    assert_eq!(device.ask("done"), "ok");
    drop(silent);
    receiving.end(true).unwrap();
    assert_is_the_flash(&folder);
}

/// As long as bytes come, there is time; who sends none is gone, and his place free.
#[test]
fn the_slow_are_waited_for_and_the_silent_are_not() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("f");
    let receiving = Receiving::patient(&folder, Duration::from_secs(2));
    let device = Device::greet(receiving.address, TABLE);
    let whole = flash(1);
    let mut stream = connect(receiving.address);
    let path = format!("{}/mtd1/first/raw/0/{}", device.session, whole.len());
    stream
        .write_all(head(&path, whole.len()).as_bytes())
        .unwrap();
    for piece in whole.chunks(16) {
        stream.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(answer(stream).ends_with("at 1024\n"));
    let mut stream = connect(receiving.address);
    let path = format!("{}/mtd0/first/raw/0/3584", device.session);
    stream.write_all(head(&path, 3584).as_bytes()).unwrap();
    stream.write_all(&flash(0)[..0x500]).unwrap();
    // It stays open, and is answered how far it came.
    assert!(answer(stream).ends_with("at 1024\n"));
    assert_eq!(device.ask("mtd0/first/at"), "at 1024");
}

/// Another run goes on with what lies there, and proves all of it.
#[test]
fn another_run_goes_on() {
    let (_outer, folder, receiving, device) = begun();
    device.send_and_prove(1);
    let path = "mtd0/first/raw/0/3584";
    assert_eq!(device.post(path, &flash(0), 0x900), "at 2048");
    receiving.end(false).unwrap_err();
    assert_eq!(
        names(&folder),
        ["mtd0.bin.part", "mtd1.bin", "proc_mtd.txt"]
    );
    // As a crash would leave it.
    let mut part = fs::read(folder.join("mtd0.bin.part")).unwrap();
    part.extend([0; 100]);
    fs::write(folder.join("mtd0.bin.part"), part).unwrap();
    let mut image = flash(1);
    image[5] = !image[5];
    fs::write(folder.join("mtd1.bin"), image).unwrap();

    let receiving = Receiving::into(&folder);
    assert!(device_is_unknown(&receiving, &device));
    let device = Device::greet(receiving.address, TABLE);
    assert_eq!(device.ask("mtd0/first/at"), "at 2048");
    assert_eq!(device.send(0, "first", 2048, &flash(0)), "at 3584");
    assert_eq!(device.prove(0, &flash(0)), "ok");
    assert_eq!(device.ask("mtd1/first/at"), "at 1024");
    assert_eq!(
        device.prove(1, &flash(1)),
        "again",
        "what lay there was another one"
    );
    device.send_and_prove(1);
    assert_eq!(device.ask("done"), "ok");
    receiving.end(true).unwrap();
    assert_is_the_flash(&folder);
}

/// A script of the run before has another number.
fn device_is_unknown(receiving: &Receiving, device: &Device) -> bool {
    let old = Device {
        address: receiving.address,
        ..*device
    };
    old.ask("mtd0/first/at").starts_with("no ")
}

/// Holes are holes; nothing with one is called proven, and what is nothing but holes
/// does not come.
#[test]
fn what_cannot_be_read_is_a_hole() {
    let (_outer, folder, receiving, device) = begun();
    let whole = flash(0);
    device.post("mtd0/first/raw/0/3584", &whole, 0x500);
    assert_eq!(device.ask("mtd0/unproven"), "no not all of it came");
    assert_eq!(device.ask("mtd0/first/hole/1024/1024"), "at 2048");
    assert_eq!(device.send(0, "first", 2048, &whole), "at 3584");
    assert!(device.prove(0, &whole).starts_with("no "));
    assert_eq!(device.ask("mtd0/unproven"), "ok");
    assert_eq!(device.ask("mtd1/first/hole/0/1024"), "at 1024");
    assert_eq!(device.ask("mtd1/unproven"), "ok");
    assert_eq!(device.ask("done"), "ok");
    receiving.end(true).unwrap();
    let record = fs::read_to_string(folder.join("capture.txt")).unwrap();
    let expected = "image mtd0 3584\nhole mtd0 1024 1024\nleft mtd1 reading the flash failed\n";
    assert!(record.contains(expected), "{record}");
    let image = fs::read(folder.join("mtd0.bin")).unwrap();
    assert!(image[1024..2048].iter().all(|byte| *byte == 0));
    assert!(image[2048..] == whole[2048..] && !folder.join("mtd1.bin").exists());
}
