//! The canary: each breakage below is one mistake that a backend could make, and
//! the check that is there for it must fail.

use super::checks::check;
use super::{PARTS, Subject, WRITEABLE, keeps_the_contract, subjects};
use mtdkeep::mtd::{
    MtdBackend, MtdErase, MtdError, MtdInfo, MtdProgram, MtdRead, MtdWrite, NodeState, WritePermit,
};
use rstest::rstest;

/// What is wrong with a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breakage {
    None,
    DevicesBackwards,
    NodeAlwaysPresent,
    LosesBlanksInNames,
    ReadOffByOne,
    ReadsStaleBytes,
    ReadsPastTheEnd,
    ErrorAtTheEnd,
    EndsSilently,
    ReadingErases,
    MissingNodeIsEmptyDevice,
    TrustsTheCallersSize,
    OpensReadOnlyForWriting,
    ErasesTheNextBlockToo,
    ErasesNothing,
    RoundsABadErase,
    ProgramSetsBits,
    ProgramStopsAfterAChunk,
    ProgramCutsAtTheEnd,
}

/// A plain tree behind a backend with a breakage.
struct Broken {
    inner: subjects::PlainTree,
    breakage: Breakage,
}

impl Broken {
    fn new(breakage: Breakage) -> Self {
        Self {
            inner: subjects::PlainTree::new(),
            breakage,
        }
    }

    fn wrap(&self, inner: Box<dyn MtdWrite>, info: &MtdInfo) -> BrokenDevice {
        BrokenDevice {
            inner,
            info: info.clone(),
            breakage: self.breakage,
            stale: None,
        }
    }

    /// Opens for writing whatever the partition is, as a careless backend would.
    fn open_carelessly(&self, device: &MtdInfo) -> Result<Box<dyn MtdWrite>, MtdError> {
        let mut device = device.clone();
        device.writeable = Some(true);
        let permit = WritePermit::granted_because("the canary breaks things");
        self.inner.backend().open_for_writing(&device, &permit)
    }
}

impl Subject for Broken {
    fn backend(&self) -> &dyn MtdBackend {
        self
    }

    fn cells(&self, position: usize) -> Vec<u8> {
        self.inner.cells(position)
    }

    fn shorten(&self, position: usize, size_bytes: u64) {
        self.inner.shorten(position, size_bytes);
    }
}

impl MtdBackend for Broken {
    fn description(&self) -> String {
        self.inner.backend().description()
    }

    fn devices(&self) -> Result<Vec<MtdInfo>, MtdError> {
        let mut devices = self.inner.backend().devices()?;
        match self.breakage {
            Breakage::DevicesBackwards => devices.reverse(),
            Breakage::NodeAlwaysPresent => {
                devices.iter_mut().for_each(|d| d.node = NodeState::Present);
            }
            Breakage::LosesBlanksInNames => devices
                .iter_mut()
                .for_each(|d| d.name = d.name.split(' ').next().unwrap().to_owned()),
            _ => {}
        }
        Ok(devices)
    }

    fn open(&self, device: &MtdInfo) -> Result<Box<dyn MtdRead>, MtdError> {
        let mut asked = device.clone();
        if self.breakage == Breakage::TrustsTheCallersSize {
            asked.size_bytes = PARTS[WRITEABLE].size_bytes;
        }
        // An error of the working backend stays one, with its own reasons.
        if let Err(error) = self.inner.backend().open(&asked) {
            if self.breakage == Breakage::MissingNodeIsEmptyDevice {
                let first = &self.inner.backend().devices()?[0];
                return Ok(Box::new(self.wrap(self.open_carelessly(first)?, device)));
            }
            return Err(error);
        }
        Ok(Box::new(self.wrap(self.open_carelessly(&asked)?, device)))
    }

    fn open_for_writing(
        &self,
        device: &MtdInfo,
        permit: &WritePermit,
    ) -> Result<Box<dyn MtdWrite>, MtdError> {
        let inner = if self.breakage == Breakage::OpensReadOnlyForWriting {
            self.open_carelessly(device)?
        } else {
            self.inner.backend().open_for_writing(device, permit)?
        };
        Ok(Box::new(self.wrap(inner, device)))
    }
}

struct BrokenDevice {
    inner: Box<dyn MtdWrite>,
    info: MtdInfo,
    breakage: Breakage,
    stale: Option<Vec<u8>>,
}

impl BrokenDevice {
    /// Answers from a copy that was made at the first read.
    fn read_stale(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, MtdError> {
        if self.stale.is_none() {
            let size = usize::try_from(self.info.size_bytes).unwrap();
            let mut copy = vec![0; size];
            self.inner.read_at(0, &mut copy)?;
            self.stale = Some(copy);
        }
        let copy = self.stale.as_deref().unwrap();
        let start = usize::try_from(offset_bytes)
            .unwrap_or(usize::MAX)
            .min(copy.len());
        let count = buf.len().min(copy.len() - start);
        buf[..count].copy_from_slice(&copy[start..start + count]);
        Ok(count)
    }
}

impl MtdRead for BrokenDevice {
    fn info(&self) -> &MtdInfo {
        &self.info
    }

    fn read_at(&mut self, offset_bytes: u64, buf: &mut [u8]) -> Result<usize, MtdError> {
        let at_end = offset_bytes >= self.info.size_bytes;
        match self.breakage {
            Breakage::ReadOffByOne => self.inner.read_at(offset_bytes.saturating_add(1), buf),
            Breakage::ReadsStaleBytes => self.read_stale(offset_bytes, buf),
            Breakage::ReadsPastTheEnd => {
                self.inner.read_at(offset_bytes, buf)?;
                Ok(buf.len())
            }
            Breakage::ErrorAtTheEnd if at_end => Err(MtdError::EndedEarly {
                device: self.info.id(),
                offset_bytes,
                size_bytes: self.info.size_bytes,
            }),
            Breakage::EndsSilently => match self.inner.read_at(offset_bytes, buf) {
                Err(MtdError::EndedEarly { .. }) => Ok(0),
                answer => answer,
            },
            Breakage::ReadingErases => {
                let count = self.inner.read_at(offset_bytes, buf)?;
                if at_end && self.info.index.0 == 0 {
                    self.inner.erase(0, self.info.erase_block_bytes)?;
                }
                Ok(count)
            }
            _ => self.inner.read_at(offset_bytes, buf),
        }
    }
}

impl MtdErase for BrokenDevice {
    fn erase(&mut self, offset_bytes: u64, length_bytes: u64) -> Result<(), MtdError> {
        let block_bytes = self.info.erase_block_bytes;
        match self.breakage {
            Breakage::ErasesNothing => Ok(()),
            Breakage::ErasesTheNextBlockToo if length_bytes > 0 => {
                self.inner.erase(offset_bytes, length_bytes + block_bytes)
            }
            Breakage::RoundsABadErase => self.inner.erase(
                offset_bytes / block_bytes * block_bytes,
                length_bytes
                    .div_ceil(block_bytes)
                    .saturating_mul(block_bytes),
            ),
            _ => self.inner.erase(offset_bytes, length_bytes),
        }
    }
}

impl MtdProgram for BrokenDevice {
    fn program(&mut self, offset_bytes: u64, data: &[u8]) -> Result<(), MtdError> {
        match self.breakage {
            Breakage::ProgramSetsBits => {
                // What an overwriting stand-in does: erase first.
                let block_bytes = self.info.erase_block_bytes;
                self.inner
                    .erase(offset_bytes / block_bytes * block_bytes, block_bytes)?;
                self.inner.program(offset_bytes, data)
            }
            Breakage::ProgramStopsAfterAChunk => self
                .inner
                .program(offset_bytes, &data[..data.len().min(4096)]),
            Breakage::ProgramCutsAtTheEnd => {
                let left = self.info.size_bytes.saturating_sub(offset_bytes);
                let left = usize::try_from(left).unwrap().min(data.len());
                let start = offset_bytes.min(self.info.size_bytes);
                self.inner.program(start, &data[..left])
            }
            _ => self.inner.program(offset_bytes, data),
        }
    }
}

impl MtdWrite for BrokenDevice {}

/// Without a breakage the wrapper is harmless, or the cases below prove nothing.
#[test]
fn the_canary_itself_keeps_the_contract() {
    keeps_the_contract(|| Broken::new(Breakage::None));
}

#[rstest]
#[case(Breakage::DevicesBackwards, "devices come in order, as the table says")]
#[case(
    Breakage::LosesBlanksInNames,
    "devices come in order, as the table says"
)]
#[case(Breakage::NodeAlwaysPresent, "offset, permission and node are told")]
#[case(Breakage::ReadOffByOne, "every byte is read, in pieces of any size")]
#[case(Breakage::ReadsStaleBytes, "two handles see the same cells")]
#[case(Breakage::ReadsPastTheEnd, "a read at or past the end gives 0")]
#[case(Breakage::ReadsPastTheEnd, "a read that crosses the end is cut there")]
#[case(Breakage::ErrorAtTheEnd, "a read at or past the end gives 0")]
#[case(Breakage::EndsSilently, "a device that ends early says where")]
#[case(Breakage::ReadingErases, "reading changes nothing")]
#[case(
    Breakage::MissingNodeIsEmptyDevice,
    "a missing node is named, with what to do"
)]
#[case(
    Breakage::MissingNodeIsEmptyDevice,
    "a device that is not there does not open"
)]
#[case(
    Breakage::TrustsTheCallersSize,
    "a size that is not the device's does not open"
)]
#[case(
    Breakage::OpensReadOnlyForWriting,
    "a read-only partition does not open for writing"
)]
#[case(Breakage::ErasesTheNextBlockToo, "erasing hits its erase blocks only")]
#[case(Breakage::ErasesNothing, "erasing hits its erase blocks only")]
#[case(
    Breakage::RoundsABadErase,
    "a bad erase is refused before anything changes"
)]
#[case(
    Breakage::ProgramSetsBits,
    "programming clears bits, in its range only"
)]
#[case(
    Breakage::ProgramStopsAfterAChunk,
    "programming clears bits, in its range only"
)]
#[case(
    Breakage::ProgramCutsAtTheEnd,
    "a bad program is refused before anything changes"
)]
fn a_broken_backend_is_caught(#[case] breakage: Breakage, #[case] by: &str) {
    let verdict = check(by)(&Broken::new(breakage));
    assert!(verdict.is_err(), "{breakage:?} went unseen by: {by}");
}
