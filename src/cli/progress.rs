//! What a backup or a check shows while it runs: a line per image on standard
//! output, and on a terminal a progress bar on standard error.

use super::output::Output;
use crate::backup::{Image, Observer, count, size};
use crate::mtd::MtdName;
use crate::printable::printable;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The line of an image that is in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// None is shown.
    None,
    /// It fits into 80 columns, with the beginning of a long digest.
    Short,
    /// With whole digests.
    Whole,
}

impl Lines {
    pub(crate) fn of(verbose: bool) -> Self {
        if verbose { Self::Whole } else { Self::Short }
    }
}

/// Shows what the pipeline tells.
pub(crate) struct Progress<'a> {
    output: &'a Output,
    lines: Lines,
    /// Width of the names' column.
    width: AtomicUsize,
    #[cfg(feature = "full")]
    bar: indicatif::ProgressBar,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(output: &'a Output, lines: Lines) -> Self {
        Self {
            output,
            lines,
            width: AtomicUsize::new(0),
            #[cfg(feature = "full")]
            bar: bar(output),
        }
    }

    /// Takes the bar away, whatever was reached.
    pub(crate) fn end(&self) {
        #[cfg(feature = "full")]
        self.bar.finish_and_clear();
    }

    /// Shows a line without tearing the bar.
    fn show(&self, show: impl FnOnce()) {
        #[cfg(feature = "full")]
        self.bar.suspend(show);
        #[cfg(not(feature = "full"))]
        show();
    }
}

/// The bar; a hidden one where standard error is no terminal.
#[cfg(feature = "full")]
fn bar(output: &Output) -> indicatif::ProgressBar {
    use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
    use std::fmt;
    use std::io::IsTerminal as _;
    if !output.shows_progress() || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let columns = rustix::termios::tcgetwinsize(std::io::stderr())
        .map(|size| size.ws_col)
        .ok()
        .filter(|columns| *columns > 0);
    // The bar's own sizes have a style of their own ("16.00 MiB").
    let style = ProgressStyle::with_template(template(columns.unwrap_or(80))).map(|style| {
        style
            .with_key("done", |bar: &ProgressState, out: &mut dyn fmt::Write| {
                let _ = out.write_str(&size(bar.pos()));
            })
            .with_key("all", |bar: &ProgressState, out: &mut dyn fmt::Write| {
                let _ = out.write_str(&size(bar.len().unwrap_or(0)));
            })
            .with_key("speed", |bar: &ProgressState, out: &mut dyn fmt::Write| {
                let kib = bar.per_sec() as u64 >> 10;
                let _ = write!(out, "{}/s", size(kib << 10));
            })
    });
    match style {
        Ok(style) if utf8() => bar.with_style(style),
        Ok(style) => bar.with_style(style.progress_chars("#>-")),
        Err(_) => bar,
    }
}

/// What fits into so many columns: a line that wraps leaves its remains behind.
#[cfg(feature = "full")]
fn template(columns: u16) -> &'static str {
    match columns {
        80.. => "{msg:14!} {wide_bar} {done:>9}/{all} {speed} {eta} left",
        40.. => "{msg:14!} {wide_bar} {percent:>3}% {eta} left",
        8.. => "{wide_msg}{percent:>3}%",
        _ => "",
    }
}

/// Whether the terminal shows more than ASCII, as the locale says.
#[cfg(feature = "full")]
fn utf8() -> bool {
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let locale = names.iter().filter_map(std::env::var_os);
    let locale = locale.into_iter().find(|value| !value.is_empty());
    locale.is_some_and(|locale| {
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

impl Observer for Progress<'_> {
    fn planned(&self, partitions: &[&str], bytes: u64) {
        let width = partitions
            .iter()
            .map(|name| printable(name).chars().count());
        self.width
            .store(width.max().unwrap_or(0), Ordering::Relaxed);
        let _ = bytes;
        #[cfg(feature = "full")]
        self.bar.set_length(bytes);
    }

    fn left_out(&self, device: &MtdName, reason: &str, help: Option<&str>) {
        let mtd = device.index;
        self.show(|| {
            self.output.warn(&format!("{mtd} is left out: {reason}"));
            if let Some(help) = help {
                self.output.warn(&format!("help: {help}"));
            }
        });
    }

    fn begin(&self, partition: &str) {
        let _ = partition;
        #[cfg(feature = "full")]
        self.bar.set_message(printable(partition));
    }

    fn progress(&self, bytes: u64) {
        let _ = bytes;
        #[cfg(feature = "full")]
        self.bar.inc(bytes);
    }

    fn image_done(&self, image: &Image, kept: bool, recovered: u64) {
        if self.lines == Lines::None {
            return;
        }
        let width = self.width.load(Ordering::Relaxed);
        self.show(|| {
            self.output.line(&row(image, kept, width, self.lines));
            tell(self.output, image, recovered);
        });
    }
}

/// So many digits of a digest are enough to compare by eye, and leave room in 80
/// columns for the iSpot's names.
const DIGITS_SHOWN: usize = 12;

/// `mtd0   RedBoot          256 KiB  crc32 31cc2ef9  sha256 1debd32c33f8..`
fn row(image: &Image, kept: bool, width: usize, lines: Lines) -> String {
    let mtd = format!("mtd{}", image.mtd);
    let mut row = format!(
        "{mtd:<5}  {:<width$}  {:>8}",
        printable(&image.name),
        size(image.size_bytes),
    );
    for (name, value) in image.named_digests() {
        row += &match value.get(..DIGITS_SHOWN) {
            Some(start) if lines == Lines::Short => format!("  {name} {start}.."),
            _ => format!("  {name} {value}"),
        };
    }
    if kept {
        row += "  (kept)";
    }
    row
}

/// What is to be said of an image beside its line.
fn tell(output: &Output, image: &Image, recovered: u64) {
    let of = format!("mtd{} ({})", image.mtd, printable(&image.name));
    for range in &image.unreadable {
        output.warn(&format!(
            "{of}: {:#x} bytes at {:#x} could not be read and stand as 0xFF in {}: {}",
            range.length_bytes, range.offset_bytes, image.file, range.reason
        ));
    }
    if let Some(doubt) = &image.doubt {
        output.warn(&format!("{of}: {doubt}"));
    }
    if let Some(blank) = &image.blank {
        output.sentence(&format!("note: {of}: {blank}"));
    }
    if recovered > 0 {
        output.warn(&format!(
            "{of}: {} failed first and succeeded when tried again",
            count(recovered, "read")
        ));
    }
    if let Some(second) = image.second_reading.as_ref().filter(|second| !second.same) {
        let place = second
            .first_difference_bytes
            .map_or_else(String::new, |at| format!(", first at {at:#x}"));
        output.warn(&format!(
            "{of}: a second reading differs{place}; a mounted JFFS2 changes while it is read: \
             remount it read-only, or stop what writes to it, and back it up again"
        ));
    }
}
