//! `mtdkeep image --from … --volume`: a volume of UBI from a backup.

use super::{Stopped, go_on, make_above, not_begun, not_named};
use crate::backup::{Access, Image, SingleFile, VolumeError, copy_volume, find_volume, size};
use crate::cli::Exit;
use crate::cli::common::{folder, signals};
use crate::cli::error::CliError;
use crate::cli::output::Output;
use serde::Serialize;
use std::fs::File;
use std::path::PathBuf;

pub(super) struct Args {
    /// The backup's folder.
    pub(super) from: PathBuf,
    /// The partition: `mtdN` or its name.
    pub(super) partition: String,
    /// The volume's name.
    pub(super) volume: String,
    /// The volume's file.
    pub(super) to: PathBuf,
}

#[derive(Serialize)]
struct Body {
    output: String,
    size_bytes: u64,
    device: String,
    from: String,
    volume: String,
}

pub(super) fn run(args: &Args, output: &Output) -> Result<Exit, CliError> {
    let interrupt = signals::interrupt_flag()?;
    let opened = folder::open(&args.from, Access::Look, output)?;
    let manifest = super::from_backup::verified(&opened, &args.from, interrupt, output)?;
    let is_it = |image: &&Image| {
        image.name == args.partition || image.file == format!("{}.bin", args.partition)
    };
    let mut fitting = manifest.images.iter().filter(is_it);
    let (Some(image), None) = (fitting.next(), fitting.next()) else {
        return Err(refused(
            format!(
                "{} has no image of {:?}, or several",
                args.from.display(),
                args.partition
            ),
            "name the partition as mtdN",
        ));
    };
    let path = args.from.join(&image.file);
    let file = File::open(&path).map_err(|error| failed(&path, &error.into()))?;
    if image.erase_block_bytes < 512 {
        return Err(refused(
            format!(
                "nobody tells how large the erase blocks of {} are",
                image.name
            ),
            "UBI cannot be read without; name the device's /proc/mtd when the backup is made",
        ));
    }
    let volume = find_volume(&file, image.erase_block_bytes, &args.volume)
        .map_err(|error| failed(&path, &error))?;
    let to = &args.to;
    let made = make_above(to).and_then(|()| SingleFile::create(to));
    let mut made = made.map_err(|source| not_begun(to, &source))?;
    let mut done_bytes = 0;
    let copied = copy_volume(&file, &volume, &mut |piece| {
        go_on(&mut made, piece, &mut done_bytes, interrupt)
    });
    if let Err(error) = copied {
        let size_bytes = volume.size_bytes;
        let stopped = Stopped {
            error,
            done_bytes,
            size_bytes,
        };
        return Err(stopped.told(to, made));
    }
    made.finish().map_err(|source| not_named(to, &source))?;
    output.sentence(&format!(
        "the volume {:?} of {}, {}, in {}",
        args.volume,
        image.name,
        size(volume.size_bytes),
        to.display()
    ));
    let body = Body {
        output: to.display().to_string(),
        size_bytes: volume.size_bytes,
        device: manifest.device.description.clone(),
        from: args.from.display().to_string(),
        volume: args.volume.clone(),
    };
    output.document("image", Exit::Done, &body);
    Ok(Exit::Done)
}

fn failed(path: &std::path::Path, error: &VolumeError) -> CliError {
    let (exit, help) = match error {
        VolumeError::Read(_) => (Exit::Io, "check the medium"),
        VolumeError::NoVolume { .. } => (Exit::Usage, "`mtdkeep verify` names the volumes as well"),
        _ => (
            Exit::Refused,
            "Linux's own UBI may know more of the copy: attach it with nandsim and ubiattach",
        ),
    };
    CliError::Other {
        exit,
        message: format!("{}: {error}", path.display()),
        help: Some(help.into()),
    }
}

fn refused(message: String, help: &str) -> CliError {
    CliError::Other {
        exit: Exit::Refused,
        message,
        help: Some(help.into()),
    }
}
