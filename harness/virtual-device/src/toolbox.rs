//! The programs and packages that a virtual device is made of: found, or
//! named with the way to get them.
//!
//! On Debian 12 everything comes from its packages. Elsewhere four variables
//! say where things are: `MTDKEEP_QEMU` (an emulator with the machine connex),
//! `MTDKEEP_LINUX_SOURCE` (a tar of Linux 6.1), `MTDKEEP_CROSS_COMPILE` (the
//! compiler's prefix, such as `arm-linux-gnueabi-`), `MTDKEEP_BUSYBOX` (a
//! static BusyBox for ARMv5TE).

use super::boards::Board;
use super::cache::Cache;
use super::error::{Error, Missing};
use super::programs::variable;
use super::{busybox, kernel};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Everything a boot needs, made and at hand.
#[derive(Debug, Clone)]
pub struct Toolbox {
    pub(super) qemu: PathBuf,
    pub(super) kernel: PathBuf,
    pub(super) busybox: PathBuf,
    /// What the kernel was built from: for a golden file's header.
    pub(super) kernel_recipe: String,
}

impl Toolbox {
    /// Finds an emulator that has the board's machine, and makes kernel and BusyBox if
    /// the cache does not hold them: the kernel takes about 80 seconds on two cores
    /// and 1.6 GB of the cache's disk while it is built. `report` is told before such work.
    ///
    /// # Errors
    /// [`Error::Missing`] with everything that is missing, not only the first.
    pub fn ready(board: &Board, report: &mut dyn FnMut(&str)) -> Result<Self, Error> {
        let cache = Cache::of_user()?;
        let mut missing = Vec::new();
        let qemu = emulator(board).map_err(|one| missing.push(one)).ok();
        let kernel_inputs = kernel::Inputs::find()
            .map_err(|some| missing.extend(some))
            .ok();
        let busybox_from = busybox::Origin::find(&cache)
            .map_err(|some| missing.extend(some))
            .ok();
        let (Some(qemu), Some(kernel_inputs), Some(busybox_from)) =
            (qemu, kernel_inputs, busybox_from)
        else {
            return Err(Error::Missing(missing));
        };
        Ok(Self {
            qemu,
            busybox: busybox_from.obtain(&cache, report)?,
            kernel_recipe: kernel_inputs.text(),
            kernel: kernel_inputs.obtain(&cache, report)?,
        })
    }

    /// The zImage.
    #[must_use]
    pub fn kernel(&self) -> &Path {
        &self.kernel
    }

    /// What the kernel was built from, as text: source, compiler, configuration.
    #[must_use]
    pub fn kernel_recipe(&self) -> &str {
        &self.kernel_recipe
    }
}

fn emulator(board: &Board) -> Result<PathBuf, Missing> {
    let program = variable("MTDKEEP_QEMU").unwrap_or_else(|| "qemu-system-arm".into());
    let missing = |remedy: &str| Missing {
        what: format!("{} with the machine {}", program.display(), board.machine),
        remedy: remedy.into(),
    };
    let listed = Command::new(&program)
        .args(["-machine", "help"])
        .stdin(Stdio::null())
        .output()
        .map_err(|_| missing("apt-get install qemu-system-arm, or set MTDKEEP_QEMU"))?;
    let has_it = String::from_utf8_lossy(&listed.stdout)
        .lines()
        .any(|line| line.split_whitespace().next() == Some(board.machine));
    if has_it {
        return Ok(program);
    }
    Err(missing(
        "QEMU 9.2 and later dropped it; install an older one (Debian 12 has 7.2) and set MTDKEEP_QEMU to it",
    ))
}
