//! Whether what comes comes fast enough to be waited for.
//!
//! A byte now and then would keep a download alive for years: so a server that needs
//! longer than a minute for a kilobyte counts as one that is silent. The slowest line
//! that anybody has (a serial one of 9600 baud) brings fifty times as much. Only the time
//! in which a byte was waited for counts, not what this end takes to store it.

use crate::fetch::wire::Fault;
use std::time::{Duration, Instant};

/// Less than that in [`TIME`] is silence.
pub(super) const LEAST_BYTES: u64 = 1024;
/// How long so little may take.
pub(super) const TIME: Duration = Duration::from_secs(60);

/// Time since some beginning; a test's is its own.
pub(super) type Clock = Box<dyn Fn() -> Duration + Send>;

pub(super) struct Pace {
    clock: Clock,
    /// Since so many bytes came last.
    waited: Duration,
    came_bytes: u64,
    least_bytes: u64,
}

impl Pace {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            waited: Duration::ZERO,
            came_bytes: 0,
            least_bytes: LEAST_BYTES,
        }
    }

    /// By this machine's clock.
    pub(super) fn real() -> Self {
        let began = Instant::now();
        Self::new(Box::new(move || began.elapsed()))
    }

    /// From here on so many bytes have to come in that time.
    pub(super) fn begin(&mut self, least_bytes: u64) {
        (self.waited, self.came_bytes, self.least_bytes) = (Duration::ZERO, 0, least_bytes);
    }

    /// Waits for bytes.
    pub(super) fn wait<R>(&mut self, read: impl FnOnce() -> R) -> R {
        let began = (self.clock)();
        let result = read();
        self.waited += (self.clock)().saturating_sub(began);
        result
    }

    /// So many bytes came, or none; a loss where it is time to give up.
    pub(super) fn took(&mut self, count: usize) -> Result<(), Fault> {
        self.came_bytes = self.came_bytes.saturating_add(count as u64);
        if self.came_bytes >= self.least_bytes {
            self.begin(self.least_bytes);
        }
        match (self.waited >= TIME, self.came_bytes) {
            (false, _) => Ok(()),
            (true, 0) => Err(Fault::Lost("nothing came for a minute".into())),
            (true, bytes) => Err(Fault::Lost(format!(
                "no more than {} came in a minute",
                crate::backup::count(bytes, "byte")
            ))),
        }
    }
}
