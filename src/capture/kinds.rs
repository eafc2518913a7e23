//! What a file is that is no image: packed, or bytes as a text that is not converted here.
//!
//! Sources: RFC 1952 (gzip); the file formats of xz, bzip2, Zstandard, zip, 7z, tar; POSIX
//! od and uuencode; RFC 4648 (base64); util-linux, hexdump; U-Boot, cmd/mem.c (md.l, md.w).

/// What its beginning shows, and what to do; none where it may be anything.
pub(super) fn of(head: &[u8]) -> Option<&'static str> {
    const PACKED: [(&[u8], &str); 7] = [
        (
            b"\x1f\x8b\x08",
            "it begins as gzip's files do: call it .gz, or unpack it",
        ),
        (b"\xfd7zXZ\0", "it begins as xz's files do: unpack it"),
        (b"BZh", "it begins as bzip2's files do: unpack it"),
        (
            b"\x28\xb5\x2f\xfd",
            "it begins as Zstandard's files do: unpack it",
        ),
        (b"PK\x03\x04", "it begins as zip's files do: unpack it"),
        (
            b"7z\xbc\xaf\x27\x1c",
            "it begins as 7-Zip's files do: unpack it",
        ),
        (b"Rar!\x1a\x07", "it begins as RAR's files do: unpack it"),
    ];
    let packed = PACKED.iter().find(|(magic, _)| head.starts_with(magic));
    if let Some((_, what)) = packed {
        return Some(what);
    }
    if head.get(257..262) == Some(b"ustar") {
        return Some("it begins as tar's files do: unpack it");
    }
    text(std::str::from_utf8(head).ok().or_else(|| {
        // The head may end inside a character.
        let end = std::str::from_utf8(head).err()?.valid_up_to();
        std::str::from_utf8(&head[..end])
            .ok()
            .filter(|_| end + 4 > head.len())
    })?)
}

fn text(head: &str) -> Option<&'static str> {
    let mut lines: Vec<&str> = head.lines().map(str::trim).collect();
    // It may be torn.
    lines.pop();
    lines.retain(|line| !line.is_empty());
    if lines
        .iter()
        .any(|line| line.starts_with("begin ") || line.starts_with("begin-base64 "))
    {
        return Some("it is a text of uuencode: decode it first (uudecode)");
    }
    let like = |is: fn(&str) -> bool| lines.iter().filter(|line| is(line)).count() >= 3;
    if like(is_words) {
        return Some(
            "it is a text of words, of md.l, md.w, or hexdump or od without options, whose order \
             depends on the processor: make it again with md.b, hexdump -C or od -A x -t x1",
        );
    }
    if like(is_plain_hex) {
        return Some("it is a text of hexadecimal digits: make bytes of it first (xxd -r -p)");
    }
    if like(|line| line.len() >= 60 && line.len() % 4 == 0 && all(line, is_base64)) {
        return Some("it is a text of base64: decode it first (base64 -d)");
    }
    None
}

/// `xxd -p`, whose digits are small; base64 may look like capital ones.
fn is_plain_hex(line: &str) -> bool {
    let is_digit = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    line.len() >= 32 && line.len() % 2 == 0 && all(line, is_digit)
}

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')
}

fn all(line: &str, is: impl Fn(u8) -> bool) -> bool {
    line.bytes().all(is)
}

/// An address, and words of two or four bytes.
fn is_words(line: &str) -> bool {
    let mut words = line.split_ascii_whitespace();
    let address = words.next().unwrap_or_default();
    let digits = address.strip_suffix(':').unwrap_or(address);
    let is_address = (6..=16).contains(&digits.len()) && all(digits, |b| b.is_ascii_hexdigit());
    let is_word = |word: &&str| {
        let long = matches!(word.len(), 4 | 6 | 8);
        long && all(word, |b| b.is_ascii_hexdigit())
    };
    is_address && words.take_while(is_word).count() >= 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::gzip(b"\x1f\x8b\x08\x00".to_vec(), "gzip")]
    #[case::zip(b"PK\x03\x04\x14\0".to_vec(), "zip")]
    #[case::tar([&[b'a'; 257][..], b"ustar\0"].concat(), "tar's")]
    #[case::uuencode(b"begin 644 mtd0\nM____\nM____\n".to_vec(), "uudecode")]
    #[case::base64([&[b'A'; 76][..], b"\n"].concat().repeat(4), "base64 -d")]
    #[case::plain_hex([&[b'f'; 60][..], b"\n"].concat().repeat(4), "xxd -r -p")]
    #[case::hexdump(b"0000000 2e1c b82b 9d56 6c80 5112 c9dc e3be 1289\n".repeat(4), "hexdump -C")]
    #[case::od(b"0000000 027034 134053 116526 066200 050422 144734 161676 011211\n".repeat(4), "od -A x")]
    #[case::md_l(b"80060000: b82b2e1c 6c809d56 c9dc5112 1289e3be    ..+.V..l.Q......\r\n".repeat(4), "md.b")]
    fn kinds(#[case] head: Vec<u8>, #[case] says: &str) {
        let found = of(&head).unwrap();
        assert!(found.contains(says), "{found}");
    }

    #[rstest]
    #[case(vec![0xff; 512])]
    #[case(b"U-Boot 1.1.4\0\0".to_vec())]
    #[case(b"00000000: 1c2e 2bb8\n".to_vec())]
    #[case(Vec::new())]
    fn what_may_be_an_image(#[case] head: Vec<u8>) {
        assert_eq!(of(&head), None);
    }
}
