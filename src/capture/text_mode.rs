//! Files that have their partition's size and yet passed a terminal, or a transfer in
//! text mode: bytes were put in and the end was cut off, or one byte stands for another.
//!
//! Told only of bytes that are no text: all values occur in them, and often. In such
//! bytes hundreds of 0a without one that stands alone, or without a 0d anywhere, are no
//! chance. Sources: ONLCR and ICRNL (POSIX, General Terminal Interface).

use std::io::{self, BufRead as _, BufReader, Read};

/// Fewer line ends may be chance, or a text in a partition of other bytes.
const FEEDS_MIN: u64 = 64;

/// Of every other value there must be so many.
const OTHERS_MIN: u64 = 16;

/// How much is looked at at once: little, because where it cannot be had the program ends.
const PIECE_BYTES: usize = 8 << 10;

/// What shows that a stream passed in text mode, in words; `open` gives the stream, a
/// second time where the first look is not enough.
pub(super) fn traces(
    open: impl Fn() -> io::Result<Box<dyn Read + Send>>,
) -> io::Result<Option<String>> {
    let Some(found) = Lines::of(open()?)? else {
        return Ok(None);
    };
    let mut counts = [0_u64; 256];
    let mut stream = BufReader::with_capacity(PIECE_BYTES, open()?);
    for byte in stream.by_ref().bytes() {
        counts[usize::from(byte?)] += 1;
    }
    let is_line_end = |value: usize| [0x0a, 0x0d].contains(&value);
    let all_others =
        (0..counts.len()).all(|value| is_line_end(value) || counts[value] >= OTHERS_MIN);
    let feeds = found.feeds;
    Ok(all_others.then(|| match found.lone {
        0 => format!(
            "each of its {feeds} bytes 0a follows a 0d, as a terminal makes it; then its end is \
             cut off"
        ),
        _ => format!(
            "it has {feeds} bytes 0a and none 0d, and all others: a terminal makes 0a of 0d"
        ),
    }))
}

/// The line ends of a stream.
struct Lines {
    feeds: u64,
    /// Those that follow no 0d.
    lone: u64,
}

impl Lines {
    /// None where they are as in any bytes; most streams show that in their first lines.
    fn of(stream: impl Read) -> io::Result<Option<Self>> {
        let mut stream = BufReader::with_capacity(PIECE_BYTES, stream);
        let mut found = Self { feeds: 0, lone: 0 };
        let (mut has_return, mut line) = (false, Vec::new());
        loop {
            // Runs without an end of line do not fill the memory.
            let got = stream
                .by_ref()
                .take(PIECE_BYTES as u64)
                .read_until(b'\n', &mut line)?;
            if got == 0 {
                break;
            }
            has_return |= line.contains(&b'\r');
            if line.ends_with(b"\n") {
                found.feeds += 1;
                found.lone += u64::from(!line.ends_with(b"\r\n"));
            }
            if has_return && found.lone > 0 {
                return Ok(None);
            }
            // A 0d at the end of a piece belongs to what follows.
            let ends_in_return = line.ends_with(b"\r");
            line.clear();
            line.extend(ends_in_return.then_some(b'\r'));
        }
        Ok((found.feeds >= FEEDS_MIN).then_some(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn traces_in(data: &[u8]) -> Option<String> {
        traces(|| Ok(Box::new(io::Cursor::new(data.to_vec())))).unwrap()
    }

    /// Values in no order, each as often.
    fn noise() -> Vec<u8> {
        let word = |i: u32| i.wrapping_mul(2_654_435_761) >> 13;
        (0..0x2_0000).map(|i| word(i) as u8).collect()
    }

    fn replaced(data: &[u8], what: u8, with: &[u8]) -> Vec<u8> {
        let each = |byte: &u8| match *byte == what {
            true => with.to_vec(),
            false => vec![*byte],
        };
        data.iter().flat_map(each).collect()
    }

    #[test]
    fn what_a_terminal_changed_and_cut_off_is_seen() {
        let whole = noise();
        let cut = &replaced(&whole, b'\n', b"\r\n")[..whole.len()];
        assert!(traces_in(cut).is_some_and(|what| what.contains("cut off")));
        let other = replaced(&whole, b'\r', b"\n");
        assert!(traces_in(&other).is_some_and(|what| what.contains("none 0d")));
    }

    /// One line end that no text mode leaves, wherever it stands, and nothing is said.
    #[rstest]
    fn one_other_line_end_is_enough(#[values(0, 1, 0xffff, 0x1_0000, 0x1_fffe)] at: usize) {
        let whole = noise();
        assert_eq!(traces_in(&whole), None);
        let mut cut = replaced(&whole, b'\n', b"\r\n");
        cut[at..at + 2].copy_from_slice(b"x\n");
        assert_eq!(traces_in(&cut), None);
        let mut other = replaced(&whole, b'\r', b"\n");
        other[at] = b'\r';
        assert_eq!(traces_in(&other), None);
    }

    /// Text, and text in erased flash, has its line ends by right; few are chance.
    #[rstest]
    #[case::dos(b"a=1\r\n".repeat(0x4000))]
    #[case::unix(b"a=1\n".repeat(0x4000))]
    #[case::in_erased_flash([b"line\r\n".repeat(500), vec![0xff; 0x1_0000]].concat())]
    #[case::few(replaced(&replaced(&noise(), b'\n', b"x"), 0x77, b"y")[..0x4000].to_vec())]
    #[case::empty(Vec::new())]
    fn what_is_so_by_right_is_not_blamed(#[case] data: Vec<u8>) {
        assert_eq!(traces_in(&data), None);
    }
}
