//! Extended attributes: nodes have none, and those of mapped files stay outside.

use crate::Errno;
use crate::sandbox::call::{Answer, Decision, PathArgument, Trapped};
use crate::sandbox::kernel::process::c_string;
use crate::sandbox::kernel::sys;
use crate::sandbox::state::{State, Target};

/// Whether the path is one of ours, and exists.
fn is_ours(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    follow: bool,
) -> Result<bool, Errno> {
    match state.target(trapped, path, follow)? {
        // Whether it exists is what matters: attributes are not mapped.
        Target::Elsewhere { real, .. } => {
            sys::stat(&c_string(&real), false)?;
            Ok(true)
        }
        Target::Node(..) => Ok(true),
        Target::Hidden(_) => Err(Errno::NOENT),
        _ => Ok(false),
    }
}

/// Answers getxattr and lgetxattr.
pub(in crate::sandbox) fn get(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    follow: bool,
) -> Decision {
    match is_ours(state, trapped, path, follow)? {
        true => Err(Errno::NODATA),
        false => Ok(Answer::Through),
    }
}

/// Answers listxattr and llistxattr.
pub(in crate::sandbox) fn list(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    follow: bool,
) -> Decision {
    match is_ours(state, trapped, path, follow)? {
        true => Answer::value(0),
        false => Ok(Answer::Through),
    }
}

/// Answers setxattr, removexattr and their relatives.
pub(in crate::sandbox) fn change(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
    follow: bool,
) -> Decision {
    match is_ours(state, trapped, path, follow)? {
        true => Err(Errno::OPNOTSUPP),
        false => Ok(Answer::Through),
    }
}

/// Answers fgetxattr.
pub(in crate::sandbox) fn fget(state: &mut State, trapped: &Trapped) -> Decision {
    match state.node_behind(trapped.process(), trapped.int(0)) {
        Some(_) => Err(Errno::NODATA),
        None => Ok(Answer::Through),
    }
}

/// Answers flistxattr.
pub(in crate::sandbox) fn flist(state: &mut State, trapped: &Trapped) -> Decision {
    match state.node_behind(trapped.process(), trapped.int(0)) {
        Some(_) => Answer::value(0),
        None => Ok(Answer::Through),
    }
}
