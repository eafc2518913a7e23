//! `mtdkeep script`.

#[cfg(feature = "full")]
mod restore;

use super::backup::PARTITION;
use crate::capture::{ScriptRequest, SendRequest, render, render_send};
use crate::cli::Exit;
use crate::cli::common::folder::FOLDER_ON_DEVICE;
use crate::cli::error::UsageError;
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::cli::spec::{CommandSpec, Job, OptionSpec, RESULT, Takes, full_only, option};
use crate::serve::is_plain_token;
use serde::Serialize;

pub(crate) const SPEC: CommandSpec = CommandSpec {
    options: &[OPTIONS, RESULT],
    details: "\
For BusyBox of 2008 and any POSIX shell; needs dd, ls, df, mkdir, mv and rm, and
uses md5sum and mknod where they are there. The script only reads flash, stores
nothing over an existing backup, removes what it made when it fails, and prints
what to do next. `mtdkeep import` makes a backup of its files.

With --send the script stores nothing: it sends all to `mtdkeep receive` on a
PC, with nc or a wget that knows --post-data. Paste it into the device's shell.

With --stream it writes all as one tar to standard output, and stores nothing:
`ssh root@DEVICE sh -s < stream.sh | mtdkeep import - -o NEW-FOLDER` on the PC.

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
        "mtdkeep script --send 192.168.1.2:8090 --token WORD",
        "mtdkeep script --stream > stream.sh",
        "mtdkeep script --restore ispot-backup --with flashcp -p system > restore.sh",
    ],
    ..CommandSpec::new(
        "script",
        "Print a shell script that captures, sends or restores flash",
        parse,
    )
};

const OPTIONS: &[OptionSpec] = &[
    option(
        "output-dir",
        Takes::Value("DIR"),
        "The folder on the device [default: /var/wwwroot/mtd_backup]",
    ),
    option(
        "send",
        Takes::Value("HOST:PORT"),
        "Send to `mtdkeep receive PORT` on that PC, and store nothing",
    ),
    option(
        "token",
        Takes::Value("WORD"),
        "With --send: the word that `mtdkeep receive` lets in",
    ),
    full_only(option(
        "stream",
        Takes::Nothing,
        "Write a tar to standard output, for `mtdkeep import -`, and store nothing",
    )),
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
    PARTITION,
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
    let partitions = given.texts("partition")?;
    let read_again = given.flag("read-again");
    let (send, token) = (given.text("send")?, given.text("token")?);
    #[cfg(feature = "full")]
    if given.flag("stream") {
        if folder.is_some() || read_again || send.is_some() || token.is_some() {
            return Err(UsageError(
                "--stream goes with --partition alone: it stores nothing, and reads all twice"
                    .into(),
            ));
        }
        let script = crate::capture::render_stream(&partitions);
        let script = script.map_err(|error| UsageError(error.to_string()))?;
        return Ok(Box::new(move |output| Ok(run(&script, output))));
    }
    let script = match (&send, &token) {
        (None, None) => render(&ScriptRequest {
            folder: folder.as_deref().unwrap_or(FOLDER_ON_DEVICE),
            partitions: &partitions,
            read_again,
        }),
        (Some(_), Some(_)) if folder.is_some() || read_again => {
            return Err(UsageError(
                "--send stores nothing, and proves all of it as it is".into(),
            ));
        }
        (Some(place), Some(token)) => {
            let (host, port) = place_of(place)?;
            if !is_plain_token(token) {
                return Err(UsageError(
                    "--token takes letters, digits, - and _, 64 at most".into(),
                ));
            }
            render_send(&SendRequest {
                host,
                port,
                token,
                partitions: &partitions,
            })
        }
        _ => {
            return Err(UsageError(
                "--send and --token belong together: `mtdkeep receive` prints both".into(),
            ));
        }
    };
    let script = script.map_err(|error| UsageError(error.to_string()))?;
    Ok(Box::new(move |output| Ok(run(&script, output))))
}

/// `HOST:PORT`, where nothing can be an option or an address of its own.
fn place_of(text: &str) -> Result<(&str, u16), UsageError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]%".contains(c);
    let found = text.rsplit_once(':').and_then(|(host, port)| {
        let port = port.parse().ok().filter(|port| *port > 0)?;
        let is_host = !host.is_empty() && !host.starts_with('-') && host.chars().all(plain);
        is_host.then_some((host, port))
    });
    found.ok_or_else(|| UsageError(format!("{text:?} is no HOST:PORT")))
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
