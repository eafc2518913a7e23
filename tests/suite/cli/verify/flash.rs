//! What differs between images, flash and identity, beside what else is wrong.

use super::Backup;
use rstest::rstest;
use serde_json::{Value, json};

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

/// What the device is known by was read for itself: an image with holes, or one that is in
/// doubt, need not be the same, and says so itself.
#[rstest]
#[case::hole("unreadable", json!([{"offset_bytes": 0, "length_bytes": 0x400, "reason": ""}]))]
#[case::doubt("doubt", json!("two readings"))]
fn the_identity_is_not_held_against_what_is_no_whole_image(
    #[case] field: &str,
    #[case] value: Value,
) {
    let backup = Backup::new(&[]);
    let kinds = |findings: Vec<Value>| -> Vec<Value> {
        findings.iter().map(|found| found["kind"].clone()).collect()
    };
    let other = |manifest: &mut Value| {
        manifest["device"]["identity"]["sha256"] = json!("0".repeat(64));
    };
    backup.change(other);
    assert!(kinds(backup.findings(&[])).contains(&json!("other_identity")));
    backup.change(|manifest| manifest["images"][1][field] = value.clone());
    let found = kinds(backup.findings(&[]));
    assert!(
        !found.is_empty() && !found.contains(&json!("other_identity")),
        "{found:?}"
    );
}
