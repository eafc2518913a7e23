//! How people name the files into which they copy flash, and what such a name says:
//! N of an mtdN, a partition's name, or both.
//!
//! [`SCHEMES`] lists the ways that were met, each with where; [`read`] understands
//! them all by the same few rules: the word `mtd`, `mtdblock` or `mtdchar` with a number
//! behind it is the device's node, the rest may be the partition's name, and endings that only
//! say "a file" go.
//!
//! Invariant: a name with two numbers, or with none, says no number; nothing is
//! guessed from what stands around it.

/// A way to name files, with a file of it.
#[cfg_attr(not(test), allow(dead_code))]
pub(super) struct Scheme {
    /// A file's name, of mtd0 "u-boot" or as it was found.
    pub(super) example: &'static str,
    /// N, where the name says it.
    pub(super) number: Option<u32>,
    /// The partition's name, where it is in the file's.
    pub(super) partition: Option<&'static str>,
    /// Where people name them so.
    pub(super) source: &'static str,
}

const fn scheme(
    example: &'static str,
    number: Option<u32>,
    partition: Option<&'static str>,
    source: &'static str,
) -> Scheme {
    Scheme {
        example,
        number,
        partition,
        source,
    }
}

/// What was met in guides, scripts and threads.
#[rustfmt::skip] // a table
#[cfg_attr(not(test), allow(dead_code))]
pub(super) const SCHEMES: &[Scheme] = &[
    scheme("mtd0.bin", Some(0), None, "the iSpot's older script; roleoroleo/yi-hack-MStar#18; mfe-/ReadyNASDuoSparc#9"),
    scheme("mtd0_backup.bin", Some(0), None, "hackspot.net/iSpotBlog/?p=115"),
    scheme("mtd0", Some(0), None, "graemev/QNAPhomebrew grab-all-mdt; codekow/G-010S-AP backup/README.md; dangowrt/owrt-ubi-installer#56"),
    scheme("mtd0ro", Some(0), None, "forum.openwrt.org/t/84441 (nc of /dev/mtd0ro)"),
    scheme("mtd1", Some(1), None, "xda-developers thread 1902836 (nanddump -f /sdcard/mtd1)"),
    scheme("mtd0.img", Some(0), None, "fritz-smh/yi-hack#174"),
    scheme("mtd0.dump", Some(0), None, "ant-thomas/zsgx1hacks#110; nanddump -o -f mtd0.dump, hacking356"),
    scheme("mtd0.gz", Some(0), None, "T-REX-XP/XiaomiGatewayHack README"),
    scheme("mtdblock0", Some(0), None, "OpenIPC/firmware#17"),
    scheme("mtdchar0", Some(0), None, "dns323.kood.org information:firmware_info (a node of a D-Link NAS)"),
    scheme("mtdblock0-RedBoot.bin", Some(0), Some("RedBoot"), "forum.openwrt.org viewtopic pid=116205"),
    scheme("mtd0_u-boot.bin", Some(0), Some("u-boot"), "forum.openwrt.org viewtopic pid=116205; openwrt/openwrt#5019"),
    scheme("mtd0_uboot.bin", Some(0), Some("u-boot"), "openwrt-xiaomi/xmir-patcher create_backup.py (letters and digits alone)"),
    scheme("mtd0_u-boot.backup", Some(0), Some("u-boot"), "chill1Penguin/er605v2_openwrt_install#21"),
    scheme("OpenWrt.mtd0.bin", Some(0), None, "LuCI's \"Save mtdblock contents\", openwrt/luci#2122; dangowrt/owrt-ubi-installer#56, #112"),
    scheme("copy_dd_mtd0.bin", Some(0), None, "forum.openwrt.org/t/172916"),
    scheme("backup-mtd0.bin", Some(0), None, "forum.openwrt.org/t/48929"),
    scheme("DJA0231-mtd0-u-boot.img.gz", Some(0), Some("u-boot"), "seud0nym/tch-gui-unhide#26"),
    scheme("mtd0.log", Some(0), None, "gmbnomis/uboot-mdb-dump (a log of md.b)"),
    scheme("K.bin", None, Some("K"), "RX309Electronics/LSC_Indoor_camera dumpfw.sh ($partname.bin)"),
    scheme("kernel.bin", None, Some("kernel"), "EliasKotlyar/Xiaomi-Dafang-Hacks firmware-dump.md; openwrt/openwrt#16744"),
    scheme("initfs.jffs2", None, Some("initfs"), "0xffff mailing list, msg00041"),
    scheme("00_u-boot.bin", None, Some("u-boot"), "files that were counted to stand in order"),
    scheme("boot.img", None, Some("boot"), "Android's way; aib/opi2g-utils#2"),
];

/// Endings that say no more than that it is a copy of flash.
const ENDINGS: [&str; 21] = [
    "bin", "img", "image", "dump", "dmp", "backup", "bak", "raw", "dd", "rom", "mtd", "nand",
    "flash", "orig", "data", "dat", "fw", "jffs2", "squashfs", "ubi", "nanddump",
];

/// Endings of files that have bytes as text.
const TEXT_ENDINGS: [&str; 7] = ["log", "txt", "hex", "hexdump", "xxd", "cap", "md"];

/// What a file's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    /// N of the one mtdN in it.
    pub(super) number: Option<u32>,
    /// It has several numbers.
    pub(super) several: bool,
    /// It ends as gzip's files do.
    pub(super) is_packed: bool,
    /// What may be the partition's name: around the number, or all there is.
    pub(super) words: Vec<String>,
}

impl Name {
    /// Whether the partition's name is in the file's: letters and digits alone count,
    /// because file names and scripts lose the rest.
    #[cfg(test)]
    pub(super) fn has_partition(&self, partition: &str) -> bool {
        let wanted = plain(partition);
        !wanted.is_empty() && self.words.contains(&wanted)
    }
}

/// Letters and digits, in lower case.
pub(super) fn plain(text: &str) -> String {
    let letters = text.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// What a file's name says.
pub(super) fn read(file: &str) -> Name {
    let (stem, is_packed) = stem(file);
    let numbers = numbers(stem);
    let mut words = Vec::new();
    if let [(_, start, end)] = numbers[..] {
        words.extend([plain(&stem[..start]), plain(&stem[end..])]);
        words.retain(|word| !word.is_empty());
    }
    // A partition may be called mtd0.
    words.push(plain(stem));
    if let Some(name) = behind_a_count(stem) {
        words.push(plain(name));
    }
    Name {
        number: match numbers[..] {
            [(number, ..)] => Some(number),
            _ => None,
        },
        several: numbers.len() > 1,
        is_packed,
        words,
    }
}

/// `u-boot` of `00_u-boot`: files that were counted so that they stand in order. The count
/// itself says nothing, because nobody tells what it counts.
fn behind_a_count(stem: &str) -> Option<&str> {
    let rest = stem.trim_start_matches(|c: char| c.is_ascii_digit());
    let counted = (1..=3).contains(&(stem.len() - rest.len()));
    let name = rest.strip_prefix(['-', '_', '.', ' '])?;
    Some(name.trim_start()).filter(|name| counted && !name.is_empty())
}

/// The name without its endings, and whether gzip's was one of them.
fn stem(file: &str) -> (&str, bool) {
    let (mut rest, mut is_packed) = (file, false);
    while let Some((before, ending)) = rest.rsplit_once('.') {
        let ending = ending.to_ascii_lowercase();
        let known = |endings: &[&str]| endings.contains(&ending.as_str());
        match ending.as_str() {
            _ if before.is_empty() => break,
            "gz" if !is_packed => is_packed = true,
            _ if known(&ENDINGS) || known(&TEXT_ENDINGS) => {}
            _ => break,
        }
        rest = before;
    }
    (rest, is_packed)
}

/// Each mtdN in a text, with where it begins and ends.
fn numbers(text: &str) -> Vec<(u32, usize, usize)> {
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = lower[from..].find("mtd").map(|at| from + at) {
        from = at + 3;
        let before = lower[..at].chars().next_back();
        if before.is_some_and(char::is_alphanumeric) {
            continue;
        }
        let rest = &lower[from..];
        let node = rest.strip_prefix("block").or(rest.strip_prefix("char"));
        let rest = node.unwrap_or(rest);
        let rest = rest.strip_prefix(['-', '_', ' ']).unwrap_or(rest);
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = rest.split_at(digits);
        let rest = rest.strip_prefix("ro").unwrap_or(rest);
        // What Linux cannot have is no number; letters at it make another word of it.
        if digits > 6 || rest.chars().next().is_some_and(char::is_alphanumeric) {
            continue;
        }
        if let Ok(number) = number.parse() {
            from = lower.len() - rest.len();
            found.push((number, at, from));
        }
    }
    found
}

/// Whether a name is one that this program and its script give: `mtdN.bin`.
pub(super) fn is_own(file: &str, number: u32) -> bool {
    file == format!("mtd{number}.bin")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn every_scheme_is_read_as_it_is_meant() {
        for scheme in SCHEMES {
            let name = read(scheme.example);
            assert_eq!(name.number, scheme.number, "{}", scheme.example);
            if let Some(partition) = scheme.partition {
                assert!(name.has_partition(partition), "{}", scheme.example);
            }
            assert!(!name.has_partition("other"), "{}", scheme.example);
            assert!(scheme.source.len() > 10, "{}", scheme.example);
        }
    }

    #[rstest]
    #[case("mtd00.bin", Some(0))]
    #[case("MTD12.BIN", Some(12))]
    #[case("mtd-3.bin", Some(3))]
    #[case("mtd0 (1).bin", Some(0))]
    #[case("mtd0ro.bin", Some(0))]
    #[case("mtd.bin", None)]
    #[case("mtd0backup.bin", None)]
    #[case("nandmtd0.bin", None)]
    #[case("mtd0-mtd1.bin", None)]
    #[case("mtd1234567.bin", None)]
    #[case("amtd0.bin", None)]
    #[case(".mtd0", Some(0))]
    #[case("", None)]
    fn numbers_in_names(#[case] file: &str, #[case] number: Option<u32>) {
        assert_eq!(read(file).number, number);
    }

    #[test]
    fn what_a_name_does_not_say_is_not_read_into_it() {
        assert!(read("mtd0-mtd1.bin").several);
        assert!(!read("mtd0.bin").has_partition(""));
        assert!(!read("kernel2.bin").has_partition("kernel"));
        assert!(read("fis_directory.bin").has_partition("FIS directory"));
        assert!(read("mtd3.bin").has_partition("mtd3"), "a name can be that");
        assert!(read("yaffs1.img").has_partition("/yaffs1"));
        assert!(read("spi0.0").has_partition("spi0.0"));
        assert!(read("0-u-boot.bin").has_partition("u-boot"));
        assert_eq!(read("0-u-boot.bin").number, None);
        assert!(!read("2024-u-boot.bin").has_partition("u-boot"));
        assert!(!read("0.bin").has_partition(""));
    }

    proptest! {
        /// Whatever stands around it, apart by a separator, the number is found.
        #[test]
        fn a_number_is_found_behind_any_words(
            number in 0_u32..500_000,
            before in "([a-ln-z]{1,9}[-_.])?",
            after in "([-_][a-ln-z]{1,9})?",
            ending in prop::sample::select(vec!["", ".bin", ".img", ".dump", ".img.gz", ".BIN"]),
        ) {
            let file = format!("{before}mtd{number}{after}{ending}");
            prop_assert_eq!(read(&file).number, Some(number), "{}", file);
        }

        #[test]
        fn no_name_makes_it_panic(file in any::<String>()) {
            read(&file);
        }
    }
}
