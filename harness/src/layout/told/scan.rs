//! Lines as they were before they were pasted, and a scanner for one of them.

/// One line that has something on it.
pub(super) struct Line {
    pub(super) number: usize,
    /// How deep it was indented.
    pub(super) depth: usize,
    pub(super) text: String,
}

/// The lines without byte-order mark, CR, colours, curly quotes, odd blanks, log levels
/// and time stamps; without what forums make of quotes, of `0x` and of hyphens.
pub(super) fn lines(text: &str) -> Vec<Line> {
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = Vec::new();
    for (at, raw) in text.split('\n').enumerate() {
        let escaped = raw.contains("&quot;") && !raw.contains('"');
        let plain = match escaped {
            true => straight(&unescaped(raw)),
            false => straight(raw),
        };
        let depth = plain.len() - plain.trim_start().len();
        let text = without_stamps(plain.trim()).to_owned();
        if !text.is_empty() {
            lines.push(Line {
                number: at + 1,
                depth,
                text,
            });
        }
    }
    lines
}

/// What stands for itself in a page's source.
fn unescaped(raw: &str) -> String {
    let mut text = raw.to_owned();
    for (entity, c) in [
        ("&quot;", "\""),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ] {
        text = text.replace(entity, c);
    }
    text
}

fn straight(raw: &str) -> String {
    let mut plain = String::new();
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c == '\u{1b}' && rest.starts_with('[') {
            let letter = rest.find(|c: char| c.is_ascii_alphabetic());
            rest = letter.map_or("", |at| &rest[at + 1..]);
            continue;
        }
        match c {
            '“' | '”' | '„' | '‟' | '«' | '»' | '″' | '＂' => plain.push('"'),
            '×' if plain.ends_with('0') => plain.push('x'),
            '‐'..='—' | '−' => {
                let next = rest.trim_start();
                let before_number = next.starts_with("0x") || next.starts_with("0×");
                plain.push(if before_number { '-' } else { c });
            }
            '\t' | '\u{a0}' | '\u{2007}' | '\u{202f}' => plain.push(' '),
            '\u{200b}' | '\u{feff}' => {}
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

/// What a kernel's message is without `<6>`, `[ 1.003]` and what syslog writes before.
fn without_stamps(text: &str) -> &str {
    let mut scan = Scan(text);
    loop {
        let before = scan;
        if scan.skip("<") && scan.digits(10).is_some() && scan.skip(">") {
            scan.blanks();
            continue;
        }
        scan = before;
        if scan.stamp() {
            continue;
        }
        break;
    }
    if let Some(at) = scan.0.find("kernel: ") {
        scan = Scan(&scan.0[at + "kernel: ".len()..]);
        scan.blanks();
        scan.stamp();
    }
    scan.0
}

/// The rest of a line.
#[derive(Clone, Copy)]
pub(super) struct Scan<'a>(pub(super) &'a str);

impl<'a> Scan<'a> {
    pub(super) fn skip(&mut self, text: &str) -> bool {
        match self.0.strip_prefix(text) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    pub(super) fn blanks(&mut self) {
        self.0 = self.0.trim_start();
    }

    /// `[    1.003000]` and blanks.
    fn stamp(&mut self) -> bool {
        let Some((stamp, rest)) = self
            .0
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
        else {
            return false;
        };
        let fits = |c: char| c.is_ascii_digit() || ".:- ".contains(c);
        let stamp = stamp.trim();
        let is_stamp = stamp.chars().all(fits)
            && stamp.contains('.')
            && stamp.chars().any(|c| c.is_ascii_digit());
        if is_stamp {
            self.0 = rest.trim_start();
        }
        is_stamp
    }

    /// The digits that come next, if there are any.
    pub(super) fn digits(&mut self, radix: u32) -> Option<&'a str> {
        let end = self.0.find(|c: char| !c.is_digit(radix));
        let (digits, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        (!digits.is_empty()).then_some(digits)
    }

    /// `0x…`; the number is none where it has more than 64 bits.
    pub(super) fn hex(&mut self) -> Option<Option<u64>> {
        let before = *self;
        let digits = if self.skip("0x") {
            self.digits(16)
        } else {
            None
        };
        if digits.is_none() {
            *self = before;
        }
        digits.map(|digits| u64::from_str_radix(digits, 16).ok())
    }

    /// A number as the kernel's memparse takes it: 16, 0x10, 020; k, M, G, T.
    pub(super) fn size(&mut self) -> Option<Option<u64>> {
        let prefix = self
            .0
            .get(..2)
            .is_some_and(|p| p.eq_ignore_ascii_case("0x"));
        let is_hex = prefix && self.0[2..].starts_with(|c: char| c.is_ascii_hexdigit());
        let radix = match (is_hex, self.0.starts_with('0')) {
            (true, _) => 16,
            (false, true) => 8,
            (false, false) => 10,
        };
        if is_hex {
            self.0 = &self.0[2..];
        }
        let number = u64::from_str_radix(self.digits(radix)?, radix).ok();
        let unit = self.0.chars().next().map(|c| c.to_ascii_lowercase());
        let power = unit.and_then(|unit| "kmgt".find(unit));
        let Some(power) = power else {
            return Some(number);
        };
        self.0 = &self.0[1..];
        Some(number.and_then(|number| number.checked_mul(1024_u64.pow(power as u32 + 1))))
    }

    /// What is between the first quotation mark, which comes next, and the last, which
    /// ends the line.
    pub(super) fn quoted(self) -> Option<&'a str> {
        self.0.strip_prefix('"')?.strip_suffix('"')
    }
}

/// A decimal number. Rust's own reading takes a sign, which has no place here.
pub(super) fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    let unsigned = text.chars().all(|c| c.is_ascii_digit());
    unsigned.then(|| text.parse().ok())?
}
