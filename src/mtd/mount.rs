//! What a mount's source says of MTD.

use super::{MtdIndex, MtdInfo};

/// The device that a mount's source names, as Linux takes it (drivers/mtd/mtdsuper.c):
/// `/dev/mtdblock3`, `mtd3`, `mtd:rootfs`. A number's device need not be there.
pub(crate) fn of_source(source: &str, devices: &[MtdInfo]) -> Option<MtdIndex> {
    if let Some(name) = source.strip_prefix("mtd:") {
        return devices.iter().find(|d| d.name == name).map(|d| d.index);
    }
    let rest = source.trim_start_matches("/dev/").strip_prefix("mtd")?;
    let rest = rest.strip_prefix("block").unwrap_or(rest);
    rest.trim_start_matches('/').parse().ok().map(MtdIndex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("/dev/mtdblock3", Some(3))]
    #[case("/dev/mtdblock/4", Some(4))]
    #[case("/dev/mtd5", Some(5))]
    #[case("mtd6", Some(6))]
    #[case("mtd:a name", Some(7))]
    #[case("mtd:unknown", None)]
    #[case("/dev/sda1", None)]
    #[case("proc", None)]
    #[case("mtdx", None)]
    fn sources_of_mounts(#[case] source: &str, #[case] index: Option<u32>) {
        let devices = [MtdInfo::new(MtdIndex(7), "a name", 1, 1)];
        assert_eq!(of_source(source, &devices), index.map(MtdIndex));
    }
}
