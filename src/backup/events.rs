//! What the pipeline tells while it works. Nothing below the command line
//! prints; whoever watches decides what is shown.

use super::manifest::Image;
use crate::mtd::MtdName;

/// Watches a backup or a check. Called from several threads at once, except
/// [`Observer::image_done`], which comes in the order of the images' numbers. All methods
/// do nothing unless they are written anew.
///
/// ```
/// use mtdkeep::backup::{Observer, Work};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// #[derive(Default)]
/// struct BytesRead(AtomicU64);
///
/// impl Observer for BytesRead {
///     fn progress(&self, bytes: u64) {
///         self.0.fetch_add(bytes, Ordering::Relaxed);
///     }
/// }
///
/// let read = BytesRead::default();
/// let work = Work { observer: &read, ..Work::default() };
/// work.observer.progress(0x20000); // as the pipeline does
/// assert_eq!(read.0.into_inner(), 0x20000);
/// ```
pub trait Observer: Sync {
    /// The work is known: these partitions (by name), so many bytes to read.
    fn planned(&self, partitions: &[&str], bytes: u64) {
        let _ = (partitions, bytes);
    }
    /// A device that was wanted will not be in the backup; the reason as a sentence, and
    /// what can be done about it.
    fn left_out(&self, device: &MtdName, reason: &str, help: Option<&str>) {
        let _ = (device, reason, help);
    }
    /// A partition is read from its start.
    fn begin(&self, partition: &str) {
        let _ = partition;
    }
    /// So many more bytes were read; of flash that is read twice, both times.
    fn progress(&self, bytes: u64) {
        let _ = bytes;
    }
    /// An image is in place. `kept`: it was there from an earlier run, and the
    /// flash still has exactly its bytes. `recovered`: how many reads failed first
    /// and then succeeded.
    fn image_done(&self, image: &Image, kept: bool, recovered: u64) {
        let _ = (image, kept, recovered);
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Silent;

impl Observer for Silent {}
