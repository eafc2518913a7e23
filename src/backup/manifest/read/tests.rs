//! The tree of values, and the fields that are taken from it.

use super::*;
use rstest::rstest;

fn read(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

/// In both builds, of which one leaves such numbers as text.
#[rstest]
#[case("-1")]
#[case("-0")]
#[case("1.5")]
#[case("1e3")]
#[case("18446744073709551616")]
fn a_number_that_no_field_has(#[case] text: &str) {
    assert!(matches!(read(text), Json::Foreign));
    assert!(matches!(read(&format!("[{text}]")), Json::List(list)
        if matches!(list[..], [Json::Foreign])));
    let object = read(&format!("{{\"mtd\": {text}}}"));
    let mut fields = Fields::of(object, "the image").unwrap();
    assert!(fields.number("mtd").is_err());
    // Nor is it an object.
    assert!(Fields::of(read(text), "the image").is_err());
}

#[rstest]
#[case("0", 0)]
#[case("18446744073709551615", u64::MAX)]
fn a_number(#[case] text: &str, #[case] number: u64) {
    assert!(matches!(read(text), Json::Number(read) if read == number));
}

fn fields(text: &str) -> Fields {
    Fields::of(read(text), "the image").unwrap()
}

/// Of two values one would be taken and the other never looked at.
#[rstest]
#[case(r#"{"n": 1, "n": 2}"#)]
#[case(r#"{"n": 1, "n": 1}"#)]
#[case(r#"{"n": null, "n": 1}"#)]
#[case(r#"{"n": 1, "m": 3, "n": null}"#)]
fn a_field_that_is_there_twice(#[case] text: &str) {
    let error = fields(text).maybe_number("n").unwrap_err();
    assert_eq!(error.to_string(), "the field `n` is there twice");
}

#[test]
fn null_is_as_if_it_were_not_there_and_others_do_not_matter() {
    let text = r#"{"n": null, "of a later version": {"n": 5}}"#;
    assert_eq!(fields(text).maybe_number("n").unwrap(), None);
    let error = fields(text).number("n").unwrap_err();
    assert_eq!(error.to_string(), "the field `n` is missing");
    let number = fields(r#"{"later": [], "n": 4294967296}"#).number("n");
    assert_eq!(number.unwrap(), 1 << 32);
    assert!(fields(r#"{"n": 4294967296}"#).maybe_short("n").is_err());
}

/// Each kind is taken as itself alone.
#[test]
fn a_field_of_another_kind() {
    let values = ["true", "7", r#""text""#, "[]", "{}", "-1"];
    for (at, value) in values.into_iter().enumerate() {
        let fields = || fields(&format!(r#"{{"f": {value}}}"#));
        let taken = [
            fields().maybe_flag("f").is_ok(),
            fields().maybe_number("f").is_ok(),
            fields().maybe_text("f").is_ok(),
            fields().maybe_list("f").is_ok(),
        ];
        let expected: [bool; 4] = std::array::from_fn(|kind| kind == at);
        assert_eq!(taken, expected, "{value}");
    }
    assert!(fields(r#"{"f": ["a", 1]}"#).maybe_texts("f").is_err());
}

#[rstest]
#[case(r#"{"format": "f", "format_version": "1.0"}"#, Some(("f", "1.0")))]
#[case(r#"{"format": "f", "format": "g", "format_version": "1.0"}"#, None)]
#[case(
    r#"{"format": "f", "format_version": "1.0", "format_version": "1.0"}"#,
    None
)]
#[case(r#"{"format": "f", "format_version": 1}"#, None)]
#[case(r#"{"format": "f"}"#, None)]
fn what_a_manifest_says_of_its_format(#[case] text: &str, #[case] head: Option<(&str, &str)>) {
    assert_eq!(fields(text).head().ok(), head);
}
