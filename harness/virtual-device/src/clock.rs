//! How time passes in the guest, and what it measured of its commands.
//!
//! With [`Clock::Instructions`] the emulator moves the guest's clock on by 8 ns for
//! each instruction of the processor. Then what a command takes is the same on a
//! busy machine and an idle one, and the same every time.
//!
//! Why 8: to restart the board, Linux lets its watchdog run out, which takes 100 ms
//! of the guest's time, looking at the clock all the while. At 1 ns those looks
//! take the host 20 s. Much more than 8, and the clock's own steps would show.
//!
//! Invariant: a file of times that is not as `timed` writes it is an error, never
//! a time.

use super::error::Error;
use std::time::Duration;

/// The script that times a command.
pub(super) const TIMED: &[u8] = include_bytes!("../guest/timed");
/// Where it notes what it timed.
pub(super) const TIMES: &str = "/virtual-ispot/times";

/// What moves the guest's clock.
///
/// ```no_run
/// use mtd_virtual_device::{Clock, VirtualDevice, boards::ISPOT};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut ispot = VirtualDevice::new(&ISPOT, ISPOT.blank_image())?.timed_by(Clock::Instructions);
/// let outcome = ispot.run("timed copy dd if=/dev/mtd3 of=/tmp/x bs=64k")?;
/// println!("{:?} instructions", outcome.times[0].instructions);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// The host's time: what a command takes depends on what else the host does.
    #[default]
    Host,
    /// 8 ns for each instruction, whatever it does: the same run gives the same
    /// times, to the last step of the clock. While the processor waits for an
    /// interrupt, the clock goes on to it at once. The host takes about three
    /// seconds more for a run, and twice as long for what it does.
    Instructions,
}

impl Clock {
    /// The emulator's options for it.
    pub(super) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Host => &[],
            // shift: an instruction is 2^3 ns. sleep=off: a guest that waits is not
            // waited for.
            Self::Instructions => &["-icount", "shift=3,sleep=off", "-rtc", "clock=vm"],
        }
    }
}

/// An instruction takes 2 to this power nanoseconds of the guest.
const SHIFT: u32 = 3;

/// A command that `timed` ran in the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed {
    /// The name that it was given.
    pub name: String,
    /// Its exit status.
    pub status: i32,
    /// From before its start to its end, in the guest's time; steps of 271 ns.
    pub elapsed: Duration,
    /// With [`Clock::Instructions`], how many instructions that are: the command's
    /// own, the kernel's for it, and a quarter of a million to start it. Steps of 34.
    /// Waiting counts as if the processor had worked.
    pub instructions: Option<u64>,
}

impl Timed {
    /// What `timed` noted, a line for each command.
    pub(super) fn parse(text: &str, clock: Clock) -> Result<Vec<Self>, Error> {
        let one = |line: &str| {
            let (status, rest) = line.split_once(' ')?;
            let (began, rest) = rest.split_once(' ')?;
            let (ended, name) = rest.split_once(' ')?;
            let took = ended
                .parse::<u64>()
                .ok()?
                .checked_sub(began.parse().ok()?)?;
            Some(Self {
                name: name.into(),
                status: status.parse().ok()?,
                elapsed: Duration::from_nanos(took),
                instructions: (clock == Clock::Instructions).then_some(took >> SHIFT),
            })
        };
        let refuse = |line: &str| Error::HandedBack {
            reason: format!("{line:?} is not what `timed` notes"),
        };
        text.lines()
            .map(|line| one(line).ok_or_else(|| refuse(line)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_the_guest_notes_them() {
        let noted = "0 1000 3500 two words\n3 5000 5271 b\n";
        let times = Timed::parse(noted, Clock::Instructions).unwrap();
        assert_eq!(times.len(), 2);
        assert_eq!(times[0].name, "two words");
        assert_eq!(times[0].elapsed, Duration::from_nanos(2500));
        assert_eq!(times[1].status, 3);
        assert_eq!(times[0].instructions, Some(312));
        let by_host = Timed::parse(noted, Clock::Host).unwrap();
        assert_eq!(by_host[0].elapsed, times[0].elapsed);
        assert_eq!(by_host[0].instructions, None);
        assert_eq!(Timed::parse("", Clock::Host).unwrap(), []);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        // No name, no number (a kernel without /proc/timer_list), a clock that went back.
        for line in ["0 1 2", "0   a", "0 2 1 a", "x 1 2 a"] {
            assert!(Timed::parse(line, Clock::Host).is_err(), "{line:?}");
        }
    }
}
