//! The simulated chip of the suite, and backends that lie about it.

use crate::backend::SimulatedBackend;
use crate::backend::hooked::{HookedBackend, HookedDevice};
use crate::mtd::{MtdBackend as _, MtdRead};
use mtd_harness::layout::Layout;
use mtd_harness::profile::{self, SimulatedDevice};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// 16 KiB in erase blocks of 1 KiB, two of the partitions in one erase block.
const TABLE: &str = "dev:    size   erasesize  name
mtd0: 00000800 00000400 \"boot\"
mtd1: 00000400 00000400 \"param\"
mtd2: 00002000 00000400 \"root fs\"
mtd3: 00001000 00000400 \"root fs 2\"
mtd4: 00000300 00000400 \"table\"
mtd5: 00000100 00000400 \"config\"
";

/// Chips that differ; cases take turns with them.
const CHIPS: u64 = 8;

/// A chip's bytes and those of its partitions, made once: thousands of cases
/// need them.
pub(crate) struct Contents {
    chip: Vec<u8>,
    pub(crate) partitions: BTreeMap<u32, Vec<u8>>,
}

static CONTENTS: LazyLock<Vec<Contents>> = LazyLock::new(|| {
    let layout = Layout::from_proc_mtd(TABLE).unwrap();
    let contents = |seed| {
        let device = profile::from_layout(&layout, seed);
        Contents {
            chip: device.chip_bytes(0),
            partitions: (0..6).map(|n| (n, device.partition_bytes(n))).collect(),
        }
    };
    (0..CHIPS).map(contents).collect()
});

pub(crate) fn contents(seed: u64) -> &'static Contents {
    &CONTENTS[(seed % CHIPS) as usize]
}

pub(crate) fn device(seed: u64) -> SimulatedDevice {
    let layout = Layout::from_proc_mtd(TABLE).unwrap();
    profile::from_bytes(&contents(seed).chip, &layout).unwrap()
}

/// What is wrong with a backend on purpose, for the canaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    None,
    /// Now and then a wrong byte, and no error.
    WrongByte,
    /// An error is passed off as an erased piece.
    ErrorAsErased,
    /// Half of what was asked for is read, all of it is claimed.
    HalfAsWhole,
}

/// A backend over that device, with what is wrong with it.
pub(crate) fn backend(device: SimulatedDevice, lie: Lie) -> HookedBackend<'static> {
    HookedBackend::new(SimulatedBackend::new(device)).on_open(move |inner, device| {
        let size_bytes = device.size_bytes;
        let read = move |inner: &mut dyn MtdRead, offset_bytes: u64, buf: &mut [u8]| {
            let result = inner.read_at(offset_bytes, buf);
            match (lie, result) {
                (Lie::WrongByte, Ok(count)) => {
                    let read = offset_bytes..offset_bytes + count as u64;
                    if read.contains(&0x1234) {
                        buf[(0x1234 - offset_bytes) as usize] ^= 0x10;
                    }
                    Ok(count)
                }
                (Lie::ErrorAsErased, Err(_)) => {
                    let count = buf.len().min((size_bytes - offset_bytes) as usize);
                    buf[..count].fill(0xFF);
                    Ok(count)
                }
                (Lie::HalfAsWhole, Ok(count)) => {
                    buf[count / 2..count].fill(0);
                    Ok(count)
                }
                (_, result) => result,
            }
        };
        Ok(HookedDevice::boxed(inner.open(device)?, read))
    })
}
