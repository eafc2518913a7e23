//! The form of a capture: what the script writes, and what import and whoever else
//! looks into its folder reads. `script` puts these names into `capture.sh`.
//!
//! A capture's folder has, beside the images `mtdN.bin`:
//!
//! | file | what it is |
//! | --- | --- |
//! | `capture.txt` | the record, one fact a line; under `.part` until it is finished |
//! | `proc_mtd.txt` | the device's `/proc/mtd`, as it was |
//! | `MD5SUMS` | as md5sum writes it; only where the device has md5sum |
//! | `index.html` | a page with a link for each file |
//!
//! The record begins with [`RECORD_HEAD`] and ends with `complete`. Between them stand
//! `tool NAME VERSION`, `folder made` or `folder found`, `md5sum yes` or `md5sum no`,
//! and for each MTD device `image mtdN BYTES`, with `same` or `differs` where it was
//! read twice, `left mtdN REASON`, or `skipped mtdN` where nobody had asked for it. Behind
//! an image may stand `hole mtdN OFFSET BYTES`, in order: what could not be read.
//!
//! It stands in `backup`, which knows what a folder holds, because both ends of a
//! capture use that folder and not the other way round; it imports nothing.

/// The record of a capture, and the mark that the folder holds one.
pub(crate) const RECORD: &str = "capture.txt";
/// The same before the capture is finished.
pub(crate) const RECORD_PART: &str = "capture.txt.part";
/// How that record begins.
pub(crate) const RECORD_HEAD: &str = "mtdkeep-capture 1";
/// The record's line that says whether the script made the folder.
pub(crate) const FOLDER_MADE: &str = "folder made";
/// The script's copy of `/proc/mtd`.
pub(crate) const TABLE: &str = "proc_mtd.txt";
/// The digests that the script could make.
pub(crate) const MD5_SUMS: &str = "MD5SUMS";
/// A text of the script that is longer than this is none: a line is below 300
/// bytes, and a dozen partitions are usual.
pub(crate) const RECORD_BYTES_MAX: u64 = 1 << 20;

/// How the `index.html` of the older, well-known script begins.
pub(crate) const SCRIPT_PAGE: &str = "<HTML><body>\n<br>Right-click and 'Save Target As...'";
