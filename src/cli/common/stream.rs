//! A backup on standard output, or from standard input.

use crate::cli::Exit;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use std::io::{self, IsTerminal as _, Write};

/// Standard output as it is: Rust's own looks for line ends in it.
pub(crate) struct Stdout;

impl Write for Stdout {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(io::stdout(), buf)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
    output.divert();
    Ok(())
}

/// The tar that an operand names: `-`, or a file; none where it is neither.
#[cfg(feature = "full")]
pub(crate) fn archive(
    operand: &std::path::Path,
    spool: &std::path::Path,
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
        let archive = TarFolder::spool(&mut io::stdin().lock(), "standard input", spool);
        return archive.map(Some).map_err(of_tar);
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
