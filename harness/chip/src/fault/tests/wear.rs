//! Cells that age, and operations that do nothing and say that they did.

use super::*;
use crate::{Chip, EraseBlock, Geometry};

const GEOMETRY: Geometry = Geometry {
    size_bytes: 1024,
    erase_block_bytes: 256,
};

fn chip(spec: &str) -> Chip {
    let mut chip = Chip::new(GEOMETRY);
    let plan: FaultPlan = spec.parse().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(plan.to_string(), spec, "a plan prints as it was written");
    chip.set_faults(Some(plan));
    chip
}

fn read(chip: &mut Chip) -> Vec<u8> {
    let mut cells = vec![0; 1024];
    assert_eq!(chip.read(0, &mut cells), Ok(1024));
    cells
}

fn zeros(chip: &mut Chip) -> u32 {
    read(chip).iter().map(|byte| byte.count_zeros()).sum()
}

#[test]
fn silent_programs_and_erases_say_that_they_went_well() {
    let mut chip = chip("program-nothing@0x10+0x10,erase-nothing@0x100+0x100:once");
    assert_eq!(chip.program(0x10, &[0; 4]), Ok(()));
    assert_eq!(chip.program(0x20, &[0; 4]), Ok(()));
    assert_eq!(zeros(&mut chip), 32);
    chip.program(0x100, &[0; 4]).unwrap();
    assert_eq!(chip.erase(EraseBlock(1)), Ok(()));
    assert_eq!(zeros(&mut chip), 64, "the erase did nothing");
    assert_eq!(chip.erase(EraseBlock(1)), Ok(()));
    assert_eq!(zeros(&mut chip), 32, "the next one did");
    assert_eq!(chip.faults().unwrap().struck(), 2);
}

#[test]
fn each_erase_block_has_its_own_limit() {
    let mut chip = chip("wear@0x0+0x200:erases=2");
    for _ in 0..2 {
        assert_eq!(chip.erase(EraseBlock(0)), Ok(()));
    }
    assert_eq!(chip.erase(EraseBlock(0)), Err(Errno::IO));
    assert_eq!(chip.erase(EraseBlock(1)), Ok(()));
    for _ in 0..9 {
        assert_eq!(chip.erase(EraseBlock(2)), Ok(()), "not of the place");
    }
    // It belongs to the chip's value.
    let mut fork = chip.clone();
    assert_eq!(fork.erase(EraseBlock(1)), Ok(()));
    assert_eq!(fork.erase(EraseBlock(1)), Err(Errno::IO));
    assert_eq!(chip.erase(EraseBlock(1)), Ok(()));
}

#[test]
fn a_worn_block_keeps_zeros_or_its_contents() {
    let mut stuck = chip("wear:erases=1:end=stuck:seed=3");
    for times in 0..4 {
        stuck.erase(EraseBlock(1)).unwrap();
        assert_eq!(zeros(&mut stuck), times);
    }
    let mut pristine = [0; 256];
    stuck.peek(256, &mut pristine).unwrap();
    assert_eq!(pristine, [0xff; 256], "the overlay alone");

    let mut silent = chip("wear:erases=1:end=silent");
    silent.erase(EraseBlock(0)).unwrap();
    silent.program(0, &[0; 2]).unwrap();
    assert_eq!(silent.erase(EraseBlock(0)), Ok(()));
    assert_eq!(zeros(&mut silent), 16);
}

#[test]
fn reads_disturb_and_erases_heal() {
    let mut chip = chip("read-disturb@0x100+0x80:reads=3:seed=5");
    for expected in [0, 0, 1, 1, 1, 2] {
        assert_eq!(zeros(&mut chip), expected);
    }
    // Reads elsewhere do not count.
    for _ in 0..9 {
        chip.read(0, &mut [0; 16]).unwrap();
    }
    assert_eq!(zeros(&mut chip), 2);
    let flipped = read(&mut chip);
    assert!(
        flipped[..0x100]
            .iter()
            .chain(&flipped[0x180..])
            .all(|byte| *byte == 0xff)
    );
    chip.erase(EraseBlock(1)).unwrap();
    assert_eq!(
        zeros(&mut chip),
        1,
        "the ninth read, and nothing before the erase"
    );
    let again = |seed| {
        let mut chip = self::chip(&format!("read-disturb@0x100+0x80:reads=1:seed={seed}"));
        read(&mut chip)
    };
    assert_eq!(again(7), again(7));
    assert_ne!(again(7), again(8));
}

#[test]
fn bits_rot_with_every_operation_of_the_chip() {
    let mut chip = chip("bit-rot@0x200+0x100:every=4:seed=1");
    for n in 0..4 {
        chip.program(n, &[0xff]).unwrap();
    }
    assert_eq!(zeros(&mut chip), 1);
    assert_eq!(chip.faults().unwrap().struck(), 1);
}

#[rstest]
#[case("wear")]
#[case("wear:reads=3")]
#[case("wear:erases=0")]
#[case("wear:erases=3:end=badly")]
#[case("read-disturb:erases=3")]
#[case("bit-rot")]
#[case("read-error:erases=3")]
#[case("erase-error:end=stuck")]
fn a_plan_of_wear_that_makes_no_sense(#[case] spec: &str) {
    let error = spec.parse::<FaultPlan>().unwrap_err().to_string();
    assert!(error.contains(spec), "{error}");
}

/// Bits that stick stay stuck when others of the same byte do.
#[test]
fn stuck_bits_of_a_byte_add_up() {
    use rand_xoshiro::rand_core::SeedableRng;
    let mut age = crate::fault::wear::Age::default();
    let mut rng = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(1);
    for _ in 0..100 {
        age.stick(&(5..6), &mut rng);
    }
    let mut cells = [0xff; 3];
    assert_eq!(age.show(4, &mut cells), 1);
    assert_eq!(cells, [0xff, 0, 0xff]);
}
