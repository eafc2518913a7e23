//! `mtdkeep fetch ssh://…`: the words of the address, and of ssh's command line.

use super::Reached;
use crate::backup::BackupError;
use crate::cli::Exit;
use crate::cli::error::{CliError, UsageError};
use crate::cli::output::Output;
use crate::fetch::Patience;
use crate::fetch::ssh::{SILENCE, SshCommand, connect};
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where the device is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// `user@host`, or the host alone.
    host: String,
    port: Option<u16>,
}

impl Address {
    /// Understands `ssh://[user@]host[:port]`. No part of it can become an option of
    /// ssh's, or a word of a shell's.
    pub(super) fn parse(text: &str) -> Result<Self, UsageError> {
        let wrong = |why: &str| UsageError(format!("{text:?}: {why}"));
        let Some(rest) = text.strip_prefix("ssh://") else {
            return Err(wrong(
                "a source is ssh://[USER@]HOST[:PORT] or http://HOST[:PORT]/FOLDER/",
            ));
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        // `[::1]:22`, where colons are of the address.
        let (host, port) = match place.strip_prefix('[').and_then(|p| p.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let is_plain = |text: &str, more: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if !is_plain(host, ".-_:%") || user.is_some_and(|user| !is_plain(user, ".-_+\\")) {
            return Err(wrong("that is no user and host"));
        }
        let port = match port {
            None => None,
            Some(port) => match port.parse() {
                Ok(port) if port > 0 => Some(port),
                _ => return Err(wrong("a port is a number from 1 to 65535")),
            },
        };
        Ok(Self {
            host: match user {
                Some(user) => format!("{user}@{host}"),
                None => host.to_owned(),
            },
            port,
        })
    }
}

pub(super) fn reach(
    address: &Address,
    options: &[String],
    layout: Option<(&str, &[u8])>,
    interrupt: &'static AtomicBool,
    output: &Output,
) -> Result<Reached, CliError> {
    let program = std::env::var_os("MTDKEEP_SSH").filter(|program| !program.is_empty());
    let program = program.unwrap_or_else(|| "ssh".into());
    let quiet = output.is_quiet();
    let command = SshCommand {
        words: words(program, address.port, options),
        host: address.host.clone(),
        said: Arc::new(move |line| {
            if !quiet {
                let line = crate::printable::printable(line);
                let _ = writeln!(std::io::stderr().lock(), "{line}");
            }
        }),
        silence: SILENCE,
    };
    output.note(&format!("connecting to {}", address.host));
    let told = move |text: &str| super::tell(quiet, text);
    let connected = connect(
        command,
        &random_word()?,
        layout,
        Patience::watching(interrupt, told),
        interrupt,
    );
    let connected = match connected {
        Err(_) if interrupt.load(Ordering::Relaxed) => {
            return Err(CliError::Backup(BackupError::Interrupted.into()));
        }
        connected => connected?,
    };
    for note in &connected.notes {
        output.warn(note);
    }
    Ok(Reached {
        backend: connected.backend,
        proof: connected.proof,
        captured_by: concat!("mtdkeep ", env!("CARGO_PKG_VERSION"), ", over ssh").into(),
        layout_from: match layout {
            Some((name, _)) => format!("the device's /proc/mtd, and {name}"),
            None => "the device's /proc/mtd".into(),
        },
        not_proven: connected.notes,
    })
}

/// ssh's words before the host. What the user gave comes first: ssh takes the first
/// value of an option.
fn words(program: OsString, port: Option<u16>, options: &[String]) -> Vec<OsString> {
    let is_open_ssh = Path::new(&program)
        .file_name()
        .is_some_and(|name| name == "ssh");
    let mut words = vec![program];
    for option in options {
        words.extend(["-o".into(), option.into()]);
    }
    if is_open_ssh {
        // A device that was switched off is noticed within a minute.
        words.extend(["-o".into(), "ServerAliveInterval=15".into()]);
        // And one that is not there is no matter of minutes.
        words.extend(["-o".into(), "ConnectTimeout=10".into()]);
    }
    words.push("-T".into());
    if let Some(port) = port {
        words.extend(["-p".into(), port.to_string().into()]);
    }
    words
}

/// 128 bits that no flash and no banner holds, as hex digits.
fn random_word() -> Result<String, CliError> {
    let mut bytes = [0; 16];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(|error| CliError::Other {
        exit: Exit::Io,
        message: format!("cannot read /dev/urandom: {error}"),
        help: None,
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("ssh://root@192.168.1.1", "root@192.168.1.1", None)]
    #[case("ssh://router", "router", None)]
    #[case("ssh://router/", "router", None)]
    #[case("ssh://me@ap.lan:2222", "me@ap.lan", Some(2222))]
    #[case("ssh://root@[fe80::1%eth0]:22", "root@fe80::1%eth0", Some(22))]
    #[case("ssh://[::1]", "::1", None)]
    fn addresses(#[case] text: &str, #[case] host: &str, #[case] port: Option<u16>) {
        let host = host.to_owned();
        assert_eq!(Address::parse(text).unwrap(), Address { host, port });
    }

    #[rstest]
    #[case("root@192.168.1.1")]
    #[case("ssh://")]
    #[case("ssh://-oProxyCommand=id")]
    #[case("ssh://-l@host")]
    #[case("ssh://a b")]
    #[case("ssh://host;id")]
    #[case("ssh://host:0")]
    #[case("ssh://host:99999")]
    #[case("ssh://host:")]
    #[case("ssh://host/path")]
    #[case("ssh://$(id)@host")]
    fn what_is_no_address(#[case] text: &str) {
        Address::parse(text).unwrap_err();
    }
}
