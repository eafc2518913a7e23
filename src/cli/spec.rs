//! What a command's table entry says: its words, options, help, and the function
//! that takes its command line. Parser, help texts, completions and manual pages
//! are all made from these entries, so that they cannot differ.
//!
//! The entries themselves stand with their commands, in [`super::commands`].

use super::Exit;
use super::error::{CliError, UsageError};
use super::given::Given;
use super::output::Output;

/// How an option takes its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// No value.
    Nothing,
    /// One value: `--name VALUE` or `--name=VALUE`.
    Value(&'static str),
    /// As [`Takes::Value`], and the option may come several times.
    Values(&'static str),
    /// `--name` or `--name=VALUE`; a word after it is not its value.
    MaybeValue(&'static str),
}

/// One option.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OptionSpec {
    pub(crate) name: &'static str,
    pub(crate) short: Option<char>,
    pub(crate) takes: Takes,
    pub(crate) help: &'static str,
    /// Only in the full program.
    pub(crate) full_only: bool,
}

/// What stands on a command line without an option.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OperandSpec {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) required: bool,
    /// The words behind it belong to it, whatever they look like.
    pub(crate) rest: bool,
}

/// A command that was understood and only has to be run.
pub(crate) type Job = Box<dyn FnOnce(&Output) -> Result<Exit, CliError>>;

/// The commands of a build, in the order of the help.
pub(crate) type Table = &'static [CommandSpec];

/// One command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommandSpec {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Name and help of what stands without an option; none where nothing may.
    pub(crate) operand: Option<OperandSpec>,
    /// How many words may stand there.
    pub(crate) operands_max: usize,
    /// The options that it takes, in groups; help shows them in this order.
    pub(crate) options: &'static [&'static [OptionSpec]],
    pub(crate) details: &'static str,
    pub(crate) examples: &'static [&'static str],
    /// The table, in pieces that several commands have.
    pub(crate) exit_codes: &'static [&'static str],
    /// Decides what the words mean together; changes nothing and looks at nothing.
    pub(crate) parse: fn(&mut Given) -> Result<Job, UsageError>,
}

impl CommandSpec {
    pub(crate) const fn new(
        name: &'static str,
        about: &'static str,
        parse: fn(&mut Given) -> Result<Job, UsageError>,
    ) -> Self {
        Self {
            name,
            about,
            operand: None,
            operands_max: 1,
            options: &[],
            details: "",
            examples: &[],
            exit_codes: &[EXIT_CODES, INTERRUPTED],
            parse,
        }
    }

    /// All options that the command takes.
    pub(crate) fn options(&self) -> impl Iterator<Item = &'static OptionSpec> + use<> {
        self.options.iter().copied().flatten()
    }

    /// `mtdkeep verify [OPTIONS] <DIR>`.
    pub(crate) fn usage(&self) -> String {
        let operand = match self.operand {
            Some(operand) if operand.rest => format!(" -- <{}>...", operand.name),
            Some(operand) if operand.required => format!(" <{}>", operand.name.replace(' ', "> <")),
            Some(operand) => format!(" [{}]", operand.name),
            None => String::new(),
        };
        format!("mtdkeep {} [OPTIONS]{operand}", self.name)
    }
}

pub(crate) const fn option(name: &'static str, takes: Takes, help: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        short: None,
        takes,
        help,
        full_only: false,
    }
}

pub(crate) const fn short(short: char, option: OptionSpec) -> OptionSpec {
    OptionSpec {
        short: Some(short),
        ..option
    }
}

/// The option is known to the device's build only so that it can say so.
pub(crate) const fn full_only(option: OptionSpec) -> OptionSpec {
    OptionSpec {
        full_only: true,
        help: if cfg!(feature = "full") {
            option.help
        } else {
            ""
        },
        ..option
    }
}

/// What the program is for, in a line.
pub(crate) const ABOUT: &str =
    "Backs up the flash of a small Linux device over MTD and proves that the backup is good";

/// The exit codes; they stand in the README as well.
pub(crate) const ALL_EXIT_CODES: &[&str] = &[EXIT_CODES, UNFINISHED, INTERRUPTED];

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    something differs
  2    wrong usage
  3    partial: something is missing that was wanted, and is named
  4    an I/O error; what was left behind is named
  5    refused; nothing was changed
";
/// Of the one command that writes to flash: in the help of those that read it, it would
/// frighten.
const UNFINISHED: &str =
    "  6    flash was changed, and is not finished: do not switch off, run it again\n";
const INTERRUPTED: &str = "  130  interrupted (143, 129: by SIGTERM, SIGHUP)\n";

pub(crate) const SIMULATE: OptionSpec = full_only(option(
    "simulate",
    Takes::MaybeValue("PROFILE"),
    "Use a simulated device: ispot (the default), openwrt-router, ..., or a layout's file",
));
pub(crate) const SEED: OptionSpec = full_only(option(
    "seed",
    Takes::Value("N"),
    "Seed of the simulated device's contents [default: 1]",
));
const FAULTS: OptionSpec = full_only(option(
    "faults",
    Takes::Value("SPEC"),
    "Faults of the simulated flash, such as read-error@0x1a0000",
));
const IMAGE: OptionSpec = full_only(option(
    "image",
    Takes::Values("FILE"),
    "Use a whole chip's image as the device; once for each chip; the layout is --simulate's",
));
const DUMP_OF: OptionSpec = full_only(option(
    "dump-of",
    Takes::Value("NAME"),
    "With --image: it is of this partition alone; its parts are cut from it",
));
const CUT: OptionSpec = full_only(option(
    "cut",
    Takes::Nothing,
    "With --image: cut it although it is shorter or longer than the chip",
));
const ASSUME_ORDER: OptionSpec = full_only(option(
    "assume-order",
    Takes::Nothing,
    "With --image: the partitions of --simulate=FILE follow each other and fill the chip",
));
const OMIT_OOB: OptionSpec = full_only(option(
    "omit-oob",
    Takes::Value("PAGE+OOB"),
    "With --image: leave NAND's out-of-band bytes out of the dump, such as 2048+64",
));
/// For commands that cut a dump.
pub(crate) const LAYOUT: OptionSpec = full_only(option(
    "layout",
    Takes::Value("FILE"),
    "With --image: where its partitions lie, as a boot log, mtdparts=, U-Boot's list, ...",
));
const ROOT: OptionSpec = option(
    "root",
    Takes::Value("DIR"),
    "Look for proc, sys and dev below DIR",
);
const JSON: OptionSpec = option(
    "json",
    Takes::Nothing,
    "Print one JSON document instead of text",
);
const QUIET: OptionSpec = short(
    'q',
    option(
        "quiet",
        Takes::Nothing,
        "Print nothing but errors; the exit code says the rest",
    ),
);

/// Options of every command that works on a simulated device.
#[cfg(feature = "full")]
pub(crate) const SIMULATED: &[OptionSpec] = &[
    SIMULATE,
    SEED,
    FAULTS,
    IMAGE,
    ASSUME_ORDER,
    DUMP_OF,
    OMIT_OOB,
];
/// Options of every command that works on any device.
pub(crate) const DEVICE: &[OptionSpec] = &[
    SIMULATE,
    SEED,
    FAULTS,
    IMAGE,
    ASSUME_ORDER,
    DUMP_OF,
    CUT,
    OMIT_OOB,
    ROOT,
];
/// Options of every command that prints a result of its own.
pub(crate) const RESULT: &[OptionSpec] = &[JSON, QUIET];
/// Options of a command whose result is not for this program to shape.
#[cfg(feature = "full")]
pub(crate) const QUIET_ONLY: &[OptionSpec] = &[QUIET];

/// Of the commands that show digests.
pub(crate) const VERBOSE: OptionSpec =
    short('v', option("verbose", Takes::Nothing, "Show whole digests"));

/// Options that may come before the command's name as well.
pub(crate) const GLOBAL: &[OptionSpec] = &[
    SIMULATE,
    SEED,
    FAULTS,
    IMAGE,
    ASSUME_ORDER,
    DUMP_OF,
    CUT,
    OMIT_OOB,
    ROOT,
    JSON,
    QUIET,
];
