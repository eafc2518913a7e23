//! Playing an older kernel: which system calls it lacks, and what it calls itself.

mod table;

use crate::sandbox::kernel::plain::Plain;

/// A kernel version, such as 2.6.24; also from its text.
///
/// ```
/// use mtd_harness::sandbox::Version;
///
/// let old: Version = "2.6.24".parse()?;
/// assert_eq!(old, Version::new(2, 6, 24));
/// assert!(old < "5.10".parse()?);
/// # Ok::<(), mtd_harness::sandbox::VersionError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Version {
    /// 2 of 2.6.24.
    pub major: u16,
    /// 6 of 2.6.24.
    pub minor: u16,
    /// 24 of 2.6.24.
    pub patch: u16,
}

/// A text that is no kernel version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kernel version; one looks like 2.6.24 or 5.10")]
pub struct VersionError(String);

impl Version {
    /// The version of these numbers.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }
}

impl std::str::FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let no_version = || VersionError(text.to_owned());
        let numbers: Result<Vec<u16>, _> = text.split('.').map(str::parse).collect();
        match numbers.map_err(|_| no_version())?[..] {
            [major, minor] => Ok(Self::new(major, minor, 0)),
            [major, minor, patch] => Ok(Self::new(major, minor, patch)),
            _ => Err(no_version()),
        }
    }
}

/// seccomp(2) came with 3.17. It is not on the lists: the supervisor itself
/// makes traced processes call it, with this as its unused last argument.
pub(in crate::sandbox) const SECCOMP_SINCE: Version = Version {
    major: 3,
    minor: 17,
    patch: 0,
};
pub(in crate::sandbox) const SUPERVISOR_COOKIE: u32 = 0x6d74_646b;

/// The name of the kernel that runs, such as `6.12.9-amd64`.
pub(in crate::sandbox) fn release_text() -> String {
    let mut about = libc::utsname::zero();
    // SAFETY: the structure is ours.
    unsafe { libc::uname(&mut about) };
    let bytes: Vec<u8> = about.release.iter().map(|byte| *byte as u8).collect();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// Its first two numbers; none where the name has no two.
pub(in crate::sandbox) fn release() -> Option<(u32, u32)> {
    let text = release_text();
    let mut numbers = text.split(|letter: char| !letter.is_ascii_digit());
    let mut number = || numbers.next().and_then(|text| text.parse::<u32>().ok());
    Some((number()?, number()?))
}

/// The numbers, here, of the calls that came after `version`, each with the
/// argument that, while zero, makes it the same as an older call.
pub(in crate::sandbox) fn newer_than(version: Version) -> Vec<(i64, Option<u32>)> {
    let old = table::OLD_NUMBERS.iter().filter(|entry| entry.1 > version);
    let shared = table::SHARED_NUMBERS
        .iter()
        .filter(|entry| entry.2 > version);
    let shared = shared.flat_map(|entry| entry.0..=entry.1);
    old.map(|entry| entry.0)
        .chain(shared)
        .map(|number| (number, same_as_older(number)))
        .collect()
}

/// C libraries of today make an old call by its successor with no flags: pipe
/// by pipe2, getrlimit by prlimit64 on oneself. QEMU does so for a guest that
/// made the old call, which its kernel had.
fn same_as_older(number: i64) -> Option<u32> {
    let flags = [
        (libc::SYS_pipe2, 1),
        (libc::SYS_dup3, 2),
        (libc::SYS_eventfd2, 1),
        (libc::SYS_signalfd4, 3),
        (libc::SYS_inotify_init1, 0),
        (libc::SYS_epoll_create1, 0),
        (libc::SYS_accept4, 3),
        (libc::SYS_prlimit64, 0),
    ];
    let known = flags.iter().find(|entry| entry.0 == number);
    known.map(|entry| entry.1)
}
