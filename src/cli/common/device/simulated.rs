//! The simulated device of `--simulate`, `--image`, `--seed` and `--faults`.
//!
//! Invariant: a real dump is never cut at offsets that nobody told. The text of a
//! `/proc/mtd` has sizes and no offsets, and partitions need not lie in the order of
//! their numbers, or may lie inside each other: an image with such a layout is
//! refused, unless the user says that they follow each other.

use crate::cli::Exit;
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use mtd_harness::fault::FaultPlan;
use mtd_harness::layout::Layout;
use mtd_harness::profile::{self, SimulatedDevice};
use std::path::{Path, PathBuf};

/// A captured `/proc/mtd` longer than this is none.
const TABLE_BYTES_MAX: u64 = 1 << 20;

/// The contents' seed where none is given.
const SEED: u64 = 1;

/// What the options say of a simulated device.
#[derive(Debug)]
pub(crate) struct Args {
    /// Its layout.
    profile: Profile,
    /// Whole contents of its chip, instead of made ones.
    image: Option<PathBuf>,
    /// The user says that the partitions follow each other and fill the chip.
    assume_order: bool,
    /// The made contents' seed.
    seed: u64,
    /// Faults of its flash.
    pub(crate) faults: Option<FaultPlan>,
}

/// Which device is simulated.
#[derive(Debug)]
enum Profile {
    /// The Clear iSpot.
    Ispot,
    /// The layout of a captured `/proc/mtd`.
    ProcMtd(PathBuf),
}

/// What is given of a simulated device, if one is; checked.
pub(crate) fn parse(given: &mut Given) -> Result<Option<Args>, UsageError> {
    let simulate = profile_of(given);
    if simulate.is_none() && !given.has("image") {
        let strays = [
            (
                "assume-order",
                "--assume-order is for --image with the layout of --simulate=FILE",
            ),
            ("seed", "--seed is for the contents of --simulate"),
            (
                "faults",
                "--faults is for the flash of --simulate or --image",
            ),
        ];
        return match strays.iter().find(|(name, _)| given.has(name)) {
            Some((_, text)) => Err(UsageError((*text).into())),
            None => Ok(None),
        };
    }
    checked(given, simulate).map(Some)
}

/// As [`parse`], for a command that has no other device: the iSpot is its default.
pub(crate) fn parse_or_ispot(given: &mut Given) -> Result<Args, UsageError> {
    let simulate = match profile_of(given) {
        None if !given.has("image") => Some(Profile::Ispot),
        profile => profile,
    };
    checked(given, simulate)
}

fn profile_of(given: &mut Given) -> Option<Profile> {
    given.take("simulate").map(|value| match value {
        None => Profile::Ispot,
        Some(name) if name == "ispot" => Profile::Ispot,
        Some(file) => Profile::ProcMtd(file.into()),
    })
}

fn checked(given: &mut Given, simulate: Option<Profile>) -> Result<Args, UsageError> {
    let image = given.path("image");
    let seed = given.number("seed")?;
    let faults = given.text("faults")?;
    let assume_order = given.flag("assume-order");
    if assume_order && (image.is_none() || !matches!(simulate, Some(Profile::ProcMtd(_)))) {
        return Err(UsageError(
            "--assume-order is for --image with the layout of --simulate=FILE".into(),
        ));
    }
    if seed.is_some() && (simulate.is_none() || image.is_some()) {
        return Err(UsageError(
            "--seed is for the contents of --simulate".into(),
        ));
    }
    Ok(Args {
        profile: simulate.unwrap_or(Profile::Ispot),
        image,
        assume_order,
        seed: seed.unwrap_or(SEED),
        faults: faults.as_deref().map(fault_plan).transpose()?,
    })
}

impl Args {
    /// What must be said where an image is cut in an assumed order.
    pub(crate) fn warning(&self) -> Option<&'static str> {
        self.assume_order.then_some(
            "the image is cut in the order of its table, as --assume-order says: nothing proves \
             where a partition starts",
        )
    }
}

/// A simulated device, and what is known of its layout.
pub(crate) struct Simulated {
    pub(crate) device: SimulatedDevice,
    /// Nobody told where its partitions start: they are put one after the other.
    pub(crate) offsets_are_inferred: bool,
}

/// The simulated device that the options describe.
pub(crate) fn device(args: &Args) -> Result<SimulatedDevice, CliError> {
    open(args).map(|simulated| simulated.device)
}

/// The same, with what is known of its layout.
pub(crate) fn open(args: &Args) -> Result<Simulated, CliError> {
    let layout = match &args.profile {
        Profile::ProcMtd(file) => Some(layout(file)?),
        Profile::Ispot => None,
    };
    let offsets_are_inferred = layout.as_ref().is_some_and(has_no_offsets);
    if let (Some(image), true, false) = (&args.image, offsets_are_inferred, args.assume_order) {
        return Err(not_cut(args, image));
    }
    let mut device = match (&args.image, layout) {
        (Some(image), layout) => {
            let layout = layout.unwrap_or_else(Layout::ispot);
            profile::from_image(image, &layout).map_err(|error| io_error(error.to_string()))?
        }
        (None, Some(layout)) => profile::from_layout(&layout, args.seed),
        (None, None) => profile::ispot(args.seed),
    };
    if let Some(faults) = &args.faults {
        // Places of faults are chip offsets; a second chip has none.
        device.set_faults(0, Some(faults.clone()));
    }
    if args.assume_order {
        // It goes into manifest and page.
        device.description += ", cut in the order of its table because the user said so: where \
                               partitions start is not proven";
    }
    Ok(Simulated {
        device,
        offsets_are_inferred,
    })
}

/// Whether nobody knows where the partitions of a layout from a `/proc/mtd` start.
/// The iSpot's are known, and a single partition is its whole chip.
fn has_no_offsets(layout: &Layout) -> bool {
    let alone = layout.chips.iter().all(|chip| chip.partitions.len() == 1);
    *layout != Layout::ispot() && !alone
}

fn not_cut(args: &Args, image: &Path) -> CliError {
    let table = match &args.profile {
        Profile::ProcMtd(file) => file.display().to_string(),
        Profile::Ispot => String::new(),
    };
    CliError::Other {
        exit: Exit::Refused,
        message: format!(
            "{table} tells sizes and no offsets: where its partitions start in {} is not known, and \
             cut in the order of the table, one could get another one's bytes",
            image.display()
        ),
        help: Some(
            "take images of single partitions with `mtdkeep import --layout`; or, where you know \
             that the partitions follow each other and fill the chip, say so with --assume-order"
                .into(),
        ),
    }
}

fn fault_plan(spec: &str) -> Result<FaultPlan, UsageError> {
    spec.parse()
        .map_err(|error| UsageError(format!("--faults: {error}")))
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
                "--simulate takes ispot, or a file with the text of a device's /proc/mtd".into(),
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
