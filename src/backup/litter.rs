//! What operating systems leave in folders by themselves: no part of a backup, and
//! no reason to doubt or to refuse one.
//!
//! Sources: Apple's `.DS_Store` and AppleDouble files, and the folders that macOS
//! makes on a volume (gitignore's macOS template, Finder); Windows' shell
//! (`desktop.ini`, `Thumbs.db`) and its folders on a volume; freedesktop.org's
//! trash specification 1.0; e2fsprogs' `lost+found`; KDE's `.directory`; NFS' and
//! FUSE's names for open files that were removed; the folders that Synology's and
//! QNAP's file servers make; Android's `LOST.DIR`.

/// Whole names, in lower case: FAT and NTFS keep no case that could be relied on.
const NAMES: &[&str] = &[
    ".ds_store",
    ".appledouble",
    ".fseventsd",
    ".spotlight-v100",
    ".trashes",
    ".temporaryitems",
    ".documentrevisions-v100",
    ".apdisk",
    "thumbs.db",
    "desktop.ini",
    "system volume information",
    "$recycle.bin",
    "lost+found",
    ".directory",
    ".trash",
    "@eadir",
    "#recycle",
    ".@__thumb",
    "@recycle",
    "lost.dir",
];

/// How names begin, likewise.
const BEGINNINGS: &[&str] = &["._", ".trash-", ".nfs", ".fuse_hidden"];

/// Whether an operating system leaves things of that name in folders.
pub(crate) fn is_litter(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.as_str()) || BEGINNINGS.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(".DS_Store", true)]
    #[case("._mtd0.bin", true)]
    #[case("Thumbs.db", true)]
    #[case("THUMBS.DB", true)]
    #[case("Desktop.ini", true)]
    #[case("lost+found", true)]
    #[case("System Volume Information", true)]
    #[case(".Trash-1000", true)]
    #[case("$RECYCLE.BIN", true)]
    #[case("@eaDir", true)]
    #[case(".hidden", false)]
    #[case("DS_Store", false)]
    #[case("thumbs.db.txt", false)]
    #[case("mtd0.bin", false)]
    #[case("manifest.json", false)]
    #[case("", false)]
    fn names(#[case] name: &str, #[case] litter: bool) {
        assert_eq!(is_litter(name), litter);
    }

    #[test]
    fn the_table_is_in_lower_case() {
        let all = NAMES.iter().chain(BEGINNINGS);
        all.for_each(|name| assert_eq!(*name, name.to_ascii_lowercase()));
    }
}
