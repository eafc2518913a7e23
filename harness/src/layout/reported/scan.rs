//! Lines as they were before they were pasted, and a scanner for one of them.

/// One line that has something on it.
pub(super) struct Line {
    pub(super) number: usize,
    /// How deep it was indented.
    pub(super) depth: usize,
    pub(super) text: String,
}

/// The lines without byte-order mark, CR, colours, odd quotes, odd blanks, a mail's `>`,
/// log levels and time stamps; without what forums make of quotes, of `0x` and of
/// hyphens; those joined that were wrapped inside a partition's name or before it.
pub(super) fn lines(text: &str) -> Vec<Line> {
    let text = text.trim_start_matches('\u{feff}');
    let separator = match text.contains('\n') {
        true => '\n',
        false => '\r',
    };
    let mut lines: Vec<Line> = Vec::new();
    // Whether the last line is one of two already.
    let mut is_joined = false;
    for (at, raw) in text.split(separator).enumerate() {
        let line = cleaned(at + 1, raw);
        if line.text.is_empty() {
            continue;
        }
        if let Some(last) = lines.last_mut().filter(|_| !is_joined) {
            if let Some(between) = joint(&last.text, &line.text) {
                last.text = [last.text.as_str(), between, &line.text].concat();
                is_joined = true;
                continue;
            }
        }
        is_joined = false;
        lines.push(line);
    }
    lines
}

fn cleaned(number: usize, raw: &str) -> Line {
    let quotes = raw.chars().filter(|c| *c == '"').count();
    let plain = if quotes == 0 && raw.contains("&quot;") {
        straight(&unescaped(raw))
    } else if quotes > 0 && raw.split("\\\"").count() == quotes + 1 {
        straight(&raw.replace("\\\"", "\""))
    } else {
        straight(raw)
    };
    let mut said = plain.as_str();
    loop {
        let start = said.trim_start();
        let quoted = [">", "&gt;"]
            .iter()
            .find_map(|mark| start.strip_prefix(mark));
        let Some(rest) = quoted else { break };
        said = rest.strip_prefix(' ').unwrap_or(rest);
    }
    let depth = said.len() - said.trim_start().len();
    let mut text = without_stamps(said.trim()).to_owned();
    let close = match text.ends_with(':') {
        true => text.len().saturating_sub(2),
        false => text.len().saturating_sub(1),
    };
    if !text.contains('"') && text.get(close..).is_some_and(|end| end.starts_with('\'')) {
        let open = text.find('\'').filter(|open| *open < close);
        if let Some(open) = open {
            text.replace_range(close..=close, "\"");
            text.replace_range(open..=open, "\"");
        }
    }
    Line {
        number,
        depth,
        text,
    }
}

/// What to put between two lines that were one.
fn joint(first: &str, second: &str) -> Option<&'static str> {
    let begins = |line: &str| line.starts_with("mtd") || line.starts_with("0x");
    // The kernel's word on a split, cut before the name of what was split.
    let mut said = " partitions found on MTD device".to_owned();
    while said.len() >= 4 && first.starts_with(|c: char| c.is_ascii_digit()) {
        if first.ends_with(said.trim_end()) {
            let is_word = [" partitions", " found", " on", " MTD", " device"]
                .iter()
                .any(|word| said.trim_end().ends_with(word));
            return match (begins(second), is_word) {
                (true, _) => None,
                (false, true) => Some(" "),
                (false, false) => Some(""),
            };
        }
        said.pop();
    }
    if !begins(first) && !first.contains(" MTD partitions on") {
        return None;
    }
    let marks = [first, second].map(|line| line.split('"').count() - 1);
    let closes = second.ends_with('"') || second.ends_with("\":");
    if marks == [0, 2] && second.starts_with('"') && closes {
        return Some(" ");
    }
    let inside = marks == [1, 1] && closes && !first.ends_with('"');
    (inside && !begins(second)).then_some("")
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
        if c == '\u{1b}' {
            rest = behind_escape(rest);
            continue;
        }
        match c {
            '“' | '”' | '„' | '‟' | '″' | '＂' => plain.push('"'),
            '‘' | '’' | '‚' | '‛' => plain.push('\''),
            '«' | '»' => {
                let opens = (plain.split('"').count() - 1) % 2 == 0;
                if opens {
                    rest = rest.trim_start();
                } else {
                    plain.truncate(plain.trim_end().len());
                }
                plain.push('"');
            }
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

/// Behind a terminal's order: a colour, a choice of letters, a window's title.
fn behind_escape(rest: &str) -> &str {
    let mut chars = rest.chars();
    match chars.next() {
        Some('[') => {
            let letter = rest.find(|c: char| c.is_ascii_alphabetic());
            letter.map_or("", |at| &rest[at + 1..])
        }
        Some('(' | ')') => {
            chars.next();
            chars.as_str()
        }
        Some(']') => rest.split_once('\u{7}').map_or("", |(_, rest)| rest),
        _ => rest,
    }
}

/// What a kernel's message is without `<6>`, `[ 1.003]`, `Feb 22 23:37:30` and what syslog
/// writes before.
fn without_stamps(text: &str) -> &str {
    let mut scan = Scan(text);
    loop {
        let before = scan;
        if scan.skip("<") && scan.digits(10).is_some() && scan.skip(">") {
            scan.blanks();
            continue;
        }
        scan = before;
        if scan.stamp() || scan.colour() || scan.clock() {
            continue;
        }
        break;
    }
    // Colours that lost their escape character at the end.
    while let Some(open) = scan.0.rfind('[') {
        let mut last = Scan(&scan.0[open..]);
        if !last.colour() || !last.0.is_empty() || !scan.0.ends_with('m') {
            break;
        }
        scan = Scan(scan.0[..open].trim_end());
    }
    if let Some(at) = scan.0.find("kernel: ") {
        scan = Scan(&scan.0[at + "kernel: ".len()..]);
        scan.blanks();
        scan.stamp();
    }
    scan.0
}

/// Digits and what stands between them in a date and a time.
fn is_figure(word: &str) -> bool {
    word.contains(|c: char| c.is_ascii_digit())
        && word
            .chars()
            .all(|c| c.is_ascii_digit() || ".:-/+TZ".contains(c))
}

/// A day of the week or a month.
fn is_day(word: &str) -> bool {
    word.len() == 3 && word.chars().all(|c| c.is_ascii_alphabetic())
}

/// Hours, minutes, seconds, perhaps parts of one.
fn is_clock(word: &str) -> bool {
    let mut scan = Scan(word);
    for colon in [false, true, true] {
        if colon && !scan.skip(":") {
            return false;
        }
        if scan.digits(10).is_none_or(|digits| digits.len() > 2) {
            return false;
        }
    }
    scan.0.is_empty()
        || ((scan.skip(".") || scan.skip(",")) && scan.digits(10).is_some() && scan.0.is_empty())
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

    /// `[    1.003000]`, a date with a time, or a thread's number, and blanks.
    fn stamp(&mut self) -> bool {
        let Some((stamp, rest)) = self
            .0
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
        else {
            return false;
        };
        let stamp = stamp.trim();
        let mut thread = Scan(stamp);
        let is_thread = (thread.skip("T") || thread.skip("C"))
            && thread.digits(10).is_some()
            && thread.0.is_empty();
        let words: Vec<&str> = stamp.split_ascii_whitespace().collect();
        let is_stamp = if words.iter().all(|word| is_figure(word)) {
            stamp.contains('.') || stamp.contains(':')
        } else {
            words.iter().all(|word| is_figure(word) || is_day(word))
                && words.iter().any(|word| is_clock(word))
        };
        if is_stamp || is_thread {
            self.0 = rest.trim_start();
        }
        is_stamp || is_thread
    }

    /// `[0;32m`, whose escape character is lost, and blanks.
    fn colour(&mut self) -> bool {
        let mut scan = *self;
        if !scan.skip("[") {
            return false;
        }
        while scan.digits(10).is_some() || scan.skip(";") {}
        let is_colour = scan.skip("m");
        if is_colour {
            self.0 = scan.0.trim_start();
        }
        is_colour
    }

    /// A time and what of a date stands before it, without brackets.
    fn clock(&mut self) -> bool {
        let mut rest = self.0;
        for _ in 0..4 {
            let Some((word, behind)) = rest.split_once(' ') else {
                return false;
            };
            if is_clock(word) {
                self.0 = behind.trim_start();
                return true;
            }
            let is_date = is_figure(word)
                && word.contains(['-', '/'])
                && !word.contains(['.', ':', '+', 'T', 'Z']);
            let is_number = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
            if !is_date && !is_number && !is_day(word) {
                return false;
            }
            rest = behind.trim_start();
        }
        false
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
