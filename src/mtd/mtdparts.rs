//! `mtdparts=` as Linux reads it (Linux 6.1, drivers/mtd/parsers/cmdlinepart.c):
//!
//! ```text
//! mtdparts=<chip>:<partition>[,<partition>…][;<chip>:…]
//! <partition> := <size>[@<offset>][(<name>)][ro][lk][slc]
//! ```
//!
//! A size is a number with k, M, G or `-` for the rest; without an offset a
//! partition follows the one before it, without a name it is called `Partition_` and
//! its number on its chip. In a chip's name everything up to the last colon before the
//! first parenthesis counts.

const KEY: &str = "mtdparts=";

/// A partition as it stands there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    /// None where it has none.
    pub(crate) name: Option<&'a str>,
    /// From the start of its chip.
    pub(crate) offset_bytes: Option<u64>,
    /// None: the rest of the chip.
    pub(crate) size_bytes: Option<u64>,
    /// The kernel is to make it read-only.
    pub(crate) read_only: bool,
}

/// What is wrong, and with what.
pub(crate) type Wrong<'a> = (&'static str, &'a str);

/// Where in a line the partitions stand, where it has any.
pub(crate) fn definition(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once(KEY)?;
    let quote = before.ends_with('"') || rest.starts_with('"');
    // U-Boot's own variable is printed as `mtdparts=mtdparts=…`.
    let rest = rest.trim_start_matches(['"', '\'']);
    let rest = rest.strip_prefix(KEY).unwrap_or(rest);
    // A boot loader's variable that is still to be put in tells nothing.
    if rest.starts_with('$') {
        return None;
    }
    let end = if quote {
        rest.find('"').unwrap_or(rest.len())
    } else {
        end_of_word(rest)
    };
    Some(&rest[..end])
}

/// The definition in a kernel's own command line, where it has one.
pub(crate) fn of_kernel(text: &str) -> Option<&str> {
    let (_, behind) = text.split_once(KEY)?;
    if behind.contains(KEY) {
        return None;
    }
    definition(text.trim_end())
}

/// The end of a word in which names in parentheses may hold blanks.
fn end_of_word(text: &str) -> usize {
    let mut inside = false;
    for (at, c) in text.char_indices() {
        match c {
            '(' => inside = true,
            ')' => inside = false,
            c if !inside && (c.is_whitespace() || c == '"' || c == '\'') => return at,
            _ => {}
        }
    }
    text.len()
}

/// A definition chip by chip.
pub(crate) fn chips(text: &str) -> impl Iterator<Item = &str> {
    let mut in_name = false;
    let ends_chip = move |c: char| {
        in_name = (in_name || c == '(') && c != ')';
        c == ';' && !in_name
    };
    text.split(ends_chip).filter(|chip| !chip.is_empty())
}

/// The partitions of a chip, one by one; an error is the last.
pub(crate) struct Parts<'a> {
    all: &'a str,
    /// What is still to be read; none behind an error.
    rest: Option<&'a str>,
    next_bytes: Option<u64>,
    /// None before the first.
    last: Option<Part<'a>>,
}

impl<'a> Parts<'a> {
    /// The name of a chip, and its partitions; none where it has no name.
    pub(crate) fn of(chip: &'a str) -> Option<(&'a str, Self)> {
        let before_names = &chip[..chip.find('(').unwrap_or(chip.len())];
        let colon = before_names.rfind(':').filter(|at| *at > 0)?;
        let parts = Self {
            all: chip,
            rest: Some(&chip[colon + 1..]),
            next_bytes: Some(0),
            last: None,
        };
        Some((&chip[..colon], parts))
    }

    fn part(&self, mut rest: &'a str) -> Result<(Part<'a>, &'a str), Wrong<'a>> {
        if let Some(last) = self.last {
            rest = match rest.strip_prefix(',') {
                Some(_) if last.size_bytes.is_none() => {
                    return Err(("a partition behind one that takes the rest", self.all));
                }
                Some(rest) => rest,
                None => return Err(("something behind a partition", rest)),
            };
        }
        let size_bytes = match rest.strip_prefix('-') {
            Some(behind) => {
                rest = behind;
                None
            }
            None => Some(self.number(&mut rest, "no size")?),
        };
        let offset_bytes = match rest.strip_prefix('@') {
            Some(behind) => {
                rest = behind;
                Some(self.number(&mut rest, "no offset behind the @")?)
            }
            None => self.next_bytes,
        };
        let mut name = None;
        if let Some(behind) = rest.strip_prefix('(') {
            let (inside, behind) = behind
                .split_once(')')
                .ok_or(("no closing parenthesis", self.all))?;
            (name, rest) = (Some(inside), behind);
        }
        let mut read_only = false;
        for (flag, is_read_only) in [("ro", true), ("lk", false), ("slc", false)] {
            if let Some(behind) = rest.strip_prefix(flag) {
                rest = behind;
                read_only |= is_read_only;
            }
        }
        let part = Part {
            name,
            offset_bytes,
            size_bytes,
            read_only,
        };
        let is_past = |end: Option<u64>| end.is_none_or(|end| i64::try_from(end).is_err());
        if size_bytes.is_some() && offset_bytes.is_some() && is_past(part.end_bytes()) {
            return Err(("a partition past 63 bits", self.all));
        }
        Ok((part, rest))
    }

    /// A number as Linux's memparse reads it: decimal, hex or octal, and k, M, G,
    /// T behind it.
    fn number(&self, rest: &mut &'a str, missing: &'static str) -> Result<u64, Wrong<'a>> {
        let (number, behind) = memory_size(rest).ok_or((missing, *rest))?;
        let number = number
            .filter(|number| i64::try_from(*number).is_ok())
            .ok_or(("a number past 63 bits", self.all))?;
        *rest = behind;
        Ok(number)
    }
}

impl Part<'_> {
    fn end_bytes(&self) -> Option<u64> {
        self.offset_bytes?.checked_add(self.size_bytes?)
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Part<'a>, Wrong<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        if self.last.is_some() && rest.is_empty() {
            return None;
        }
        let found = self.part(rest);
        Some(found.map(|(part, rest)| {
            self.rest = Some(rest);
            self.next_bytes = part.end_bytes();
            self.last = Some(part);
            part
        }))
    }
}

/// A number with its unit, and what is behind it; the number is `None` where it
/// needs more than 64 bits. `None` where there is no number.
pub(crate) fn memory_size(text: &str) -> Option<(Option<u64>, &str)> {
    let hex = text
        .strip_prefix("0x")
        .or_else(|| text.strip_prefix("0X"))
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_hexdigit()));
    let (digits, radix) = match hex {
        Some(rest) => (rest, 16),
        None if text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    let end = digits
        .find(|c: char| !c.is_digit(radix))
        .unwrap_or(digits.len());
    if end == 0 {
        return None;
    }
    let number = u64::from_str_radix(&digits[..end], radix).ok();
    let rest = &digits[end..];
    let shift = match rest.chars().next() {
        Some('k' | 'K') => 10,
        Some('m' | 'M') => 20,
        Some('g' | 'G') => 30,
        Some('t' | 'T') => 40,
        _ => return Some((number, rest)),
    };
    let number = number.and_then(|number| number.checked_mul(1 << shift));
    Some((number, &rest[1..]))
}
