//! The command line as a table: the only place where commands, options and their
//! help stand. Both parsers, the help texts, completions and manual pages are
//! made from it, so that the full program and the device's own cannot differ.

mod commands;

pub(crate) use commands::COMMANDS;

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

/// One command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CommandSpec {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Name and help of what stands without an option; none where nothing may.
    pub(crate) operand: Option<OperandSpec>,
    pub(crate) options: &'static [OptionSpec],
    pub(crate) details: &'static str,
    pub(crate) examples: &'static [&'static str],
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

const fn option(name: &'static str, takes: Takes, help: &'static str) -> OptionSpec {
    OptionSpec {
        name,
        short: None,
        takes,
        help,
        full_only: false,
    }
}

const fn short(short: char, option: OptionSpec) -> OptionSpec {
    OptionSpec {
        short: Some(short),
        ..option
    }
}

const fn full_only(option: OptionSpec) -> OptionSpec {
    OptionSpec {
        full_only: true,
        ..option
    }
}

/// What the program is for, in a line.
pub(crate) const ABOUT: &str =
    "Backs up the flash of a small Linux device over MTD and proves that the backup is good";

/// The exit codes; they stand in the README as well.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    something differs
  2    wrong usage
  3    partial: something is missing that was wanted, and is named
  4    an I/O error; what was left behind is named
  5    refused; nothing was changed
  130  interrupted
";

/// Options that every command takes, before or after its name.
pub(crate) const GLOBAL: &[OptionSpec] = &[
    full_only(option(
        "simulate",
        Takes::MaybeValue("PROFILE"),
        "Use a simulated device: ispot (the default), or a file with the text of a /proc/mtd",
    )),
    full_only(option(
        "seed",
        Takes::Value("N"),
        "Seed of the simulated device's contents [default: 1]",
    )),
    full_only(option(
        "faults",
        Takes::Value("SPEC"),
        "Faults of the simulated flash, such as read-error@0x1a0000",
    )),
    full_only(option(
        "image",
        Takes::Value("FILE"),
        "Use a whole chip's image as the device; the layout is --simulate's",
    )),
    option(
        "root",
        Takes::Value("DIR"),
        "Look for proc, sys and dev below DIR",
    ),
    option(
        "json",
        Takes::Nothing,
        "Print one JSON document instead of text",
    ),
    short(
        'q',
        option(
            "quiet",
            Takes::Nothing,
            "Print nothing but errors; the exit code says the rest",
        ),
    ),
];

/// The command of that name.
pub(crate) fn command(name: &str) -> Option<&'static CommandSpec> {
    COMMANDS.iter().find(|command| command.name == name)
}
