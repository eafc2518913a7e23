//! Dumps of random chips, cut by each form that tells places, as `--image` and `--layout`
//! cut them.

use super::dumps::Dumps;
use super::layouts;
use crate::backend::SimulatedBackend;
use crate::layout::tests::model::{Form, Model, pasted};
use crate::mtd::MtdBackend as _;
use mtd_harness::profile::from_images;
use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus as SmallRng;
use rstest::rstest;
use std::fs;

fn cut(seed: u64, form: Form) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let model = Model::random(&mut rng);
    let folder = tempfile::tempdir().unwrap();
    let mut dumps = Dumps::default();
    let mut chips: Vec<Vec<u8>> = Vec::new();
    for (chip, known) in model.chips.iter().enumerate() {
        let path = folder.path().join(format!("chip{chip}"));
        chips.push((0..known.size_bytes).map(|_| rng.random()).collect());
        fs::write(&path, &chips[chip]).unwrap();
        dumps.files.push((path, known.size_bytes));
    }
    let text = pasted(&model.text(form), &mut rng);
    let file = folder.path().join("layout");
    fs::write(&file, &text).unwrap();
    let context = || format!("seed {seed}, {form:?}:\n{text}");
    let chosen = layouts::choose(&file, None, &dumps);
    let chosen = chosen.unwrap_or_else(|error| panic!("{error:?}: {}", context()));
    assert!(!chosen.is_inferred(), "{}", context());
    let device = from_images(&chosen.parts, &chosen.layout).unwrap();
    let backend = SimulatedBackend::new(device).with_provenance(chosen.provenance);
    let devices = backend.devices().unwrap();
    assert_eq!(devices.len(), model.parts.len(), "{}", context());
    let numbered = matches!(form, Form::Own);
    for (at, part) in model.parts.iter().enumerate() {
        let number = if numbered { part.number } else { at as u32 };
        let device = devices.iter().find(|device| device.index.0 == number);
        let device = device.unwrap_or_else(|| panic!("mtd{number}: {}", context()));
        assert_eq!(device.name, part.name, "{}", context());
        assert_eq!(
            device.certain_offset_bytes(),
            Some(part.start),
            "{}",
            context()
        );
        let mut bytes = vec![0; part.size_bytes as usize];
        let mut open = backend.open(device).unwrap();
        let mut done = 0;
        while done < bytes.len() {
            let count = open.read_at(done as u64, &mut bytes[done..]).unwrap();
            assert!(count > 0, "mtd{number} ends at {done:#x}: {}", context());
            done += count;
        }
        let place = part.start as usize..part.start as usize + bytes.len();
        assert!(
            bytes == chips[part.chip][place],
            "mtd{number}: {}",
            context()
        );
    }
}

#[rstest]
fn dumps_are_cut_where_any_form_says(
    #[values(Form::Own, Form::BootLog, Form::CommandLine, Form::MtdList)] form: Form,
) {
    for seed in 0..24 {
        cut(seed, form);
    }
}
