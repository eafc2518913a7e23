//! Calls on paths that only the host's files take.

use crate::sandbox::call::{Answer, Decision, PathArgument, Trapped};
use crate::sandbox::calls::table;
use crate::sandbox::state::{State, Target};

/// Warns if the path is one of ours; the kernel answers.
pub(in crate::sandbox) fn on_path(
    state: &mut State,
    trapped: &Trapped,
    path: PathArgument,
) -> Decision {
    if let Target::Node(..) | Target::Elsewhere { .. } = state.target(trapped, path, true)? {
        let name = table::by_number(trapped.number).map_or("?", |entry| entry.name);
        state.warn(&format!(
            "{name} is not emulated on simulated nodes and mapped folders"
        ));
    }
    Ok(Answer::Through)
}
