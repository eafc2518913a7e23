//! The buffers for flash and files, the only large memory that a backup takes.
//!
//! Fault tolerated: no memory for one, which is an error and not the end of the
//! program.

use super::error::BackupError;
use std::io::{self, Read};

/// Makes a buffer as large as that, where it is smaller; gives that much of it.
pub(crate) fn grow(buffer: &mut Vec<u8>, bytes: usize) -> Result<&mut [u8], Box<BackupError>> {
    let missing = bytes.saturating_sub(buffer.len());
    buffer
        .try_reserve_exact(missing)
        .map_err(|_| BackupError::NoMemory { bytes })?;
    buffer.resize(buffer.len() + missing, 0);
    Ok(&mut buffer[..bytes])
}

/// Reads until `buf` is full or the file ends.
pub(crate) fn read_full(stream: &mut dyn Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match stream.read(&mut buf[done..]) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
