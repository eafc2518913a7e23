//! UTC time as the manifest writes it, without a time crate: the device's own
//! build has no room for one.

use std::time::{SystemTime, UNIX_EPOCH};

/// `2026-11-23T09:35:00Z`. A clock before 1970 (a device without a battery may
/// start anywhere) is given as 1970.
pub(crate) fn utc(time: SystemTime) -> String {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (year, month, day) = civil_date(seconds / 86_400);
    let of_day = seconds % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// Year, month and day of a count of days since 1970-01-01 in the Gregorian
/// calendar: whole years first, then whole months.
fn civil_date(mut days: u64) -> (u64, u64, u64) {
    // 400 years have a fixed number of days; skipping them bounds the loop.
    let mut year = 1970 + 400 * (days / 146_097);
    days %= 146_097;
    while days >= days_of_year(year) {
        days -= days_of_year(year);
        year += 1;
    }
    let mut month = 1;
    while days >= days_of_month(year, month) {
        days -= days_of_month(year, month);
        month += 1;
    }
    (year, month, days + 1)
}

fn is_leap(year: u64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_year(year: u64) -> u64 {
    if is_leap(year) { 366 } else { 365 }
}

fn days_of_month(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::time::Duration;

    // Expected values from `date -u -d @N +%FT%TZ`.
    #[rstest]
    #[case(0, "1970-01-01T00:00:00Z")]
    #[case(951_782_400, "2000-02-29T00:00:00Z")]
    #[case(951_868_800, "2000-03-01T00:00:00Z")]
    #[case(1_262_304_000, "2010-01-01T00:00:00Z")]
    #[case(4_107_542_399, "2100-02-28T23:59:59Z")]
    #[case(4_107_542_400, "2100-03-01T00:00:00Z")]
    #[case(13_574_563_200, "2400-02-29T00:00:00Z")]
    fn known_times(#[case] seconds: u64, #[case] expected: &str) {
        assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
    }

    #[test]
    fn a_clock_before_1970_is_given_as_1970() {
        assert_eq!(
            utc(UNIX_EPOCH - Duration::from_secs(5)),
            "1970-01-01T00:00:00Z"
        );
    }
}
