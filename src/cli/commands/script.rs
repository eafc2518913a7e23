//! `mtdkeep script`.

#[cfg(feature = "full")]
mod restore;

use crate::capture::{ScriptRequest, render};
use crate::cli::Exit;
use crate::cli::common::folder::FOLDER_ON_DEVICE;
use crate::cli::error::UsageError;
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::spec::{CommandSpec, Job, OptionSpec, RESULT, Takes, full_only, option, short};
use serde::Serialize;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    options: &[OPTIONS, RESULT],
    details: "\
For BusyBox of 2008 and any POSIX shell; needs dd, ls, df, mkdir, mv and rm, and
uses md5sum and mknod where they are there. The script only reads flash, stores
nothing over an existing backup, removes what it made when it fails, and prints
what to do next. `mtdkeep import` makes a backup of its files.

With --restore the script puts the backup in DIR back instead, with what such
devices have: --with flashcp or flash_eraseall (mtd-utils, BusyBox), mtd
(OpenWrt), or dd to /dev/mtdblockN. It compares layout, device and images by
MD5 before the first erase, keeps old bytes beside the images, reads back, and
goes on when it is started again. Its first lines say what it cannot promise;
`mtdkeep restore` on the device itself can.
",
    examples: &[
        "mtdkeep script > capture.sh",
        "mtdkeep script --output-dir /tmp/flash --partition param --partition mtd10",
        "mtdkeep script --restore ispot-backup --with flashcp -p system > restore.sh",
    ],
    ..CommandSpec::new(
        "script",
        "Print a shell script that captures or restores without mtdkeep",
        parse,
    )
};

const OPTIONS: &[OptionSpec] = &[
    option(
        "output-dir",
        Takes::Value("DIR"),
        "The folder on the device [default: /var/wwwroot/mtd_backup]",
    ),
    full_only(option(
        "restore",
        Takes::Value("DIR"),
        "A script that puts this backup back; its images are then in --output-dir",
    )),
    full_only(option(
        "with",
        Takes::Value("TOOL"),
        "With --restore: flashcp, flash_eraseall, mtd or dd",
    )),
    full_only(option(
        "allow",
        Takes::Values("NAME"),
        "With --restore: allow to write a boot loader, its tables, or what the factory made",
    )),
    full_only(option(
        "other-device",
        Takes::Nothing,
        "With --restore: the backup may be of another device",
    )),
    short(
        'p',
        option(
            "partition",
            Takes::Values("NAME"),
            "Only this partition, by name or as mtdN; may be repeated",
        ),
    ),
    option(
        "read-again",
        Takes::Nothing,
        "Read the flash a second time and compare, where the device has md5sum",
    ),
];

fn parse(given: &mut Given) -> Result<Job, UsageError> {
    #[cfg(feature = "full")]
    if let Some(job) = restore::parse(given)? {
        return Ok(job);
    }
    let folder = given.text("output-dir")?;
    let script = render(&ScriptRequest {
        folder: folder.as_deref().unwrap_or(FOLDER_ON_DEVICE),
        partitions: &given.texts("partition")?,
        read_again: given.flag("read-again"),
    })
    .map_err(|error| UsageError(error.to_string()))?;
    Ok(Box::new(move |output| Ok(run(&script, output))))
}

#[derive(Serialize)]
struct Body<'a> {
    script: &'a str,
}

fn run(script: &str, output: &Output) -> Exit {
    if output.is_json() {
        output.document("script", Exit::Done, &Body { script });
    } else {
        output.text(script);
    }
    Exit::Done
}
