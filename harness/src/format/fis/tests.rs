use super::*;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rstest::rstest;

const CHIP_BYTES: u64 = 16 << 20;
const ERASE_BLOCK_BYTES: u32 = 128 << 10;

fn entry(name: &str, flash_base: u32, size_bytes: u32) -> FisEntry {
    FisEntry {
        name: name.into(),
        flash_base,
        mem_base: 0x80_8000,
        size_bytes,
        entry_point: 0x80_8000,
        data_length_bytes: size_bytes / 2,
        desc_cksum: 0,
        file_cksum: 0x1234_5678,
    }
}

fn entries() -> Vec<FisEntry> {
    vec![
        entry("RedBoot", 0x5000_0000, 0x4_0000),
        entry("FIS directory", 0x50fe_0000, 0x1_f000),
        entry("RedBoot config", 0x50ff_f000, 0x1000),
    ]
}

/// Written out by hand from the format's description, not by the builder.
#[test]
fn a_record_byte_by_byte() {
    let record = entry("linux", 0x5006_0000, 0x12_0000).encode(ByteOrder::Little);
    assert_eq!(&record[..16], b"linux\0\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(record[16..20], [0, 0, 6, 0x50]);
    assert_eq!(record[20..24], [0, 0x80, 0x80, 0]);
    assert_eq!(record[24..28], [0, 0, 0x12, 0]);
    assert_eq!(record[28..32], [0, 0x80, 0x80, 0]);
    assert_eq!(record[32..36], [0, 0, 9, 0]);
    assert_eq!(record[36..252], [0; 216]);
    assert_eq!(record[252..], [0x78, 0x56, 0x34, 0x12]);
}

#[rstest]
fn a_table_comes_back(#[values(ByteOrder::Little, ByteOrder::Big)] order: ByteOrder) {
    let mut table = vec![0; 0x1_f000];
    encode(&entries(), order, &mut table);
    let found = parse(&table, ERASE_BLOCK_BYTES).unwrap();
    assert_eq!(found.order, order);
    assert_eq!(found.entries, entries());
    assert_eq!(found.redundant, None);
    assert_eq!(check(&found, CHIP_BYTES, ERASE_BLOCK_BYTES), Ok(()));
    assert_eq!(found.entries[1].offset_bytes(CHIP_BYTES), 0xfe_0000);
}

#[test]
fn a_directory_of_one_whole_erase_block_shows_its_byte_order() {
    let mut table = vec![0; 0x1_f000];
    encode(
        &[entry("FIS directory", 0x50fe_0000, 0x2_0000)],
        ByteOrder::Big,
        &mut table,
    );
    assert_eq!(
        parse(&table, ERASE_BLOCK_BYTES).unwrap().order,
        ByteOrder::Big
    );
}

#[test]
fn deleted_entries_are_passed_over_and_ff_ff_ends_the_table() {
    let mut table = vec![0; 0x1_f000];
    encode(&entries(), ByteOrder::Little, &mut table);
    table[0] = 0xff;
    let after_the_end = 4 * ENTRY_BYTES;
    table[after_the_end..][..ENTRY_BYTES]
        .copy_from_slice(&entry("ghost", 0, 1).encode(ByteOrder::Little));
    let found = parse(&table, ERASE_BLOCK_BYTES).unwrap();
    assert_eq!(found.deleted, 1);
    assert_eq!(found.entries, entries()[1..]);
}

#[test]
fn a_redundant_directory_tells_its_version() {
    let mut table = vec![0; 0x1_f000];
    encode(&entries(), ByteOrder::Little, &mut table);
    table[..ENTRY_BYTES].fill(0);
    table[..12].copy_from_slice(b".FisValid\0\xa5\xa5");
    table[12] = 7;
    let found = parse(&table, ERASE_BLOCK_BYTES).unwrap();
    assert_eq!(
        found.redundant,
        Some(Redundant {
            flag: 0xa5,
            version: 7
        })
    );
    assert_eq!(found.entries, entries()[1..]);
}

#[test]
fn checksums_are_told_apart() {
    let data = b"123456789 and more";
    let mut linux = entry("linux", 0, 0x2_0000);
    linux.data_length_bytes = 9;
    linux.file_cksum = 0x2dfd_2d88;
    assert_eq!(linux.checksum_fits(data), Some(true));
    linux.data_length_bytes = 10;
    assert_eq!(linux.checksum_fits(data), Some(false));
    linux.data_length_bytes = 100;
    assert_eq!(linux.checksum_fits(data), None);
    linux.file_cksum = 0;
    linux.data_length_bytes = 9;
    assert_eq!(linux.checksum_fits(data), None);
}

#[test]
fn bytes_that_are_no_table() {
    assert_eq!(parse(&[], ERASE_BLOCK_BYTES), Err(FisError::NoDirectory));
    assert_eq!(
        parse(&[0xff; 4096], ERASE_BLOCK_BYTES),
        Err(FisError::NoDirectory)
    );
    let mut table = vec![0; 4096];
    encode(&entries(), ByteOrder::Little, &mut table);
    table[3] = 7;
    let error = parse(&table, ERASE_BLOCK_BYTES).unwrap_err().to_string();
    assert!(error.contains("FIS record 0 at 0x0"), "{error}");
}

#[rstest]
#[case::past_the_chip(entry("big", 0x50e0_0000, 0x40_0000), "past the chip")]
#[case::overlap(entry("twice", 0x5002_0000, 0x2_0000), "inside `RedBoot`")]
#[case::unaligned(entry("odd", 0x5005_0000, 0x1_0000), "off an erase block")]
#[case::too_full(FisEntry { data_length_bytes: 0x4_0000, ..entry("full", 0x5006_0000, 0x2_0000) }, "uses 262144 of 131072")]
fn entries_that_cannot_be(#[case] bad: FisEntry, #[case] message: &str) {
    let mut table = vec![0; 4096];
    encode(
        &[entries(), vec![bad]].concat(),
        ByteOrder::Little,
        &mut table,
    );
    let found = parse(&table, ERASE_BLOCK_BYTES).unwrap();
    let error = check(&found, CHIP_BYTES, ERASE_BLOCK_BYTES)
        .unwrap_err()
        .to_string();
    assert!(error.contains(message), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(mut bytes in prop::collection::vec(any::<u8>(), 0..2000), at in 0usize..7) {
        let _ = parse(&bytes, ERASE_BLOCK_BYTES);
        if let Some(record) = bytes.get_mut(at * ENTRY_BYTES..at * ENTRY_BYTES + 14) {
            record.copy_from_slice(b"FIS directory\0");
        }
        if let Ok(table) = parse(&bytes, ERASE_BLOCK_BYTES) {
            let _ = check(&table, CHIP_BYTES, ERASE_BLOCK_BYTES);
        }
    }
}
