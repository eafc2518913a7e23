//! The kinds of findings, and the table of what each means, is called and asks for.

/// What a finding means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Something is not what it should be: the backup is damaged, or another device's.
    Differs,
    /// Something could not be checked.
    Unchecked,
    /// The backup says itself that it lacks something.
    Partial,
    /// Worth knowing; the backup is good all the same.
    Note,
}

impl Meaning {
    /// The word for it in a document.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Differs => "differs",
            Self::Unchecked => "unchecked",
            Self::Partial => "partial",
            Self::Note => "note",
        }
    }
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum Kind {
    /// The flash to compare with is another device's.
    AnotherDevice,
    /// The manifest is not the one whose digest the caller gave.
    OtherDigest,
    /// The manifest lists no image that holds anything.
    HoldsNothing,
    /// The manifest has an image, or names a partition, that its layout has not.
    NotInLayout,
    /// The manifest has neither an image of a partition nor a reason.
    NoImage,
    /// The manifest has an image, and a reason why there is none.
    ImageAndReason,
    /// Layout and image disagree in the manifest.
    Contradiction,
    /// The manifest's identity is not the digest of that partition's image.
    OtherIdentity,
    /// The manifest is missing or no manifest.
    ManifestDamaged,
    /// The manifest is not what `SHA256SUMS` says.
    ManifestChanged,
    /// A file is missing.
    Missing,
    /// A file that no backup made.
    NotPart,
    /// A file's length.
    WrongSize,
    /// A file's contents.
    Damaged,
    /// A file holds what belongs into another one.
    Swapped,
    /// A file is what `SHA256SUMS` says, and not what the manifest says.
    ManifestDisagrees,
    /// `SHA256SUMS` has another digest than the manifest.
    SumsDisagree,
    /// A line of `SHA256SUMS` is torn.
    SumsTorn,
    /// `SHA256SUMS` has no line for an image.
    SumsLack,
    /// `SHA256SUMS` has several lines for an image.
    SumsRepeat,
    /// `SHA256SUMS` names a file that the manifest does not.
    SumsStray,
    /// An image and the flash differ.
    FlashDiffers,
    /// The device lacks a partition of the backup.
    NotOnDevice,
    /// The device has a partition that the backup's layout has not.
    NotInBackup,
    /// The device has another partition there.
    OtherPartition,
    /// A file cannot be read.
    Unreadable,
    /// Nothing is left that tells what a file should hold.
    Unknown,
    /// A device cannot be opened to be compared.
    FlashNotOpened,
    /// A part of the flash cannot be read to be compared.
    FlashUnreadable,
    /// A partition that was wanted is not in the backup.
    LeftOut,
    /// The flash did not give a part of an image.
    Hole,
    /// Something else keeps an image from being all of its partition.
    Doubt,
    /// The flash changed while it was read.
    Changed,
    /// Partitions that had not been asked for.
    NotAskedFor,
    /// What could not be proven of a captured backup.
    NotProven,
    /// An image that is right although the manifest is damaged.
    Proven,
    /// What an operating system left in the folder.
    Litter,
    /// A damaged file that was replaced, and kept.
    TornCopy,
    /// The page for a browser is missing.
    PageMissing,
    /// Images without a SHA-256.
    Crc32Only,
    /// A partition without a byte.
    Empty,
    /// An image that holds UBI, for which the full program alone looks.
    #[cfg_attr(not(feature = "full"), expect(dead_code))]
    Ubi,
    /// An image that holds nothing but one byte, or ends in zeros.
    Blank,
}

const COPY_AGAIN: &str = "copy {} from its source again, or back up into a new folder";
const ANEW: &str = "do not rely on this backup; back up into a new folder";
const CONNECT: &str = "use the device that was backed up, or leave --device away";
const REPAIR: &str = "`mtdkeep repair` makes the manifest anew from what is provable";
const READ_AGAIN: &str = "see why it cannot be read, then verify again";
const COMPLETE: &str = "back up into the same folder again to complete it";

/// What a kind means, is called and asks for.
pub(super) struct Row {
    pub(super) meaning: Meaning,
    /// Its word in a document.
    pub(super) word: &'static str,
    /// To be put after the subject; nothing where the sentence depends on values
    /// (`Finding::sentence`, which names every kind).
    pub(super) text: &'static str,
    /// What to do about it, with the subject as `{}`, or nothing.
    pub(super) advice: &'static str,
}

const fn row(
    meaning: Meaning,
    word: &'static str,
    text: &'static str,
    advice: &'static str,
) -> Row {
    Row {
        meaning,
        word,
        text,
        advice,
    }
}

impl Kind {
    /// Its row of the table.
    pub(super) fn row(self) -> Row {
        use Meaning::{Differs, Note, Partial, Unchecked};
        match self {
            Self::AnotherDevice => row(Differs, "another_device", "", CONNECT),
            Self::OtherDigest => row(
                Differs,
                "other_digest",
                " is not the one whose digest was given",
                "if that digest was noted rightly, this backup was changed: do not use it",
            ),
            Self::HoldsNothing => row(Differs, "holds_nothing", " lists no image of a byte", ANEW),
            Self::NotInLayout => row(
                Differs,
                "not_in_layout",
                ": the manifest's layout has no such partition",
                ANEW,
            ),
            Self::NoImage => row(
                Differs,
                "no_image",
                ": the manifest has neither an image nor a reason",
                ANEW,
            ),
            Self::ImageAndReason => row(
                Differs,
                "image_and_reason",
                ": the manifest has an image, and a reason why not",
                ANEW,
            ),
            Self::Contradiction => row(Differs, "contradiction", "", ANEW),
            Self::OtherIdentity => row(
                Differs,
                "other_identity",
                ": the manifest says that the device has another",
                ANEW,
            ),
            Self::ManifestDamaged => row(Differs, "manifest_damaged", "", REPAIR),
            Self::ManifestChanged => row(
                Differs,
                "manifest_changed",
                " is not what SHA256SUMS says",
                COPY_AGAIN,
            ),
            Self::Missing => row(Differs, "missing", " is missing", COPY_AGAIN),
            Self::NotPart => row(
                Differs,
                "not_part",
                " is not part of the backup",
                "move what is not part of the backup to another place, and verify again",
            ),
            Self::WrongSize => row(Differs, "wrong_size", "", COPY_AGAIN),
            Self::Damaged => row(Differs, "damaged", "", COPY_AGAIN),
            Self::Swapped => row(
                Differs,
                "swapped",
                "",
                "give the files their right names, and verify again",
            ),
            Self::ManifestDisagrees => row(
                Differs,
                "manifest_disagrees",
                " is what SHA256SUMS says, not what manifest.json says",
                "copy manifest.json from its source again, or back up into a new folder",
            ),
            Self::SumsDisagree => row(Differs, "sums_disagree", "", COPY_AGAIN),
            Self::SumsTorn => row(Differs, "sums_torn", "", COPY_AGAIN),
            Self::SumsLack => row(Differs, "sums_lack", "", COPY_AGAIN),
            Self::SumsRepeat => row(Differs, "sums_repeat", "", COPY_AGAIN),
            Self::SumsStray => row(Differs, "sums_stray", "", COPY_AGAIN),
            Self::FlashDiffers => row(
                Differs,
                "flash_differs",
                "",
                "keep this backup, make another one in a new folder, and compare",
            ),
            Self::NotOnDevice => row(
                Differs,
                "not_on_device",
                " is in the backup, but not on the device",
                CONNECT,
            ),
            Self::NotInBackup => row(
                Differs,
                "not_in_backup",
                " is on the device, but unknown to the backup",
                CONNECT,
            ),
            Self::OtherPartition => row(Differs, "other_partition", "", CONNECT),
            Self::Unreadable => row(Unchecked, "unreadable", " cannot be read", READ_AGAIN),
            Self::Unknown => row(
                Unchecked,
                "unknown",
                " cannot be checked: nothing tells what it should hold",
                READ_AGAIN,
            ),
            Self::FlashNotOpened => row(
                Unchecked,
                "flash_not_opened",
                " was not compared with the flash",
                READ_AGAIN,
            ),
            Self::FlashUnreadable => row(Unchecked, "flash_unreadable", "", READ_AGAIN),
            Self::LeftOut => row(Partial, "left_out", " is not in this backup", COMPLETE),
            Self::Hole => row(Partial, "hole", "", COMPLETE),
            Self::Doubt => row(Partial, "doubt", " is in doubt", COMPLETE),
            Self::Changed => row(
                Partial,
                "changed",
                ": the flash changed while it was read",
                "stop what writes to the flash, and back up into a new folder",
            ),
            Self::NotAskedFor => row(Note, "not_asked_for", "", ""),
            Self::NotProven => row(Note, "not_proven", "", ""),
            Self::Proven => row(Note, "proven", "", ""),
            Self::Litter => row(Note, "litter", " was left there by an operating system", ""),
            Self::TornCopy => row(
                Note,
                "torn_copy",
                " is a damaged file that was replaced, and kept",
                "",
            ),
            Self::PageMissing => row(
                Note,
                "page_missing",
                " is missing (no image depends on it)",
                "",
            ),
            Self::Crc32Only => row(Note, "crc32_only", "", ""),
            Self::Empty => row(Note, "empty", " is empty, as its partition is", ""),
            Self::Ubi => row(Note, "ubi", "", ""),
            Self::Blank => row(Note, "blank", "", ""),
        }
    }

    /// What it means.
    pub(crate) fn meaning(self) -> Meaning {
        self.row().meaning
    }

    /// The word for it in a document, always the same.
    pub(crate) fn word(self) -> &'static str {
        self.row().word
    }
}
