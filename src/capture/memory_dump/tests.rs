//! Every form against a writer of its own.

use super::*;
use proptest::prelude::*;
use rstest::rstest;
use std::fmt::Write as _;

const LIMIT_BYTES: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::capture) enum Form {
    MdB,
    HexdumpC,
    Xxd,
    Od,
}

fn shown(bytes: &[u8]) -> String {
    let letter = |b: &u8| match b {
        b' '..=b'~' => char::from(*b),
        _ => '.',
    };
    bytes.iter().map(letter).collect()
}

/// The lines of a dump, without line ends.
pub(in crate::capture) fn encode(data: &[u8], base: u64, form: Form) -> Vec<String> {
    let mut lines = Vec::new();
    for (bytes, at) in data.chunks(16).zip(0..) {
        let mut line = String::new();
        let _ = write!(line, "{:08x}", base + at * 16);
        line += match form {
            Form::HexdumpC => " ",
            Form::Od => "",
            Form::MdB | Form::Xxd => ":",
        };
        for (byte, place) in bytes.iter().zip(0..) {
            let gap = match (form, place) {
                (Form::HexdumpC, 8) => "  ",
                (Form::Xxd, place) if place % 2 == 1 => "",
                _ => " ",
            };
            let _ = write!(line, "{gap}{byte:02x}");
        }
        let text = shown(bytes);
        line = match form {
            Form::MdB => format!("{line:<57}    {text}"),
            Form::HexdumpC => format!("{line:<58}  |{text}|"),
            Form::Xxd => format!("{line:<49}  {text}"),
            Form::Od => format!("{line:<56}  >{text}<"),
        };
        lines.push(line);
    }
    lines
}

fn decoded(text: &str) -> Result<MemoryDump, DumpError> {
    decode(text.as_bytes(), LIMIT_BYTES)
}

fn any_form() -> impl Strategy<Value = Form> {
    prop::sample::select(vec![Form::MdB, Form::HexdumpC, Form::Xxd, Form::Od])
}

fn any_data() -> impl Strategy<Value = Vec<u8>> {
    // Blanks, dots, bars and digits are what a column of text can be taken for.
    let byte = prop_oneof![any::<u8>(), prop::sample::select(b" .|0aF:*".to_vec())];
    prop::collection::vec(byte, 32..200)
}

/// od without `-A x` counts in octal, and without `z` has no text.
#[test]
fn od_in_either_base() {
    let data: Vec<u8> = (0..200_u8).collect();
    for radix in [8, 16] {
        let mut text = String::new();
        for (bytes, at) in data.chunks(16).zip(0..) {
            text += &address(at * 16, radix);
            bytes
                .iter()
                .for_each(|byte| text += &format!(" {byte:02x}"));
            text += "\n";
        }
        text += &address(200, radix);
        let dump = decoded(&text).unwrap();
        assert_eq!(
            (&dump.bytes, dump.base, dump.skipped),
            (&data, 0, 0),
            "{text}"
        );
        // A line less is a gap in either.
        let lines: Vec<&str> = text.lines().collect();
        let torn = [&lines[..4], &lines[5..]].concat().join("\n");
        assert!(
            matches!(decoded(&torn), Err(DumpError::Gap { line: 5, .. })),
            "{torn}"
        );
    }
}

fn address(at: u64, radix: u32) -> String {
    match radix {
        8 => format!("{at:07o}"),
        _ => format!("{at:06x}"),
    }
}

#[test]
fn stamps_and_addresses_of_other_kinds() {
    let text = "total 123456\n123456\n[12:00:01.123] 0x80060000: 41 42 43 44\n\
                [12:00:01.125] 0x80060004: 45 46 47 48\n";
    let dump = decoded(text).unwrap();
    assert_eq!(
        (dump.bytes.as_slice(), dump.base),
        (&b"ABCDEFGH"[..], 0x8006_0000)
    );
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        data in any_data(), form in any_form(), base in 0_u64..0xf000_0000,
        end in prop::sample::select(vec!["\n", "\r\n", "  \r\n"]),
    ) {
        let base = base & !15;
        let mut text = format!("=> md.b {base:x} {:x}{end}", data.len());
        for line in encode(&data, base, form) {
            text += &line;
            text += end;
        }
        text += "=> ";
        let dump = decoded(&text);
        prop_assert!(dump.is_ok(), "{dump:?}\n{text}");
        let dump = dump.unwrap();
        prop_assert_eq!(&dump.bytes, &data);
        prop_assert_eq!((dump.base, dump.skipped), (base, 2));
    }

    /// Messages between the lines, a line twice, blanks at line ends lost.
    #[test]
    fn what_serial_lines_add_does_no_harm(data in any_data(), form in any_form(), at in 0_usize..3) {
        let mut lines = encode(&data, 0x8200_0000, form);
        let again = lines[at.min(lines.len() - 1)].clone();
        lines.insert((at + 1).min(lines.len()), again);
        lines.insert(at, "[   12.3] usb 1-1: new device".into());
        let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
        let dump = decoded(&lines.join("\n"));
        prop_assert!(dump.is_ok(), "{dump:?}\n{}", lines.join("\n"));
        prop_assert_eq!(dump.unwrap().bytes, data);
    }

    #[test]
    fn a_line_that_is_missing_is_a_gap(data in any_data(), form in any_form(), at in 0_usize..9) {
        let mut lines = encode(&data, 0, form);
        let at = 1 + at % (lines.len() - 1);
        if at + 1 < lines.len() {
            lines.remove(at);
            let is_gap = matches!(
                decoded(&lines.join("\n")),
                Err(DumpError::Gap { address, missing_bytes: 16, .. }) if address == at as u64 * 16
            );
            prop_assert!(is_gap);
        }
    }

    /// A letter that the column of text shows cannot change unnoticed.
    #[test]
    fn a_changed_letter_is_found(form in any_form(), at in 0_usize..64, to in b'!'..=b'~') {
        let data = vec![b'A'; 64];
        let mut changed = data.clone();
        changed[at] = to;
        let good = encode(&data, 0, form);
        let mut lines = encode(&changed, 0, form);
        // The bytes of one, the text of the other.
        let line = &mut lines[at / 16];
        let text = line.len() - 17;
        line.replace_range(text.., &good[at / 16][text..]);
        let result = decoded(&lines.join("\n"));
        prop_assert_eq!(result.is_ok(), to == b'A', "{:?}", result);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[0-9a-f:|* \r\n]{0,200}") {
        let _ = decode(text.as_bytes(), 64);
        looks_like_one(text.as_bytes());
    }
}

#[test]
fn hexdumps_star_stands_for_the_line_before() {
    let text = "00000000  41 41 41 41 41 41 41 41  41 41 41 41 41 41 41 41  |AAAAAAAAAAAAAAAA|\n\
                *\n\
                00000040  42 43                                             |BC|\n\
                00000042\n";
    let dump = decoded(text).unwrap();
    assert_eq!(dump.bytes, [&[b'A'; 64][..], b"BC"].concat());
    assert_eq!((dump.skipped, dump.unchecked), (0, 0));
}

#[rstest]
#[case::gap_to_the_end("00000000  41  |A|\n00000002\n")]
#[case::other_bytes("00000000: 41    A\n00000000: 42    B\n")]
#[case::words("82000000: b82b2e1c 6c809d56 c9dc5112 1289e3be    ..+.V..l.Q......")]
#[case::short_words("82000000: 2e1c b82b 9d56 6c80 5112 c9dc e3be 1289    ..+.V..l.Q......")]
#[case::torn("82000000: 1c 2e 2b b8 56 9d 8")]
#[case::torn_text("82000000: 1c 2e 2b b8    ..+")]
#[case::before_the_start("00000010: 41    A\n00000000: 42    B\n")]
#[case::nothing("hello\n")]
#[case::empty("")]
fn bad_dumps(#[case] text: &str) {
    decoded(text).unwrap_err();
}

#[test]
fn a_dump_without_text_is_taken_and_counted() {
    let text = "82000000: 1c 2e 2b b8\n82000004: 41 42\n";
    let dump = decoded(text).unwrap();
    assert_eq!((dump.lines, dump.unchecked), (2, 2));
    assert_eq!(dump.bytes, b"\x1c\x2e\x2b\xb8AB");
}

#[test]
fn a_dump_is_known_by_its_first_lines() {
    assert!(looks_like_one(
        b"=> md.b 0 20\r\n00000000: 41    A\r\n00000001: 42    B\r\n"
    ));
    assert!(!looks_like_one(
        b"0x000000000000-0x000000030000 : \"u-boot\"\n"
    ));
    assert!(!looks_like_one(
        b"dev:    size   erasesize  name\nmtd0: 00040000 00020000 \"a\"\n"
    ));
    assert!(!looks_like_one(&[0xff; 100]));
}

#[test]
fn no_more_is_converted_than_is_wanted() {
    let lines = encode(&[1; 64], 0, Form::MdB).join("\n");
    assert!(decode(lines.as_bytes(), 64).is_ok());
    let error = decode(lines.as_bytes(), 63).unwrap_err();
    assert!(
        matches!(error, DumpError::TooLong { line: 4, .. }),
        "{error}"
    );
}
