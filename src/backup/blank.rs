//! Images that hold nothing, or end in nothing: one byte from end to end, or whole
//! erase blocks of zeros at the end.
//!
//! Flash erases to 0xFF, so zeros at the end are written, or they stand for what was
//! not read: a bad block that a tool passed over, a read that failed, a file that was
//! filled up. 0xFF at the end is what unused flash is, and says nothing. Either may be
//! right: it is told and no error.

use super::digest::{DigestValues, Ending};
use serde::Serialize;
use std::fmt;

/// A range of an image that holds one byte alone (since version 1.3 of the manifest).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Blank {
    /// Which byte.
    pub(crate) byte: u8,
    /// From the start of the image.
    pub(crate) offset_bytes: u64,
    /// How long, up to the image's end.
    pub(crate) length_bytes: u64,
}

impl Blank {
    /// What there is to be said of an image; nothing of most.
    pub(super) fn of(values: &DigestValues, erase_block_bytes: u64) -> Option<Self> {
        let Ending { byte, run_bytes } = values.ending;
        let length_bytes = values.length_bytes;
        let (offset_bytes, least_bytes) = match length_bytes - run_bytes {
            // Of a few bytes that is no wonder.
            0 if length_bytes >= 16 && matches!(byte, 0 | 0xff) => (0, 0),
            start if byte == 0 && erase_block_bytes > 0 => {
                let start = start.checked_next_multiple_of(erase_block_bytes)?;
                (start, erase_block_bytes)
            }
            _ => return None,
        };
        let length_bytes = length_bytes.checked_sub(offset_bytes)?;
        (length_bytes > 0 && length_bytes >= least_bytes).then_some(Self {
            byte,
            offset_bytes,
            length_bytes,
        })
    }
}

impl fmt::Display for Blank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let byte = self.byte;
        match (self.offset_bytes, byte) {
            (0, 0xff) => f.write_str("every byte is 0xFF: it is empty, as erased flash is"),
            (0, 0) => f.write_str(
                "every byte is 0x00, and flash erases to 0xFF: it was written so, or not read",
            ),
            // No other byte is told of; a manifest may have any.
            (at, _) => write!(
                f,
                "all is {byte:#04x} from {at:#x} to the end, and flash erases to 0xFF: it was \
                 written so, or not read"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::digest::{DigestChoice, Digests};
    use super::*;
    use proptest::prelude::*;

    fn blank(data: &[u8], pieces: usize, erase_block_bytes: u64) -> Option<Blank> {
        let mut digests = Digests::new(DigestChoice::Crc32);
        data.chunks(pieces).for_each(|piece| digests.update(piece));
        Blank::of(&digests.finish(), erase_block_bytes)
    }

    #[test]
    fn what_is_told() {
        let zeros = [vec![1; 96], vec![0; 40]].concat();
        let told =
            |data: &[u8]| blank(data, 7, 32).map(|b| (b.byte, b.offset_bytes, b.length_bytes));
        assert_eq!(told(&[0xff; 64]), Some((0xff, 0, 64)));
        assert_eq!(told(&[0; 64]), Some((0, 0, 64)));
        assert_eq!(told(&zeros), Some((0, 96, 40)));
        assert_eq!(told(&zeros[..120]), None, "less than an erase block");
        assert_eq!(told(&[vec![1; 32], vec![0xff; 64]].concat()), None);
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[0xff; 3]), None);
        assert_eq!(told(&[0; 3]), None, "less than an erase block, all of it");
        assert_eq!(blank(&zeros, 7, 0), None, "nobody tells erase blocks");
    }

    proptest! {
        /// The same as one looks at all of it at once, however it comes.
        #[test]
        fn the_ending_is_that_of_the_whole(
            data in prop::collection::vec(prop_oneof![Just(0), Just(0xff), any::<u8>()], 0..120),
            zeros in 0_usize..120, pieces in 1_usize..50, block in 1_u64..40,
        ) {
            let data = [data, vec![0; zeros]].concat();
            let found = blank(&data, pieces, block);
            let uniform = data.len() >= 16
                && matches!(data[0], 0 | 0xff)
                && data.iter().all(|byte| *byte == data[0]);
            let run = data.iter().rev().take_while(|byte| **byte == 0).count();
            let start = (data.len() - run).next_multiple_of(block as usize);
            let expected = match uniform {
                true => Some(0),
                false => Some(start).filter(|start| start + block as usize <= data.len() && run > 0),
            };
            prop_assert_eq!(found.map(|blank| blank.offset_bytes as usize), expected);
        }
    }
}
