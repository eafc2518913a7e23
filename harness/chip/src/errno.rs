//! The error numbers that chips, MTD and file systems of Linux answer with, on any
//! machine.
//!
//! On Linux they are the machine's own (a few differ on MIPS); elsewhere those that
//! most architectures of Linux have (include/uapi/asm-generic/errno.h, 6.1).

use std::{fmt, io};

/// What a call fails with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errno(i32);

macro_rules! errnos {
    ($($constant:ident $name:ident $number:literal,)*) => {
        impl Errno {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                #[cfg(target_os = "linux")]
                pub const $constant: Self = Self(libc::$name);
                #[doc = concat!("`", stringify!($name), "`")]
                #[cfg(not(target_os = "linux"))]
                pub const $constant: Self = Self($number);
            )*

            /// Its name as in C, such as `EIO`, where it has one here.
            #[must_use]
            pub fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$constant => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }

        /// On most architectures; the test compares with this machine's.
        #[cfg(all(test, target_os = "linux", not(any(target_arch = "mips", target_arch = "mips64"))))]
        const GENERIC: &[(Errno, i32)] = &[$((Errno::$constant, $number),)*];
    };
}

errnos! {
    PERM EPERM 1,
    NOENT ENOENT 2,
    SRCH ESRCH 3,
    INTR EINTR 4,
    IO EIO 5,
    NXIO ENXIO 6,
    BADF EBADF 9,
    AGAIN EAGAIN 11,
    NOMEM ENOMEM 12,
    ACCESS EACCES 13,
    FAULT EFAULT 14,
    NOTBLK ENOTBLK 15,
    BUSY EBUSY 16,
    EXIST EEXIST 17,
    XDEV EXDEV 18,
    NODEV ENODEV 19,
    NOTDIR ENOTDIR 20,
    ISDIR EISDIR 21,
    INVAL EINVAL 22,
    NFILE ENFILE 23,
    MFILE EMFILE 24,
    NOTTY ENOTTY 25,
    FBIG EFBIG 27,
    NOSPC ENOSPC 28,
    SPIPE ESPIPE 29,
    ROFS EROFS 30,
    MLINK EMLINK 31,
    RANGE ERANGE 34,
    NAMETOOLONG ENAMETOOLONG 36,
    NOSYS ENOSYS 38,
    NOTEMPTY ENOTEMPTY 39,
    LOOP ELOOP 40,
    NODATA ENODATA 61,
    TIME ETIME 62,
    OVERFLOW EOVERFLOW 75,
    BADMSG EBADMSG 74,
    OPNOTSUPP EOPNOTSUPP 95,
    TIMEDOUT ETIMEDOUT 110,
    UCLEAN EUCLEAN 117,
    DQUOT EDQUOT 122,
}

impl Errno {
    /// From a number, whether it has a name here or not.
    #[must_use]
    pub const fn from_raw_os_error(number: i32) -> Self {
        Self(number)
    }

    /// As a number.
    #[must_use]
    pub const fn raw_os_error(self) -> i32 {
        self.0
    }

    /// What the system said, if it was Linux that said it.
    #[must_use]
    pub fn from_io_error(error: &io::Error) -> Option<Self> {
        // Another system's numbers mean other things.
        let number = error.raw_os_error().filter(|_| cfg!(target_os = "linux"));
        number.map(Self)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Another system's words for a number are about something else.
        match self.name() {
            Some(name) if cfg!(not(target_os = "linux")) => f.write_str(name),
            _ => io::Error::from(*self).fmt(f),
        }
    }
}

impl std::error::Error for Errno {}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        if cfg!(target_os = "linux") {
            return Self::from_raw_os_error(errno.0);
        }
        Self::other(errno)
    }
}

#[cfg(all(
    test,
    target_os = "linux",
    not(any(target_arch = "mips", target_arch = "mips64"))
))]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_for_other_systems_are_linuxs() {
        for (errno, number) in GENERIC {
            assert_eq!(errno.raw_os_error(), *number, "{errno:?}");
        }
    }

    #[test]
    fn it_says_what_the_system_says() {
        assert_eq!(format!("{:?}", Errno::ACCESS), "EACCES");
        assert_eq!(Errno::IO.to_string(), "Input/output error (os error 5)");
        let error = io::Error::from(Errno::NOSPC);
        assert_eq!(Errno::from_io_error(&error), Some(Errno::NOSPC));
        assert_eq!(Errno::from_raw_os_error(4095).name(), None);
    }
}
