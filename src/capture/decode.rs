//! The bytes of flash in a file that somebody made: as they are, packed by gzip, as
//! text, with line ends that a terminal changed, or with NAND's out-of-band bytes.
//!
//! Invariant: files are opened for reading only, and never through a link; a stream
//! ends with an error where the packing is torn, not as a shorter image.

use super::memory_dump::{self, MemoryDump};
use super::oob::{OobPages, WithoutOob};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// How gzip's files begin (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A text is longer than its bytes by less than this.
const TEXT_FACTOR: u64 = 8;

/// No dump of a flash as text is longer: at 115200 baud it would take a week.
pub(super) const TEXT_BYTES_MAX: u64 = 1 << 30;

/// What a file has to go through to be an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Nothing.
    Plain,
    /// It is packed.
    Gzip,
    /// It is a log of `md.b`, or the like.
    Text,
    /// Every 0a got a 0d before it, which is to be taken away again.
    CrLf,
    /// Out-of-band bytes lie behind each page, which are to be left out.
    Oob(OobPages),
}

/// Opens a regular file that is no link.
pub(super) fn open_file(path: &Path) -> io::Result<File> {
    if !std::fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a regular file",
        ));
    }
    File::open(path)
}

/// Which form a file has, by its first bytes: packed only where it is called so.
pub(super) fn form_of(path: &Path, is_called_packed: bool) -> io::Result<Form> {
    let mut head = Vec::new();
    open_file(path)?.take(4096).read_to_end(&mut head)?;
    if is_called_packed && head.starts_with(&GZIP) {
        return Ok(Form::Gzip);
    }
    Ok(match memory_dump::looks_like_one(&head) {
        true => Form::Text,
        false => Form::Plain,
    })
}

/// The bytes of flash in a file, as a stream.
pub(super) fn open(path: &Path, form: Form) -> io::Result<Box<dyn Read + Send>> {
    let file = open_file(path)?;
    Ok(match form {
        Form::Plain => Box::new(file),
        Form::Gzip => Box::new(MultiGzDecoder::new(file)),
        Form::Text => Box::new(io::Cursor::new(of_text(file)?.bytes)),
        Form::CrLf => Box::new(WithoutCr::new(file)),
        Form::Oob(pages) => Box::new(WithoutOob::new(file, pages)),
    })
}

/// What a text has of bytes.
pub(super) fn of_text(file: File) -> io::Result<MemoryDump> {
    let length_bytes = file.metadata()?.len();
    if length_bytes > TEXT_BYTES_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut text = Vec::new();
    file.take(TEXT_BYTES_MAX).read_to_end(&mut text)?;
    // hexdump's star stands for any number of lines.
    let limit_bytes = TEXT_BYTES_MAX / TEXT_FACTOR;
    let limit_bytes = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
    memory_dump::decode(&text, limit_bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Takes each 0d before a 0a away.
struct WithoutCr<R> {
    inner: io::BufReader<R>,
    /// A 0d that was read, and not yet what follows it.
    held: bool,
}

impl<R: Read> WithoutCr<R> {
    fn new(inner: R) -> Self {
        Self {
            inner: io::BufReader::with_capacity(64 << 10, inner),
            held: false,
        }
    }
}

impl<R: Read> Read for WithoutCr<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        use io::BufRead as _;
        let mut done = 0;
        while done < buf.len() {
            let input = match self.inner.fill_buf() {
                Ok(input) => input,
                Err(error) if done == 0 => return Err(error),
                Err(_) => break,
            };
            let Some(&next) = input.first() else {
                if std::mem::take(&mut self.held) {
                    buf[done] = b'\r';
                    done += 1;
                }
                break;
            };
            if std::mem::take(&mut self.held) && next != b'\n' {
                buf[done] = b'\r';
                done += 1;
                self.held = false;
                continue;
            }
            self.held = next == b'\r';
            if !self.held {
                buf[done] = next;
                done += 1;
            }
            self.inner.consume(1);
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What a terminal does to bytes is undone to the byte, however it is read.
        #[test]
        fn changed_line_ends_are_undone(
            data in prop::collection::vec(
                prop_oneof![any::<u8>(), prop::sample::select(vec![b'\r', b'\n'])], 0..300),
            piece in 1_usize..40,
        ) {
            let mut changed = Vec::new();
            for byte in &data {
                if *byte == b'\n' {
                    changed.push(b'\r');
                }
                changed.push(*byte);
            }
            let mut stream = WithoutCr::new(&changed[..]);
            let mut undone = Vec::new();
            let mut buffer = vec![0; piece];
            loop {
                let count = stream.read(&mut buffer).unwrap();
                if count == 0 {
                    break;
                }
                undone.extend_from_slice(&buffer[..count]);
            }
            prop_assert_eq!(undone, data);
        }
    }

    #[test]
    fn torn_packing_is_an_error_and_several_members_are_one_stream() {
        use std::io::Write as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mtd0.bin.gz");
        let pack = |data: &[u8]| {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(data).unwrap();
            packer.finish().unwrap()
        };
        let both = [pack(b"first "), pack(b"second")].concat();
        std::fs::write(&path, &both).unwrap();
        assert_eq!(form_of(&path, true).unwrap(), Form::Gzip);
        assert_eq!(form_of(&path, false).unwrap(), Form::Plain);
        let mut data = Vec::new();
        open(&path, Form::Gzip)
            .unwrap()
            .read_to_end(&mut data)
            .unwrap();
        assert_eq!(data, b"first second");
        std::fs::write(&path, &both[..both.len() - 3]).unwrap();
        open(&path, Form::Gzip)
            .unwrap()
            .read_to_end(&mut data)
            .unwrap_err();
    }
}
