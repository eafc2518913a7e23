//! `mtdkeep script`.

use crate::capture::{ScriptRequest, render};
use crate::cli::Exit;
use crate::cli::common::folder::FOLDER_ON_DEVICE;
use crate::cli::error::UsageError;
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::spec::{CommandSpec, Job, OptionSpec, RESULT, Takes, option, short};
use serde::Serialize;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    options: &[OPTIONS, RESULT],
    details: "\
For BusyBox of 2008 and any POSIX shell; needs dd, ls, df, mkdir, mv and rm, and
uses md5sum and mknod where they are there. The script only reads flash, stores
nothing over an existing backup, removes what it made when it fails, and prints
what to do next. `mtdkeep import` makes a backup of its files.
",
    examples: &[
        "mtdkeep script > capture.sh",
        "mtdkeep script --output-dir /tmp/flash --partition param --partition mtd10",
    ],
    ..CommandSpec::new(
        "script",
        "Print a shell script that captures flash without mtdkeep",
        parse,
    )
};

const OPTIONS: &[OptionSpec] = &[
    option(
        "output-dir",
        Takes::Value("DIR"),
        "The folder on the device [default: /var/wwwroot/mtd_backup]",
    ),
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
