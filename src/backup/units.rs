//! Sizes and counts as people read them.

/// Exact in bytes or KiB below 10 MiB, else MiB with one decimal:
/// `256 KiB`, `6144 KiB`, `16.0 MiB`.
pub fn size(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;
    let tenths = |unit: u64| {
        let tenths = u128::from(bytes) * 10 / u128::from(unit);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    match bytes {
        0..10_485_760 if bytes % KIB == 0 => format!("{} KiB", bytes / KIB),
        0..10_485_760 => count(bytes, "byte"),
        10_485_760..0x2_8000_0000 => format!("{} MiB", tenths(MIB)),
        _ => format!("{} GiB", tenths(GIB)),
    }
}

/// A count with its unit, which gets an `s` unless there is one of it:
/// `1 partition`, `11 partitions`.
pub fn count(number: u64, unit: &str) -> String {
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
            (0, "0 KiB"),
            (1, "1 byte"),
            (4096, "4 KiB"),
            (0x60_0000, "6144 KiB"),
            (0x100_0000, "16.0 MiB"),
            (1 << 32, "4096.0 MiB"),
            (1 << 40, "1024.0 GiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
