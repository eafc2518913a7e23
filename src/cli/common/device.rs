//! Which device a command works on: the running kernel's, one below another root,
//! or a simulated one.

use crate::backend::LinuxBackend;
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use crate::mtd::MtdBackend;
use std::path::PathBuf;

/// What the options say of the device.
#[derive(Debug, Default)]
pub(crate) struct DeviceArgs {
    /// A simulated one.
    #[cfg(feature = "full")]
    pub(crate) simulated: Option<simulated::Args>,
    /// Where `proc`, `sys` and `dev` are.
    pub(crate) root: Option<PathBuf>,
}

impl DeviceArgs {
    /// Whether the options name a device, instead of leaving it to be the running
    /// kernel's.
    pub(crate) fn is_named(&self) -> bool {
        self.root.is_some() || self.is_simulated()
    }

    /// Takes the file of `--layout`, for a command that has it.
    #[cfg(feature = "full")]
    pub(crate) fn set_layout(&mut self, file: Option<PathBuf>) -> Result<(), UsageError> {
        match (file, &mut self.simulated) {
            (None, _) => Ok(()),
            (Some(file), Some(simulated)) => simulated.set_layout(file),
            (Some(_), None) => Err(UsageError(
                "--layout is for --image and --simulate=FILE; a real device tells its own".into(),
            )),
        }
    }

    /// Whether the device is not a real one.
    #[cfg(feature = "full")]
    pub(crate) fn is_simulated(&self) -> bool {
        self.simulated.is_some()
    }

    /// Whether the device is not a real one.
    #[cfg(not(feature = "full"))]
    pub(crate) fn is_simulated(&self) -> bool {
        false
    }
}

/// What is given of the device, checked.
pub(crate) fn parse(given: &mut Given) -> Result<DeviceArgs, UsageError> {
    let device = DeviceArgs {
        #[cfg(feature = "full")]
        simulated: simulated::parse(given)?,
        root: given.path("root"),
    };
    if device.root.is_some() && device.is_simulated() {
        return Err(UsageError(
            "--root is for real devices and copies of them, --simulate and --image for simulated \
             ones: use one"
                .into(),
        ));
    }
    Ok(device)
}

/// The device that the options name. What must be said of it is said.
pub(crate) fn open(device: &DeviceArgs, output: &Output) -> Result<Box<dyn MtdBackend>, CliError> {
    #[cfg(feature = "full")]
    if let Some(args) = &device.simulated {
        let simulated = simulated::open(args, output)?;
        let backend = crate::backend::SimulatedBackend::new(simulated.device);
        return Ok(Box::new(backend.with_provenance(simulated.provenance)));
    }
    #[cfg(not(feature = "full"))]
    let _ = output;
    Ok(Box::new(LinuxBackend::new(device.root.clone())))
}

#[cfg(feature = "full")]
mod chips;
#[cfg(feature = "full")]
mod dumps;
#[cfg(feature = "full")]
mod layouts;
#[cfg(feature = "full")]
pub(crate) mod saved;
#[cfg(feature = "full")]
pub(crate) mod simulated;
#[cfg(all(test, feature = "full"))]
mod tests;
