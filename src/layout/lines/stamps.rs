//! What stands before a message: a kernel's time, a log level, what a system log, a
//! terminal's record or `ts` puts there.

/// The message itself: `<6>`, `[    1.003000]`, `[Thu Feb 22 23:37:30 2024]`, `[    T1]`,
/// `Feb 22 23:37:30`, `kern.notice kernel:` and the like are taken off, as often as they
/// come, and so is what is left of a colour where a page dropped the escape character.
pub(crate) fn without(text: &str) -> &str {
    let mut text = text;
    while let Some(rest) = level(text)
        .or_else(|| in_brackets(text))
        .or_else(|| colour(text))
        .or_else(|| bare_time(text))
    {
        text = rest.trim_start();
    }
    while let Some(rest) = text
        .rsplit_once('[')
        .and_then(|(before, last)| is_colour(last.strip_suffix('m')?).then_some(before.trim_end()))
    {
        text = rest;
    }
    // What a system log puts in front of the kernel's own words.
    match text.split_once("kernel: ") {
        Some((_, rest)) => {
            let rest = rest.trim_start();
            in_brackets(rest).map_or(rest, str::trim_start)
        }
        None => text,
    }
}

fn level(text: &str) -> Option<&str> {
    let (level, rest) = text.strip_prefix('<')?.split_once('>')?;
    let is_level = !level.is_empty() && level.bytes().all(|b| b.is_ascii_digit());
    is_level.then_some(rest)
}

fn in_brackets(text: &str) -> Option<&str> {
    let (stamp, rest) = text.strip_prefix('[')?.split_once(']')?;
    is_stamp(stamp.trim()).then_some(rest)
}

/// `[0;32m`, its escape character lost.
fn colour(text: &str) -> Option<&str> {
    let (number, rest) = text.strip_prefix('[')?.split_once('m')?;
    is_colour(number).then_some(rest)
}

fn is_colour(number: &str) -> bool {
    number.bytes().all(|b| b.is_ascii_digit() || b == b';')
}

/// `1.003000`, a date and a time in any order, or the thread that the kernel names.
fn is_stamp(text: &str) -> bool {
    if text.strip_prefix(['T', 'C']).is_some_and(is_digits) {
        return true;
    }
    let is_number = |word: &str| {
        let fits = |b: u8| b.is_ascii_digit() || b".:-/+TZ".contains(&b);
        word.bytes().all(fits) && word.bytes().any(|b| b.is_ascii_digit())
    };
    let mut words = text.split_ascii_whitespace();
    match words.clone().all(is_number) {
        true => text.contains(['.', ':']),
        false => {
            let has_time = text.split_ascii_whitespace().any(is_time);
            has_time && words.all(|word| is_number(word) || is_name_of_day(word))
        }
    }
}

/// `Feb 22 23:37:30` and the like, without brackets.
fn bare_time(text: &str) -> Option<&str> {
    let mut rest = text;
    for _ in 0..4 {
        let (word, behind) = rest.split_once(' ')?;
        if is_time(word) {
            return Some(behind);
        }
        let is_date = |word: &str| {
            word.contains(['-', '/'])
                && word.bytes().any(|b| b.is_ascii_digit())
                && word
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b"-/".contains(&b))
        };
        if !(is_date(word) || is_name_of_day(word) || is_digits(word)) {
            return None;
        }
        rest = behind.trim_start();
    }
    None
}

/// `23:37:30`, perhaps with a fraction.
fn is_time(word: &str) -> bool {
    let (clock, fraction) = word.split_once(['.', ',']).unwrap_or((word, "0"));
    let mut parts = clock.split(':');
    let is_part = |part: &str| part.len() <= 2 && is_digits(part);
    let clock = [parts.next(), parts.next(), parts.next()];
    clock.iter().all(|part| part.is_some_and(is_part))
        && parts.next().is_none()
        && is_digits(fraction)
}

/// `Thu`, `Feb`.
fn is_name_of_day(word: &str) -> bool {
    word.len() == 3 && word.bytes().all(|b| b.is_ascii_alphabetic())
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::dmesg("[    0.361000] ")]
    #[case::dmesg_t("[Thu Feb 22 23:37:30 2024] ")]
    #[case::caller("[    0.361000][    T1] ")]
    #[case::level("<5>[4294667.751000] ")]
    #[case::logread("Thu Feb 22 23:37:30 2024 kern.notice kernel: [    0.36] ")]
    #[case::syslog("Jan  1 00:00:08 OpenWrt kern.notice kernel: [    0.57] ")]
    #[case::journal("Feb 22 23:37:30 debian kernel: ")]
    #[case::minicom("[2024-02-22 23:37:30] [    0.361] ")]
    #[case::tera_term("[Thu Feb 22 23:37:30.123 2024] ")]
    #[case::iso("[2024-02-22T23:37:30.120Z] ")]
    #[case::ts("Feb 22 23:37:30 ")]
    #[case::ts_i("00:00:01.123456 [    0.361] ")]
    #[case::tio("2024-02-22 23:37:30,123 ")]
    fn stamps_go(#[case] before: &str) {
        for message in [
            "0x0-0x1 : \"a\"",
            "2 uimage-fw partitions found on MTD device x",
        ] {
            assert_eq!(without(&format!("{before}{message}")), message);
        }
    }

    #[rstest]
    #[case("[x] y")]
    #[case("[12] y")]
    #[case("abc 12 y")]
    #[case("0: kernel 0x1000 0x0 0")]
    #[case("Filesystem 12:30 x")]
    #[case("[1:swapper/0] x")]
    fn what_is_no_stamp_stays(#[case] line: &str) {
        assert_eq!(without(line), line);
    }
}
