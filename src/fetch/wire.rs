//! The way to a device that is somewhere else: one stream of bytes at a time.

use crate::mtd::{Errno, MtdError, MtdInfo, OwnDigest};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Why a stream did not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The way to the device broke; it may be there again. In words.
    Lost(String),
    /// It is no use to try again. What happened, and what to do next.
    Hopeless {
        /// What happened.
        why: String,
        /// What to do next.
        help: String,
    },
    /// The device answered: it cannot be read there.
    Device(Errno),
    /// The user asked to stop.
    Stopped,
}

/// Where bytes of a device come from.
pub(crate) trait Source: Send {
    /// What messages call it.
    fn name(&self) -> String;
    /// Finds out whether a device can be read at all.
    fn check(&mut self, device: &MtdInfo) -> Result<Result<(), MtdError>, Fault>;
    /// Begins with a device's bytes from an offset on, to its end or only so many; the
    /// stream before is over.
    fn start(
        &mut self,
        device: &MtdInfo,
        offset_bytes: u64,
        length_bytes: Option<u64>,
    ) -> Result<(), Fault>;
    /// The stream's next bytes; 0 at its end.
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Fault>;
    /// What the device itself makes of all its bytes, now.
    fn own_digest(&mut self, device: &MtdInfo) -> Result<Option<OwnDigest>, Fault>;
    /// After a loss: drops what is left of the way, so that the next call makes a new
    /// one.
    fn reset(&mut self);
}

/// How often, and after which pauses, a way that broke is made anew.
#[derive(Clone)]
pub(crate) struct Patience {
    /// How often in a row, without a byte in between.
    pub(crate) tries: u32,
    /// Waits; a test's does not.
    pub(crate) wait: Arc<dyn Fn(Duration) + Send + Sync>,
    /// Is told what is tried again, and why.
    pub(crate) told: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Patience {
    /// The pause after the second failure in a row; each one is twice as long as the
    /// one before. After the first there is none.
    const FIRST: Duration = Duration::from_millis(500);
    /// No pause is longer.
    const LONGEST: Duration = Duration::from_secs(30);

    /// Waits after the n-th failure in a row, counted from 1; false where it is time
    /// to give up.
    pub(crate) fn after(&self, failures: u32, why: &str) -> bool {
        if failures > self.tries {
            return false;
        }
        let Some(doublings) = failures.checked_sub(2) else {
            (self.told)(&format!("{why}; trying again"));
            return true;
        };
        let pause = Self::FIRST.saturating_mul(1 << doublings.min(16));
        let pause = pause.min(Self::LONGEST);
        (self.told)(&format!("{why}; trying again in {} s", pause.as_secs_f32()));
        (self.wait)(pause);
        true
    }

    /// Where nobody has answered yet: more likely the address is wrong than the way
    /// broken.
    pub(crate) fn at_first(&self) -> Self {
        Self {
            tries: self.tries.min(2),
            ..self.clone()
        }
    }
}

impl Patience {
    /// As by default, and no pause goes on when somebody asks to stop.
    pub(crate) fn watching(
        interrupt: &'static AtomicBool,
        told: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        const LOOK: Duration = Duration::from_millis(100);
        let wait = |pause: Duration| {
            let mut left = pause;
            while !left.is_zero() && !interrupt.load(Ordering::Relaxed) {
                let piece = left.min(LOOK);
                std::thread::sleep(piece);
                left -= piece;
            }
        };
        Self {
            wait: Arc::new(wait),
            told: Arc::new(told),
            ..Self::default()
        }
    }
}

/// Six tries: the last one comes 15 seconds after the loss.
impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 6,
            wait: Arc::new(std::thread::sleep),
            told: Arc::new(|_| {}),
        }
    }
}
