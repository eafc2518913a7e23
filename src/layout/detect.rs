//! Which forms a text has.
//!
//! The forms are tried in the order of how much they tell and how near they are to the
//! device: our own; the table of `/proc/mtd`; a boot log, which is what the kernel did;
//! U-Boot's lists; `mtdparts=`, which is what the kernel was told. A pasted session may
//! hold several: the first is what the others are compared with (see `merge`).

use super::error::LayoutTextError;
use super::lines::lines;
use super::{
    Reading, boot_log, command_line, device_tree, encoding, fis, merge, own, table, u_boot,
};

/// Understands a text, whatever form it has.
///
/// # Errors
/// [`LayoutTextError`]: no form fits, the text contradicts the form that it has, or the
/// device's table and its kernel's messages in one text contradict each other.
pub(crate) fn read(text: &[u8]) -> Result<Reading, LayoutTextError> {
    merge::merged(read_each(text))
}

/// Understands a text in each form that it has, the one that counts most first. None
/// where it has none.
pub(crate) fn read_each(text: &[u8]) -> Vec<Result<Reading, LayoutTextError>> {
    // Both begin a record with bytes that no text has.
    if let Some(found) = device_tree::read(text).or_else(|| fis::read(text)) {
        return vec![found];
    }
    let text = encoding::utf8(text);
    let text = String::from_utf8_lossy(&text);
    let forms = [
        own::read,
        table::read,
        boot_log::read,
        u_boot::read,
        command_line::read,
    ];
    let lines = lines(&text);
    forms.iter().filter_map(|form| form(&lines)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Form;
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "dev:    size   erasesize  name\nmtd0: 00040000 00010000 \"a\"",
        Form::ProcMtd
    )]
    #[case("mtdparts=x:1M(a)", Form::CommandLine)]
    #[case("0x0-0x1 : \"a\"", Form::BootLog)]
    #[case("* nor0\n  - 0x0-0x10 : \"nor0\"\n    - 0x0-0x1 : \"a\"", Form::UBoot)]
    #[case("mtdkeep layout 1\nmtd0: size 0x10, name \"a\"", Form::Own)]
    fn forms(#[case] text: &str, #[case] form: Form) {
        assert_eq!(read(text.as_bytes()).unwrap().form, form);
    }

    #[rstest]
    #[case("")]
    #[case("hello\n")]
    #[case("mtd0: 00040000 00010000 a")]
    fn none(#[case] text: &str) {
        assert_eq!(read(text.as_bytes()), Err(LayoutTextError::Unknown));
    }

    #[test]
    fn what_a_boot_log_says_is_there() {
        let log = b"[    1.0] 0x000000000000-0x000000040000 : \"u-boot\"\n";
        let reading = read(log).unwrap();
        assert_eq!(reading.partitions[0].name, "u-boot");
        assert_eq!(reading.partitions[0].size_bytes, Some(0x40000));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&text);
        }

        #[test]
        fn no_lines_make_it_panic(
            lines in prop::collection::vec(
                "(0x[0-9a-f]{0,17}-0x[0-9a-f]{0,17} : \"[a-z]{0,2}\"|Creating [0-9]{1,2} MTD partitions on \"[a-z]{0,2}\":|mtdparts=[a-z:0-9,@();kM-]{0,20}|\\* [a-z]{1,3}| {0,4}- 0x[0-9a-f]{1,9}-0x[0-9a-f]{1,9} : \"[a-z]\"|device x <y>, # parts = 1| 0: a 0x[0-9a-f]{1,17} 0x[0-9a-f]{1,17} 0|Bank # 1: Size: [0-9]{1,20} MB in [0-9]{1,3} Sectors|dev:    size   erasesize  name|mtd[0-9]{1,3}: [0-9a-f]{8,17} [0-9a-f]{8} \"a\")",
                0..8,
            )
        ) {
            let _ = read(lines.join("\n").as_bytes());
        }
    }
}
