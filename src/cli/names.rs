//! Commands by their names, and what is said of a name that is none.

use super::error::UsageError;
use super::spec::{CommandSpec, Table};

/// What the device's build lacks, so that it can say so.
#[cfg(any(test, not(feature = "full")))]
pub(crate) const FULL_ONLY: &[&str] = &[
    "fetch",
    "receive",
    "repair",
    "image",
    "sandbox",
    "script",
    "import",
    "completions",
    "man",
];

/// The command of that name.
pub(crate) fn named(table: Table, name: &str) -> Result<&'static CommandSpec, UsageError> {
    if let Some(command) = table.iter().find(|command| command.name == name) {
        return Ok(command);
    }
    #[cfg(not(feature = "full"))]
    if FULL_ONLY.contains(&name) {
        return Err(not_in_this_build(name));
    }
    let known = table.iter().map(|command| command.name);
    Err(UsageError(format!(
        "there is no command {name:?}{}",
        did_you_mean("", name, known)
    )))
}

/// `; did you mean verify?`, where a known word is close to what was written; `before` is
/// what stands before each of them, such as `--`.
#[cfg(feature = "full")]
pub(crate) fn did_you_mean<'a>(
    before: &str,
    word: &str,
    known: impl Iterator<Item = &'a str>,
) -> String {
    const CLOSE: f64 = 0.8;
    known
        .map(|known| (strsim::jaro_winkler(word, known), known))
        .filter(|(closeness, _)| *closeness > CLOSE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(String::new, |(_, known)| {
            format!("; did you mean {before}{known}?")
        })
}

/// The device's build has no room for suggestions.
#[cfg(not(feature = "full"))]
pub(crate) fn did_you_mean<'a>(_: &str, _: &str, _: impl Iterator<Item = &'a str>) -> String {
    String::new()
}

/// Says that something is only in the full program.
pub(crate) fn not_in_this_build(what: &str) -> UsageError {
    UsageError(format!(
        "{what} is not in this build, which is for the device itself; the full program has it"
    ))
}
