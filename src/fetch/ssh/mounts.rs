//! Partitions that something on the device may write while they are read.

use crate::mtd::{MtdIndex, MtdInfo, mount};

/// Of the device's `/proc/mounts`, and its kernel's command line, which tells what
/// `/dev/root` is; in words.
pub(super) fn written(mounts: &str, cmdline: &str, devices: &[MtdInfo]) -> Vec<String> {
    let mounted = |line: &str| {
        let mut words = line.split(' ');
        let (source, folder, kind) = (words.next()?, words.next()?, words.next()?);
        let writes = words.next()?.split(',').any(|option| option == "rw");
        let source = match source {
            "/dev/root" => root(cmdline)?,
            other => other,
        };
        let known = of(source, devices).filter(|_| writes)?;
        Some(format!(
            "{} is mounted on {folder} ({kind}) for writing, and may change while it is read",
            known.id()
        ))
    };
    mounts.lines().filter_map(mounted).collect()
}

/// The last `root=`, which is the one that counts.
fn root(cmdline: &str) -> Option<&str> {
    let words = cmdline.split_whitespace();
    words
        .filter_map(|word| word.strip_prefix("root="))
        .next_back()
}

/// The partition that a mount's source or a `root=` names; the latter also by the block
/// device's number, in either form (init/do_mounts.c).
fn of<'a>(source: &str, devices: &'a [MtdInfo]) -> Option<&'a MtdInfo> {
    let hex = source.strip_prefix("1f").filter(|rest| rest.len() == 2);
    let index = match (hex, source.strip_prefix("31:")) {
        (Some(hex), _) => MtdIndex(u32::from_str_radix(hex, 16).ok()?),
        (None, Some(minor)) => MtdIndex(minor.parse().ok()?),
        (None, None) => mount::of_source(source, devices)?,
    };
    devices.iter().find(|device| device.index == index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mtd::MtdIndex;
    use rstest::rstest;

    #[rstest]
    #[case::block(
        "/dev/mtdblock3 /a jffs2 rw,noatime 0 0",
        "",
        Some("mtd3 (data) is mounted on /a (jffs2)")
    )]
    #[case::devfs("/dev/mtdblock/3 /a jffs2 rw 0 0", "", Some("mtd3 (data)"))]
    #[case::number("mtd3 /a jffs2 rw 0 0", "", Some("mtd3 (data)"))]
    #[case::name("mtd:data /a jffs2 rw 0 0", "", Some("mtd3 (data)"))]
    #[case::root(
        "/dev/root / jffs2 rw 0 0",
        "root=/dev/ram0 root=/dev/mtdblock3 quiet",
        Some("mtd3 (data) is mounted on /")
    )]
    #[case::root_in_hex("/dev/root / jffs2 rw 0 0", "root=1f03", Some("mtd3"))]
    #[case::root_by_numbers("/dev/root / jffs2 rw 0 0", "root=31:3", Some("mtd3"))]
    #[case::root_elsewhere("/dev/root / ext4 rw 0 0", "root=/dev/sda1", None)]
    #[case::root_unknown("/dev/root / jffs2 rw 0 0", "", None)]
    #[case::read_only("/dev/mtdblock3 /rom squashfs ro,relatime 0 0", "", None)]
    #[case::an_option_that_only_begins_so("/dev/mtdblock3 /a jffs2 ro,rwx 0 0", "", None)]
    #[case::none("/dev/mtdblock7 /a jffs2 rw 0 0", "", None)]
    #[case::torn("/dev/mtdblock3 /a", "", None)]
    fn what_may_be_written(
        #[case] mounts: &str,
        #[case] cmdline: &str,
        #[case] says: Option<&str>,
    ) {
        let devices = [
            MtdInfo::new(MtdIndex(0), "boot", 1024, 1024),
            MtdInfo::new(MtdIndex(3), "data", 1024, 1024),
        ];
        let said = written(mounts, cmdline, &devices);
        assert_eq!(said.len(), usize::from(says.is_some()), "{said:?}");
        assert!(
            says.is_none_or(|says| said[0].starts_with(says)),
            "{said:?}"
        );
    }
}
