//! The calls that read and write: the one table of them.

use crate::sandbox::call::Level;

/// Where a call has its memory and its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum Form {
    /// One stretch, at the position.
    Plain,
    /// One stretch, at an offset.
    At,
    /// A list of stretches, at the position.
    List,
    /// A list, at an offset.
    ListAt,
    /// A list, at an offset, where -1 means the position.
    ListAtOrHere,
}

/// One of the calls.
pub(in crate::sandbox) struct ReadWrite {
    /// Its number on this architecture.
    pub number: i64,
    pub name: &'static str,
    pub writes: bool,
    pub form: Form,
}

impl ReadWrite {
    /// It stops in the processes that are traced at this level, or above.
    pub fn level(&self) -> Level {
        match self.writes {
            true => Level::Writes,
            false => Level::ReadsAndWrites,
        }
    }
}

const fn call(name: &'static str, number: libc::c_long, writes: bool, form: Form) -> ReadWrite {
    ReadWrite {
        number,
        name,
        writes,
        form,
    }
}

/// All of them; the second filter asks in this order.
#[rustfmt::skip]
pub(in crate::sandbox) static READ_WRITE: [ReadWrite; 10] = [
    call("write", libc::SYS_write, true, Form::Plain),
    call("pwrite64", libc::SYS_pwrite64, true, Form::At),
    call("writev", libc::SYS_writev, true, Form::List),
    call("pwritev", libc::SYS_pwritev, true, Form::ListAt),
    call("pwritev2", libc::SYS_pwritev2, true, Form::ListAtOrHere),
    call("read", libc::SYS_read, false, Form::Plain),
    call("pread64", libc::SYS_pread64, false, Form::At),
    call("readv", libc::SYS_readv, false, Form::List),
    call("preadv", libc::SYS_preadv, false, Form::ListAt),
    call("preadv2", libc::SYS_preadv2, false, Form::ListAtOrHere),
];

/// The one of this number; none: another call.
pub(in crate::sandbox) fn by_number(number: i64) -> Option<&'static ReadWrite> {
    READ_WRITE.iter().find(|call| call.number == number)
}

/// The one of this name.
pub(in crate::sandbox) fn by_name(name: &str) -> Option<&'static ReadWrite> {
    READ_WRITE.iter().find(|call| call.name == name)
}
