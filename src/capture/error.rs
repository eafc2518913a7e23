//! What stops an import.

use crate::backup::Failure;
use std::io;

/// What stopped an import.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ImportError {
    /// A file or the folder of the capture cannot be read.
    #[error("cannot read {what}: {source}")]
    Read {
        /// The file or folder.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// There is nothing to import.
    #[error("{folder} holds no capture: no file in it has the number or the name of a partition")]
    NoImages {
        /// The folder.
        folder: String,
        /// Files in it that are packed in a way that is not unpacked here.
        packed: Vec<String>,
    },
    /// The folder is a backup already.
    #[error("{folder} holds {}", if *finished {
        "a backup of mtdkeep, with its manifest.json"
    } else {
        "a backup of mtdkeep that was never finished, with its unfinished.json"
    })]
    IsBackup {
        /// The folder.
        folder: String,
        /// Whether that backup came to its end.
        finished: bool,
    },
    /// Nobody tells what the images are of.
    #[error("no layout: {why}")]
    NeedsLayout {
        /// What was looked for, and why nothing was assumed.
        why: String,
        /// Texts in the folder that could be it, in words.
        beside: Vec<String>,
    },
    /// The layout is torn, or none.
    #[error("the layout {file} cannot be used: {why}")]
    BadLayout {
        /// Where it is from.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The layout lists nothing.
    #[error("the layout {file} lists no MTD device")]
    EmptyLayout {
        /// Where it is from.
        file: String,
    },
    /// The given layout is not the captured one.
    #[error("the given layout {file} is not the one that was captured as proc_mtd.txt{why}")]
    LayoutsDiffer {
        /// The given one.
        file: String,
        /// What differs, behind a colon.
        why: String,
    },
    /// Names and sizes do not tell which file is of which partition.
    #[error(
        "it is not certain which file is of which partition; nothing was imported:{}",
        Lines(questions)
    )]
    NeedsMap {
        /// Each question, with its files.
        questions: Vec<String>,
    },
    /// What was said of a file cannot be.
    #[error("--map {map}: {why}")]
    BadMap {
        /// File and partition.
        map: String,
        /// What is wrong with it.
        why: String,
    },
    /// Files are not what they should be.
    #[error("the capture is not right; nothing was imported:{}", Lines(problems))]
    Wrong {
        /// Each problem, with its file.
        problems: Vec<String>,
    },
    /// A file gave other bytes when it was copied than when it was inspected.
    #[error(
        "{file} gave other bytes the second time; {}",
        if *removed { "the backup was removed again" } else { "do not use the backup that was made" }
    )]
    ChangedMeanwhile {
        /// The file.
        file: String,
        /// Whether the backup made of it is gone.
        removed: bool,
    },
    /// The backup could not be made.
    #[error("{}", .0.error)]
    Backup(Failure),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl From<Failure> for ImportError {
    fn from(failure: Failure) -> Self {
        Self::Backup(failure)
    }
}

impl ImportError {
    /// What to do next.
    pub(crate) fn help(&self) -> Option<String> {
        Some(match self {
            Self::Read { .. } => "check the medium that holds the capture".into(),
            Self::NoImages { packed, .. } if !packed.is_empty() => format!(
                "unpack {} into a folder, and import that",
                packed.join(" and ")
            ),
            Self::NoImages { .. } => "name the folder with the files of the partitions; say with \
                                      --map FILE=mtdN what each is, where their names do not"
                .into(),
            Self::NeedsMap { .. } => {
                "say which file is which with --map FILE=mtdN, once for each, \
                                      or move what is none of them out of the folder"
                    .into()
            }
            Self::BadMap { .. } => {
                "--map takes a file of the folder and a partition of the layout, \
                                    as in --map boot.bin=mtd0"
                    .into()
            }
            Self::IsBackup { finished: true, .. } => "`mtdkeep verify` checks it, and `mtdkeep \
                                                      repair` makes a damaged manifest anew"
                .into(),
            Self::IsBackup { .. } => {
                "start the same `mtdkeep backup` again, on the same device, to complete it".into()
            }
            Self::NeedsLayout { beside, .. } if !beside.is_empty() => format!(
                "in the folder is {}; if that is this device's, name it with --layout",
                beside.join(", and ")
            ),
            Self::NeedsLayout { .. } => {
                "save the text of the device's /proc/mtd, or its boot log, into a file and name it \
                 with --layout"
                    .into()
            }
            Self::BadLayout { .. } | Self::EmptyLayout { .. } => {
                "it must be whole: the text of the device's /proc/mtd, its boot log, mtdparts=, ..."
                    .into()
            }
            Self::LayoutsDiffer { .. } => "leave --layout away, or find out which one is \
                                           the device's"
                .into(),
            Self::Wrong { .. } => {
                "fetch these files from the device again; if it is gone, move what is wrong \
                 out of the folder, and the rest makes a partial backup"
                    .into()
            }
            Self::ChangedMeanwhile { .. } => {
                "check the medium that holds the capture, or copy it elsewhere".into()
            }
            Self::Backup(failure) => return failure.error.help(),
            Self::Interrupted => "start the same command again".into(),
        })
    }
}

/// Each on a line of its own.
struct Lines<'a>(&'a [String]);

impl std::fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}
