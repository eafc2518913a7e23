//! Which device a command works on: the running kernel's, one below another root,
//! or a simulated one.

use super::args::Global;
use super::error::CliError;
use crate::backend::LinuxBackend;
use crate::mtd::MtdBackend;

/// The device that the options name.
#[cfg(not(feature = "full"))]
pub(crate) fn open(global: &Global) -> Result<Box<dyn MtdBackend>, CliError> {
    Ok(Box::new(LinuxBackend::new(global.root.clone())))
}

/// The device that the options name.
#[cfg(feature = "full")]
pub(crate) fn open(global: &Global) -> Result<Box<dyn MtdBackend>, CliError> {
    use crate::backend::SimulatedBackend;
    if global.is_simulated() {
        return Ok(Box::new(SimulatedBackend::new(simulated::device(global)?)));
    }
    Ok(Box::new(LinuxBackend::new(global.root.clone())))
}

#[cfg(feature = "full")]
pub(crate) mod simulated {
    use super::super::Exit;
    use super::super::args::{Global, Profile, UsageError};
    use super::super::error::CliError;
    use mtd_harness::fault::FaultPlan;
    use mtd_harness::layout::Layout;
    use mtd_harness::profile::{self, SimulatedDevice};
    use std::path::Path;

    /// A captured `/proc/mtd` longer than this is none.
    const TABLE_BYTES_MAX: u64 = 1 << 20;

    /// The contents' seed where none is given.
    const SEED: u64 = 1;

    /// The simulated device that the options describe.
    pub(crate) fn device(global: &Global) -> Result<SimulatedDevice, CliError> {
        let faults = global.faults.as_deref().map(fault_plan).transpose()?;
        let seed = global.seed.unwrap_or(SEED);
        let device = match (&global.image, &global.simulate) {
            (Some(image), profile) => {
                let layout = match profile {
                    Some(Profile::ProcMtd(file)) => layout(file)?,
                    _ => Layout::ispot(),
                };
                profile::from_image(image, &layout).map_err(|error| io_error(error.to_string()))?
            }
            (None, Some(Profile::ProcMtd(file))) => profile::from_layout(&layout(file)?, seed),
            (None, _) => profile::ispot(seed),
        };
        if faults.is_some() {
            // Places of faults are chip offsets; a second chip has none.
            device.set_faults(0, faults);
        }
        Ok(device)
    }

    fn fault_plan(spec: &str) -> Result<FaultPlan, CliError> {
        spec.parse()
            .map_err(|error| UsageError(format!("--faults {spec:?}: {error}")).into())
    }

    fn layout(file: &Path) -> Result<Layout, CliError> {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        std::fs::File::open(file)
            .and_then(|table| table.take(TABLE_BYTES_MAX).read_to_end(&mut bytes))
            .map_err(|error| CliError::Other {
                exit: Exit::Io,
                message: format!("cannot read the layout {}: {error}", file.display()),
                help: Some(
                    "--simulate takes ispot, or a file with the text of a device's /proc/mtd"
                        .into(),
                ),
            })?;
        let text = String::from_utf8_lossy(&bytes);
        Layout::from_proc_mtd(&text).map_err(|error| CliError::Other {
            exit: Exit::Io,
            message: format!("the layout {}: {error}", file.display()),
            help: Some("it must be the text of a /proc/mtd, unchanged and whole".into()),
        })
    }

    fn io_error(message: String) -> CliError {
        CliError::Other {
            exit: Exit::Io,
            message,
            help: Some(
                "--image takes the whole chip as one file; another layout than the iSpot's \
                 comes with --simulate=FILE"
                    .into(),
            ),
        }
    }
}
