//! Bytes that somebody has as text: a log of U-Boot's `md.b`, or what `hexdump -C`, `xxd`
//! and `od -t x1` print. For many cameras the serial console is the only way out.
//!
//! ```text
//! 82000000: 1c 2e 2b b8 56 9d 80 6c 12 51 dc c9 be e3 89 12    ..+.V..l.Q......
//! 00000000  1c 2e 2b b8 56 9d 80 6c  12 51 dc c9 be e3 89 12  |..+.V..l.Q......|
//! 00000000: 1c2e 2bb8 569d 806c 1251 dcc9 bee3 8912  ..+.V..l.Q......
//! 000000 1c 2e 2b b8 56 9d 80 6c 12 51 dc c9 be e3 89 12
//! ```
//!
//! Sources: U-Boot, lib/hexdump.c and lib/display_options.c (16 bytes a line, four
//! blanks before the text); util-linux, text-utils/hexdump-conv.c; vim, xxd.c; POSIX, od,
//! whose addresses are octal unless `-A x` says otherwise: which of the two they are shows
//! in how they go on.
//!
//! Invariants: addresses go on from line to line without a gap; a line that comes again
//! has the same bytes; where there is a column of text it is that of the bytes, so that
//! a letter which a serial line lost or changed is found; a line that begins as one of
//! the dump and is torn is an error with its number.
//!
//! Faults tolerated: line ends of any kind, prompts, commands and messages around and
//! between the lines (they are counted), a terminal's time stamps, several dumps one after the other if they
//! join, lines without the column of text (they are counted as well).

use crate::layout::without_stamps;

/// No line has more bytes.
const LINE_BYTES_MAX: usize = 32;

/// A text converted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct MemoryDump {
    pub(super) bytes: Vec<u8>,
    /// The first line's address.
    pub(super) base: u64,
    /// Lines with bytes.
    pub(super) lines: usize,
    /// Of these, lines without a column of text: nothing shows that they are right.
    pub(super) unchecked: usize,
    /// Lines that belong to nothing of it.
    pub(super) skipped: usize,
}

/// Why a text is no dump.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DumpError {
    #[error("no line of it is one of md.b, hexdump -C, xxd or od -t x1")]
    NoLine,
    #[error("line {line} is torn or foreign: {what}")]
    Line { line: usize, what: &'static str },
    #[error(
        "before line {line}, {missing_bytes:#x} bytes from address {address:#x} on are missing"
    )]
    Gap {
        line: usize,
        address: u64,
        missing_bytes: u64,
    },
    #[error("line {line} has address {address:#x} again, with other bytes")]
    Differs { line: usize, address: u64 },
    #[error("up to line {line} there are more than {limit_bytes:#x} bytes")]
    TooLong { line: usize, limit_bytes: usize },
}

/// Whether a text's first lines look like a dump: two of them with bytes.
pub(super) fn looks_like_one(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let lines = text.lines().filter_map(|line| line_of(line).ok().flatten());
    lines.take(2).count() == 2
}

/// Converts a text; more than `limit_bytes` of bytes is an error.
pub(super) fn decode(text: &[u8], limit_bytes: usize) -> Result<MemoryDump, DumpError> {
    let found = decode_by(text, limit_bytes, 16);
    let Err(DumpError::Gap { line, .. }) = found else {
        return found;
    };
    match decode_by(text, limit_bytes, 8) {
        Err(DumpError::Gap { line: later, .. }) if later <= line => found,
        Err(DumpError::NoLine | DumpError::Line { .. } | DumpError::Differs { .. }) => found,
        // Of two lines, one could be missing between.
        Ok(dump) if dump.lines < 3 => found,
        octal => octal,
    }
}

/// The same, with od's addresses to that base. With another one than 16, all lines must
/// be od's, each behind the one before.
fn decode_by(text: &[u8], limit_bytes: usize, radix: u32) -> Result<MemoryDump, DumpError> {
    let mut dump = MemoryDump::default();
    let mut repeat = false;
    for (raw, line) in text.split(|byte| *byte == b'\n').zip(1..) {
        let raw = String::from_utf8_lossy(raw);
        // A terminal's own: what was typed over, and CR LF.
        let text = raw.trim_end_matches(['\r', '\0']);
        let text = text.rsplit('\r').next().unwrap_or_default();
        if dump.lines > 0 && text.trim() == "*" {
            repeat = true;
            continue;
        }
        let found = line_by(text, radix).map_err(|what| DumpError::Line { line, what })?;
        if radix != 16 {
            let next = dump.base + dump.bytes.len() as u64;
            let is_behind = found.as_ref().is_none_or(|found| found.address >= next);
            let is_none = found.is_none() && line_of(text) != Ok(None);
            if !is_behind || is_none {
                return Err(DumpError::NoLine);
            }
        }
        match found {
            // Nothing ends before it began.
            Some(found) if found.bytes.is_empty() && dump.lines == 0 => dump.skipped += 1,
            Some(found) => dump.take(&found, &mut repeat, line, limit_bytes)?,
            None => dump.skipped += usize::from(!text.trim().is_empty()),
        }
    }
    match dump.lines {
        0 => Err(DumpError::NoLine),
        _ => Ok(dump),
    }
}

/// A line of the dump.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    address: u64,
    bytes: Vec<u8>,
    has_text: bool,
}

impl MemoryDump {
    fn take(
        &mut self,
        found: &Line,
        repeat: &mut bool,
        line: usize,
        limit_bytes: usize,
    ) -> Result<(), DumpError> {
        if self.lines == 0 {
            self.base = found.address;
        }
        let next = self.base + self.bytes.len() as u64;
        let too_long = DumpError::TooLong { line, limit_bytes };
        if std::mem::take(repeat) && found.address > next {
            self.repeat_last(found.address - next, limit_bytes)
                .ok_or(too_long.clone())?;
        }
        let next = self.base + self.bytes.len() as u64;
        if found.address > next {
            return Err(DumpError::Gap {
                line,
                address: next,
                missing_bytes: found.address - next,
            });
        }
        let differs = DumpError::Differs {
            line,
            address: found.address,
        };
        let at = found
            .address
            .checked_sub(self.base)
            .ok_or(differs.clone())?;
        // What is there already must come again; what follows is new.
        let known = &self.bytes[at as usize..];
        let common = known.len().min(found.bytes.len());
        if known[..common] != found.bytes[..common] {
            return Err(differs);
        }
        if self.bytes.len() + found.bytes.len() - common > limit_bytes {
            return Err(too_long);
        }
        self.bytes.extend_from_slice(&found.bytes[common..]);
        self.lines += 1;
        self.unchecked += usize::from(!found.has_text && !found.bytes.is_empty());
        Ok(())
    }

    /// hexdump's `*`: the line before, again and again.
    fn repeat_last(&mut self, wanted_bytes: u64, limit_bytes: usize) -> Option<()> {
        const UNIT_BYTES: usize = 16;
        let wanted = usize::try_from(wanted_bytes).ok()?;
        let from = self.bytes.len().checked_sub(UNIT_BYTES)?;
        if wanted % UNIT_BYTES != 0 || wanted > limit_bytes.saturating_sub(self.bytes.len()) {
            return None;
        }
        let unit = self.bytes[from..].to_vec();
        for _ in 0..wanted / UNIT_BYTES {
            self.bytes.extend_from_slice(&unit);
        }
        Some(())
    }
}

/// A line's bytes; nothing where it is none of a dump; an error where it begins as one
/// and does not go on so.
fn line_of(text: &str) -> Result<Option<Line>, &'static str> {
    line_by(text, 16)
}

fn line_by(text: &str, radix: u32) -> Result<Option<Line>, &'static str> {
    let text = match text.starts_with('[') {
        true => without_stamps(text),
        false => text,
    };
    let text = text.strip_prefix("0x").unwrap_or(text);
    let is_digit = |c: char| c.is_digit(radix);
    let digits = text.len() - text.trim_start_matches(is_digit).len();
    if !(4..=16).contains(&digits) {
        return Ok(None);
    }
    let (address, rest) = text.split_at(digits);
    let address = u64::from_str_radix(address, radix).map_err(|_| "its address")?;
    // No flash lies there, and sums of addresses must not overflow.
    if address > i64::MAX as u64 {
        return Ok(None);
    }
    let line = |bytes, has_text| Line {
        address,
        bytes,
        has_text,
    };
    if let Some(rest) = rest.strip_prefix(": ").filter(|_| radix == 16) {
        return with_colon(rest).map(|found| found.map(|(bytes, text)| line(bytes, text)));
    }
    match rest.strip_prefix("  ").filter(|_| radix == 16) {
        Some(rest) => hexdump(rest).map(|found| found.map(|(bytes, text)| line(bytes, text))),
        // The last line of hexdump and of od: the address of the end, alone.
        None if rest.trim().is_empty() && digits >= 6 => Ok(Some(line(Vec::new(), false))),
        None => od(rest).map(|found| found.map(|(bytes, text)| line(bytes, text))),
    }
}

/// `od -t x1`: bytes one blank apart, with `z` a text between `>` and `<`.
fn od(rest: &str) -> Found {
    let Some(rest) = rest.strip_prefix(' ') else {
        return Ok(None);
    };
    let (bytes, text) = match rest.split_once("  >") {
        Some((bytes, text)) => (bytes, text.trim_end().strip_suffix('<')),
        None => (rest.trim_end(), None),
    };
    let bytes: Option<Vec<u8>> = bytes
        .trim_end()
        .split(' ')
        .map(|word| byte(word.as_bytes()))
        .collect();
    match bytes {
        Some(bytes) if bytes.len() <= LINE_BYTES_MAX => match text {
            Some(text) => check_text(bytes, Some(text)),
            None => Ok(Some((bytes, false))),
        },
        _ => Ok(None),
    }
}

type Found = Result<Option<(Vec<u8>, bool)>, &'static str>;

/// `md.b` and `xxd`: bytes, or groups of bytes, one blank apart; at least two blanks
/// before the text.
fn with_colon(rest: &str) -> Found {
    let bytes = rest.as_bytes();
    let mut found: Vec<u8> = Vec::new();
    let mut at = 0;
    let group = bytes.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    if group % 2 != 0 || group < 2 {
        return match rest.trim().is_empty() {
            true => Err("it has no bytes"),
            // Some other program's `0123abcd: text`.
            false => Ok(None),
        };
    }
    if group == 8 {
        return Err(WORDS);
    }
    while let Some(pair) = bytes.get(at..at + 2) {
        let Some(byte) = byte(pair) else { break };
        found.push(byte);
        at += 2;
        if found.len() == LINE_BYTES_MAX {
            break;
        }
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(b' '), Some(b' ') | None) => break,
            (Some(b' '), _) => at += 1,
            (Some(b), _) if b.is_ascii_hexdigit() => {}
            (None, _) => break,
            _ => return Err("what stands behind its bytes is not a blank"),
        }
    }
    // xxd has two blanks before its text, md.w four.
    if group == 4 && found.len() == 16 && rest.trim_end().len() > at + 2 + 16 {
        return Err(WORDS);
    }
    check_text(found, column(&rest[at..]))
}

const WORDS: &str = "it is of md.l or md.w, whose order depends on the processor: use md.b";

/// `hexdump -C`: bytes one blank apart, two in the middle, text between bars.
fn hexdump(rest: &str) -> Found {
    let Some((bytes, text)) = rest.split_once('|') else {
        return Ok(None);
    };
    let Some(text) = text.trim_end().strip_suffix('|') else {
        return Err("its text does not end");
    };
    let mut found = Vec::new();
    for word in bytes.split_ascii_whitespace() {
        let byte = byte(word.as_bytes()).ok_or("what stands there is no byte")?;
        found.push(byte);
    }
    if found.is_empty() || found.len() > LINE_BYTES_MAX {
        return Err("it has no bytes, or too many");
    }
    check_text(found, Some(text))
}

fn byte(pair: &[u8]) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    match pair {
        [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
        _ => None,
    }
}

/// The column of text, where there is one.
fn column(rest: &str) -> Option<&str> {
    let gap = rest.len() - rest.trim_start_matches(' ').len();
    (gap < rest.len()).then_some(rest)
}

/// Compares the text with the bytes. Its beginning is not told by blanks, which may be
/// its own: it is counted from the end.
fn check_text(found: Vec<u8>, text: Option<&str>) -> Found {
    let Some(text) = text else {
        let is_blank = found.iter().all(|b| *b == b' ');
        return Ok(Some((found, is_blank)));
    };
    let shown: Vec<char> = text.trim_end().chars().collect();
    let fits = |from: usize| {
        let shown = &shown[from..];
        shown.len() <= found.len()
            && found[shown.len()..].iter().all(|b| *b == b' ')
            && shown.iter().zip(&found).all(|(c, b)| shows(*c, *b))
    };
    // Blanks at a line's end are lost where a log is copied.
    let blanks = shown.iter().take_while(|c| **c == ' ').count();
    match (0..=blanks).any(fits) {
        true => Ok(Some((found, true))),
        false => Err("its text is not that of its bytes"),
    }
}

/// Whether a byte is shown so: printable ASCII is, the rest is a dot.
fn shows(shown: char, byte: u8) -> bool {
    match byte {
        b' '..=b'~' => shown == char::from(byte) || (shown == '.' && byte == b' '),
        _ => !(' '..='~').contains(&shown) || shown == '.',
    }
}

#[cfg(test)]
mod tests;
