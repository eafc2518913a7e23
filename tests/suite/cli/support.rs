//! Helpers for tests of the real binary.

/// The program, in a surrounding that no user's settings reach.
pub(crate) fn mtdkeep() -> assert_cmd::Command {
    let mut command = assert_cmd::Command::cargo_bin("mtdkeep").expect("the binary is built");
    command.env_clear();
    command
}

/// The program for `std::process`, started as [`mtdkeep`] starts it: where the
/// tests run under an emulator, under that.
#[cfg(feature = "full")]
pub(crate) fn program() -> std::process::Command {
    use assert_cmd::cargo::CommandCargoExt as _;
    std::process::Command::cargo_bin("mtdkeep").expect("the binary is built")
}

/// Lets a program begin with Ctrl-C's signal, SIGTERM, SIGHUP and SIGQUIT as they
/// usually are, but for those that are `ignored`; whatever is ignored here, as in a
/// shell's job in the background, or under `nohup`.
#[cfg(feature = "full")]
pub(crate) fn signals_at_start(command: &mut std::process::Command, ignored: &'static [i32]) {
    use std::os::unix::process::CommandExt as _;
    let set = move || {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT] {
            let wanted = match ignored.contains(&signal) {
                true => libc::SIG_IGN,
                false => libc::SIG_DFL,
            };
            // SAFETY: no handler is set, and the call is async-signal-safe.
            unsafe { libc::signal(signal, wanted) };
        }
        Ok(())
    };
    // SAFETY: it makes async-signal-safe calls only.
    unsafe { command.pre_exec(set) };
}

/// The words of [`program`], to be the end of a shell's command line.
#[cfg(feature = "full")]
pub(crate) fn program_words() -> Vec<std::ffi::OsString> {
    let program = program();
    std::iter::once(program.get_program())
        .chain(program.get_args())
        .map(Into::into)
        .collect()
}

/// Output as text.
pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is UTF-8")
}

/// A folder's files with their contents.
#[cfg(feature = "full")]
pub(crate) fn snapshot(
    folder: &std::path::Path,
) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be listed").path())
        .map(|path| (path.clone(), std::fs::read(path).unwrap_or_default()))
        .collect()
}

/// Makes `SHA256SUMS` vouch for the manifest as it is now, as whoever changes a
/// manifest on purpose does.
#[cfg(feature = "full")]
pub(crate) fn vouch(folder: &std::path::Path) {
    let manifest = std::fs::read(folder.join("manifest.json")).expect("there is a manifest");
    let digest = sha256(&manifest);
    let sums = folder.join("SHA256SUMS");
    let text = std::fs::read_to_string(&sums).expect("there are sums");
    let lines = text.lines().filter(|line| !line.ends_with("manifest.json"));
    let lines: String = lines.map(|line| format!("{line}\n")).collect();
    std::fs::write(&sums, format!("{lines}{digest}  manifest.json\n")).expect("it can be written");
}

/// Output as the device's program prints it, which leaves long sentences to the
/// terminal: the lines that the full program broke at 80 columns, whole again.
#[cfg(feature = "full")]
pub(crate) fn unwrapped(text: &str) -> String {
    let mut whole = String::new();
    for line in text.lines() {
        match line.strip_prefix("  ") {
            // What is behind a bracket is JSON, which nobody breaks.
            Some(rest) if !text.starts_with('{') => whole += &format!(" {rest}"),
            _ => whole += &format!("\n{line}"),
        }
    }
    whole.trim_start_matches('\n').to_owned() + "\n"
}

/// What the program prints for a line of words, in a folder; it must end with that code.
#[cfg(feature = "full")]
pub(crate) fn run_in(at: &std::path::Path, line: &str, code: i32) -> (String, String) {
    let mut command = mtdkeep();
    command.current_dir(at).args(line.split(' '));
    let output = command.output().unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{line}: {stdout}{stderr}");
    (stdout.into(), stderr.into())
}

/// A terminal, nobody's controlling one: the end of whoever sits there, and the program's.
#[cfg(feature = "full")]
pub(crate) fn terminal() -> (std::fs::File, std::fs::File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = std::fs::File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(std::ffi::OsStr::from_bytes(name.as_bytes()))
        .unwrap();
    (master.into(), slave)
}

/// Bytes that are different everywhere, and by the seed.
#[cfg(feature = "full")]
pub(crate) fn numbered_bytes(seed: u32, length: usize) -> Vec<u8> {
    let words = (0..length.div_ceil(4) as u32).map(|n| n.wrapping_add(seed << 24));
    let mut bytes: Vec<u8> = words.flat_map(u32::to_be_bytes).collect();
    bytes.truncate(length);
    bytes
}

/// SHA-256 in hex, as `sha256sum` prints it.
#[cfg(feature = "full")]
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
