//! Both readers read the same.

use super::model::{BLOCK, FORMS, Form, Model, pasted};
use crate::layout::{self, Reading};
use mtd_harness::layout::{Lacking, ReportedChip, ReportedLayout, ReportedPartition};
use rand::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus as SmallRng;
use rstest::rstest;

/// What the program reads, in the harness's words.
pub(super) fn in_its_words(reading: &Reading) -> ReportedLayout {
    let chip = |chip: &layout::ChipFacts| ReportedChip {
        name: chip.name.clone(),
        size_bytes: chip.size_bytes,
        erase_block_bytes: chip.erase_block_bytes,
    };
    let partition = |p: &layout::PartitionFacts| ReportedPartition {
        line: p.line,
        number: p.index.map(|index| index.0),
        name: p.name.clone(),
        chip: p.chip,
        parent: p.parent,
        offset_bytes: p.offset.map(|offset| offset.bytes),
        size_bytes: p.size_bytes,
        erase_block_bytes: p.erase_block_bytes,
        read_only: p.read_only == Some(true),
    };
    let lacking = |list: &layout::Incomplete| Lacking {
        line: list.line,
        announced: list.announced,
        found: list.found,
    };
    ReportedLayout {
        chips: reading.chips.iter().map(chip).collect(),
        partitions: reading.partitions.iter().map(partition).collect(),
        lacking: reading.incomplete.iter().map(lacking).collect(),
    }
}

/// What the model says, as far as a form can tell it.
fn wanted(model: &Model, form: Form) -> Vec<ReportedPartition> {
    let has_places = form != Form::Table;
    let has_parents = has_places && form != Form::CommandLine;
    let has_numbers = matches!(form, Form::Own | Form::Table);
    let parts = model.parts.iter().map(|part| ReportedPartition {
        line: 0,
        number: has_numbers.then_some(part.number),
        name: part.name.clone(),
        chip: has_places.then_some(part.chip),
        parent: part.parent.filter(|_| has_parents),
        offset_bytes: has_places.then_some(part.start),
        size_bytes: Some(part.size_bytes),
        erase_block_bytes: (form == Form::Table).then_some(BLOCK),
        read_only: part.read_only && matches!(form, Form::Own | Form::CommandLine | Form::BootLog),
    });
    parts.collect()
}

#[test]
fn on_random_layouts_in_every_form() {
    for seed in 0..300 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let model = Model::random(&mut rng);
        for form in FORMS {
            let text = pasted(&model.text(form), &mut rng);
            let context = || format!("seed {seed}, {form:?}:\n{text}");
            let ours = layout::read(text.as_bytes());
            let ours = in_its_words(&ours.unwrap_or_else(|error| panic!("{error}: {}", context())));
            let theirs = ReportedLayout::parse(&text)
                .unwrap_or_else(|error| panic!("{error}: {}", context()));
            assert_eq!(ours, theirs, "{}", context());
            assert_eq!(ours.lacking, [], "{}", context());
            let mut got = ours.partitions;
            got.iter_mut().for_each(|p| p.line = 0);
            assert_eq!(got, wanted(&model, form), "{}", context());
        }
    }
}

/// Texts of real devices' shapes.
#[rstest]
#[case("openwrt.log")]
#[case("lede.log")]
#[case("nas.cmdline")]
#[case("u-boot.list")]
#[case("u-boot.mtdparts")]
#[case("pasted.proc_mtd")]
#[case("two-chips.layout")]
fn on_fixtures(#[case] name: &str) {
    let path = format!("{}/fixtures/layout/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let ours = in_its_words(&layout::read(text.as_bytes()).unwrap());
    assert_eq!(ours, ReportedLayout::parse(&text).unwrap());
    assert!(ours.partitions.len() >= 3, "{ours:?}");
}
