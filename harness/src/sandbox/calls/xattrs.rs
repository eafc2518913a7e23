//! Extended attributes: nodes have none, and mapped files have their own.

use crate::Errno;
use crate::sandbox::call::{Answer, Decision, PathArgument, Reply, Trapped};
use crate::sandbox::kernel::hosts;
use crate::sandbox::kernel::process::{Process, c_string};
use crate::sandbox::state::{State, Target};
use crate::sandbox::view::namespace::{Bytes, Kind};

/// The largest value and the largest list of names (include/uapi/linux/limits.h).
const SIZE_MAX: u64 = 65536;

/// Where the attributes are that a call is about.
enum Owner {
    Host,
    Node,
    File(Bytes, Kind),
}

fn owner(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    follow: bool,
) -> Result<Owner, Errno> {
    match state.target(trapped, path, follow)? {
        Target::Elsewhere { real, kind, .. } => Ok(Owner::File(real, kind)),
        Target::Node(..) => Ok(Owner::Node),
        Target::Hidden(_) => Err(Errno::NOENT),
        _ => Ok(Owner::Host),
    }
}

/// Lets a call fill a buffer of ours, and copies it to the program's.
fn fill(
    process: Process,
    buffer: u64,
    size: u64,
    call: impl FnOnce(&mut [u8]) -> Result<i64, Errno>,
) -> Result<Reply, Errno> {
    let mut bytes = vec![0u8; size.min(SIZE_MAX) as usize];
    let length = call(&mut bytes)?;
    if size > 0 {
        process.write(buffer, &bytes[..length as usize])?;
    }
    Ok(Reply::Value(length))
}

/// Answers getxattr and lgetxattr.
pub(in crate::sandbox) fn get(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    follow: bool,
) -> Decision {
    let real = match owner(state, trapped, path, follow)? {
        Owner::Host => return Ok(Answer::THROUGH),
        Owner::Node => return Err(Errno::NODATA),
        Owner::File(real, _) => real,
    };
    let (process, buffer, size) = (trapped.process(), trapped.args[2], trapped.args[3]);
    let name = process.path(trapped.args[1])?;
    Answer::perform(move || {
        let (path, name) = (c_string(&real), c_string(&name));
        fill(process, buffer, size, |value| {
            hosts::attribute(&path, &name, value, follow)
        })
    })
}

/// Answers listxattr and llistxattr.
pub(in crate::sandbox) fn list(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    follow: bool,
) -> Decision {
    let real = match owner(state, trapped, path, follow)? {
        Owner::Host => return Ok(Answer::THROUGH),
        Owner::Node => return Answer::value(0),
        Owner::File(real, _) => real,
    };
    let (process, buffer, size) = (trapped.process(), trapped.args[1], trapped.args[2]);
    Answer::perform(move || {
        let path = c_string(&real);
        fill(process, buffer, size, |names| {
            hosts::attributes(&path, names, follow)
        })
    })
}

/// Answers setxattr and lsetxattr.
pub(in crate::sandbox) fn set(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    follow: bool,
) -> Decision {
    // XATTR_CREATE and XATTR_REPLACE.
    if trapped.args[4] & !3 != 0 {
        return Err(Errno::INVAL);
    }
    let name = trapped.process().path(trapped.args[1]).unwrap_or_default();
    let real = match owner(state, trapped, path, follow)? {
        Owner::Host => return Ok(Answer::THROUGH),
        Owner::Node => return Err(state.refuse_attribute(trapped, &name)),
        Owner::File(_, Kind::Pseudo) => return Err(Errno::PERM),
        Owner::File(real, _) => real,
    };
    let (size, flags) = (trapped.args[3], trapped.args[4]);
    if size > SIZE_MAX {
        return Err(Errno::from_raw_os_error(libc::E2BIG));
    }
    let mut value = vec![0u8; size as usize];
    trapped.process().read(trapped.args[2], &mut value)?;
    Answer::perform(move || {
        let (path, name) = (c_string(&real), c_string(&name));
        hosts::set_attribute(&path, &name, &value, flags, follow).map(Reply::Value)
    })
}

/// Answers removexattr and lremovexattr.
pub(in crate::sandbox) fn remove(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    follow: bool,
) -> Decision {
    let name = trapped.process().path(trapped.args[1]).unwrap_or_default();
    let real = match owner(state, trapped, path, follow)? {
        Owner::Host => return Ok(Answer::THROUGH),
        Owner::Node => return Err(state.refuse_attribute(trapped, &name)),
        Owner::File(_, Kind::Pseudo) => return Err(Errno::PERM),
        Owner::File(real, _) => real,
    };
    Answer::perform(move || {
        let (path, name) = (c_string(&real), c_string(&name));
        hosts::remove_attribute(&path, &name, follow).map(Reply::Value)
    })
}

/// Answers fgetxattr.
pub(in crate::sandbox) fn fget(state: &mut State, trapped: &Trapped) -> Decision {
    match on_node(state, trapped)? {
        true => Err(Errno::NODATA),
        false => Ok(Answer::THROUGH),
    }
}

/// Answers flistxattr.
pub(in crate::sandbox) fn flist(state: &mut State, trapped: &Trapped) -> Decision {
    match on_node(state, trapped)? {
        true => Answer::value(0),
        false => Ok(Answer::THROUGH),
    }
}

/// Answers fsetxattr and fremovexattr.
pub(in crate::sandbox) fn fchange(state: &mut State, trapped: &Trapped) -> Decision {
    if !on_node(state, trapped)? {
        return Ok(Answer::THROUGH);
    }
    let name = trapped.process().path(trapped.args[1]).unwrap_or_default();
    Err(state.refuse_attribute(trapped, &name))
}

fn on_node(state: &mut State, trapped: &Trapped) -> Result<bool, Errno> {
    let (process, fd) = (trapped.process(), trapped.int(0));
    if state.is_path_only(process, fd) {
        return Err(Errno::BADF);
    }
    Ok(state.node_behind(process, fd).is_some())
}

impl State {
    /// A node takes no user's attributes on Linux either; others would be kept.
    fn refuse_attribute(&mut self, trapped: &Trapped, name: &[u8]) -> Errno {
        if name.starts_with(b"user.") {
            return Errno::PERM;
        }
        self.refuse(trapped, Errno::OPNOTSUPP)
    }
}
