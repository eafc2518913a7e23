//! A store on these traits through every power cut.

use crate::Flash;
use mtd_chip::cut::{ExploreError, Explorer, Report, Script, Scripted, Tears, Work};
use mtd_chip::{Chip, Geometry, Programming};
use std::fmt::Debug;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// An erased chip of this many bytes, programmed in words of `WRITE` bytes, one by one, in
/// erase blocks of `ERASE`.
///
/// # Panics
/// If the sizes do not fit each other.
pub fn erased<const WRITE: usize, const ERASE: usize>(size_bytes: u64) -> Chip {
    let mut chip = Chip::new(Geometry {
        size_bytes,
        erase_block_bytes: u32::try_from(ERASE).expect("an erase block of less than 4 GiB"),
    });
    let word_bytes = u32::try_from(WRITE).expect("a word is not longer than an erase block");
    chip.set_programming(Programming::words(word_bytes));
    chip
}

/// Makes a driver for [`Scripted`] of one that works on [`Flash`].
pub fn driver<const WRITE: usize, const ERASE: usize, E: Debug>(
    drive: impl Fn(Flash<&mut Chip, WRITE, ERASE>, &mut Script<'_>) -> Result<(), E> + Sync,
) -> impl Fn(&mut Chip, &mut Script<'_>) -> Result<(), String> + Sync {
    move |chip, script| drive(Flash::new(chip), script).map_err(|error| format!("{error:?}"))
}

/// Puts a store through every power cut in a work, on a chip of `size_bytes` that is
/// erased at the start: every operation, every way in which it can tear and leave cells that
/// read the same each time ([`Tears::stable`]), and the recovery from each. The driver opens
/// the store on the flash, does what the script asks until it ends, and tells what it found.
///
/// For second cuts, other chips, other tears and budgets: [`Explorer`], [`Scripted`] and
/// [`driver`]. [`Tears::all`] adds bits that read differently each time, which hardly any
/// store gets over.
///
/// # Errors
/// A store that fails without a cut, or that is not deterministic.
pub fn every_cut<const WRITE: usize, const ERASE: usize, E: Debug>(
    size_bytes: u64,
    work: Work,
    drive: impl Fn(Flash<&mut Chip, WRITE, ERASE>, &mut Script<'_>) -> Result<(), E> + Sync,
) -> Result<Report, ExploreError> {
    let chip = erased::<WRITE, ERASE>(size_bytes);
    Explorer::new(&chip, &Scripted::new(work, driver(drive)))
        .tears(Tears::stable())
        .run()
}

/// Runs a future that never waits for anything, as those on this crate's flash.
///
/// # Panics
/// If it does wait.
pub fn ready<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits for something else than the flash"),
    }
}
