//! Out-of-band bytes in a dump of NAND, left out again.
//!
//! A NAND chip has spare bytes behind each page, for checksums and marks of bad blocks.
//! mtd-utils' `nanddump` writes them behind the page's own bytes unless it is told
//! `--omitoob` (in old versions `-o`), a programmer of chips as a rule; MTD's character
//! device does not give them. How large pages are nothing in a dump tells, so the user
//! has to.

use std::io::{self, Read};
use std::str::FromStr;

/// Bytes of a page, and of what lies behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OobPages {
    page_bytes: u64,
    oob_bytes: u64,
}

/// No chip has larger pages, nor more behind them than in them.
const PAGE_BYTES_MAX: u64 = 1 << 16;

/// Usual ones: small and large pages of SLC, with the spare bytes that stronger codes
/// need.
const USUAL: [(u64, u64); 10] = [
    (512, 16),
    (2048, 64),
    (4096, 128),
    (2048, 112),
    (2048, 128),
    (4096, 224),
    (4096, 256),
    (8192, 448),
    (8192, 640),
    (16384, 1280),
];

impl OobPages {
    /// Where people find out.
    pub(crate) const WHERE_TOLD: &'static str = "the chip's data sheet, the kernel's messages \
        (page size, OOB size) and `mtdinfo` on the device tell both";

    /// How much of a dump of `raw_bytes` are pages, if it has whole ones.
    pub(crate) fn data_bytes(self, raw_bytes: u64) -> Option<u64> {
        let each_bytes = self.page_bytes + self.oob_bytes;
        let whole = raw_bytes > 0 && raw_bytes % each_bytes == 0;
        whole.then(|| raw_bytes / each_bytes * self.page_bytes)
    }

    /// The usual ones with which a dump is that of a chip of at least `end_bytes`: its size
    /// is a power of two, and no NAND has less than 1 MiB.
    pub(crate) fn of_a_chip(raw_bytes: u64, end_bytes: u64) -> Vec<Self> {
        let usual = USUAL.map(|(page_bytes, oob_bytes)| Self {
            page_bytes,
            oob_bytes,
        });
        let least_bytes = end_bytes.max(1 << 20);
        let is_chip = |size: u64| size.is_power_of_two() && size >= least_bytes;
        let fits = |pages: &Self| pages.data_bytes(raw_bytes).is_some_and(is_chip);
        usual.into_iter().filter(fits).collect()
    }

    /// How long a dump with them is, if one without them has `size_bytes`.
    pub(super) fn raw_bytes(self, size_bytes: u64) -> Option<u64> {
        let pages = size_bytes / self.page_bytes;
        let whole = size_bytes > 0 && size_bytes % self.page_bytes == 0;
        let all = pages.checked_mul(self.page_bytes + self.oob_bytes)?;
        whole.then_some(all)
    }

    /// The usual ones that make a dump of `raw_bytes` out of `size_bytes`.
    pub(crate) fn that_fit(size_bytes: u64, raw_bytes: u64) -> Vec<Self> {
        let usual = USUAL.map(|(page_bytes, oob_bytes)| Self {
            page_bytes,
            oob_bytes,
        });
        let fits = |pages: &Self| pages.raw_bytes(size_bytes) == Some(raw_bytes);
        usual.into_iter().filter(fits).collect()
    }
}

impl std::fmt::Display for OobPages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{}", self.page_bytes, self.oob_bytes)
    }
}

impl FromStr for OobPages {
    type Err = String;

    /// `2048+64`.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u64>().ok().filter(|_| digits)
        };
        let pages = text.split_once('+').and_then(|(page, oob)| {
            Some(Self {
                page_bytes: number(page)?,
                oob_bytes: number(oob)?,
            })
        });
        let can_be = |pages: &Self| {
            (1..=PAGE_BYTES_MAX).contains(&pages.page_bytes)
                && (1..=pages.page_bytes).contains(&pages.oob_bytes)
        };
        pages.filter(can_be).ok_or_else(|| {
            format!("{text:?} is no page with its out-of-band bytes, such as 2048+64")
        })
    }
}

/// A stream without the out-of-band bytes.
pub(crate) struct WithoutOob<R> {
    inner: io::BufReader<R>,
    pages: OobPages,
    /// Of the page and what lies behind it, what was read.
    at: u64,
}

impl<R: Read> WithoutOob<R> {
    pub(crate) fn new(inner: R, pages: OobPages) -> Self {
        Self {
            inner: io::BufReader::with_capacity(64 << 10, inner),
            pages,
            at: 0,
        }
    }
}

impl<R: Read> Read for WithoutOob<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let OobPages {
            page_bytes,
            oob_bytes,
        } = self.pages;
        while self.at >= page_bytes {
            let left = page_bytes + oob_bytes - self.at;
            let skipped = io::copy(&mut (&mut self.inner).take(left), &mut io::sink())?;
            if skipped == 0 {
                return Ok(0);
            }
            self.at = (self.at + skipped) % (page_bytes + oob_bytes);
        }
        let room = usize::try_from(page_bytes - self.at).unwrap_or(usize::MAX);
        let room = room.min(buf.len());
        let count = self.inner.read(&mut buf[..room])?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    proptest! {
        /// What nanddump adds is left out to the byte, however it is read.
        #[test]
        fn what_lies_behind_pages_is_left_out(
            page in 1_usize..40, oob in 1_usize..10, count in 0_usize..20, piece in 1_usize..50,
        ) {
            let oob = oob.min(page);
            let data: Vec<u8> = (0..page * count).map(|i| i as u8).collect();
            let raw: Vec<u8> = data
                .chunks(page)
                .flat_map(|page| [page, &vec![0xee; oob][..]].concat())
                .collect();
            let pages: OobPages = format!("{page}+{oob}").parse().unwrap();
            let raw_bytes = pages.raw_bytes(data.len() as u64);
            prop_assert_eq!(raw_bytes, Some(raw.len() as u64).filter(|_| count > 0));
            let mut stream = WithoutOob::new(&raw[..], pages);
            let mut found = Vec::new();
            let mut buffer = vec![0; piece];
            loop {
                let count = stream.read(&mut buffer).unwrap();
                if count == 0 {
                    break;
                }
                found.extend_from_slice(&buffer[..count]);
            }
            prop_assert_eq!(found, data);
        }
    }

    #[rstest]
    #[case("2048")]
    #[case("0+0")]
    #[case("2048+0")]
    #[case("64+2048")]
    #[case("+2048+64")]
    #[case("99999999999999999999+64")]
    fn what_is_no_page(#[case] text: &str) {
        text.parse::<OobPages>().unwrap_err();
    }

    #[test]
    fn usual_ones_that_fit() {
        let words = |raw| {
            let found = OobPages::that_fit(1 << 20, raw);
            found.iter().map(OobPages::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            words((1 << 20) / 32 * 33),
            ["512+16", "2048+64", "4096+128"]
        );
        assert_eq!(
            words((1 << 20) / 4096 * 4320),
            ["2048+112", "4096+224", "8192+448"]
        );
        assert_eq!(words((1 << 20) + 5), [""; 0]);
        let of_a_chip = |raw| OobPages::of_a_chip(raw, 1 << 19).len();
        assert_eq!(of_a_chip((1 << 20) / 32 * 33), 3);
        assert_eq!(of_a_chip(1 << 20), 0);
        assert_eq!(
            of_a_chip((1 << 18) / 32 * 33),
            0,
            "too small for its partitions"
        );
        let pages: OobPages = "2048+64".parse().unwrap();
        assert_eq!(pages.data_bytes(4224), Some(4096));
        assert_eq!(pages.data_bytes(4225), None);
    }
}
