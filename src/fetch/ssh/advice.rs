//! What ssh's last words mean, and what to do about it.

use crate::fetch::wire::Fault;

/// Words of OpenSSH's messages, what they mean, and what to do. OpenSSH 8.8 and later
/// leave out what old devices have (its release notes, <https://www.openssh.com/legacy.html>).
const KNOWN: &[(&str, &str)] = &[
    (
        "no matching host key type found",
        "the device knows old host keys only: add `--ssh-option HostKeyAlgorithms=+ssh-rsa \
         --ssh-option PubkeyAcceptedAlgorithms=+ssh-rsa` (ssh-dss in place of ssh-rsa where \
         that is what it offers)",
    ),
    (
        "no matching key exchange method found",
        "the device knows old key exchanges only: add `--ssh-option \
         KexAlgorithms=+diffie-hellman-group1-sha1`, or another one of those that it offers",
    ),
    (
        "no matching cipher found",
        "the device knows old ciphers only: add `--ssh-option Ciphers=+aes128-cbc`, or another \
         one of those that it offers",
    ),
    (
        "no matching MAC found",
        "the device knows old checks only: add `--ssh-option MACs=+hmac-sha1`, or another one of \
         those that it offers",
    ),
    (
        "HOST IDENTIFICATION HAS CHANGED",
        "another device has this address now, or its firmware was made anew: where you know \
         why, forget the old key with `ssh-keygen -R HOST`",
    ),
    (
        "Host key verification failed",
        "log in by hand once, and compare the key that ssh shows",
    ),
    (
        "Permission denied",
        "look whether user and password or key are right: log in by hand first",
    ),
    (
        "Could not resolve hostname",
        "look at the host's name, or use its address",
    ),
    ("Bad configuration option", "look at --ssh-option"),
    (
        "Unable to negotiate",
        "ssh names what the device offers: allow it with --ssh-option",
    ),
];

/// What the end of ssh means. Before a first answer came, what it says decides; later it
/// was a loss.
pub(super) fn of<'a>(
    lines: impl DoubleEndedIterator<Item = &'a str> + Clone,
    status: Option<i32>,
    had_answered: bool,
) -> Fault {
    let last = lines.clone().rev().find(|line| !line.is_empty());
    let why = match (last, status) {
        (Some(last), _) => last.to_owned(),
        (None, Some(status)) => format!("ssh ended with status {status}"),
        (None, None) => "ssh was ended by a signal".into(),
    };
    if had_answered {
        return Fault::Lost(format!("the connection was lost: {why}"));
    }
    let known = |line: &'a str| {
        let entry = KNOWN.iter().find(|(words, _)| line.contains(words));
        entry.map(|(_, help)| (line.to_owned(), *help))
    };
    match lines.rev().find_map(known) {
        Some((why, help)) => Fault::Hopeless {
            why,
            help: help.into(),
        },
        None => Fault::Lost(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "Unable to negotiate with 192.168.1.1 port 22: no matching host key type found. Their offer: ssh-rsa",
        "HostKeyAlgorithms=+ssh-rsa"
    )]
    #[case(
        "Unable to negotiate with 192.168.1.1 port 22: no matching key exchange method found. Their offer: diffie-hellman-group1-sha1",
        "KexAlgorithms=+diffie-hellman-group1-sha1"
    )]
    #[case(
        "root@192.168.1.1: Permission denied (publickey,password).",
        "log in by hand"
    )]
    #[case(
        "ssh: Could not resolve hostname nosuch: Name or service not known",
        "address"
    )]
    fn what_ssh_says_is_known(#[case] line: &str, #[case] word: &str) {
        match of([line, ""].into_iter(), Some(255), false) {
            Fault::Hopeless { why, help } => {
                assert_eq!(why, line);
                assert!(help.contains(word), "{help}");
            }
            other => panic!("{other:?}"),
        }
        let later = of([line].into_iter(), Some(255), true);
        assert!(matches!(later, Fault::Lost(_)), "{later:?}");
    }

    #[test]
    fn what_is_not_known_is_tried_again() {
        let refused = "ssh: connect to host 192.168.1.1 port 22: Connection refused";
        assert_eq!(
            of([refused].into_iter(), Some(255), false),
            Fault::Lost(refused.into())
        );
        let silent: [&str; 0] = [];
        assert!(matches!(
            of(silent.into_iter(), None, false),
            Fault::Lost(_)
        ));
    }
}
