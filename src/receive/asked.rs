//! What a device says: heads of requests, and the closed table of their words.
//!
//! | behind `/TOKEN/` | what it is | body |
//! | --- | --- | --- |
//! | `send.sh` | gives the script | |
//! | `hello` | a device begins; it gets a number S | its `/proc/mtd` |
//! | `S/mtdN/P/at` | how far mtdN came in pass P, `first` or `second` | |
//! | `S/mtdN/P/FORM/OFFSET/LENGTH` | bytes of it, `raw`, `base64` or `hex` | they |
//! | `S/mtdN/P/hole/OFFSET/LENGTH` | bytes that the device cannot read | |
//! | `S/mtdN/md5/HEX`, `…/sha256/HEX` | what the device makes of its flash afterwards | |
//! | `S/mtdN/twice` | all of the second pass was sent | |
//! | `S/mtdN/unproven` | nothing proves it: it has holes | |
//! | `S/mtdN/left/WHY` | it does not come: `no-node`, `unreadable` | |
//! | `S/mtdN/skipped` | nobody asked for it | |
//! | `S/done` | that was all | |
//!
//! A shell makes these heads: lines may end in a line feed alone, and a line that names
//! no version (`GET /TOKEN/send.sh`) is answered without a head, as HTTP/0.9 was.

/// A head is no longer.
pub(super) const HEAD_BYTES_MAX: usize = 4096;

/// How a device sends bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Raw,
    Base64,
    Hex,
}

/// A device without a program for digests sends all of its flash a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    First,
    Second,
}

/// Which digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Md5,
    Sha256,
}

/// What is said of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum About<'a> {
    At(Pass),
    Bytes {
        pass: Pass,
        form: Form,
        offset: u64,
        length: u64,
    },
    Hole {
        pass: Pass,
        offset: u64,
        length: u64,
    },
    Digest(Algorithm, &'a str),
    Twice,
    Unproven,
    Left(&'static str),
    Skipped,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked<'a> {
    Script,
    Hello,
    Of(u32, u32, About<'a>),
    Done(u32),
}

/// A head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// Without the first slash.
    pub(super) target: String,
    /// How long the body is.
    pub(super) body_bytes: u64,
    /// Whether the answer has a head.
    pub(super) is_versioned: bool,
    /// How long the head is, in bytes.
    pub(super) length: usize,
}

/// What came of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    More,
    Head(Head),
    Refused,
}

/// What a fuzzer throws at it: a head is understood from exactly its own bytes.
pub(in crate::receive) fn anything(bytes: &[u8]) {
    if let Parsed::Head(head) = parse(bytes) {
        assert!(head.length <= bytes.len());
        assert_eq!(parse(&bytes[..head.length]), Parsed::Head(head.clone()));
        asked(head.target.split_once('/').map_or("", |(_, path)| path));
    }
}

/// Reads a head at the start of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    if let Some(head) = unversioned(bytes) {
        return head;
    }
    let mut lines = [httparse::EMPTY_HEADER; 40];
    let mut head = httparse::Request::new(&mut lines);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= HEAD_BYTES_MAX => length,
        Ok(httparse::Status::Partial) if bytes.len() < HEAD_BYTES_MAX => return Parsed::More,
        _ => return Parsed::Refused,
    };
    let mut body_bytes = None;
    for line in head.headers.iter() {
        if line.name.eq_ignore_ascii_case("Transfer-Encoding") {
            return Parsed::Refused;
        }
        if line.name.eq_ignore_ascii_case("Content-Length") {
            let value = std::str::from_utf8(line.value).ok().and_then(number);
            // Of two, each side might take another one.
            if value.is_none() || body_bytes.is_some() {
                return Parsed::Refused;
            }
            body_bytes = value;
        }
    }
    let has_body = match head.method {
        Some("GET") => false,
        Some("POST") => true,
        _ => return Parsed::Refused,
    };
    let Some(target) = head.path.and_then(|path| path.strip_prefix('/')) else {
        return Parsed::Refused;
    };
    match (has_body, body_bytes) {
        (true, None) | (false, Some(1..)) => Parsed::Refused,
        _ => Parsed::Head(Head {
            target: target.into(),
            body_bytes: body_bytes.unwrap_or(0),
            is_versioned: true,
            length,
        }),
    }
}

/// `GET /x`, and nothing else in the line.
fn unversioned(bytes: &[u8]) -> Option<Parsed> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(&bytes[..end]).ok()?;
    let target = line.trim_end_matches('\r').strip_prefix("GET /")?;
    (!target.contains(' ')).then(|| {
        Parsed::Head(Head {
            target: target.into(),
            body_bytes: 0,
            is_versioned: false,
            length: end + 1,
        })
    })
}

/// Digits, and nothing but digits.
fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Looks up what stands behind the token.
pub(super) fn asked(path: &str) -> Option<Asked<'_>> {
    let words: Vec<&str> = path.split('/').collect();
    match words[..] {
        ["send.sh"] => Some(Asked::Script),
        ["hello"] => Some(Asked::Hello),
        [session, "done"] => Some(Asked::Done(number(session)?)),
        [session, device, ref about @ ..] => {
            let mtd = number(device.strip_prefix("mtd")?)?;
            Some(Asked::Of(number(session)?, mtd, self::about(about)?))
        }
        _ => None,
    }
}

fn about<'a>(words: &[&'a str]) -> Option<About<'a>> {
    let pass = |word| match word {
        "first" => Some(Pass::First),
        "second" => Some(Pass::Second),
        _ => None,
    };
    let is_hex = |text: &str, digits| crate::backup::digest::is_hex(text, digits);
    Some(match *words {
        [word, "at"] => About::At(pass(word)?),
        [word, "hole", offset, length] => About::Hole {
            pass: pass(word)?,
            offset: number(offset)?,
            length: number(length)?,
        },
        [word, form, offset, length] => About::Bytes {
            pass: pass(word)?,
            form: match form {
                "raw" => Form::Raw,
                "base64" => Form::Base64,
                "hex" => Form::Hex,
                _ => return None,
            },
            offset: number(offset)?,
            length: number(length)?,
        },
        ["md5", hex] if is_hex(hex, 32) => About::Digest(Algorithm::Md5, hex),
        ["sha256", hex] if is_hex(hex, 64) => About::Digest(Algorithm::Sha256, hex),
        ["twice"] => About::Twice,
        ["unproven"] => About::Unproven,
        ["left", "no-node"] => About::Left("it has no node, and none could be made"),
        ["left", "unreadable"] => About::Left("reading the flash failed"),
        ["skipped"] => About::Skipped,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn head(text: &str) -> Head {
        match parse(text.as_bytes()) {
            Parsed::Head(head) => head,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn heads_as_a_shell_and_as_wget_make_them() {
        let shell = head("POST /t/hello HTTP/1.0\nContent-Length: 12\n\nabc");
        assert_eq!((shell.target.as_str(), shell.body_bytes), ("t/hello", 12));
        let text = "GET /t/1/done HTTP/1.1\r\nHost: a\r\nUser-Agent: Wget\r\n\r\n";
        let wget = head(text);
        assert_eq!((wget.body_bytes, wget.length), (0, text.len()));
        assert!(wget.is_versioned);
        let bare = head("GET /t/send.sh\n");
        assert!(!bare.is_versioned && bare.target == "t/send.sh");
    }

    #[rstest]
    #[case("POST /t/hello HTTP/1.0\n\n")]
    #[case("POST /t/hello HTTP/1.0\nContent-Length: -1\n\n")]
    #[case("POST /t/hello HTTP/1.0\nContent-Length: 1\nContent-Length: 2\n\n")]
    #[case("POST /t/hello HTTP/1.0\nTransfer-Encoding: chunked\n\n")]
    #[case("PUT /t/hello HTTP/1.0\nContent-Length: 1\n\n")]
    #[case("GET t/hello HTTP/1.0\n\n")]
    #[case("\u{16}\u{3}\u{1}\u{2}\0")]
    fn what_is_refused(#[case] text: &str) {
        assert_eq!(parse(text.as_bytes()), Parsed::Refused);
    }

    #[test]
    fn a_head_that_does_not_end_is_refused() {
        let long = format!("GET /{}", "x".repeat(HEAD_BYTES_MAX));
        assert_eq!(parse(&long.as_bytes()[..100]), Parsed::More);
        assert_eq!(parse(long.as_bytes()), Parsed::Refused);
    }

    #[rstest]
    #[case("send.sh", Asked::Script)]
    #[case("hello", Asked::Hello)]
    #[case("7/done", Asked::Done(7))]
    #[case("7/mtd3/first/at", Asked::Of(7, 3, About::At(Pass::First)))]
    #[case(
        "7/mtd3/first/hole/0/512",
        Asked::Of(7, 3, About::Hole { pass: Pass::First, offset: 0, length: 512 })
    )]
    #[case("7/mtd3/skipped", Asked::Of(7, 3, About::Skipped))]
    fn what_is_understood(#[case] path: &str, #[case] expected: Asked<'_>) {
        assert_eq!(asked(path), Some(expected));
    }

    #[rstest]
    #[case("")]
    #[case("x/done")]
    #[case("7/mtd3")]
    #[case("7/mtd/twice")]
    #[case("7/mtd3/first/raw/0")]
    #[case("7/mtd3/first/raw/-1/5")]
    #[case("7/mtd3/third/raw/0/5")]
    #[case("7/mtd3/md5/abc")]
    #[case("7/mtd3/left/../../etc")]
    #[case("7/mtd99999999999/twice")]
    fn what_is_not(#[case] path: &str) {
        assert_eq!(asked(path), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            parse(&bytes);
            asked(&String::from_utf8_lossy(&bytes));
        }
    }
}
