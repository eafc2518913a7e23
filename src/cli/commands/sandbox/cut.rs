//! What the command line says of power cuts.

use crate::cli::error::UsageError;
use crate::cli::given::Given;
use crate::cli::spec::{OptionSpec, Takes, option};
use mtd_harness::chip::cut::{CutId, Tears};

pub(super) const OPTIONS: &[OptionSpec] = &[
    option(
        "cut",
        Takes::Value("SPEC"),
        "Let the power go: every, N (in the Nth operation on flash), or an id",
    ),
    option(
        "recover",
        Takes::Value("LINE"),
        "With --cut: what the device does after a reboot, for sh",
    ),
    option(
        "check",
        Takes::Value("LINE"),
        "With --cut: what must hold then, for sh; status 0 if it does",
    ),
    option(
        "states",
        Takes::Value("N"),
        "With --cut every: try a sample of N states",
    ),
    option(
        "cuts",
        Takes::Value("N"),
        "With --cut every: up to N cuts, the later ones in LINE [default: 1]",
    ),
    option(
        "tears",
        Takes::Value("WHICH"),
        "With --cut: what is left of an operation: atomic, stable or all [default: all]",
    ),
];

/// Which moments.
#[derive(Debug)]
pub(super) enum Moment {
    /// All of them.
    Every,
    /// In this operation, the first being 1.
    Operation(u64),
    /// The one of this id.
    Id(CutId),
}

/// Cuts to make, and how what is left is judged.
#[derive(Debug)]
pub(super) struct Args {
    pub(super) moment: Moment,
    pub(super) recover: Option<String>,
    pub(super) check: String,
    pub(super) states: Option<u64>,
    pub(super) cuts: u32,
    pub(super) tears: Tears,
}

/// What is given of cuts, if anything is.
pub(super) fn parse(given: &mut Given) -> Result<Option<Args>, UsageError> {
    let spec = given.take("cut");
    let (recover, check) = (given.text("recover")?, given.text("check")?);
    let (states, cuts) = (given.number("states")?, given.number("cuts")?);
    let tears = given.text("tears")?;
    let Some(spec) = spec else {
        let is_any = recover.is_some() || check.is_some() || states.is_some();
        return match is_any || cuts.is_some() || tears.is_some() {
            true => Err(UsageError(
                "--recover, --check, --states, --cuts and --tears are for --cut".into(),
            )),
            false => Ok(None),
        };
    };
    let spec = spec.ok_or_else(|| UsageError("--cut and its value go behind `sandbox`".into()))?;
    let moment = moment(&spec.to_string_lossy())?;
    if !matches!(moment, Moment::Every) && (states.is_some() || cuts.is_some()) {
        return Err(UsageError("--states and --cuts are for --cut every".into()));
    }
    let check = check
        .ok_or_else(|| UsageError("--cut needs --check LINE: what must hold after a cut".into()))?;
    Ok(Some(Args {
        moment,
        recover,
        check,
        states,
        cuts: match cuts {
            None => 1,
            Some(cuts @ 1..=8) => cuts as u32,
            Some(cuts) => return Err(UsageError(format!("--cuts takes 1 to 8, not {cuts}"))),
        },
        tears: match tears.as_deref() {
            None | Some("all") => Tears::all(),
            Some("stable") => Tears::stable(),
            Some("atomic") => Tears::atomic(),
            Some(other) => {
                return Err(UsageError(format!(
                    "--tears takes all, stable or atomic, not {other:?}"
                )));
            }
        },
    }))
}

/// `every`, `17`, `cut:812.c41e.07d2.17w3.9f3a`.
fn moment(text: &str) -> Result<Moment, UsageError> {
    if text == "every" {
        return Ok(Moment::Every);
    }
    if text.starts_with("cut:") {
        let id = text
            .parse()
            .map_err(|error| UsageError(format!("--cut: {error}")))?;
        return Ok(Moment::Id(id));
    }
    match text.parse() {
        Ok(number @ 1..) => Ok(Moment::Operation(number)),
        _ => Err(UsageError(format!(
            "--cut takes every, the number of an operation from 1 on, or an id such as \
             cut:812.c41e.07d2.17w3.9f3a, not {text:?}"
        ))),
    }
}
