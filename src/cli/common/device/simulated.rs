//! The simulated device of `--simulate`, `--image`, `--seed` and `--faults`.
//!
//! Invariant: a real dump is never cut at offsets that nobody told. The text of a
//! `/proc/mtd` has sizes and no offsets, and partitions need not lie in the order of
//! their numbers, or may lie inside each other: an image with such a layout is
//! refused, unless the user says that they follow each other.

use super::dumps::{self, Chosen, Dumps, refused};
use super::layouts;
use crate::backend::Provenance;
use crate::capture::OobPages;
use crate::cli::Exit;
use crate::cli::error::{CliError, UsageError};
use crate::cli::given::Given;
use crate::cli::output::Output;
use mtd_harness::fault::FaultPlan;
use mtd_harness::layout::Layout;
use mtd_harness::profile::{self, SimulatedDevice};
use std::path::{Path, PathBuf};

/// The contents' seed where none is given.
const SEED: u64 = 1;

/// What the options say of a simulated device.
#[derive(Debug)]
pub(crate) struct Args {
    /// Its layout.
    profile: Profile,
    /// Nobody named that profile.
    is_default: bool,
    /// Another text that tells of the same layout.
    more: Option<PathBuf>,
    /// Whole contents of its chips, instead of made ones.
    images: Vec<PathBuf>,
    /// The image is of that partition alone.
    dump_of: Option<String>,
    /// An image that is not as long as the chip is cut all the same.
    cut: bool,
    /// The images are of NAND, with so many out-of-band bytes behind each page.
    omit_oob: Option<OobPages>,
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
    /// Another known device.
    Known(profile::Known),
    /// A layout from a text, in any form.
    Text(PathBuf),
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
            ("dump-of", "--dump-of is for --image"),
            ("cut", "--cut is for --image"),
            ("omit-oob", "--omit-oob is for --image"),
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
        Some(name) => match name.to_str().and_then(profile::Known::named) {
            Some(known) => Profile::Known(known),
            None => Profile::Text(name.into()),
        },
    })
}

fn checked(given: &mut Given, simulate: Option<Profile>) -> Result<Args, UsageError> {
    let images = given.paths("image");
    let (dump_of, cut) = (given.text("dump-of")?, given.flag("cut"));
    let omit_oob = given.text("omit-oob")?.map(|text| text.parse());
    let omit_oob: Option<OobPages> = omit_oob
        .transpose()
        .map_err(|error| UsageError(format!("--omit-oob: {error}")))?;
    let seed = given.number("seed")?;
    let faults = given.text("faults")?;
    let assume_order = given.flag("assume-order");
    if images.is_empty() && (dump_of.is_some() || cut || omit_oob.is_some()) {
        return Err(UsageError(
            "--dump-of, --cut and --omit-oob are for --image".into(),
        ));
    }
    if assume_order && (images.is_empty() || !matches!(simulate, Some(Profile::Text(_)))) {
        return Err(UsageError(
            "--assume-order is for --image with the layout of --simulate=FILE".into(),
        ));
    }
    if seed.is_some() && (simulate.is_none() || !images.is_empty()) {
        return Err(UsageError(
            "--seed is for the contents of --simulate".into(),
        ));
    }
    Ok(Args {
        is_default: simulate.is_none(),
        more: None,
        profile: simulate.unwrap_or(Profile::Ispot),
        images,
        dump_of,
        cut,
        omit_oob,
        assume_order,
        seed: seed.unwrap_or(SEED),
        faults: faults.as_deref().map(fault_plan).transpose()?,
    })
}

impl Args {
    /// Nobody tells where its nodes lie: its layout is a text's.
    pub(crate) fn tells_no_nodes(&self) -> bool {
        matches!(self.profile, Profile::Text(_))
    }

    /// Takes the file of `--layout`, for a command that has it.
    pub(crate) fn set_layout(&mut self, file: PathBuf) -> Result<(), UsageError> {
        match (&self.profile, self.is_default) {
            (Profile::Ispot, true) => self.profile = Profile::Text(file),
            (Profile::Ispot | Profile::Known(_), _) => {
                return Err(UsageError(
                    "--layout is not for a device whose layout is known".into(),
                ));
            }
            (Profile::Text(_), _) => self.more = Some(file),
        }
        Ok(())
    }
}

/// A simulated device, and what is known of its layout.
pub(crate) struct Simulated {
    pub(crate) device: SimulatedDevice,
    /// Who told where its partitions start, by MTD number; empty: the simulation.
    pub(crate) provenance: Vec<Provenance>,
}

impl Simulated {
    /// Nobody told where its partitions start: they are put one after the other.
    pub(crate) fn offsets_are_inferred(&self) -> bool {
        let is_certain =
            |known: &Provenance| known.source.is_some_and(|source| !source.is_inferred());
        !self.provenance.iter().all(is_certain)
    }
}

/// The simulated device that the options describe. What must be said of it is said.
pub(crate) fn open(args: &Args, output: &Output) -> Result<Simulated, CliError> {
    let dumps = Dumps {
        files: args
            .images
            .iter()
            .map(|image| match args.omit_oob {
                Some(pages) => dumps::without_oob(image, pages),
                None => Ok((image.clone(), length(image)?)),
            })
            .collect::<Result<_, CliError>>()?,
        of: args.dump_of.clone(),
        cut: args.cut,
    };
    let chosen = match &args.profile {
        Profile::Text(file) => Some(layouts::choose(file, args.more.as_deref(), &dumps)?),
        Profile::Ispot | Profile::Known(_) => None,
    };
    let is_inferred = chosen.as_ref().is_some_and(Chosen::is_inferred);
    if let (Some(image), true, false) = (args.images.first(), is_inferred, args.assume_order) {
        return Err(not_cut(args, image));
    }
    let mut device = match (&chosen, &args.profile) {
        (Some(chosen), _) if args.images.is_empty() => {
            profile::from_layout(&chosen.layout, args.seed)
        }
        (Some(chosen), _) => profile::from_images(&chosen.parts, &chosen.layout)
            .map_err(|error| io_error(error.to_string()))?,
        (None, Profile::Known(known)) => {
            of_known(args, &dumps, &known.layout(), || known.device(args.seed))?
        }
        (None, _) => {
            contradicted(&dumps)?;
            of_known(args, &dumps, &Layout::ispot(), || profile::ispot(args.seed))?
        }
    };
    if let Some(faults) = &args.faults {
        // Places of faults are chip offsets; a second chip has none.
        device.set_faults(0, Some(faults.clone()));
    }
    // What is assumed, and what was left out, goes into manifest and page.
    if let Some(pages) = args.omit_oob {
        device.description += &format!(" (without the out-of-band bytes of {pages} in the dump)");
    }
    if args.assume_order && is_inferred {
        output.warn(
            "the image is cut in the order of its table, as --assume-order says: nothing proves \
             where a partition starts",
        );
        device.description += ", cut in the order of its table because the user said so: where \
                               partitions start is not proven";
    }
    for note in chosen.iter().flat_map(|chosen| &chosen.notes) {
        output.warn(note);
    }
    for assumed in chosen.iter().flat_map(|chosen| &chosen.assumed) {
        device.description += &format!(" ({assumed})");
    }
    Ok(Simulated {
        device,
        provenance: chosen.map(|chosen| chosen.provenance).unwrap_or_default(),
    })
}

/// A device whose layout is known, with its own contents or those of a dump.
fn of_known(
    args: &Args,
    dumps: &Dumps,
    layout: &Layout,
    made: impl Fn() -> SimulatedDevice,
) -> Result<SimulatedDevice, CliError> {
    match &dumps.files[..] {
        [] => Ok(made()),
        [(image, _)] if args.dump_of.is_none() && !args.cut => {
            let device = profile::from_image(image, layout);
            device.map_err(|error| io_error(error.to_string()))
        }
        _ => Err(CliError::Usage(UsageError(
            "several dumps, --dump-of and --cut need a layout: add --simulate=FILE".into(),
        ))),
    }
}

/// Refuses a dump whose own partition table is not the iSpot's.
fn contradicted(dumps: &Dumps) -> Result<(), CliError> {
    let Some(found) = layouts::table_in(dumps)? else {
        return Ok(());
    };
    let ispot = Layout::ispot();
    let fits = |facts: &crate::layout::PartitionFacts| {
        let known = ispot.partition(&facts.name).map(|(_, known)| known);
        known.is_some_and(|known| {
            facts.offset.map(|offset| offset.bytes) == Some(known.offset_bytes)
                && facts.size_bytes == Some(known.size_bytes)
        })
    };
    match found.partitions.iter().find(|facts| !fits(facts)) {
        Some(other) => Err(refused(
            format!(
                "the dump's own partition table (RedBoot's) has {:?}, and is not the Clear iSpot's",
                other.name
            ),
            "name the dump with --layout as well, to cut it by its own table",
        )),
        None => Ok(()),
    }
}

fn length(image: &Path) -> Result<u64, CliError> {
    let cannot = |why: &dyn std::fmt::Display| {
        io_error(format!("cannot read the image {}: {why}", image.display()))
    };
    let data = std::fs::metadata(image).map_err(|error| cannot(&error))?;
    // A pipe would be waited for, and cannot be read in places.
    match data.is_file() || data.is_dir() {
        true => Ok(data.len()),
        false => Err(cannot(&"it is no regular file")),
    }
}

fn not_cut(args: &Args, image: &Path) -> CliError {
    let table = match &args.profile {
        Profile::Text(file) => file.display().to_string(),
        _ => String::new(),
    };
    CliError::Other {
        exit: Exit::Refused,
        message: format!(
            "{table} tells sizes and no offsets: where its partitions start in {} is not known, and \
             cut in the order of the table, one could get another one's bytes",
            image.display()
        ),
        help: Some(
            "`backup --layout FILE` takes the offsets from a boot log, mtdparts= or U-Boot's list; \
             or, where you know that the partitions follow each other and fill the chip, say so \
             with --assume-order"
                .into(),
        ),
    }
}

fn fault_plan(spec: &str) -> Result<FaultPlan, UsageError> {
    spec.parse()
        .map_err(|error| UsageError(format!("--faults: {error}")))
}

fn io_error(message: String) -> CliError {
    CliError::Other {
        exit: Exit::Io,
        message,
        help: Some(
            "--image takes the whole chip as one file; another layout than the iSpot's \
             comes with --simulate=FILE or --layout FILE"
                .into(),
        ),
    }
}
