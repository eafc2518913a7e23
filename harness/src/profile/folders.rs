//! Folders that devices of a known layout have.

use crate::layout::Layout;

/// The folder that an iSpot's web server serves: every device that is laid out as one has
/// it, whatever image it was made of; others have none.
pub(super) fn of(layout: &Layout) -> Vec<String> {
    match *layout == Layout::ispot() {
        true => vec!["var/wwwroot".into()],
        false => Vec::new(),
    }
}
