//! What a partition is for, as its name says: which ones decide whether a device starts
//! and which device it is, and which belong to one bank of the firmware.
//!
//! Names are all that there is to go by. A wrong guess here asks for one more word of the
//! user, or writes a partition earlier or later than another; it never lets anything be
//! written.

use crate::backup::known;

/// What a partition is for, in the order in which partitions are written: what decides
/// whether others are used comes after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    /// Anything else.
    Other,
    /// Which bank of the firmware is newer.
    Counter,
    /// The boot loader's own table or settings.
    Table,
    /// Made at the factory for one device.
    Factory,
    /// The boot loader.
    BootLoader,
}

impl Role {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 5] = [
        Self::Other,
        Self::Counter,
        Self::Table,
        Self::Factory,
        Self::BootLoader,
    ];

    /// What a partition of that name is for.
    pub(crate) fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "redboot" | "u-boot" | "uboot" | "bootloader" | "boot" | "cfe" | "bootrom"
            | "loader" | "spl" => Self::BootLoader,
            name if known::is_called_as_of_one_device(name) => Self::Factory,
            "fis directory" | "redboot config" | "u-boot-env" | "uboot-env" | "u-boot env"
            | "env" | "nvram" => Self::Table,
            "ver_1" | "ver_2" => Self::Counter,
            _ => Self::Other,
        }
    }

    /// Whether it is written only where the user names it once more.
    pub(crate) fn is_protected(self) -> bool {
        self >= Self::Table
    }

    /// Whether it belongs to one device and to no other.
    pub(crate) fn is_own(self) -> bool {
        matches!(self, Self::Table | Self::Factory)
    }

    /// What it is, in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::BootLoader => "the boot loader: without it the device does not start",
            Self::Factory => "made at the factory for one device alone",
            Self::Table => "the boot loader's own table or settings",
            Self::Counter => "a version counter",
            Self::Other => "a partition",
        }
    }
}

/// The bank of the firmware, 1 or 2, to which a partition belongs in a layout that has
/// two of its kind: `linux` and `linux_2`, `ver_1` and `ver_2`, `kernel1` and `kernel2`.
pub(crate) fn bank(name: &str, names: &[&str]) -> Option<u8> {
    let has = |other: &str| names.contains(&other);
    if name.is_empty() {
        return None;
    }
    if let Some(stem) = name.strip_suffix('2') {
        let first = has(&format!("{stem}1"));
        let bare = stem.trim_end_matches(['_', '-']);
        return (!bare.is_empty() && (first || has(bare))).then_some(2);
    }
    let stem = name.strip_suffix('1').filter(|stem| !stem.is_empty());
    let twins = match stem {
        Some(stem) => has(&format!("{stem}2")),
        None => ["2", "_2", "-2"]
            .iter()
            .any(|end| has(&format!("{name}{end}"))),
    };
    twins.then_some(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("linux", Some(1))]
    #[case("linux_2", Some(2))]
    #[case("ver_1", Some(1))]
    #[case("ver_2", Some(2))]
    #[case("kernel1", Some(1))]
    #[case("kernel2", Some(2))]
    #[case("system", None)]
    #[case("lonely_2", None)]
    #[case("jffs2", None)]
    #[case("2", None)]
    #[case("1", None)]
    #[case("", None)]
    fn banks(#[case] name: &str, #[case] expected: Option<u8>) {
        let names = [
            "linux", "linux_2", "ver_1", "ver_2", "kernel1", "kernel2", "system", "lonely_2",
            "jffs2", "1", "2", "",
        ];
        assert_eq!(bank(name, &names), expected);
    }

    #[test]
    fn what_decides_is_protected_and_comes_last() {
        for name in [
            "RedBoot",
            "U-Boot",
            "param",
            "ART",
            "FIS directory",
            "RedBoot config",
        ] {
            assert!(Role::of(name).is_protected(), "{name}");
        }
        for name in ["linux", "rootfs_2", "system", "ver_1"] {
            assert!(!Role::of(name).is_protected(), "{name}");
        }
        assert!(Role::of("rootfs") < Role::of("ver_1"));
        assert!(Role::of("ver_1") < Role::of("RedBoot"));
    }
}
