//! A backup on standard output, or from standard input.

use super::signals::{self, WaitFor};
#[cfg(feature = "full")]
use crate::backup::BackupError;
use crate::cli::Exit;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::AtomicBool;
#[cfg(feature = "full")]
use std::sync::atomic::Ordering;

/// Standard output as it is: Rust's own looks for line ends in it.
pub(crate) struct Stdout {
    pub(crate) interrupt: &'static AtomicBool,
}

/// A pipe that has any room takes so much at once.
const PIPE_BYTES: usize = 4096;

impl Write for Stdout {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if !signals::wait_for(io::stdout(), WaitFor::Room, self.interrupt)? {
            return Err(io::Error::other(STOPPED));
        }
        let piece = &buf[..buf.len().min(PIPE_BYTES)];
        Ok(rustix::io::write(io::stdout(), piece)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a stream says that somebody asked to stop; not of the kind `Interrupted`, after
/// which it would be tried again.
const STOPPED: &str = "interrupted";

/// Standard input, until its end or until somebody asks to stop.
#[cfg(feature = "full")]
struct Stdin {
    interrupt: &'static AtomicBool,
}

#[cfg(feature = "full")]
impl io::Read for Stdin {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match signals::wait_for(io::stdin(), WaitFor::Input, self.interrupt)? {
            true => Ok(rustix::io::read(io::stdin(), buf)?),
            false => Err(io::Error::other(STOPPED)),
        }
    }
}

/// Makes standard output free for a backup's bytes.
pub(crate) fn divert(output: &Output) -> Result<(), CliError> {
    if io::stdout().is_terminal() {
        return Err(CliError::Other {
            exit: Exit::Usage,
            message: "a tar is nothing for a terminal".into(),
            help: Some(
                "send it into a file or a program: `mtdkeep backup --output - > backup.tar`".into(),
            ),
        });
    }
    if is_closed() {
        return Err(CliError::Other {
            exit: Exit::Usage,
            message: "standard output is closed to be written: a tar there would be lost".into(),
            help: Some("send it into a file or a program, or name a folder with --output".into()),
        });
    }
    output.divert();
    Ok(())
}

/// Whether the program was started without a standard output, in whose place `main` puts
/// one that cannot be written.
fn is_closed() -> bool {
    use rustix::fs::{OFlags, fcntl_getfl};
    fcntl_getfl(io::stdout()).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDONLY)
}

/// The tar that an operand names: `-`, or a file; none where it is neither.
#[cfg(feature = "full")]
pub(crate) fn archive(
    operand: &std::path::Path,
    spool: &std::path::Path,
    interrupt: &'static AtomicBool,
) -> Result<Option<crate::backup::TarFolder>, CliError> {
    use crate::backup::TarFolder;
    if operand == std::path::Path::new("-") {
        if io::stdin().is_terminal() {
            return Err(CliError::Other {
                exit: Exit::Usage,
                message: "- is a tar from standard input, and that is a terminal".into(),
                help: Some(
                    "send one: `ssh root@device mtdkeep backup -o - | mtdkeep verify -`".into(),
                ),
            });
        }
        let archive = TarFolder::spool(&mut Stdin { interrupt }, "standard input", spool);
        return match archive {
            Err(_) if interrupt.load(Ordering::Relaxed) => {
                Err(CliError::Backup(BackupError::Interrupted.into()))
            }
            archive => archive.map(Some).map_err(of_tar),
        };
    }
    let is_named = |end: &std::ffi::OsStr| ["tar", "tgz", "gz", "xz"].iter().any(|e| end == *e);
    let is_meant = || operand.extension().is_some_and(is_named) || TarFolder::is_one(operand);
    match operand.is_file() && is_meant() {
        true => TarFolder::open(operand).map(Some).map_err(of_tar),
        false => Ok(None),
    }
}

#[cfg(feature = "full")]
fn of_tar(error: crate::backup::TarError) -> CliError {
    use crate::backup::TarError;
    CliError::Other {
        exit: Exit::Io,
        message: error.to_string(),
        help: Some(
            match error {
                TarError::Read { .. } => "look at the name, and at the medium that holds it",
                TarError::NoRoom { .. } => {
                    "a tar from standard input is stored there first: verify takes the folder \
                     that TMPDIR names, import the one that the backup comes into; or store it \
                     in a file yourself, and name that"
                }
                TarError::Foreign { .. } => {
                    "a backup's tar has mtdN.bin, manifest.json, SHA256SUMS and index.html; name \
                     one that `mtdkeep backup --output -` made"
                }
                _ => "fetch it again; no image of it was taken",
            }
            .into(),
        ),
    }
}
