//! NAND, where the device has mtd-utils' `nanddump`: a plain `cat` gets what ECC could
//! not correct as if it were right, and says nothing of bad blocks (Linux,
//! drivers/mtd/mtdchar.c, `mtdchar_read`: EBADMSG is no error there).
//!
//! It is asked for some erase blocks at a time, because what it says of them comes only
//! behind them; nothing is handed on before it was heard. Bad blocks come as 0xFF, so
//! that all others are at their places; OOB is left out.

use super::session::Session;
use crate::fetch::wire::Fault;
use crate::mtd::{Errno, MtdInfo};

/// How much is asked for at once.
const PIECE_BYTES: u64 = 1 << 20;

/// Whether what `nanddump --help` prints is that of a version with the words below:
/// mtd-utils 1.4.7 and later.
pub(super) fn is_known(help: &str) -> bool {
    help.contains("--bb=") && help.contains("--omitoob")
}

/// A command that writes bytes of the device on its standard input.
pub(super) fn command(place: Option<(u64, u64)>) -> String {
    let place = match place {
        Some((offset, length)) => format!(" -s {offset} -l {length}"),
        None => String::new(),
    };
    format!("nanddump --omitoob --bb=padbad{place} /proc/self/fd/0")
}

/// Bytes that were asked for and heard of, and what comes after them.
pub(super) struct Pieces {
    held: Vec<u8>,
    taken: usize,
    next_bytes: u64,
    end_bytes: u64,
    erase_block_bytes: u64,
}

impl Pieces {
    /// From an offset on, to the device's end or only so many.
    pub(super) fn new(device: &MtdInfo, offset_bytes: u64, length_bytes: Option<u64>) -> Self {
        let end_bytes = match length_bytes {
            Some(length) => offset_bytes.saturating_add(length).min(device.size_bytes),
            None => device.size_bytes,
        };
        Self {
            held: Vec::new(),
            taken: 0,
            next_bytes: offset_bytes,
            end_bytes,
            erase_block_bytes: device.erase_block_bytes.max(1),
        }
    }

    /// What is to be asked for next; none at the end, or while there is something.
    pub(super) fn wanted(&self) -> Option<(u64, u64)> {
        let at_once = (PIECE_BYTES / self.erase_block_bytes).max(1) * self.erase_block_bytes;
        let length = at_once.min(self.end_bytes - self.next_bytes);
        (self.taken == self.held.len() && length > 0).then_some((self.next_bytes, length))
    }

    /// Asks for that.
    ///
    /// # Errors
    /// EBADMSG where ECC could not correct something of it; what the device says else.
    pub(super) fn ask(
        &mut self,
        session: &mut Session,
        command: &str,
        length: u64,
    ) -> Result<(), Fault> {
        let (bytes, status, said) = session.run_whole(command)?;
        if status != 0 {
            return Err(Fault::Device(super::errno(&said)));
        }
        if is_lost(&said) {
            return Err(Fault::Device(Errno::BADMSG));
        }
        if bytes.len() as u64 > length {
            return Err(Fault::Hopeless {
                why: "the device's nanddump sends more than it was asked for".into(),
                help: "move it away there; NAND is read with cat then".into(),
            });
        }
        self.next_bytes = match bytes.is_empty() {
            // An end before the device's.
            true => self.end_bytes,
            false => self.next_bytes + bytes.len() as u64,
        };
        (self.held, self.taken) = (bytes, 0);
        Ok(())
    }

    /// Some of it.
    pub(super) fn take(&mut self, buf: &mut [u8]) -> usize {
        let rest = &self.held[self.taken..];
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        self.taken += count;
        count
    }
}

/// Whether it says that ECC could not correct something: `ECC: 2 uncorrectable bitflip(s)
/// at offset 0x00020000` (mtd-utils, nand-utils/nanddump.c).
fn is_lost(said: &str) -> bool {
    let mut lines = said.lines();
    lines.any(|line| line.starts_with("ECC:") && line.contains("uncorrectable"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mtd::MtdIndex;

    #[test]
    fn what_it_says_of_ecc() {
        assert!(is_lost(
            "ECC failed: 1\nECC: 2 uncorrectable bitflip(s) at offset 0x00020000"
        ));
        assert!(!is_lost(
            "ECC failed: 1\nECC: 2 corrected bitflip(s) at offset 0x00020000"
        ));
        assert!(!is_lost("Number of bad blocks: 3"));
    }

    #[test]
    fn pieces_are_whole_erase_blocks() {
        let device = MtdInfo::new(MtdIndex(0), "data", 0x280_000, 0x60_000);
        let mut pieces = Pieces::new(&device, 0, None);
        assert_eq!(pieces.wanted(), Some((0, 0xc0_000)));
        pieces.next_bytes = 0x240_000;
        assert_eq!(pieces.wanted(), Some((0x240_000, 0x40_000)));
        pieces.next_bytes = 0x280_000;
        assert_eq!(pieces.wanted(), None);
        assert_eq!(
            Pieces::new(&device, 0x60_000, Some(0x800)).wanted(),
            Some((0x60_000, 0x800))
        );
    }
}
