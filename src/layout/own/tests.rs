use super::super::lines::lines;
use super::*;
use proptest::prelude::*;
use rstest::rstest;

fn read(text: &str) -> Option<Result<Reading, LayoutTextError>> {
    super::read(&lines(text))
}

fn partition() -> impl Strategy<Value = PartitionFacts> {
    let sources = prop::sample::select(FactSource::ALL.to_vec());
    let offset = (0..1_u64 << 40, sources);
    (
        "[ -~]{0,12}",
        prop::array::uniform3(prop::option::of(prop::sample::select(
            FactSource::ALL.to_vec(),
        ))),
        prop::option::of(0_usize..2),
        prop::option::of(offset),
        prop::option::of(0..1_u64 << 40),
        prop::option::of(any::<bool>()),
    )
        .prop_map(
            |(name, sources, chip, offset, size_bytes, read_only)| PartitionFacts {
                line: 0,
                index: None,
                name,
                chip,
                parent: None,
                offset: offset.map(|(bytes, source)| PartitionOffset { bytes, source }),
                size_bytes,
                erase_block_bytes: None,
                read_only,
                sources: FactSources {
                    size: sources[0].filter(|_| size_bytes.is_some()),
                    erase_block: None,
                    read_only: sources[2].filter(|_| read_only.is_some()),
                },
            },
        )
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(mut partitions in prop::collection::vec(partition(), 1..8)) {
        let chips = [
            ChipFacts { name: "spi0.0".into(), size_bytes: Some(1 << 24), erase_block_bytes: None },
            ChipFacts::default(),
        ];
        for (at, partition) in partitions.iter_mut().enumerate() {
            partition.index = Some(MtdIndex(at as u32 * 3));
            partition.parent = at.checked_sub(1);
            // Parts lie inside their parents and chips.
            partition.chip = Some(1);
            partition.offset = partition.offset.map(|offset| PartitionOffset {
                bytes: at as u64,
                ..offset
            });
            partition.size_bytes = partition.size_bytes.map(|_| 100 - at as u64);
            partition.line = at + 4;
        }
        let text = render(&chips, &partitions);
        let reading = read(&text).unwrap().unwrap();
        prop_assert_eq!(&reading.partitions, &partitions, "{}", text);
        prop_assert_eq!(&reading.chips[..], &chips[..]);
    }

    #[test]
    fn no_text_makes_it_panic(text in "(mtdkeep layout 1\n)?((chip|mtd|partition)[0-9 ]{0,3}: ?[a-z0-9 ,()x]{0,30}( name \"x\")?\n){0,5}") {
        let _ = read(&text);
    }
}

#[rstest]
#[case("mtd0: in mtd0, name \"a\"")]
#[case("mtd0: in mtd1, name \"a\"\nmtd1: in mtd0, name \"b\"")]
#[case("mtd0: in mtd7, name \"a\"")]
#[case("chip 0: size 0x10, name \"\"\nmtd0: chip 0, offset 0x8, size 0x9, name \"a\"")]
#[case("mtd0: offset 0x4, size 0x8, name \"a\"\nmtd1: in mtd0, offset 0x8, size 0x5, name \"b\"")]
#[case("mtd0: offset 0x4, size 0x8, name \"a\"\nmtd1: in mtd0, offset 0x2, size 0x5, name \"b\"")]
#[case("mtd0: offset 0x4, size 0x8, name \"a\"\nmtd1: in mtd0, offset 0x2, name \"b\"")]
#[case("mtd0: offset 0x7fffffffffffffff, size 0x8, name \"a\"")]
#[case("mtd0: chip 0, name \"a\"")]
#[case("mtd0: offset 0x0 (rumour), name \"a\"")]
#[case("mtd0: size 0x10 (rumour), name \"a\"")]
#[case("mtd0: read-only (), name \"a\"")]
#[case("mtd0: read-only (user), writeable (user), name \"a\"")]
#[case("mtd0: offset 0x8000000000000000, name \"a\"")]
#[case("mtd4294967295: name \"a\"")]
#[case("mtd0: name \"a\"\nmtd0: name \"b\"")]
#[case("mtd0: size 0x10, size 0x20, name \"a\"")]
#[case("mtd0: read-only, writeable, name \"a\"")]
#[case("mtd0: colour red, name \"a\"")]
#[case("mtd0: size 0x10")]
#[case("chip 1: name \"a\"")]
fn what_is_none(#[case] rest: &str) {
    read(&format!("{HEAD}\n{rest}\n")).unwrap().unwrap_err();
}
