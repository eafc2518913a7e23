//! The device that is restored to; a simulated one can be saved afterwards.

use crate::cli::common::device::{self, DeviceArgs};
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::mtd::MtdBackend;
use std::path::Path;

pub(super) struct Target {
    backend: Box<dyn MtdBackend>,
    /// The simulated device, and the file for its chip.
    #[cfg(feature = "full")]
    save: Option<(mtd_harness::profile::SimulatedDevice, std::path::PathBuf)>,
}

impl Target {
    /// Opens the device; what would keep its chip from being saved is refused here.
    #[cfg(feature = "full")]
    pub(super) fn open(
        args: &DeviceArgs,
        save: Option<&Path>,
        output: &Output,
    ) -> Result<Self, CliError> {
        use crate::cli::common::device::{saved, simulated};
        let Some(simulated) = &args.simulated else {
            let backend = device::open(args, output)?;
            return Ok(Self {
                backend,
                save: None,
            });
        };
        let simulated = simulated::open(simulated, output)?;
        saved::check(&simulated.device, save)?;
        let save = save.map(|file| (simulated.device.clone(), file.to_owned()));
        let backend = crate::backend::SimulatedBackend::new(simulated.device);
        Ok(Self {
            backend: Box::new(backend.with_provenance(simulated.provenance)),
            save,
        })
    }

    #[cfg(not(feature = "full"))]
    pub(super) fn open(
        args: &DeviceArgs,
        _: Option<&Path>,
        output: &Output,
    ) -> Result<Self, CliError> {
        let backend = device::open(args, output)?;
        Ok(Self { backend })
    }

    pub(super) fn backend(&self) -> &dyn MtdBackend {
        &*self.backend
    }

    /// Saves the chip, if that was asked for.
    pub(super) fn save(&self, output: &Output) -> Result<(), CliError> {
        #[cfg(feature = "full")]
        if let Some((device, file)) = &self.save {
            crate::cli::common::device::saved::save(device, file)?;
            output.sentence(&format!("the chip's contents are in {}", file.display()));
        }
        let _ = output;
        Ok(())
    }
}
