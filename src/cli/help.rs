//! Help texts, made from the table of commands and options.

use super::spec::{ABOUT, ALL_EXIT_CODES, CommandSpec, GLOBAL, OptionSpec, Table, Takes};
use std::fmt::Write as _;

/// Whether this build has what only the full program has.
const FULL: bool = cfg!(feature = "full");

const HELP_ABOUT: &str = "Print this help, or that of a command";

/// `mtdkeep --help`.
pub(crate) fn program(table: Table) -> String {
    let about = paragraph(ABOUT, 0);
    let mut text = format!("{about}\n\nUsage: mtdkeep [OPTIONS] <COMMAND>\n\nCommands:\n");
    for command in table {
        // Writing into a String cannot fail, here and below.
        let _ = writeln!(text, "  {:<12} {}", command.name, command.about);
    }
    let _ = writeln!(text, "  {:<12} {HELP_ABOUT}", "help");
    text.push_str("\nOptions of most commands, before or after their name:\n");
    options(&mut text, GLOBAL.iter());
    standard(&mut text);
    let _ = writeln!(text, "  -V, --version\n        Print the version");
    text + "\nExamples:\n" + &program_examples() + "\n" + &ALL_EXIT_CODES.concat()
}

/// The program's examples, one a line.
pub(crate) fn program_examples() -> String {
    let simulated = if FULL {
        "  mtdkeep backup --simulate --output ispot-backup\n"
    } else {
        ""
    };
    format!(
        "  mtdkeep list\n  mtdkeep backup --output /mnt/usb/ispot\n{simulated}  \
         mtdkeep verify ispot-backup\n"
    )
}

/// `mtdkeep COMMAND --help`.
pub(crate) fn command(command: &CommandSpec) -> String {
    let mut text = format!("{}\n\nUsage: {}\n", command.about, command.usage());
    if !command.details.is_empty() {
        let _ = write!(text, "\n{}", command.details);
    }
    if let Some(operand) = command.operand {
        let help = paragraph(operand.help, 8);
        let _ = write!(text, "\nArguments:\n  {}\n{help}\n", operand.name);
    }
    text.push_str("\nOptions:\n");
    options(&mut text, command.options());
    standard(&mut text);
    let _ = write!(
        text,
        "\nExamples:\n{}\n{}",
        examples(command),
        command.exit_codes.concat()
    );
    text
}

/// A command's examples, without those that this build cannot run.
pub(crate) fn examples(command: &CommandSpec) -> String {
    let runs = |line: &&&str| FULL || !(line.contains("--simulate") || line.contains("--image"));
    command
        .examples
        .iter()
        .filter(runs)
        .fold(String::new(), |text, line| text + "  " + line + "\n")
}

fn options(text: &mut String, options: impl Iterator<Item = &'static OptionSpec>) {
    for option in options.filter(|option| FULL || !option.full_only) {
        let short = option
            .short
            .map_or_else(String::new, |short| format!("-{short}, "));
        let value = match option.takes {
            Takes::Nothing => String::new(),
            Takes::Value(name) | Takes::Values(name) => format!(" <{name}>"),
            Takes::MaybeValue(name) => format!("[=<{name}>]"),
        };
        let _ = writeln!(
            text,
            "  {short}--{}{value}\n{}",
            option.name,
            paragraph(option.help, 8)
        );
    }
}

/// A text in lines of a terminal's usual width, all indented alike.
fn paragraph(text: &str, indent: usize) -> String {
    const COLUMNS: usize = 80;
    let mut lines = " ".repeat(indent);
    let mut column = indent;
    for word in text.split(' ') {
        if column > indent && column + 1 + word.len() > COLUMNS {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            column = indent;
        }
        if column > indent {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += word.len();
    }
    lines
}

fn standard(text: &mut String) {
    text.push_str("  -h, --help\n        Print this help\n");
}
