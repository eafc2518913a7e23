use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rstest::rstest;

fn items() -> Vec<ConfigItem> {
    let item = |name: &str, enable: Option<bool>, value| ConfigItem {
        name: name.into(),
        enable: enable.map(|sense| Enable {
            key: "boot_script".into(),
            sense,
        }),
        value,
    };
    vec![
        item("boot_script", None, ConfigValue::Bool(true)),
        item(
            "boot_script_data",
            Some(true),
            ConfigValue::Script("fis load linux\ngo\n".into()),
        ),
        item("boot_script_timeout", Some(true), ConfigValue::Int(10)),
        item("bootp", Some(false), ConfigValue::Bool(false)),
        item("bootp_my_ip", None, ConfigValue::Ip([192, 168, 1, 1])),
        item("esa", None, ConfigValue::Mac([2, 0, 0x5e, 1, 2, 3])),
        item("info", None, ConfigValue::String("any".into())),
        item("net_device", None, ConfigValue::NetPort("eth0".into())),
    ]
}

/// Written out by hand from the format's description, not by the builder.
#[test]
fn a_block_byte_by_byte() {
    let block = encode(&items()[..1], ByteOrder::Little, 64);
    assert_eq!(block[..8], [64, 0, 0, 0, 0xce, 0xfa, 0xad, 0x0b]);
    assert_eq!(block[8..12], [1, 12, 0, 0]);
    assert_eq!(&block[12..24], b"boot_script\0");
    assert_eq!(block[24..28], [1, 0, 0, 0]);
    assert_eq!(block[28..56], [0; 28]);
    assert_eq!(block[56..60], [0xad, 0xde, 0xad, 0xde]);
}

#[rstest]
fn settings_come_back(#[values(ByteOrder::Little, ByteOrder::Big)] order: ByteOrder) {
    let mut bytes = encode(&items(), order, 4096);
    assert_eq!(bytes.len(), 4096);
    bytes.extend([0xff; 100]);
    assert_eq!(parse(&bytes), Ok((order, items())));
}

#[rstest]
fn any_changed_byte_is_seen(#[values(0, 4, 8, 100, 4087, 4088, 4092, 4095)] at: usize) {
    let mut block = encode(&items(), ByteOrder::Little, 4096);
    block[at] ^= 0x10;
    assert!(parse(&block).is_err());
}

#[rstest]
#[case::kind(|b: &mut [u8]| b[8] = 9, "none from 1 to 7")]
#[case::name(|b: &mut [u8]| b[12] = 0, "its name is no text")]
#[case::no_name(|b: &mut [u8]| b[9] = 0, "its name is no text")]
#[case::long(|b: &mut [u8]| { b[8] = 4; b[9] = 255 }, "no text")]
#[case::trailing(|b: &mut [u8]| b[4000] = 1, "bytes after the last item")]
fn items_that_cannot_be(#[case] break_it: fn(&mut [u8]), #[case] message: &str) {
    let mut block = encode(&items(), ByteOrder::Little, 4096);
    break_it(&mut block);
    let crc = crc32(&block[..4092]);
    ByteOrder::Little.put_u32(&mut block, 4092, crc);
    let error = parse(&block).unwrap_err().to_string();
    assert!(error.contains(message), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(mut bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = parse(&bytes);
        if bytes.len() >= 16 {
            let end = bytes.len();
            ByteOrder::Little.put_u32(&mut bytes, 0, end as u32);
            ByteOrder::Little.put_u32(&mut bytes, 4, KEY[0]);
            ByteOrder::Little.put_u32(&mut bytes, end - 8, KEY[1]);
            let crc = crc32(&bytes[..end - 4]);
            ByteOrder::Little.put_u32(&mut bytes, end - 4, crc);
            let _ = parse(&bytes);
        }
    }
}
