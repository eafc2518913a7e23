//! Texts from anywhere, by the thousand: every parser of a capture gets random bytes
//! and mutations of good texts, and what it answers must keep its promises.
//!
//! Twenty thousand executions always, a million where CI has the time (`ci/run long`).
//! A failure names its seed and its text.

use super::diagnose;
use super::memory_dump::{self, MemoryDump};
use super::{names, record, sums};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

const LIMIT_BYTES: usize = 4096;

/// Good texts, of which mutations are made.
const SEEDS: &[&str] = &[
    "82000000: 1c 2e 2b b8 56 9d 80 6c 12 51 dc c9 be e3 89 12    ..+.V..l.Q......\n\
     82000010: 41 42 43                                           ABC\n",
    "00000000  41 41 41 41 41 41 41 41  41 41 41 41 41 41 41 41  |AAAAAAAAAAAAAAAA|\n*\n\
     00000040  42 43                                             |BC|\n00000042\n",
    "00000000: 1c2e 2bb8 569d 806c 1251 dcc9 bee3 8912  ..+.V..l.Q......\n",
    "d41d8cd98f00b204e9800998ecf8427e  mtd0.bin\nd41d8cd98f00b204e9800998ecf8427e */dev/mtd1\n",
    "SHA1 (a) = da39a3ee5e6b4b0d3255bfef95601890afd80709\n\
     SHA256 hash of b:\r\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\r\n",
    "mtdkeep-capture 1\ntool mtdkeep 0.1.0\nfolder made\nmd5sum yes\nimage mtd0 262144 same\n\
     left mtd2 no node\nskipped mtd10\ncomplete\n",
    "Algorithm : SHA256\r\nHash : E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855\r\n\
     Path : C:\\a\\mtd0.bin\r\n; a\nmtd0.bin CBF43926\nroot@x:~# md5sum *\n",
    "000000 1c 2e 2b b8 56 9d 80 6c 12 51 dc c9 be e3 89 12\n*\n000040 41 42\n000042\n",
    "0000000 101 102\n0000020 41 42 43  >ABC<\n0000023\n[ 1.5] 0x80000000: 41 42 43 ABC\n",
    "DJA0231-mtd0-u-boot.img.gz",
    "mtdblock0 (1).bin",
];

/// A text: a good one changed, two of them joined, or bytes of any kind.
fn text(random: &mut Xoshiro256PlusPlus) -> Vec<u8> {
    let pick = |random: &mut Xoshiro256PlusPlus| {
        SEEDS[random.random_range(0..SEEDS.len())]
            .as_bytes()
            .to_vec()
    };
    let mut text = match random.random_range(0..8) {
        0 => {
            let mut bytes = vec![0; random.random_range(0..200)];
            random.fill_bytes(&mut bytes);
            bytes
        }
        1 => [pick(random), pick(random)].concat(),
        _ => pick(random),
    };
    for _ in 0..random.random_range(0..6) {
        if text.is_empty() {
            break;
        }
        let at = random.random_range(0..text.len());
        match random.random_range(0..5) {
            0 => text[at] = random.random_range(0..=255) as u8,
            1 => drop(text.remove(at)),
            2 => text.insert(at, *b"\n\r :0fa|*=(/\\".get(at % 13).unwrap_or(&b'-')),
            3 => text.truncate(at),
            _ => {
                let end = (at + random.random_range(1..40)).min(text.len());
                let piece = text[at..end].to_vec();
                let to = random.random_range(0..=text.len());
                text.splice(to..to, piece);
            }
        }
    }
    text
}

/// Everything that is promised of a text's answers.
fn hold(text: &[u8]) -> Result<(), String> {
    let as_text = String::from_utf8_lossy(text);
    if let Ok(sums) = sums::parse("a.sfv", &as_text).or_else(|_| sums::parse("a", &as_text)) {
        for sum in sums {
            let digits = [8, 32, 40, 56, 64, 96, 128].contains(&sum.digest.len());
            let clean = !sum.name.contains(char::is_control) && !sum.base().contains('/');
            if !digits || !clean {
                return Err(format!("a digest that is none: {sum:?}"));
            }
        }
    }
    if let Ok(record) = record::parse(&as_text) {
        if record.tool.contains(char::is_control) {
            return Err("a record with a control character".into());
        }
    }
    memory_dump::looks_like_one(text);
    match memory_dump::decode(text, LIMIT_BYTES) {
        Ok(MemoryDump { bytes, lines, .. }) if bytes.len() > LIMIT_BYTES || lines == 0 => {
            return Err("more bytes than allowed, or of no line".into());
        }
        _ => {}
    }
    let name = names::read(&as_text);
    if name.several && name.number.is_some() {
        return Err("a name with several numbers says one".into());
    }
    let size_bytes = text.len() as u64 / 2;
    let mut stream = text;
    let counted = diagnose::count(&mut stream, size_bytes).map_err(|e| e.to_string())?;
    let crlf = counted.diagnose(size_bytes).crlf;
    let without: usize = text.windows(2).filter(|pair| *pair == b"\r\n").count();
    if crlf && (text.len() - without) as u64 != size_bytes {
        return Err("line ends are blamed, and do not explain it".into());
    }
    Ok(())
}

fn execute(count: u64, seed: u64) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    for execution in 0..count {
        let text = text(&mut random);
        let held = std::panic::catch_unwind(|| hold(&text));
        let shown = text.escape_ascii();
        match held {
            Ok(Ok(())) => {}
            Ok(Err(why)) => panic!("seed {seed}, execution {execution}: {why}: \"{shown}\""),
            Err(_) => panic!("seed {seed}, execution {execution} panics: \"{shown}\""),
        }
    }
}

#[test]
fn no_text_breaks_a_promise() {
    execute(20_000, 0x1407);
}

#[test]
#[ignore = "needs minutes"]
fn a_million_texts_break_no_promise() {
    for seed in 0..10 {
        execute(100_000, seed);
    }
}

/// The promises are checked: a subject that breaks one is caught.
#[test]
fn a_broken_promise_is_seen() {
    let name = names::read("mtd0-mtd1.bin");
    assert!(name.several && name.number.is_none());
    assert!(hold(b"x\r\n\r\n").is_ok());
    let mut stream = &b"a\r\n\r\n"[..];
    let counted = diagnose::count(&mut stream, 3).unwrap();
    assert!(counted.diagnose(3).crlf && !counted.diagnose(4).crlf);
}
