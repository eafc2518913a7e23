//! Helpers for tests of the real binary.

/// The program, in a surrounding that no user's settings reach.
pub(crate) fn mtdkeep() -> assert_cmd::Command {
    let mut command = assert_cmd::Command::cargo_bin("mtdkeep").expect("the binary is built");
    command.env_clear();
    command
}

/// Output as text.
pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is UTF-8")
}
