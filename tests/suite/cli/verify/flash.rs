//! Differences between images and flash, beside what else is wrong.

use super::Backup;
use serde_json::json;

/// Nothing but what tells devices apart differs: where it does is told all the same.
#[test]
fn a_changed_param_alone_is_shown() {
    let backup = Backup::new(&[]);
    let flip = ["--faults", "bit-flip@0x850.1"];
    let options = [&["--device", "--simulate=table"], &flip[..]].concat();
    let findings = backup.findings(&options);
    let kinds: Vec<_> = findings.iter().map(|f| f["kind"].as_str()).collect();
    assert_eq!(kinds, [Some("another_device"), Some("flash_differs")]);
    assert_eq!(findings[1]["offset_bytes"], 0x50, "{findings:?}");
}

/// What the flash does not give hides no difference beside it, in the same erase block's
/// neighbour.
#[test]
fn a_difference_beside_what_cannot_be_read_is_found() {
    let backup = Backup::new(&[]);
    let options = ["--device", "--simulate=table", "--faults"];
    let findings = backup.findings(&[&options[..], &["read-error@0,bit-flip@0x5a0.3"]].concat());
    let kinds: Vec<_> = findings.iter().map(|found| &found["kind"]).collect();
    assert!(kinds.contains(&&json!("flash_unreadable")), "{findings:?}");
    let differs = findings.iter().find(|f| f["kind"] == "flash_differs");
    assert_eq!(differs.unwrap()["offset_bytes"], 0x5a0, "{findings:?}");
}
