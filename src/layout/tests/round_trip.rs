//! A chip cut into parts and put together is the chip; put together and cut again, the
//! parts. Over random layouts of several chips, with partitions in any order, over and
//! inside each other.

use super::model::{BLOCK, Form, Model};
use crate::backend::SimulatedBackend;
use crate::backup::{self, Folder, Manifest, Request, Work, join, plan_join};
use mtd_harness::layout::ReportedLayout;
use mtd_harness::profile::{ImagePart, from_images};
use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus as SmallRng;
use std::fs;
use std::path::{Path, PathBuf};

/// Backs up the partitions of a chip of dumps that a text cuts.
fn cut(text: &str, chips: &[PathBuf], names: &[String], at: &Path) -> (Folder, Manifest) {
    let layout = ReportedLayout::parse(text)
        .unwrap()
        .layout(BLOCK as u32)
        .unwrap();
    let part = |path: &PathBuf| ImagePart::new(path, 0);
    let parts: Vec<_> = chips.iter().map(part).collect();
    let backend = SimulatedBackend::new(from_images(&parts, &layout).unwrap());
    let folder = Folder::open_or_create(at).unwrap();
    let request = Request {
        partitions: names,
        ..Request::default()
    };
    let summary = backup::backup(&backend, &folder, &request, &Work::default()).unwrap();
    (folder, summary.manifest)
}

fn images(manifest: &Manifest) -> Vec<(u32, Option<String>)> {
    let images = manifest.images.iter();
    images
        .map(|image| (image.mtd, image.sha256.clone()))
        .collect()
}

fn round_trip(seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let model = Model::random(&mut rng);
    let text = model.text(Form::Own);
    let outer = tempfile::tempdir().unwrap();
    let mut dumps = Vec::new();
    for (chip, known) in model.chips.iter().enumerate() {
        let path = outer.path().join(format!("chip{chip}"));
        let bytes: Vec<u8> = (0..known.size_bytes).map(|_| rng.random()).collect();
        fs::write(&path, bytes).unwrap();
        dumps.push(path);
    }
    // Each image has the bytes at its place.
    let (folder, all) = cut(&text, &dumps, &[], &outer.path().join("all"));
    for (image, part) in all.images.iter().zip(&model.parts) {
        let dump = fs::read(&dumps[part.chip]).unwrap();
        let place = part.start as usize..(part.start + part.size_bytes) as usize;
        let file = outer.path().join("all").join(&image.file);
        assert!(
            fs::read(file).unwrap() == dump[place],
            "seed {seed}: {}",
            part.name
        );
    }
    drop(folder);
    let mut again = Vec::new();
    for (chip, dump) in dumps.iter().enumerate() {
        let on_chip = model.parts.iter().filter(|part| part.chip == chip);
        let names: Vec<_> = on_chip.map(|part| format!("mtd{}", part.number)).collect();
        let (folder, mut manifest) = cut(
            &text,
            &dumps,
            &names,
            &outer.path().join(format!("b{chip}")),
        );
        manifest
            .layout
            .retain(|entry| entry.chip == Some(chip as u32));
        let plan =
            plan_join(&manifest, None).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let mut joined = Vec::new();
        join(&folder, &plan, &mut |piece| {
            joined.extend_from_slice(piece);
            Ok(())
        })
        .unwrap();
        let mut wanted = fs::read(dump).unwrap();
        for gap in &plan.gaps {
            wanted[gap.start as usize..gap.end as usize].fill(0xff);
        }
        assert!(joined == wanted, "seed {seed}, chip {chip}:\n{text}");
        let path = outer.path().join(format!("joined{chip}"));
        fs::write(&path, joined).unwrap();
        again.push(path);
    }
    // What was put together is cut into the same parts.
    let (_, twice) = cut(&text, &again, &[], &outer.path().join("twice"));
    assert_eq!(images(&all), images(&twice), "seed {seed}");
}

#[test]
fn over_random_layouts() {
    for seed in 0..24 {
        round_trip(seed);
    }
}
