//! Which device a command works on: the running kernel's, one below another root,
//! or a simulated one.

use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use mtdkeep::backend::LinuxBackend;
use mtdkeep::mtd::MtdBackend;
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

    /// What must be said before the device is worked on.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        #[cfg(feature = "full")]
        return self.simulated.as_ref().and_then(simulated::Args::warning);
        #[cfg(not(feature = "full"))]
        None
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

/// The device that the options name.
pub(crate) fn open(device: &DeviceArgs) -> Result<Box<dyn MtdBackend>, CliError> {
    #[cfg(feature = "full")]
    if let Some(args) = &device.simulated {
        let simulated = simulated::open(args)?;
        let backend = mtdkeep::backend::SimulatedBackend::new(simulated.device);
        return Ok(Box::new(
            backend.with_inferred_offsets(simulated.offsets_are_inferred),
        ));
    }
    Ok(Box::new(LinuxBackend::new(device.root.clone())))
}

#[cfg(feature = "full")]
pub(crate) mod simulated;
