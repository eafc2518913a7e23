//! Sizes and counts as people read them.

/// Exact as long as that is short, else one decimal if it is not 0, rounded down so
/// that nothing missing looks whole: `1 byte`, `256 KiB`, `6 MiB`, `1152 KiB`,
/// `15.9 MiB`; `16 MiB` also with a few bytes beside them.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let whole = UNITS
        .iter()
        .find(|(unit, _)| bytes > 0 && bytes % unit == 0);
    match whole {
        Some((unit, name)) if bytes / unit < 10_240 => format!("{} {name}", bytes / unit),
        _ if bytes < 10_240 << 10 => count(bytes, "byte"),
        _ => {
            let (unit, name) = if bytes < 10 << 30 { UNITS[1] } else { UNITS[0] };
            let tenths = bytes / unit * 10 + bytes % unit * 10 / unit;
            match tenths % 10 {
                0 => format!("{} {name}", tenths / 10),
                tenth => format!("{}.{tenth} {name}", tenths / 10),
            }
        }
    }
}

/// A count with its unit, which gets an `s` unless there is one of it:
/// `1 partition`, `11 partitions`.
pub(crate) fn count(number: u64, unit: &str) -> String {
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::{count, size};

    #[test]
    fn counts() {
        assert_eq!(count(0, "partition"), "0 partitions");
        assert_eq!(count(1, "partition"), "1 partition");
        assert_eq!(count(2, "partition"), "2 partitions");
    }

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (4096, "4 KiB"),
            (0x12_0000, "1152 KiB"),
            (0x60_0000, "6 MiB"),
            (0x60_0001, "6291457 bytes"),
            (0x100_0000, "16 MiB"),
            (0xff_ffff, "15.9 MiB"),
            (0xff_f000, "15.9 MiB"),
            (1 << 32, "4 GiB"),
            ((1 << 32) + 1, "4096 MiB"),
            (0x101_0000, "16 MiB"),
            (0x101_a000, "16.1 MiB"),
            (1 << 40, "1024 GiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
